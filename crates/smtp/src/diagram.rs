//! The drawing: what may follow what.
//!
//! Hold [`Phase::after`] beside RFC 5321 §4.1.4 and the drawing at the end of RFC 821. Not here:
//! the data each phase carries (`session`), the codes ([`crate::reply::listed`]).
//!
//! RFC 5321 §3, §4.1.4; RFC 1985 §5; RFC 2645 §5; RFC 3030 §2; RFC 3207 §4; RFC 4954 §4.

use std::fmt::Write as _;

use mail::ReplyCode;
use wire::drawing::Drawing;

use crate::reply::listed;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Connected; nobody has said a word.
    Greeting,
    /// Greeted with 554: only QUIT is left (RFC 5321 §3.1).
    Declined,
    /// Greeted; the peer has not said who it is.
    Hello,
    /// No transaction.
    Ready,
    /// AUTH waits for a response to a challenge.
    Auth,
    /// A transaction without recipients.
    Mail,
    /// A transaction with recipients.
    Rcpt,
    /// The body is coming, up to the lone dot.
    Data,
    /// The body is coming in chunks; between two of them.
    Chunks,
    /// Over.
    Closed,
}

/// What happens: a command, or what stands where a command would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The connection is made.
    Connect,
    /// HELO.
    Helo,
    /// EHLO.
    Ehlo,
    /// LHLO (RFC 2033 §4.1).
    Lhlo,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// AUTH from one who has logged in: never right (RFC 4954 §4).
    AuthAgain,
    /// The response to a challenge.
    Response,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// DATA for a body announced as BINARYMIME: never right (RFC 3030 §3).
    DataBinary,
    /// The lone dot.
    End,
    /// BDAT with more to come.
    Bdat,
    /// BDAT LAST.
    Last,
    /// RSET.
    Rset,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// ETRN: send what you keep for that host (RFC 1985 §5).
    Etrn,
    /// ATRN: the ends change places (RFC 2645 §5.2.1).
    Atrn,
    /// A line that is no command.
    Unknown,
    /// Nothing, for too long.
    Silence,
}

/// What the reply's code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 2yz.
    Success,
    /// 3yz.
    Intermediate,
    /// 4yz and 5yz, but 421.
    Failure,
    /// 421: the server gives up.
    Closing,
}

impl Class {
    /// The class of a code.
    #[must_use]
    pub const fn of(code: ReplyCode) -> Self {
        match (code.value(), code.class()) {
            (421, _) => Self::Closing,
            (_, mail::Class::Success) => Self::Success,
            (_, mail::Class::Intermediate) => Self::Intermediate,
            (_, mail::Class::Transient | mail::Class::Permanent) => Self::Failure,
        }
    }
}

impl Phase {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "Greeting",
            Self::Declined => "Declined",
            Self::Hello => "Hello",
            Self::Ready => "Ready",
            Self::Auth => "Auth",
            Self::Mail => "Mail",
            Self::Rcpt => "Rcpt",
            Self::Data => "Data",
            Self::Chunks => "Chunks",
            Self::Closed => "Closed",
        }
    }

    /// The phase after `verb` was answered with `class`; `None` where there is no such arrow.
    #[must_use]
    pub const fn after(self, verb: Verb, class: Class) -> Option<Self> {
        use Class::{Closing, Failure, Intermediate, Success};
        use Phase::{Auth, Chunks, Closed, Data, Declined, Greeting, Hello, Mail, Rcpt, Ready};
        Some(match (self, verb, class) {
            (Closed, _, _) => return None,
            (_, _, Closing) => Closed,

            (Greeting, Verb::Connect, Success) => Hello,
            (Greeting, Verb::Connect, Failure) => Declined,
            (Greeting, _, _) | (_, Verb::Connect, _) => return None,

            // The transaction is over either way.
            (Data, Verb::End, Success | Failure) => Ready,
            (Data, _, _) | (_, Verb::End, _) => return None,

            // The exchange is over unless there is another challenge.
            (Auth, Verb::Response, Success | Failure) => Ready,
            (Auth, Verb::Response, Intermediate) => Auth,
            (Auth, _, _) | (_, Verb::Response, _) => return None,

            (_, Verb::Quit, Success) => Closed,
            (Declined, _, Failure) => Declined,
            (Declined, _, _) => return None,

            // A chunk that fails takes the transaction with it (RFC 3030 §2).
            (Rcpt | Chunks, Verb::Bdat, Success) => Chunks,
            (Rcpt | Chunks, Verb::Last, Success) => Ready,
            (Rcpt | Chunks, Verb::Bdat | Verb::Last, Failure) => Ready,

            // A new hello resets (RFC 5321 §4.1.4).
            (_, Verb::Ehlo | Verb::Helo | Verb::Lhlo, Success) => Ready,
            (Hello, Verb::Rset, Success) => Hello,
            (_, Verb::Rset, Success) => Ready,
            // Begin again (RFC 3207 §4.2).
            (Ready, Verb::StartTls, Success) => Hello,
            (Ready, Verb::Auth, Success) => Ready,
            (Ready, Verb::Auth, Intermediate) => Auth,
            (Ready, Verb::Etrn, Success) => Ready,
            // Another conversation begins, with the ends the other way round (RFC 2645 §5.3).
            (Ready, Verb::Atrn, Success) => Closed,
            (Ready, Verb::Mail, Success) => Mail,
            (Mail | Rcpt, Verb::Rcpt, Success) => Rcpt,
            (Rcpt, Verb::Data, Intermediate) => Data,

            (here, Verb::Vrfy | Verb::Expn | Verb::Help | Verb::Noop, Success) => here,
            (here, _, Failure) => here,
            _ => return None,
        })
    }

    /// True if `verb` has its place here; where it has not, the reply is 503.
    #[must_use]
    pub const fn admits(self, verb: Verb) -> bool {
        self.after(verb, Class::Success).is_some()
            || self.after(verb, Class::Intermediate).is_some()
    }

    /// All phases, in the order of a conversation.
    pub const ALL: [Self; 10] = [
        Self::Greeting,
        Self::Declined,
        Self::Hello,
        Self::Ready,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Chunks,
        Self::Closed,
    ];
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 25] = [
        Self::Connect,
        Self::Helo,
        Self::Ehlo,
        Self::Lhlo,
        Self::StartTls,
        Self::Auth,
        Self::AuthAgain,
        Self::Response,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::DataBinary,
        Self::End,
        Self::Bdat,
        Self::Last,
        Self::Rset,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
        Self::Noop,
        Self::Quit,
        Self::Etrn,
        Self::Atrn,
        Self::Unknown,
        Self::Silence,
    ];

    /// The word for the drawing.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "(connect)",
            Self::Helo => "HELO",
            Self::Ehlo => "EHLO",
            Self::Lhlo => "LHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::AuthAgain => "AUTH again",
            Self::Response => "(response)",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::DataBinary => "DATA, binary",
            Self::End => ".",
            Self::Bdat => "BDAT",
            Self::Last => "BDAT LAST",
            Self::Rset => "RSET",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Etrn => "ETRN",
            Self::Atrn => "ATRN",
            Self::Unknown => "(unknown)",
            Self::Silence => "(silence)",
        }
    }
}

const CLASSES: [(Class, &str); 3] = [
    (Class::Success, "2"),
    (Class::Intermediate, "3"),
    (Class::Failure, "4/5"),
];

/// The whole drawing in Markdown: a Mermaid state diagram, the state table, and the codes.
#[must_use]
pub fn render() -> String {
    let drawing = Drawing {
        title: "SMTP: what may follow what",
        preface: "Made from `crates/smtp/src/diagram.rs`; not to be edited. 2yz is success, 3yz go \
            on, 4yz\nand 5yz failure; 421 leads from everywhere to Closed and is left out of the \
            drawing.",
        legend: "In the table `2 Ready` reads: a reply 2yz leads to Ready; `=` stays. Where a \
            field is\nempty a command is answered \"503 bad sequence\"; anything else cannot \
            happen there.",
        phases: &Phase::ALL,
        verbs: &Verb::ALL,
        classes: &CLASSES,
        failure: Class::Failure,
        after: Phase::after,
        loops: true,
        admits: Phase::admits,
        name: |verb| verb.name().to_owned(),
    };
    let mut page = drawing.to_string();
    page.push_str("\n## Codes (RFC 5321 §4.3.2 and the extensions)\n\n");
    page.push_str("| verb | codes |\n|---|---|\n");
    for verb in Verb::ALL {
        let codes: Vec<String> = listed(verb).iter().map(ToString::to_string).collect();
        let _written = writeln!(page, "| {} | {} |", verb.name(), codes.join(" "));
    }
    page
}
