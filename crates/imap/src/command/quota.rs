//! SETQUOTA and the names of resources (RFC 9208 §4.1, §5).

use bytes::{BufMut, BytesMut};

use crate::cursor::{Cursor, Read};
use crate::writing;

/// Limits one SETQUOTA may name.
const QUOTA_LIMITS_MAX: usize = 20;

/// Something that can be limited (RFC 9208 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Octets, in units of 1024.
    Storage,
    /// Messages.
    Message,
    /// Mailboxes.
    Mailbox,
    /// Octets of annotations, in units of 1024.
    AnnotationStorage,
    /// A resource we do not know, in upper case.
    Other(String),
}

impl Resource {
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Storage, "STORAGE"),
        (Self::Message, "MESSAGE"),
        (Self::Mailbox, "MAILBOX"),
        (Self::AnnotationStorage, "ANNOTATION-STORAGE"),
    ];

    /// As the wire writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            word => Self::WORDS
                .iter()
                .find(|(resource, _)| resource == word)
                .map_or("STORAGE", |(_, name)| name),
        }
    }

    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Read<Self> {
        let name = cursor.atom("a resource")?.to_ascii_uppercase();
        let word = Self::WORDS.iter().find(|(_, word)| *word == name);
        Ok(match word {
            Some((resource, _)) => resource.clone(),
            None => Self::Other(name),
        })
    }
}

pub(super) fn limits(cursor: &mut Cursor<'_>) -> Read<Vec<(Resource, u64)>> {
    let mut limits = Vec::new();
    cursor.list(|cursor| {
        if limits.len() == QUOTA_LIMITS_MAX {
            return cursor.error("at most 20 limits");
        }
        let resource = Resource::parse(cursor)?;
        cursor.space()?;
        limits.push((resource, cursor.number64()?));
        Ok(())
    })?;
    Ok(limits)
}

pub(super) fn write_limits(out: &mut BytesMut, limits: &[(Resource, u64)]) {
    writing::list(out, limits, |out, (resource, limit)| {
        out.put_slice(resource.name().as_bytes());
        out.put_u8(b' ');
        writing::number(out, *limit);
    });
}
