//! Settings of what happens to letters on their way to other hosts, beside those of `setting`.

use super::{Kind, Setting, settings};

settings! {
    TRANSFER:
    LOCAL_PROGRAMS = ["local"] "programs": Kind::Endpoint, "",
        "\"unix:/run/caramel-programs/lmtp\"",
        "The socket of the process that runs programs which `aliases` names (`|program`): `caramel \
         programs`, under a user of its own. Letters wait in the queue for it. Without it such \
         lines are a fault: the server runs no program for a letter.";
    LOCAL_FORWARD = ["local"] "forward": Kind::UserPath, "", "\"/home/{user}/.forward\"",
        "Where users have their `.forward`, in which `{user}` stands for the name of an account \
         at the domain of names that have none (`domain`): what reaches the account goes where \
         the file says, as with Postfix. The server looks at these files every five seconds, and \
         has to be able to read them. One counts that its user owns, or root, that is no link, \
         and that nobody else may write; where anything is wrong in it, letters stay in the \
         mailbox, and a line in the log says why. Without it, such files do not count.";
    LOCAL_FORWARD_PROGRAMS = ["local"] "forward_programs": Kind::UserSocket, "",
        "\"unix:/run/caramel-forward/{user}/lmtp\"",
        "The socket at which a user runs the programs of the own `.forward` (`|program`), for whom \
         `{user}` stands: `caramel programs --forward`, under that very user. Letters wait in the \
         queue for it. Without it such lines are a fault.";
    RELAY_SOURCE = ["relay"] "source": Kind::Many(&Kind::Ip), "[]",
        "[\"192.0.2.25\", \"2001:db8::25\"]",
        "The addresses of this machine that other hosts are called from: one of IPv4, one of IPv6, \
         or one of them. Where there is none of a host's kind, the system chooses. From one that \
         is none of this machine's nothing leaves: letters wait, and `caramel why` says so.";
    RELAY_PROTOCOL = ["relay"] "protocol": Kind::Word(&["smtp", "lmtp"]), "\"smtp\"",
        "\"lmtp\"",
        "What `host` speaks. `lmtp` is for mail systems that put letters into mailboxes, such as \
         Dovecot's: each recipient gets an answer of its own, so that the mailbox that is full \
         keeps none of the others waiting. It has no usual port, and is not spoken at port 25.";
    ROUTE_SENDER = ["relay.route"] "sender": Kind::Host, "", "\"example.org\"",
        "The domain of the senders whose mail goes this way. Without it, any.";
    ROUTE_RECIPIENT = ["relay.route"] "recipient": Kind::Host, "", "\"example.net\"",
        "The domain of the recipients whose mail goes this way. Without it, any.";
    ROUTE_HOST = ["relay.route"] "host": Kind::Reach, "", "\"smtp.example.net:587\"",
        "The host it goes through, or a socket of this machine, to which passwords go without TLS. \
         Without it, the hosts that the domain names.";
    ROUTE_PROTOCOL = ["relay.route"] "protocol": Kind::Word(&["smtp", "lmtp"]), "\"smtp\"",
        "\"lmtp\"", "As in `[relay]`.";
    ROUTE_USER = ["relay.route"] "user": Kind::Name, "", "\"mail.example.org\"",
        "As in `[relay]`.";
    ROUTE_PASSWORD = ["relay.route"] "password_file": Kind::Path, "",
        "\"/etc/caramel/route-password\"", "As in `[relay]`.";
    ROUTE_TLS = ["relay.route"] "tls": Kind::Word(&["starttls", "implicit", "none"]),
        "\"starttls\"", "\"implicit\"", "As in `[relay]`.";
    ROUTE_CA = ["relay.route"] "ca": Kind::Path, "", "\"/etc/caramel/route-ca.pem\"",
        "As in `[relay]`.";
    ROUTE_SOURCE = ["relay.route"] "source": Kind::Many(&Kind::Ip), "", "[\"192.0.2.26\"]",
        "As in `[relay]`; without it, what stands there.";
    QUEUE_RETRY = ["queue"] "retry": Kind::Many(&Kind::Span),
        "[\"5m\", \"10m\", \"20m\", \"40m\", \"1h\", \"2h\", \"4h\"]", "[\"10m\", \"1h\"]",
        "How long a letter waits after its first attempt, after its second, and so on; the last \
         again and again. Up to a fifth is added by chance, so that what failed together is not \
         tried together for ever.";
    QUEUE_EXPIRE = ["queue"] "expire": Kind::Span, "\"5d\"", "\"3d\"",
        "How long after it was accepted a letter is given up, and its sender told.";
    QUEUE_WARN_AFTER = ["queue"] "warn_after": Kind::Span, "\"4h\"", "\"1d\"",
        "How long after it was accepted the sender of a letter is told, once, that it still waits; \
         `0s` for never.";
    QUEUE_LETTERS = ["queue"] "letters": Kind::Count, "5000000", "100000",
        "How many letters the queue may have, each counted once for each destination. Beyond it \
         more are refused for the moment.";
    QUEUE_SUPPRESS = ["queue"] "suppress": Kind::Span, "\"0s\"", "\"30d\"",
        "How long nothing is sent to an address whose host said that there is nobody (550 5.1.1 \
         and its like): who sends to it is told so at once. `caramel queue suppressed` lists such \
         addresses, `caramel queue unsuppress` lets mail go to them again. `0s` for not at all.";
    REWRITE_OF = ["rewrite"] "of": Kind::Word(&["recipient", "sender"]), "", "\"recipient\"",
        "Whose address it is: a recipient's, of every letter that comes in; or a sender's, of \
         letters that people and programs of this house hand in and those that come from `[relay] \
         trusted`. Recipients are rewritten in the envelope, senders there and in `From`, \
         `Sender`, `Reply-To` and their `Resent-` kin. Has to be written.";
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
