//! Blocks that do not pass, each with the reason.

use std::collections::BTreeMap;

/// File, block (`*` for all of the file), source, and why it is judged so.
const JUDGED: &[(&str, &str, &str, &str)] = &[
    (
        "execute/examples.svtest",
        "*",
        "-",
        "the scripts are not among these files",
    ),
    (
        "execute/smtp.svtest",
        "*",
        "5228 §4.2",
        "how it is sent on is the house's, not the language's",
    ),
    (
        "execute/errors.svtest",
        "Fileinto bad UTF-8 in folder name",
        "5228 §2.4.2",
        "refused when it is read, not when it is run: strings are UTF-8",
    ),
    (
        "extensions/envelope.svtest",
        "Envelope - invalid paths",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/envelope.svtest",
        "Envelope - syntax errors",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/envelope.svtest",
        "Envelope - source route errors",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/envelope.svtest",
        "Envelope - local part only",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/envelope.svtest",
        "Envelope - Japanese localpart",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/envelope.svtest",
        "Envelope - Non-standard hostnames",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/imap4flags/execute.svtest",
        "Flags Side Effect",
        "5232 §5",
        ITS_OWN_FLAG,
    ),
    (
        "extensions/imap4flags/flagstore.svtest",
        "*",
        "5232 §5",
        ITS_OWN_FLAG,
    ),
    (
        "extensions/imap4flags/multiscript.svtest",
        "Internal Flags",
        "5232 §5",
        ITS_OWN_FLAG,
    ),
    (
        "extensions/imap4flags/flagstring.svtest",
        "*",
        "5232 §3",
        "flags may come in any order: here system flags come first",
    ),
    (
        "extensions/regex/errors.svtest",
        "Runtime errors",
        "5228 §2.10.6",
        "an expression that is none is an error, and the message is kept",
    ),
    (
        "extensions/reject/smtp.svtest",
        "Basic",
        "5429 §2",
        "how it is refused is the house's",
    ),
    (
        "extensions/mailbox/errors.svtest",
        "Mailboxexists - bad UTF-8 in mailbox name",
        "5228 §2.4.2",
        "refused when it is read, not when it is run: strings are UTF-8",
    ),
    (
        "extensions/vacation/execute.svtest",
        "Action",
        "5230 §4.5",
        "who gets no answer is known while the script runs, not behind it",
    ),
    (
        "extensions/vacation/execute.svtest",
        "Using :seconds tag",
        "5230 §4.5",
        "who gets no answer is known while the script runs, not behind it",
    ),
    (
        "extensions/vacation/message.svtest",
        "Subject - configured, no subject",
        "5230 §5.3",
        SETTING,
    ),
    (
        "extensions/vacation/message.svtest",
        "Subject - configured, full variable",
        "5230 §5.3",
        SETTING,
    ),
    (
        "extensions/vacation/message.svtest",
        "Reply to",
        "5230 §5.5",
        "To has the address, without a name",
    ),
    (
        "extensions/vacation/message.svtest",
        "Reply to sender",
        "5230 §5.5",
        "To has the address, without a name",
    ),
    (
        "extensions/vacation/message.svtest",
        "Reply to unknown",
        "5230 §5.5",
        "To has the address, without brackets",
    ),
    (
        "extensions/vacation/message.svtest",
        "Reply to (ignored envelope)",
        "5230 §4",
        SETTING,
    ),
    (
        "extensions/vacation/message.svtest",
        "Send from recipient",
        "5230 §5.1",
        SETTING,
    ),
    (
        "extensions/vacation/reply.svtest",
        "Reply for original recipient",
        "5230 §4.5",
        SETTING,
    ),
    (
        "extensions/vacation/reply.svtest",
        "Reply for any recipient",
        "5230 §4.5",
        SETTING,
    ),
    (
        "extensions/vacation/smtp.svtest",
        "Bad recipient address (from message)",
        "5321 §4.1.2",
        NO_PATH,
    ),
    (
        "extensions/vacation/utf-8.svtest",
        "MIME Encoded Subject",
        "5230 §4.3",
        "a subject is text: what looks like an encoded word stays so",
    ),
];

/// What the other server lets its owner choose.
const SETTING: &str = "a setting of the other server";
/// Paths that SMTP does not let in.
const NO_PATH: &str = "what is no path never gets as far as a script";
/// A flag that the other server sets by itself.
const ITS_OWN_FLAG: &str = "$HasNoAttachment is the other server's own doing, and counted";

/// The line that judges a block.
pub(crate) fn find(file: &str, block: &str) -> Option<usize> {
    JUDGED
        .iter()
        .position(|(judged, name, ..)| *judged == file && (*name == "*" || *name == block))
}

/// Lines whose blocks all pass.
pub(crate) fn unused(used: &BTreeMap<usize, bool>) -> Vec<String> {
    let all = JUDGED.iter().enumerate();
    let idle = all.filter(|(at, _)| used.get(at) != Some(&true));
    idle.map(|(_, (file, block, ..))| format!("{file}: {block}"))
        .collect()
}
