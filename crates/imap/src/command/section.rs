//! Which part of a message's body, on the wire (RFC 9051 §6.4.5.1).

use message::{Section, Specifier};

use crate::cursor::{Cursor, Read};

/// Levels a part's number may have.
const PART_LEVELS_MAX: usize = 100;
/// Fields one section may name.
const HEADER_FIELDS_MAX: usize = 500;

/// Reads `[3.2.HEADER]`.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Read<Section> {
    cursor.expect(b'[', "'['")?;
    let (parts, more) = part_numbers(cursor)?;
    let at = cursor.position();
    let name = cursor.name();
    let specifier = match name.as_bytes() {
        b"" if !more => Specifier::All,
        b"HEADER" => Specifier::Header,
        b"HEADER.FIELDS" => Specifier::HeaderFields(fields(cursor)?),
        b"HEADER.FIELDS.NOT" => Specifier::HeaderFieldsNot(fields(cursor)?),
        b"TEXT" => Specifier::Text,
        b"MIME" if !parts.is_empty() => Specifier::Mime,
        _ => return Cursor::error_at(at, "a section such as 1.2, HEADER or TEXT"),
    };
    if !parts.is_empty() && !more && specifier != Specifier::All {
        return Cursor::error_at(at, "'.'");
    }
    cursor.expect(b']', "']'")?;
    Ok(Section { parts, specifier })
}

/// Reads `[3.2]`.
pub(crate) fn parse_binary(cursor: &mut Cursor<'_>) -> Read<Vec<u32>> {
    cursor.expect(b'[', "'['")?;
    let (parts, more) = part_numbers(cursor)?;
    if more {
        return cursor.error("a part number");
    }
    cursor.expect(b']', "']'")?;
    Ok(parts)
}

/// Part numbers, and whether a dot stands behind the last.
fn part_numbers(cursor: &mut Cursor<'_>) -> Read<(Vec<u32>, bool)> {
    let mut parts = Vec::new();
    while cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        if parts.len() == PART_LEVELS_MAX {
            return cursor.error("at most 100 part numbers");
        }
        parts.push(cursor.nz_number()?.get());
        if !cursor.eat(b'.') {
            return Ok((parts, false));
        }
    }
    let more = !parts.is_empty();
    Ok((parts, more))
}

fn fields(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    cursor.space()?;
    let mut fields = Vec::new();
    cursor.list(|cursor| {
        if fields.len() == HEADER_FIELDS_MAX {
            return cursor.error("at most 500 field names");
        }
        fields.push(cursor.text("a field name")?);
        Ok(())
    })?;
    if fields.is_empty() {
        return cursor.error("a field name");
    }
    Ok(fields)
}
