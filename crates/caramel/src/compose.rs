//! `caramel compose`: a message made from options and files, for pipes and scripts.
//!
//! Needs neither configuration nor store, and sends nothing. Not here: how messages are written
//! (the room `message`).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use mail::{Address, Timestamp};
use message::builder::{Builder, NAME_OCTETS_MAX};
use message::flowed::Paragraph;
use message::{answer_subject, forward_subject};
use net::Clock;

use crate::complaint::Complaint;
use crate::input;

mod files;
mod media;
pub(crate) mod moment;
mod original;
mod output;
mod people;
mod report;

use files::Attachments;
use original::Original;
use people::People;

/// Fields that have an option of their own, or that the builder writes.
const OWN_FIELDS: &[&str] = &[
    "bcc",
    "cc",
    "date",
    "disposition-notification-to",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "sender",
    "subject",
    "to",
];

/// What the message is to be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Header")]
pub(crate) struct Compose {
    /// Who writes: 'Ada <ada@example.org>', several with commas between.
    #[arg(long, value_name = "ADDRESSES", required = true)]
    from: Vec<String>,
    /// Which of several authors sends it.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Whom it is for; a group is 'Team: ada@example.org, alan@example.org;'.
    #[arg(long, value_name = "ADDRESSES")]
    to: Vec<String>,
    /// Who gets a copy.
    #[arg(long, value_name = "ADDRESSES")]
    cc: Vec<String>,
    /// Who gets a copy that others are not to know of. The field stays in what is written:
    /// `sendmail -t` reads it and takes it out, curl does not.
    #[arg(long, value_name = "ADDRESSES")]
    bcc: Vec<String>,
    /// Where answers are to go.
    #[arg(long, value_name = "ADDRESSES")]
    reply_to: Vec<String>,
    /// The subject.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = one_line)]
    subject: Option<String>,
    /// The date, as RFC 3339 or RFC 5322 has it; now unless given.
    #[arg(long, value_name = "DATE", value_parser = moment::parse)]
    date: Option<Timestamp>,
    /// The identifier; made up unless given.
    #[arg(long, value_name = "ID", value_parser = identifier)]
    message_id: Option<String>,
    /// Any other field: 'X-Name: value'.
    #[arg(long, value_name = "FIELD")]
    field: Vec<FieldLine>,
    /// Ask for a receipt when the message is shown, for the first author.
    #[arg(long, conflicts_with = "receipt")]
    ask_receipt: bool,
    /// Write header fields in UTF-8 instead of encoding them: for servers with SMTPUTF8 only.
    #[arg(long)]
    utf8: bool,

    /// The text, `-` for standard input, which is read unless another option says what there is.
    #[arg(long, value_name = "FILE", help_heading = "Body")]
    text: Option<PathBuf>,
    /// Each line of the text is a paragraph that may be wrapped anew (format=flowed).
    #[arg(long, help_heading = "Body")]
    flowed: bool,
    /// The text as HTML, alone or beside --text.
    #[arg(long, value_name = "FILE", help_heading = "Body")]
    html: Option<PathBuf>,
    /// A picture that the HTML shows as <img src="cid:ID">.
    #[arg(long, value_name = "ID=FILE", requires = "html", help_heading = "Body")]
    picture: Vec<Picture>,
    /// A file of any length; its media type is guessed from its name.
    #[arg(long, value_name = "FILE", help_heading = "Body")]
    attach: Vec<PathBuf>,
    /// A file of this media type.
    #[arg(long, value_names = ["TYPE", "FILE"], num_args = 2, help_heading = "Body")]
    attach_as: Vec<String>,
    /// A part that is ready, header and body, octet by octet: one that was signed.
    #[arg(long, value_name = "FILE", help_heading = "Body")]
    part: Vec<PathBuf>,

    /// Answer this letter: its sender, its subject, its thread.
    #[arg(
        long,
        value_name = "FILE",
        group = "letter",
        help_heading = "From a letter"
    )]
    answer: Option<PathBuf>,
    /// Answer everybody it was for.
    #[arg(long, requires = "answer", help_heading = "From a letter")]
    all: bool,
    /// Begin with its text, quoted.
    #[arg(long, requires = "answer", help_heading = "From a letter")]
    quote: bool,
    /// Send this letter on, enclosed.
    #[arg(
        long,
        value_name = "FILE",
        group = "letter",
        help_heading = "From a letter"
    )]
    forward: Option<PathBuf>,
    /// Send this letter on as it is, with Resent fields in front.
    #[arg(
        long,
        value_name = "FILE",
        group = "letter",
        conflicts_with_all = [
            "subject", "reply_to", "field", "ask_receipt", "text", "flowed", "html", "attach",
            "attach_as", "part",
        ],
        help_heading = "From a letter"
    )]
    resend: Option<PathBuf>,
    /// Write the receipt that this letter asks for: that it was shown. At most one is due to a
    /// letter; nobody but you can know of an earlier one.
    #[arg(
        long,
        value_name = "FILE",
        group = "letter",
        conflicts_with_all = ["to", "cc", "bcc", "html", "attach", "attach_as", "part"],
        help_heading = "From a letter"
    )]
    receipt: Option<PathBuf>,
    /// Complain of this letter as abuse, to whom --to says.
    #[arg(
        long,
        value_name = "FILE",
        group = "letter",
        requires = "to",
        conflicts_with_all = ["html", "attach", "attach_as", "part"],
        help_heading = "From a letter"
    )]
    complaint: Option<PathBuf>,

    /// Write the message there instead of to standard output; it is there whole or not at all.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// A field that was typed.
#[derive(Clone, Debug)]
struct FieldLine {
    name: String,
    value: String,
}

impl FromStr for FieldLine {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (name, value) = line.split_once(':').ok_or("a field is 'Name: value'")?;
        let graphic = name.bytes().all(|octet| octet.is_ascii_graphic());
        if !graphic || name.is_empty() || name.len() > NAME_OCTETS_MAX {
            return Err(format!("{name:?} is no field's name"));
        }
        let lower = name.to_ascii_lowercase();
        if OWN_FIELDS.contains(&lower.as_str()) || lower.starts_with("content-") {
            return Err(format!("{name} comes from other options"));
        }
        Ok(Self {
            name: name.to_owned(),
            value: one_line(value)?,
        })
    }
}

/// A picture and its identifier.
#[derive(Clone, Debug)]
struct Picture {
    id: String,
    path: PathBuf,
}

impl FromStr for Picture {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, path) = text.split_once('=').ok_or("a picture is ID=FILE")?;
        Ok(Self {
            id: identifier(id)?,
            path: path.into(),
        })
    }
}

/// A text that cannot become another field.
fn one_line(text: &str) -> Result<String, &'static str> {
    match text.contains(['\r', '\n', '\0']) {
        true => Err("a field is one line"),
        false => Ok(text.to_owned()),
    }
}

/// An identifier of a message or a part, with or without its brackets.
fn identifier(text: &str) -> Result<String, &'static str> {
    let bare = text.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    let bare = bare.unwrap_or(text);
    let read = message::message_ids(format!("<{bare}>").as_bytes());
    match read.as_slice() {
        [id] if id == bare.as_bytes() && bare.bytes().all(|octet| octet.is_ascii_graphic()) => {
            Ok(bare.to_owned())
        }
        _ => Err("an identifier is like 20261123.1@example.org"),
    }
}

/// Makes the message and writes it.
pub(crate) fn run(compose: &Compose) -> Result<(), Complaint> {
    compose.check_standard_input()?;
    let original = compose.letter().map(Original::read).transpose()?;
    let people = compose.people(original.as_ref())?;
    let date = compose.date.unwrap_or_else(Clock::today);
    let id = compose.id(&people)?;
    if let (Some(_), Some(original)) = (&compose.resend, &original) {
        let message = resent(compose.builder(), original, &people, date, &id)?;
        return output::message(compose.output.as_deref(), message);
    }
    let builder = addressed(compose.builder(), &people, date, &id);
    let builder = compose.fields(builder, &people, original.as_ref())?;
    let builder = compose.texts(builder, original.as_ref())?;
    let (builder, attachments) = compose.files(builder)?;
    let builder = match original {
        Some(original) => compose.letters(builder, &original, &people)?,
        None => builder,
    };
    output::pieces(compose.output.as_deref(), &builder.pieces(), attachments)
}

impl Compose {
    fn builder(&self) -> Builder {
        match self.utf8 {
            true => Builder::utf8(),
            false => Builder::new(),
        }
    }

    /// The letter that it is about.
    fn letter(&self) -> Option<&Path> {
        let mut letters = [
            &self.answer,
            &self.forward,
            &self.resend,
            &self.receipt,
            &self.complaint,
        ]
        .into_iter();
        letters.find_map(Option::as_deref)
    }

    fn check_standard_input(&self) -> Result<(), Complaint> {
        let named = [self.text.as_deref(), self.html.as_deref(), self.letter()];
        let standard = named
            .into_iter()
            .flatten()
            .filter(|path| input::is_standard(path));
        if standard.count() > 1 {
            let complaint = Complaint::usage("standard input can be read only once");
            return Err(complaint.next("give a file to one of the options"));
        }
        Ok(())
    }

    fn people(&self, original: Option<&Original>) -> Result<People, Complaint> {
        let sender: Vec<String> = self.sender.iter().cloned().collect();
        let mut people = People {
            from: people::typed("--from", &self.from)?,
            sender: people::typed("--sender", &sender)?,
            reply_to: people::typed("--reply-to", &self.reply_to)?,
            to: people::typed("--to", &self.to)?,
            cc: people::typed("--cc", &self.cc)?,
            bcc: people::typed("--bcc", &self.bcc)?,
        };
        people.check()?;
        if let (Some(_), Some(original)) = (&self.answer, original) {
            let (to, others) = people::answered(original.header(), &people.from);
            if people.to.is_empty() {
                people.to = to;
            }
            if self.all {
                people.cc.extend(others);
            }
            if people.nobody() {
                let complaint = Complaint::new("the letter does not say whom to answer");
                return Err(complaint.next("say it with --to"));
            }
        }
        if let (Some(_), Some(original)) = (&self.receipt, original) {
            people.to = report::wants_receipt(original, &people)?;
        }
        Ok(people)
    }

    /// The identifier that was given, or one that nobody has had before.
    fn id(&self, people: &People) -> Result<String, Complaint> {
        if let Some(id) = &self.message_id {
            return Ok(id.clone());
        }
        let mut octets = [0; 16];
        if let Err(error) = getrandom::fill(&mut octets) {
            return Err(Complaint::new("no identifier can be made up").because(error));
        }
        let number = u128::from_be_bytes(octets);
        let host = people.author().map(|author| author.host.to_ascii());
        Ok(format!("{number:032x}@{}", host.unwrap_or_default()))
    }

    /// All fields but those that [`addressed`] writes.
    fn fields(
        &self,
        mut builder: Builder,
        people: &People,
        original: Option<&Original>,
    ) -> Result<Builder, Complaint> {
        let mut subject = self.subject.clone();
        if let Some(original) = original {
            let header = original.header();
            let theirs = if self.answer.is_some() {
                answer_subject(header)
            } else if self.receipt.is_some() {
                report::receipt_subject(original)
            } else {
                forward_subject(header)
            };
            subject.get_or_insert(theirs);
            if self.answer.is_some() || self.receipt.is_some() {
                builder = builder.answering(header);
            }
        }
        if let Some(subject) = &subject {
            builder = builder.subject(subject);
        }
        if let Some(author) = people.author().filter(|_| self.ask_receipt) {
            // RFC 8098 §2.1
            builder = builder.addresses("Disposition-Notification-To", &[("", &author)]);
        }
        for FieldLine { name, value } in &self.field {
            let threaded = ["In-Reply-To", "References"];
            let threaded = threaded.iter().any(|own| own.eq_ignore_ascii_case(name));
            if threaded && (self.answer.is_some() || self.receipt.is_some()) {
                let complaint = Complaint::usage(format!("{name} comes from the letter"));
                return Err(complaint.next("leave the --field away"));
            }
            builder = builder.field(name, value);
        }
        Ok(builder)
    }

    /// Plain text and HTML.
    fn texts(&self, builder: Builder, original: Option<&Original>) -> Result<Builder, Complaint> {
        let mut text = self.plain()?;
        let quoted = match original.filter(|_| self.quote) {
            Some(original) => original.quoted(),
            None => Vec::new(),
        };
        if let (None, Some(original)) = (&text, original) {
            text = match (&self.receipt, &self.complaint) {
                (Some(_), _) => Some(report::receipt_text(original)),
                (_, Some(_)) => Some(report::complaint_text(original)),
                _ => None,
            };
        }
        let text = text.unwrap_or_default();
        let builder = match (text.is_empty() && quoted.is_empty(), self.flowed) {
            (true, _) => builder,
            (false, true) => {
                let mut all: Vec<Paragraph> = quoted;
                all.extend(original::paragraphs(&text));
                builder.flowed(&all)
            }
            (false, false) => builder.text(&(original::lines(&quoted) + &text)),
        };
        Ok(match &self.html {
            Some(path) => builder.html(&files::utf8(path)?),
            None => builder,
        })
    }

    /// The plain text; `None` where no option asks for one and standard input is not for it.
    fn plain(&self) -> Result<Option<String>, Complaint> {
        let made = self.receipt.is_some() || self.complaint.is_some();
        let taken = made || self.html.is_some() || self.letter().is_some_and(input::is_standard);
        let standard = Path::new("-");
        let path = self
            .text
            .as_deref()
            .or_else(|| (!taken).then_some(standard));
        path.map(files::utf8).transpose()
    }

    /// Pictures, files, parts that are ready.
    fn files(&self, mut builder: Builder) -> Result<(Builder, Attachments), Complaint> {
        for Picture { id, path } in &self.picture {
            builder = builder.picture(id, media::guess(path), &input::content(path)?);
        }
        let mut attachments = Attachments::default();
        for path in &self.attach {
            builder = attachments.add(builder, media::guess(path), path)?;
        }
        for pair in self.attach_as.chunks(2) {
            if let [media_type, path] = pair {
                builder =
                    attachments.add(builder, files::media_type(media_type)?, path.as_ref())?;
            }
        }
        for path in &self.part {
            builder = builder.as_is(&files::part(path)?);
        }
        Ok((builder, attachments))
    }

    /// What of the letter goes into the message.
    fn letters(
        &self,
        builder: Builder,
        original: &Original,
        people: &People,
    ) -> Result<Builder, Complaint> {
        Ok(if self.forward.is_some() {
            builder.enclose(&original.octets)
        } else if self.receipt.is_some() {
            report::receipt(builder, original, people)
        } else if self.complaint.is_some() {
            report::complaint(builder, original)
        } else {
            builder
        })
    }
}

/// Begins with who, to whom, when.
fn addressed(builder: Builder, people: &People, date: Timestamp, id: &str) -> Builder {
    builder
        .date(date)
        .correspondents("From", &people.from)
        .correspondents("Sender", &people.sender)
        .correspondents("Reply-To", &people.reply_to)
        .correspondents("To", &people.to)
        .correspondents("Cc", &people.cc)
        .correspondents("Bcc", &people.bcc)
        .message_id(id)
}

/// The letter itself, and in front who sent it on to whom.
// RFC 5322 §3.6.6
fn resent(
    builder: Builder,
    original: &Original,
    people: &People,
    date: Timestamp,
    id: &str,
) -> Result<Vec<u8>, Complaint> {
    if people.nobody() {
        return Err(
            Complaint::usage("--resend needs somebody to send the letter to")
                .next("say it with --to"),
        );
    }
    let builder = builder
        .field("Resent-Date", &date.to_rfc5322().to_string())
        .correspondents("Resent-From", &people.from)
        .correspondents("Resent-Sender", &people.sender)
        .correspondents("Resent-To", &people.to)
        .correspondents("Resent-Cc", &people.cc)
        .correspondents("Resent-Bcc", &people.bcc)
        .ids("Resent-Message-ID", &[id]);
    Ok(builder.in_front_of(&original.octets))
}

/// An address as the second part of a report's field has it.
fn typed(address: &Address) -> message::Typed {
    // RFC 6533 §3
    let kind = if address.needs_utf8() {
        "utf-8"
    } else {
        "rfc822"
    };
    message::Typed {
        kind: kind.to_owned(),
        text: address.written(),
    }
}
