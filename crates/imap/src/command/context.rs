//! CANCELUPDATE (RFC 5267 §4.3.5).

use bytes::{BufMut, BytesMut};

use super::Tag;
use crate::cursor::{Cursor, Read};
use crate::writing;

/// Tags one CANCELUPDATE may name.
const CANCELLED_TAGS_MAX: usize = 100;

pub(super) fn write(out: &mut BytesMut, tags: &[Tag]) {
    for tag in tags {
        out.put_u8(b' ');
        writing::string(out, tag.as_str().as_bytes(), false);
    }
}

/// The tags of searches whose results need be told no longer.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Read<Vec<Tag>> {
    let mut tags = vec![tag(cursor)?];
    while cursor.eat(b' ') {
        if tags.len() == CANCELLED_TAGS_MAX {
            return cursor.error("at most 100 tags");
        }
        tags.push(tag(cursor)?);
    }
    Ok(tags)
}

/// A tag as a string.
pub(crate) fn tag(cursor: &mut Cursor<'_>) -> Read<Tag> {
    let at = cursor.position();
    match Tag::new(&cursor.string_text()?) {
        Some(tag) => Ok(tag),
        None => Cursor::error_at(at, "a tag"),
    }
}
