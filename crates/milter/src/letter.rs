//! A letter that filters change.

use std::ops::Range;

use message::Header;

use crate::answer::Change;

/// A letter: its fields, and what follows them.
#[derive(Clone, Debug)]
pub struct Letter {
    fields: Vec<Field>,
    /// The blank line and the body.
    rest: Vec<u8>,
    /// Where in `rest` the body begins.
    body_at: usize,
    /// The body that comes in the place of it.
    body: Option<Vec<u8>>,
}

/// A field, or lines of a header that are none.
#[derive(Clone, Debug)]
struct Field {
    raw: Vec<u8>,
    /// Where its name is; nothing of what is none.
    name: Option<Range<usize>>,
    value: Range<usize>,
}

impl Letter {
    /// Takes a letter apart.
    #[must_use]
    pub fn read(octets: &[u8]) -> Self {
        let (mut fields, mut behind) = (Vec::new(), 0);
        let mut header = Header::parse(octets);
        while let Some(field) = header.next() {
            // Lines between fields that are none themselves stay where they are.
            fields.extend(Field::none(
                octets.get(behind..field.offset).unwrap_or_default(),
            ));
            behind = header.offset();
            let value = field.raw.len() - after(field.raw, field.value);
            fields.push(Field {
                raw: field.raw.to_vec(),
                name: Some(0..field.name.len()),
                value: value..value + field.value.len(),
            });
        }
        let end = header.offset();
        fields.extend(Field::none(octets.get(behind..end).unwrap_or_default()));
        Self {
            fields,
            rest: octets.get(end..).unwrap_or_default().to_vec(),
            body_at: header.blank_line().len(),
            body: None,
        }
    }

    /// Its fields: name and value, lines within it ended by LF, as filters are told them.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
        self.fields.iter().filter_map(|field| {
            let value = field.raw.get(field.value.clone()).unwrap_or_default();
            let plain = value.iter().copied().filter(|octet| *octet != b'\r');
            Some((field.name()?, plain.collect()))
        })
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let own = || self.rest.get(self.body_at..).unwrap_or_default();
        self.body.as_deref().unwrap_or_else(own)
    }

    /// Changes it; what a change says of recipients and senders is somebody else's affair.
    pub fn change(&mut self, changes: &[Change]) {
        let mut body: Option<Vec<u8>> = None;
        for change in changes {
            match change {
                Change::AddField { name, value } => self.fields.push(Field::new(name, value)),
                Change::InsertField { index, name, value } => {
                    let index = usize::try_from(*index).unwrap_or(usize::MAX);
                    let at = index.min(self.fields.len());
                    self.fields.insert(at, Field::new(name, value));
                }
                Change::ChangeField { index, name, value } => {
                    self.change_field(*index, name, value)
                }
                Change::RemoveField { order, name } => self.remove_field(*order, name),
                Change::ReplaceBody(piece) => body.get_or_insert_default().extend_from_slice(piece),
                Change::AddRecipient(..)
                | Change::RemoveRecipient(_)
                | Change::ChangeSender(..)
                | Change::Quarantine(_) => {}
            }
        }
        if body.is_some() {
            self.body = body;
        }
    }

    /// Without a field of that number it is a field more, as Sendmail has it.
    fn change_field(&mut self, index: u32, name: &[u8], value: &[u8]) {
        let number = usize::try_from(index.max(1)).unwrap_or(usize::MAX);
        let named = |field: &Field| {
            field
                .name()
                .is_some_and(|one| one.eq_ignore_ascii_case(name))
        };
        let mut places = self.fields.iter().enumerate();
        let place = places.by_ref().filter(|(_, field)| named(field));
        let place = place.map(|(place, _)| place).nth(number - 1);
        match (place, value.is_empty()) {
            (Some(place), true) => drop(self.fields.remove(place)),
            (Some(place), false) => {
                if let Some(field) = self.fields.get_mut(place) {
                    *field = Field::new(name, value);
                }
            }
            (None, true) => {}
            (None, false) => self.fields.push(Field::new(name, value)),
        }
    }

    fn remove_field(&mut self, order: i64, name: &[u8]) {
        let named = |field: &Field| {
            field
                .name()
                .is_some_and(|one| one.eq_ignore_ascii_case(name))
        };
        let all = self.fields.iter().filter(|field| named(field)).count();
        let number = |order: i64| usize::try_from(order.unsigned_abs()).unwrap_or(usize::MAX);
        let gone = match order {
            0 => None,
            1.. => Some(number(order)),
            _ => Some((all + 1).saturating_sub(number(order))),
        };
        let mut at = 0;
        self.fields.retain(|field| {
            let is_named = named(field);
            at += usize::from(is_named);
            !is_named || gone.is_some_and(|gone| gone != at)
        });
    }

    /// The letter as it is now.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut octets: Vec<u8> = Vec::new();
        let end_line = |octets: &mut Vec<u8>| {
            if !octets.is_empty() && !octets.ends_with(b"\n") {
                octets.extend_from_slice(b"\r\n");
            }
        };
        for field in &self.fields {
            end_line(&mut octets);
            octets.extend_from_slice(&field.raw);
        }
        let Some(body) = &self.body else {
            if !self.rest.is_empty() {
                end_line(&mut octets);
            }
            octets.extend_from_slice(&self.rest);
            return octets;
        };
        end_line(&mut octets);
        let line = self
            .rest
            .get(..self.body_at)
            .filter(|line| !line.is_empty());
        octets.extend_from_slice(line.unwrap_or(b"\r\n"));
        octets.extend_from_slice(body);
        octets
    }
}

impl Field {
    /// Lines that are no field, if there are any.
    fn none(raw: &[u8]) -> Option<Self> {
        (!raw.is_empty()).then(|| Self {
            raw: raw.to_vec(),
            name: None,
            value: 0..0,
        })
    }

    fn new(name: &[u8], value: &[u8]) -> Self {
        let raw = written(name, value);
        Self {
            name: Some(0..name.len()),
            value: name.len() + 1..raw.len() - 2,
            raw,
        }
    }

    fn name(&self) -> Option<&[u8]> {
        self.raw.get(self.name.clone()?)
    }
}

/// Octets of a field from its value on.
fn after(raw: &[u8], value: &[u8]) -> usize {
    let end = match raw {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    value.len() + end
}

/// A field as it stands in a letter. Lines of a value are folded: what does not begin with white
/// space would be another field.
#[must_use]
pub fn written(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut raw = name.to_vec();
    raw.push(b':');
    if !value.starts_with(b" ") && !value.starts_with(b"\t") {
        raw.push(b' ');
    }
    let value = value.trim_ascii_end();
    for (number, line) in value.split(|octet| *octet == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if number > 0 {
            // A line of white space alone would end the header for some.
            if line.trim_ascii().is_empty() {
                continue;
            }
            raw.extend_from_slice(b"\r\n");
            if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                raw.push(b'\t');
            }
        }
        raw.extend(line.iter().filter(|octet| !matches!(octet, 0 | b'\r')));
    }
    raw.extend_from_slice(b"\r\n");
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: &[u8] =
        b"Received: a\r\n\tb\r\nSubject: Tea\r\nno field\r\nX-A : 1\r\nx-a: 2\r\n\
        \r\nAt five?\r\n";

    fn field(index: u32, name: &str, value: &str) -> Change {
        Change::ChangeField {
            index,
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn what_filters_are_told() {
        let letter = Letter::read(LETTER);
        let fields: Vec<(String, String)> = letter
            .fields()
            .map(|(name, value)| {
                let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
                (text(name), text(&value))
            })
            .collect();
        let expected = [
            ("Received", " a\n\tb"),
            ("Subject", " Tea"),
            ("X-A", " 1"),
            ("x-a", " 2"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields, expected);
        assert_eq!(letter.body(), b"At five?\r\n");
    }

    #[test]
    fn a_letter_that_nobody_changes_stays_as_it_is() {
        for octets in [
            LETTER,
            b"",
            b"\r\n",
            b"\r\nbody",
            b"body alone\r\n",
            b"A: b\r\n",
            b"A: b\n\nbody\n",
            b"no field\r\n\r\nbody",
        ] {
            assert_eq!(Letter::read(octets).octets(), octets, "{octets:?}");
        }
    }

    #[test]
    fn changes_of_a_letter() {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let add = |name: &str, value: &str| Change::AddField {
            name: bytes(name),
            value: bytes(value),
        };
        let insert = |index, name: &str, value: &str| Change::InsertField {
            index,
            name: bytes(name),
            value: bytes(value),
        };
        let remove = |order, name: &str| Change::RemoveField {
            order,
            name: bytes(name),
        };
        let body = |text: &str| Change::ReplaceBody(bytes(text));
        let begins = "Received: a\r\n\tb\r\nSubject: Tea\r\n";
        let rest = "no field\r\nX-A : 1\r\nx-a: 2\r\n";
        for (changes, expected) in [
            (
                vec![add("X-B", "c")],
                format!("{begins}no field\r\nX-A : 1\r\nx-a: 2\r\nX-B: c\r\n\r\nAt five?\r\n"),
            ),
            (
                vec![insert(0, "X-B", " c\n\td"), insert(1, "X-C", "e\nf")],
                format!("X-B: c\r\n\td\r\nX-C: e\r\n\tf\r\n{begins}{rest}\r\nAt five?\r\n"),
            ),
            (
                vec![
                    field(2, "X-a", "3"),
                    field(1, "subject", ""),
                    field(9, "x-a", "4"),
                    field(1, "Gone", ""),
                ],
                "Received: a\r\n\tb\r\nno field\r\nX-A : 1\r\nX-a: 3\r\nx-a: 4\r\n\r\nAt five?\r\n"
                    .to_owned(),
            ),
            (
                vec![remove(-1, "x-A"), remove(7, "x-a"), remove(-9, "X-A")],
                format!("{begins}no field\r\nX-A : 1\r\n\r\nAt five?\r\n"),
            ),
            (
                vec![remove(2, "X-A"), remove(0, "subject"), remove(0, "Gone")],
                "Received: a\r\n\tb\r\nno field\r\nX-A : 1\r\n\r\nAt five?\r\n".to_owned(),
            ),
            (
                vec![remove(0, "X-A")],
                format!("{begins}no field\r\n\r\nAt five?\r\n"),
            ),
            (
                vec![body("At "), body("six!\r\n"), insert(99, "X-Z", "z")],
                format!("{begins}no field\r\nX-A : 1\r\nx-a: 2\r\nX-Z: z\r\n\r\nAt six!\r\n"),
            ),
        ] {
            let mut letter = Letter::read(LETTER);
            letter.change(&changes);
            let found = String::from_utf8(letter.octets()).unwrap();
            assert_eq!(found, expected, "{changes:?}");
        }
        let mut bare = Letter::read(b"no header\r\n");
        bare.change(&[body("new")]);
        assert_eq!(bare.octets(), b"no header\r\n\r\nnew");
    }

    #[test]
    fn no_value_makes_another_field() {
        for (value, expected) in [
            ("a\nB: c", "X: a\r\n\tB: c\r\n"),
            ("a\r\n\r\nbody", "X: a\r\n\tbody\r\n"),
            ("a\n \n", "X: a\r\n"),
            ("", "X: \r\n"),
            ("\tb\0", "X:\tb\r\n"),
        ] {
            let raw = written(b"X", value.as_bytes());
            assert_eq!(String::from_utf8(raw).unwrap(), expected, "{value:?}");
        }
    }
}
