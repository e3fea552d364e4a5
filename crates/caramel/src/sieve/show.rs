//! Faults and actions in words, and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use ::sieve::{Action, Cause, Deed, Fault, Filing, Outcome, Trouble};
use mail::FlagSet;
use serde_json::{Map, Value, json};

/// Each fault with the line it is in, and a caret below.
pub(super) fn faults(path: &Path, text: &[u8], faults: &[Fault]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = String::new();
    for fault in faults {
        let (line, column) = (fault.place.line, fault.place.column);
        let path = path.display();
        // Writing to a string cannot fail.
        writeln!(shown, "{path}:{line}:{column}: {}", fault.text).unwrap_or_default();
        let at = usize::try_from(line)
            .ok()
            .and_then(|line| line.checked_sub(1));
        if let Some(written) = at.and_then(|at| lines.get(at)) {
            let before = usize::try_from(column).unwrap_or(1).saturating_sub(1);
            // A tab stays one, so that the caret stands below.
            let blank = |letter: char| if letter == '\t' { '\t' } else { ' ' };
            let margin: String = written.chars().take(before).map(blank).collect();
            writeln!(shown, "  {written}\n  {margin}^").unwrap_or_default();
        }
        if let Some(hint) = &fault.hint {
            writeln!(shown, "  hint: {hint}").unwrap_or_default();
        }
    }
    shown
}

/// An action on one line.
pub(super) fn words(action: &Action) -> String {
    let mut line = action.deed.name().to_owned();
    let mut add = |text: &str| {
        line.push(' ');
        line.push_str(text);
    };
    match &action.deed {
        Deed::Keep { flags } => add_flags(flags, &mut add),
        Deed::FileInto(filing) => {
            add(&format!("{:?}", place(filing)));
            if filing.create {
                add("create");
            }
            add_flags(&filing.flags, &mut add);
        }
        Deed::Redirect(redirect) => add(&redirect.target.to_string()),
        Deed::Discard => {}
        Deed::Reject { reason, .. } => add(&format!("{reason:?}")),
        Deed::Vacation(reply) => add(&format!("{} {:?}", reply.to, reply.subject)),
        Deed::Notify(notice) => add(&format!("{} {:?}", notice.method, notice.subject)),
        Deed::Remember { id, seconds, .. } => add(&format!("{id:?} for {seconds} seconds")),
    }
    if action.changed.is_some() {
        line.push_str(" changed");
    }
    line
}

fn add_flags(flags: &FlagSet, add: &mut impl FnMut(&str)) {
    if !flags.is_empty() {
        add(&format!("flags {flags}"));
    }
}

/// The name of where it is filed: what goes before goes first.
fn place(filing: &Filing) -> &str {
    let id = filing.mailbox_id.as_deref();
    id.or(filing.special_use.as_deref())
        .unwrap_or(&filing.mailbox)
}

/// All actions, and what went wrong.
pub(super) fn json(outcome: &Outcome) -> Value {
    let actions: Vec<Value> = outcome.actions.iter().map(one).collect();
    let of = |said: &Trouble| {
        let Trouble { script, line, text } = said;
        json!({ "script": &**script, "line": line, "text": text })
    };
    let notes: Vec<Value> = outcome.notes.iter().map(of).collect();
    json!({ "actions": actions, "fault": outcome.fault.as_ref().map(of), "notes": notes })
}

fn one(action: &Action) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    put("action", action.deed.name().into());
    match &action.deed {
        Deed::Keep { flags } => put("flags", flag_names(flags)),
        Deed::FileInto(filing) => {
            put("mailbox", filing.mailbox.as_str().into());
            put("mailboxId", filing.mailbox_id.as_deref().into());
            put("specialUse", filing.special_use.as_deref().into());
            put("create", filing.create.into());
            put("flags", flag_names(&filing.flags));
        }
        Deed::Redirect(redirect) => put("to", redirect.target.to_string().into()),
        Deed::Discard => {}
        Deed::Reject { reason, .. } => put("reason", reason.as_str().into()),
        Deed::Vacation(reply) => {
            put("to", reply.to.to_string().into());
            put("subject", reply.subject.as_str().into());
            put("seconds", reply.seconds.into());
        }
        Deed::Notify(notice) => {
            put("method", notice.method.as_str().into());
            put("subject", notice.subject.as_str().into());
        }
        Deed::Remember {
            handle,
            id,
            seconds,
            ..
        } => {
            put("handle", handle.as_str().into());
            put("id", id.as_str().into());
            put("seconds", (*seconds).into());
        }
    }
    put("changed", action.changed.is_some().into());
    match &action.cause {
        Cause::Line { script, line } => {
            put("script", (&**script).into());
            put("line", (*line).into());
        }
        Cause::Implicit => put("implicit", true.into()),
    }
    Value::Object(object)
}

fn flag_names(flags: &FlagSet) -> Value {
    flags.iter().map(|flag| flag.to_string()).collect()
}
