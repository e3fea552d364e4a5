//! What a script is told of the message and of how it came.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mail::{Address, FlagSet, Recipient, Ret, ReversePath, Timestamp};
use message::{Header, Outline, Part};

use crate::fields::Fields;

/// A message with its outline.
#[derive(Clone, Debug)]
pub struct Letter {
    octets: Bytes,
    outline: Arc<Outline>,
    /// Octets of it that are not here.
    behind: u64,
    /// The header, where it was changed.
    header: Option<Bytes>,
    /// The whole, where that was asked for since the last change.
    whole: Option<Bytes>,
    /// The header's fields, where they were asked for since.
    fields: OnceLock<Arc<Fields>>,
}

impl Letter {
    /// A message whose outline is there.
    #[must_use]
    pub const fn new(octets: Bytes, outline: Arc<Outline>) -> Self {
        Self {
            octets,
            outline,
            behind: 0,
            header: None,
            whole: None,
            fields: OnceLock::new(),
        }
    }

    /// A message of which only the first octets are here, its header among them: it has
    /// `octets_count` in all. What is not here is not looked through, and no script changes such a
    /// message: to want that is a fault.
    #[must_use]
    pub fn beginning(octets: Bytes, outline: Arc<Outline>, octets_count: u64) -> Self {
        let here = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        Self {
            behind: octets_count.saturating_sub(here),
            ..Self::new(octets, outline)
        }
    }

    /// Reads a message.
    #[must_use]
    pub fn parse(octets: Bytes) -> Self {
        let outline = Arc::new(Outline::parse(&octets));
        Self::new(octets, outline)
    }

    /// The header's fields as they are now, the blank line behind them included.
    pub(crate) fn header(&self) -> &[u8] {
        match &self.header {
            Some(header) => header,
            None => self.outline.root.header.of(&self.octets),
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.outline.root.body.of(&self.octets)
    }

    /// The octets that spans of [`Letter::root`] lie in.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn root(&self) -> &Part {
        &self.outline.root
    }

    /// True if all of it is here.
    pub(crate) const fn is_whole(&self) -> bool {
        self.behind == 0
    }

    /// Its octets, those among them that are not here.
    pub(crate) fn size(&self) -> u64 {
        let here = u64::try_from(self.len()).unwrap_or(u64::MAX);
        here.saturating_add(self.behind)
    }

    pub(crate) fn len(&self) -> usize {
        self.header().len() + self.body().len()
    }

    /// Puts another header in front of the body; how the body is read stays the same
    /// (RFC 5293 §7).
    pub(crate) fn set_header(&mut self, header: Vec<u8>) {
        self.header = Some(header.into());
        self.whole = None;
        self.fields = OnceLock::new();
    }

    /// The message as it is now.
    pub fn whole(&mut self) -> Bytes {
        if self.header.is_none() {
            return self.octets.clone();
        }
        let whole = self.whole.take();
        let whole = whole.unwrap_or_else(|| [self.header(), self.body()].concat().into());
        self.whole = Some(whole.clone());
        whole
    }

    /// The header of a part: of the whole message, or of one inside.
    pub(crate) fn header_of(&self, part: &Part) -> &[u8] {
        if part.header == self.root().header {
            self.header()
        } else {
            part.header.of(&self.octets)
        }
    }

    /// The fields of a part's header; those of the message's own are taken apart once.
    pub(crate) fn fields_of(&self, part: &Part) -> Arc<Fields> {
        if part.header == self.root().header {
            let fields = self.fields.get_or_init(|| {
                Arc::new(match &self.header {
                    Some(header) => Fields::read(header.clone()),
                    None => Fields::read(self.slice(part)).known(Arc::clone(&self.outline)),
                })
            });
            return Arc::clone(fields);
        }
        Arc::new(Fields::read(self.slice(part)))
    }

    /// The header of a part as it came.
    fn slice(&self, part: &Part) -> Bytes {
        self.octets.slice_ref(part.header.of(&self.octets))
    }

    /// The values of all fields with this name, decoded, trimmed and on one line.
    pub(crate) fn values(header: &[u8], name: &str) -> Vec<String> {
        let fields = Header::parse(header).filter(|field| field.is(name));
        fields.map(|field| Self::shown(field.value)).collect()
    }

    /// A field's value, decoded, trimmed and on one line.
    pub(crate) fn shown(value: &[u8]) -> String {
        message::decode_words(&message::unfold(value))
            .trim()
            .to_owned()
    }

    /// The part with this number, counted from the outside in and from the first to the last.
    pub(crate) fn part(&self, number: usize) -> Option<&Part> {
        match number {
            0 => Some(self.root()),
            _ => self.root().walk().nth(number),
        }
    }
}

/// Parts inside a part.
pub(crate) fn inside(part: &Part) -> usize {
    part.walk().count().saturating_sub(1)
}

/// How the message came, and for whom.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The message.
    pub letter: Letter,
    /// The envelope; none where the message was not delivered but stored (RFC 6785 §4.6): a test
    /// of it is then an error.
    pub envelope: Option<Arc<Envelope>>,
    /// The owner's addresses, the one to write from first.
    pub addresses: Vec<Address>,
    /// What a script may know of its surroundings, names in lower case (RFC 5183, RFC 6785 §4).
    pub environment: Vec<(String, String)>,
    /// What a spam filter says, if one was asked.
    pub spam: Option<Spam>,
    /// What a virus scanner says, from 1 (clean) to 5 (certainly infected), if one was asked
    /// (RFC 5235 §2.3).
    pub virus: Option<u8>,
    /// Where a detail begins in a local part (RFC 5233 §4): at the first of these letters.
    pub separators: Cow<'static, str>,
    /// The flags the message has before anything is done.
    pub flags: FlagSet,
}

/// What a spam filter says (RFC 5235 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spam {
    /// How likely it is spam: 0 to 100.
    pub percent: u8,
}

/// The envelope as one recipient's script sees it.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// The one recipient whose script it is.
    pub recipient: Recipient,
    /// How much of the message a report returns.
    pub ret: Option<Ret>,
    /// The sender's name for the envelope, decoded.
    pub envid: Option<String>,
    /// Who has submitted it: AUTH of RFC 4954 §5.
    pub auth: Option<String>,
    /// Until when it is to be delivered (RFC 2852).
    pub by: Option<By>,
}

/// The BY parameter of MAIL (RFC 2852 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The seconds that are left.
    pub seconds: i64,
    /// When they are over.
    pub time: Timestamp,
    /// True if the message goes back then.
    pub returns: bool,
    /// True if each relay reports.
    pub trace: bool,
}

impl Circumstances {
    /// A message of which nothing else is known.
    #[must_use]
    pub fn new(letter: Letter) -> Self {
        Self {
            letter,
            envelope: None,
            addresses: Vec::new(),
            environment: Vec::new(),
            spam: None,
            virus: None,
            separators: Cow::Borrowed("+"),
            flags: FlagSet::new(),
        }
    }

    /// The value of an item of the environment; none where it is not known.
    pub(crate) fn item(&self, name: &str) -> Option<&str> {
        let mut items = self.environment.iter();
        let found = items.find(|(item, _)| item.eq_ignore_ascii_case(name));
        if let Some((_, value)) = found {
            return Some(value);
        }
        // RFC 6785 §4.2: empty where it makes no sense.
        let empty = [
            "imap.user",
            "imap.email",
            "imap.cause",
            "imap.mailbox",
            "imap.changedflags",
        ];
        empty
            .iter()
            .any(|item| item.eq_ignore_ascii_case(name))
            .then_some("")
    }
}
