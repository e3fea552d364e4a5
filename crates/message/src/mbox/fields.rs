//! The fields in which mail programs keep what they know of a message: `Status`, `X-Status`,
//! `X-Keywords`, `X-UID`, and of the whole file `X-IMAP` or `X-IMAPbase` in the first message.
//!
//! No standard has them. Letters: `R` is read, `O` is not recent, `A` answered, `F` flagged, `D`
//! deleted, `T` a draft.

use mail::{Flag, FlagSet, Keyword, Uid, UidValidity};

use crate::header::{Field, Header};

/// What these fields said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The message's flags.
    pub flags: FlagSet,
    /// Its UID.
    pub uid: Option<Uid>,
    /// The UIDVALIDITY of the whole mailbox, where the first message says it.
    pub uidvalidity: Option<UidValidity>,
    /// The last UID that was given, where the first message says it.
    pub last_uid: Option<Uid>,
    /// True if this is no message but where a mail program keeps what it knows of the mailbox.
    pub is_internal: bool,
}

/// All these fields' names.
const NAMES: [&str; 7] = [
    "Status",
    "X-Status",
    "X-Keywords",
    "X-UID",
    "X-IMAP",
    "X-IMAPbase",
    LENGTH,
];
pub(super) const LENGTH: &str = "Content-Length";

/// True if it is one of them.
pub(super) fn is_one(field: &Field<'_>) -> bool {
    NAMES.iter().any(|name| field.is(name))
}

impl Fields {
    /// Reads them from a header.
    pub(super) fn read(header: &[u8]) -> Self {
        let mut fields = Self::default();
        let mut subject = None;
        for field in Header::parse(header) {
            let value = field.unfolded();
            let value = String::from_utf8_lossy(&value);
            match field.name.to_ascii_lowercase().as_slice() {
                b"status" => fields.letters(&value, &[(b'R', Flag::Seen)]),
                b"x-status" => fields.letters(&value, &X_STATUS),
                b"x-keywords" => {
                    let words = value.split([' ', ',']).filter_map(Keyword::parse);
                    words.for_each(|word| fields.flags.insert(Flag::Keyword(word)));
                }
                b"x-uid" => fields.uid = number(&value).and_then(Uid::new),
                b"x-imap" => {
                    fields.is_internal = true;
                    fields.base(&value);
                }
                b"x-imapbase" => fields.base(&value),
                b"subject" => subject = Some(value.into_owned()),
                _ => {}
            }
        }
        let internal = subject.is_some_and(|subject| subject.contains("FOLDER INTERNAL DATA"));
        fields.is_internal &= internal;
        fields
    }

    fn letters(&mut self, value: &str, known: &[(u8, Flag)]) {
        for (letter, flag) in known {
            if value.bytes().any(|octet| octet == *letter) {
                self.flags.insert(flag.clone());
            }
        }
    }

    /// `uidvalidity last-uid keyword …`
    fn base(&mut self, value: &str) {
        let mut words = value.split_whitespace();
        self.uidvalidity = words.next().and_then(number).and_then(UidValidity::new);
        self.last_uid = words.next().and_then(number).and_then(Uid::new);
    }

    /// Writes them, each line with LF.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if let Some(uidvalidity) = self.uidvalidity {
            let last = self.last_uid.map_or(0, Uid::value);
            let base = format!("X-IMAPbase: {} {last:010}\n", uidvalidity.value());
            out.extend_from_slice(base.as_bytes());
        }
        let seen = if self.flags.contains(&Flag::Seen) {
            "RO"
        } else {
            "O"
        };
        out.extend_from_slice(format!("Status: {seen}\n").as_bytes());
        let has = |(_, flag): &&(u8, Flag)| self.flags.contains(flag);
        let letters: Vec<u8> = X_STATUS
            .iter()
            .filter(has)
            .map(|(letter, _)| *letter)
            .collect();
        if !letters.is_empty() {
            out.extend_from_slice(b"X-Status: ");
            out.extend_from_slice(&letters);
            out.push(b'\n');
        }
        if !self.flags.keywords().is_empty() {
            out.extend_from_slice(b"X-Keywords:");
            for keyword in self.flags.keywords() {
                out.push(b' ');
                out.extend_from_slice(keyword.as_str().as_bytes());
            }
            out.push(b'\n');
        }
        if let Some(uid) = self.uid {
            out.extend_from_slice(format!("X-UID: {}\n", uid.value()).as_bytes());
        }
    }
}

const X_STATUS: [(u8, Flag); 4] = [
    (b'A', Flag::Answered),
    (b'D', Flag::Deleted),
    (b'F', Flag::Flagged),
    (b'T', Flag::Draft),
];

fn number(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}
