//! A message taken apart and put together: header fields, MIME tree, encoded words.
//!
//! [`Outline::parse`] reads a message once, at delivery, and keeps where everything is: what IMAP
//! calls ENVELOPE and BODYSTRUCTURE, and the octet ranges behind each section. It never fails:
//! what is no message still has an outline. All time is linear in the input, all nesting bounded
//! by [`Limits`].
//!
//! Not here: signatures (the room that checks trust reads raw octets), whether to believe what a
//! field says, where messages are kept.
//!
//! ```
//! let message = b"Subject: hi\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
//!     --b\r\n\r\none\r\n--b\r\nContent-Type: image/gif\r\n\r\nGIF\r\n--b--\r\n";
//! let outline = message::Outline::parse(message);
//! assert_eq!(outline.digest.subject_text(), "hi");
//! let second = outline.part(&[2]).expect("there are two");
//! assert_eq!(second.body.of(message), b"GIF");
//! ```
//!
//! RFCs: 5322 (form of a message), 2045–2047 and 2049 (MIME), 6152 §3 (bodies for hosts that take
//! ASCII only), 2183 (disposition), 2231 (parameters), 2152 (UTF-7), 3676 (flowed text), 5051
//! (collation), 6203 (texts alike), 5256 (base subject, references, threads) and 5957 (what lists
//! are sorted by), 2369, 2919 and 8058 (mailing lists), 4155 (mbox), 8601 (results of checks),
//! 3464, 6533, 8098 and 5965 (reports), 8621 §4.1 (JMAP's views), 9051 §6.4.5.1 and §7.5.2 (what
//! IMAP needs of it).

pub mod address;
pub mod authentication;
pub mod builder;
pub mod charset;
mod codec;
pub mod collation;
pub mod date;
pub mod decode;
pub mod digest;
pub mod disposition;
pub mod enclosed;
pub mod encoded_word;
pub mod feedback;
pub mod field_name;
pub mod flowed;
pub mod fuzzy;
pub mod header;
pub mod html;
pub mod ids;
pub mod leniency;
pub mod list;
pub mod maildir;
pub mod mbox;
pub mod outline;
pub mod parameter;
pub mod part;
mod reader;
pub mod received;
mod scan;
pub mod scanner;
pub mod section;
pub mod seven_bit;
pub mod status;
pub mod stored;
pub mod table;
pub mod text;
pub mod thread;
mod tnef;
mod utf7;
pub mod view;

pub use address::{
    AddressVerdict, Correspondent, judge_address, parse_addresses, parse_addresses_noting,
};
pub use authentication::{AuthenticationProperty, AuthenticationResult, AuthenticationResults};
pub use builder::Builder;
pub use collation::{SortText, casemap};
pub use date::{parse_date, parse_date_noting};
pub use decode::{
    Decoded, Decoder, Encoding, QuotedPrintableEncoder, decode_part, decode_transfer,
    encode_base64, encode_quoted_printable,
};
pub use digest::Digest;
pub use disposition::DispositionNotification;
pub use enclosed::{Enclosed, enclosed};
pub use encoded_word::{decode_words, decode_words_noting};
pub use feedback::FeedbackReport;
pub use field_name::FieldName;
pub use fuzzy::{FuzzyNeedle, FuzzyWord, Tally, bare};
pub use header::{Field, Header, unfold};
pub use ids::{message_ids, message_ids_noting};
pub use leniency::{Leniencies, Leniency};
pub use list::{ListId, MailingList, keywords, list_id, list_is_closed, list_uris, one_click};
pub use outline::{Limits, Outline, Wanted};
pub use parameter::{Parameter, disposition_noting, media_type_noting};
pub use part::{Content, Disposition, Part, Span};
pub use received::Received;
pub use scanner::{Scanned, Scanner};
pub use section::{Located, Section, Specifier, filter_header};
pub use seven_bit::{Obstacle, to_seven_bit};
pub use status::{Action, DeliveryStatus, RecipientStatus, Typed};
pub use stored::{
    LeafKind, StoredAddress, StoredContent, StoredDigest, StoredDisposition, StoredKind,
    StoredList, StoredOutline, StoredPart, StoredParts,
};
pub use table::{Kind, Table, Text};
pub use text::{
    Needle, SEARCH_TEXT_VERSION, decode_text, fold, header_text, part_text, search_text,
};
pub use thread::{
    BaseSubject, ByReferences, BySubject, Member, ancestry, answer_subject, base_subject,
    forward_subject, references,
};

/// What can go wrong here: only reading a stored outline back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stored octets are of a version this program does not know.
    #[error("reading an outline: unknown version {0}")]
    Version(u8),
    /// The stored octets end early or contradict themselves.
    #[error("reading an outline: damaged at octet {0}")]
    Damaged(usize),
}
