//! Settings of what happens to letters between hosts, beside those of `setting`.

use super::{Kind, Setting, settings};

settings! {
    TRANSFER:
    RELAY_SOURCE = ["relay"] "source": Kind::Many(&Kind::Ip), "[]",
        "[\"192.0.2.25\", \"2001:db8::25\"]",
        "The addresses of this machine that other hosts are called from: one of IPv4, one of IPv6, \
         or one of them. Where there is none of a host's kind, the system chooses. From one that \
         is none of this machine's nothing leaves: letters wait, and `caramel why` says so.";
    ROUTE_SOURCE = ["relay.route"] "source": Kind::Many(&Kind::Ip), "", "[\"192.0.2.26\"]",
        "As in `[relay]`; without it, what stands there.";
    REWRITE_OF = ["rewrite"] "of": Kind::Word(&["recipient", "sender"]), "", "\"recipient\"",
        "Whose address it is: a recipient's, of every letter that comes in; or a sender's, of \
         letters that people and programs of this house hand in and those that come from `[relay] \
         trusted`. Recipients are rewritten in the envelope, senders there and in `From`, `Sender`, \
         `Reply-To` and their `Resent-` kin. Has to be written.";
    REWRITE_FROM = ["rewrite"] "from": Kind::Pattern, "", "\"@old.example\"",
        "Which address, or which domain. `ada@old.example` is `ada+tea@old.example` as well, and \
         `+tea` stays. Has to be written.";
    REWRITE_TO = ["rewrite"] "to": Kind::Pattern, "", "\"@example.org\"",
        "What it becomes: of a domain, the name stays. Has to be written.";
    COPY_SENDER = ["copy"] "sender": Kind::Pattern, "", "\"ada@example.org\"",
        "Of letters from whom, as the envelope has it. Without it, from anybody.";
    COPY_RECIPIENT = ["copy"] "recipient": Kind::Pattern, "", "\"@example.org\"",
        "Of letters to whom, as the envelope names them. Without it, to anybody.";
    COPY_TO = ["copy"] "to": Kind::Mail, "", "\"archive@example.org\"",
        "Who gets it: an account, an alias, or an address elsewhere. Has to be written.";
    SENDS_OF = ["limits.sends"] "of": Kind::Pattern, "", "\"@example.org\"",
        "Whom it is about: an account by its address, or all accounts of a domain together. Has to \
         be written.";
    SENDS_OF_PER_HOUR = ["limits.sends"] "per_hour": Kind::Count, "", "500",
        "To how many recipients elsewhere they may send at once, and again in each hour. Without \
         it, any number.";
    SENDS_OF_PER_DAY = ["limits.sends"] "per_day": Kind::Count, "", "5000",
        "The same by the day.";
}
