//! Identifiers: distinct types, so that one is never taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_base32(self.0, f)
            }
        }

        impl $name {
            /// Reads what `Display` wrote.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse_base32(text).map(Self)
            }
        }
    };
}

id! {
    /// An account: a person's mail, one partition of the ledger.
    AccountId
}
id! {
    /// A mailbox (folder) inside an account; never reused (RFC 8474 §5.1 MAILBOXID).
    MailboxId
}
id! {
    /// A message inside an account, one for all its copies in mailboxes (RFC 8474 §5.2 EMAILID).
    EmailId
}
id! {
    /// A conversation, in whatever account its messages are (RFC 8474 §5.2 THREADID).
    ThreadId
}
id! {
    /// A connection, for logs.
    ConnId
}
id! {
    /// One message's way through the house, from MAIL to its last event.
    JourneyId
}
id! {
    /// One letter for one destination in the queue; never used again.
    QueueId
}

/// An immutable blob, named by the BLAKE3 hash of its octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// Crockford's alphabet in lower case: no `i`, `l`, `o`, `u`, so that a voice can carry it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn write_base32(value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digits = (64 - value.leading_zeros()).div_ceil(5).max(1);
    for digit in (0..digits).rev() {
        let index = usize::try_from((value >> (digit * 5)) & 31).unwrap_or_default();
        let letter = ALPHABET.get(index).copied().unwrap_or(b'0');
        fmt::Write::write_char(f, char::from(letter))?;
    }
    Ok(())
}

fn parse_base32(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 13 {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, letter| {
        let digit = ALPHABET
            .iter()
            .position(|&known| known == letter.to_ascii_lowercase())?;
        value
            .checked_mul(32)?
            .checked_add(u64::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        for value in [0, 1, 31, 32, 1023, 1 << 40, u64::MAX] {
            let text = JourneyId(value).to_string();
            assert_eq!(JourneyId::parse(&text), Some(JourneyId(value)), "{text}");
        }
        assert_eq!(JourneyId::parse(""), None);
        assert_eq!(JourneyId::parse("u"), None);
        assert_eq!(JourneyId::parse("zzzzzzzzzzzzz"), None);
    }
}
