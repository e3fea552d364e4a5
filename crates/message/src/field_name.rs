//! The names of header fields that are looked for often, as one octet instead of a text.
//!
//! Not here: what their values mean.

/// Declares the names: variant and the name in lower case.
macro_rules! field_names {
    ($($variant:ident, $name:literal;)*) => {
        /// A header field's name, where it is one of the well-known.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum FieldName {
            /// Any other name.
            #[default]
            Other,
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl FieldName {
            /// All names but [`FieldName::Other`].
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in lower case; empty for any other.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    Self::Other => "",
                    $(Self::$variant => $name,)*
                }
            }

            /// The well-known name that is this one in lower case.
            #[expect(non_upper_case_globals, reason = "constants named as the variants")]
            fn of_lower(name: &[u8]) -> Self {
                $(const $variant: &[u8] = $name.as_bytes();)*
                match name {
                    $($variant => Self::$variant,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

field_names! {
    // RFC 5322 §3.6
    Date, "date";
    From, "from";
    Sender, "sender";
    ReplyTo, "reply-to";
    To, "to";
    Cc, "cc";
    Bcc, "bcc";
    MessageId, "message-id";
    InReplyTo, "in-reply-to";
    References, "references";
    Subject, "subject";
    ReturnPath, "return-path";
    Received, "received";
    // RFC 2045 §3, RFC 2183, RFC 1864, RFC 3282, RFC 2557
    MimeVersion, "mime-version";
    ContentType, "content-type";
    ContentTransferEncoding, "content-transfer-encoding";
    ContentId, "content-id";
    ContentDescription, "content-description";
    ContentDisposition, "content-disposition";
    ContentMd5, "content-md5";
    ContentLanguage, "content-language";
    ContentLocation, "content-location";
    // RFC 8601, RFC 6376, RFC 2919
    AuthenticationResults, "authentication-results";
    DkimSignature, "dkim-signature";
    ListId, "list-id";
}

/// Octets of the longest well-known name.
const NAME_OCTETS_MAX: usize = 25;

impl FieldName {
    /// The well-known name that is this one in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let mut lower = [0_u8; NAME_OCTETS_MAX];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return Self::Other;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        Self::of_lower(lower)
    }

    /// True for the MIME fields, of which one of each may stand in a header (RFC 2045 §3).
    #[must_use]
    pub const fn is_mime(self) -> bool {
        (self as u8) >= (Self::ContentType as u8) && (self as u8) <= (Self::ContentLocation as u8)
    }

    /// True for the fields of which one may stand in a message's header (RFC 5322 §3.6).
    #[must_use]
    pub const fn is_unique(self) -> bool {
        (self as u8) >= (Self::Date as u8) && (self as u8) <= (Self::Subject as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        for &name in FieldName::ALL {
            assert!(name.text().len() <= NAME_OCTETS_MAX);
            assert_eq!(FieldName::of(name.text().as_bytes()), name);
            assert_eq!(FieldName::of(name.text().to_uppercase().as_bytes()), name);
            assert!(!(name.is_mime() && name.is_unique()));
        }
        for other in ["", "t", "too", "x-subject", "content-transfer-encodings"] {
            assert_eq!(FieldName::of(other.as_bytes()), FieldName::Other);
        }
        let count =
            |is: fn(FieldName) -> bool| FieldName::ALL.iter().filter(|name| is(**name)).count();
        assert_eq!(count(FieldName::is_mime), 8);
        assert_eq!(count(FieldName::is_unique), 11);
        assert!(FieldName::ALL.len() < 63);
    }
}
