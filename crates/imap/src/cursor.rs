//! A place in octets that only moves forward: the small forms of IMAP's grammar, read.
//!
//! Every reader takes what it describes or fails saying what it expected; nothing is read twice,
//! and what can be borrowed is.
//!
//! RFC 9051 §4 and §9.

use std::borrow::Cow;
use std::num::NonZeroU32;

use mail::{Flag, FlagSet, ModSeq, SyntaxError, Timestamp};

use crate::command::Date;
use crate::writing::{is_astring_char, is_atom_char};
use crate::{MailboxName, Names, SeqNumber, SequenceRange, SequenceSet};

/// What a reader gives.
pub(crate) type Read<T> = Result<T, SyntaxError>;

/// The largest number64 (RFC 9051 §9).
const NUMBER64_MAX: u64 = u64::MAX >> 1;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A place in a frame.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    /// How mailbox names are written in it.
    pub(crate) names: Names,
}

/// A word in upper case, for matching; a word too long to be known is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upper {
    octets: [u8; 24],
    len: usize,
}

impl Upper {
    pub(crate) fn new(word: &[u8]) -> Self {
        let mut octets = [0; 24];
        let mut len = 0;
        if let Some(space) = octets.get_mut(..word.len()) {
            space.copy_from_slice(word);
            space.make_ascii_uppercase();
            len = word.len();
        }
        Self { octets, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(input: &'a [u8], names: Names) -> Self {
        Self {
            input,
            at: 0,
            names,
        }
    }

    /// A failure here.
    pub(crate) const fn error<T>(&self, expected: &'static str) -> Read<T> {
        Err(SyntaxError {
            at: self.at,
            expected,
        })
    }

    /// A failure some octets back, where the thing began.
    pub(crate) const fn error_at<T>(at: usize, expected: &'static str) -> Read<T> {
        Err(SyntaxError { at, expected })
    }

    /// Octets read so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.input.len()
    }

    /// Takes the octet if it is next.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        let next = self.peek() == Some(octet);
        if next {
            self.at += 1;
        }
        next
    }

    /// Takes the word if it is next, in any case.
    pub(crate) fn eat_word(&mut self, word: &[u8]) -> bool {
        let next = self
            .rest()
            .get(..word.len())
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        if next {
            self.at += word.len();
        }
        next
    }

    pub(crate) fn expect(&mut self, octet: u8, expected: &'static str) -> Read<()> {
        if self.eat(octet) {
            Ok(())
        } else {
            self.error(expected)
        }
    }

    // RFC 9051 §9
    pub(crate) fn space(&mut self) -> Read<()> {
        self.expect(b' ', "a space")
    }

    pub(crate) fn open(&mut self) -> Read<()> {
        self.expect(b'(', "'('")
    }

    pub(crate) fn close(&mut self) -> Read<()> {
        self.expect(b')', "')'")
    }

    pub(crate) const fn end(&self) -> Read<()> {
        if self.is_at_end() {
            Ok(())
        } else {
            self.error("the end of the line")
        }
    }

    /// Takes octets as long as they are so.
    pub(crate) fn run(&mut self, of: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let len = rest
            .iter()
            .position(|&octet| !of(octet))
            .unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Takes so many octets.
    pub(crate) fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..octets)?;
        self.at += octets;
        Some(taken)
    }

    /// An atom.
    pub(crate) fn atom(&mut self, expected: &'static str) -> Read<&'a str> {
        let at = self.at;
        match std::str::from_utf8(self.run(is_atom_char)) {
            Ok(atom) if !atom.is_empty() => Ok(atom),
            _ => Self::error_at(at, expected),
        }
    }

    /// Letters, digits, `.`, `-` and `_`, in upper case: a name out of the grammar.
    pub(crate) fn name(&mut self) -> Upper {
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b".-_+".contains(&octet);
        Upper::new(self.run(is_name))
    }

    pub(crate) fn number64(&mut self) -> Read<u64> {
        let at = self.at;
        let digits = self.run(|octet| octet.is_ascii_digit());
        let number = digits.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        match number {
            Some(number) if !digits.is_empty() && number <= NUMBER64_MAX => Ok(number),
            _ => Self::error_at(at, "a number below 2^63"),
        }
    }

    pub(crate) fn number(&mut self) -> Read<u32> {
        let at = self.at;
        match self.number64().map(u32::try_from) {
            Ok(Ok(number)) => Ok(number),
            _ => Self::error_at(at, "a number below 2^32"),
        }
    }

    pub(crate) fn nz_number(&mut self) -> Read<NonZeroU32> {
        let at = self.at;
        match self.number().map(NonZeroU32::new) {
            Ok(Some(number)) => Ok(number),
            _ => Self::error_at(at, "a number from 1 to 2^32 - 1"),
        }
    }

    pub(crate) fn modseq(&mut self) -> Read<ModSeq> {
        self.number64().map(ModSeq)
    }

    /// A string: quoted or a literal.
    pub(crate) fn string(&mut self) -> Read<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => self.error("a string"),
        }
    }

    /// A string or NIL.
    pub(crate) fn nstring(&mut self) -> Read<Option<Cow<'a, [u8]>>> {
        if self.eat_word(b"NIL") {
            return Ok(None);
        }
        self.string().map(Some)
    }

    pub(crate) fn astring(&mut self, expected: &'static str) -> Read<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let at = self.at;
                // Beyond ASCII only by mercy: clients have been seen to send bare UTF-8.
                let run = self.run(|octet| is_astring_char(octet) || octet >= 0x80);
                if run.is_empty() {
                    return Self::error_at(at, expected);
                }
                Ok(Cow::Borrowed(run))
            }
        }
    }

    /// An astring in UTF-8.
    pub(crate) fn text(&mut self, expected: &'static str) -> Read<String> {
        let at = self.at;
        unicode(self.astring(expected)?, at)
    }

    /// A string in UTF-8.
    pub(crate) fn string_text(&mut self) -> Read<String> {
        let at = self.at;
        unicode(self.string()?, at)
    }

    // RFC 9051 §4.3
    fn quoted(&mut self) -> Read<Cow<'a, [u8]>> {
        self.expect(b'"', "'\"'")?;
        let plain = |octet| !matches!(octet, b'"' | b'\\' | b'\r' | b'\n' | 0);
        let run = self.run(plain);
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        let mut text = run.to_vec();
        while self.eat(b'\\') {
            match self.peek() {
                Some(octet @ (b'"' | b'\\')) => text.push(octet),
                _ => return self.error("'\"' or '\\' behind a '\\'"),
            }
            self.at += 1;
            text.extend_from_slice(self.run(plain));
        }
        self.expect(b'"', "the end of a quoted string")?;
        Ok(Cow::Owned(text))
    }

    /// `{n}` or `{n+}`, CRLF, n octets.
    pub(crate) fn literal(&mut self) -> Read<&'a [u8]> {
        let (octets, _sync) = self.literal_header()?;
        if !(self.eat(b'\r') && self.eat(b'\n')) {
            return self.error("the octets of a literal");
        }
        match usize::try_from(octets).ok().and_then(|len| self.take(len)) {
            Some(octets) => Ok(octets),
            None => self.error("the octets of a literal"),
        }
    }

    /// `{n}` or `{n+}`: how many octets, and whether the client waits.
    pub(crate) fn literal_header(&mut self) -> Read<(u64, bool)> {
        self.expect(b'{', "a literal")?;
        let octets = self.number64()?;
        let sync = !self.eat(b'+');
        self.expect(b'}', "'}'")?;
        Ok((octets, sync))
    }

    pub(crate) fn mailbox(&mut self) -> Read<MailboxName> {
        let at = self.at;
        let wire = self.text("a mailbox name")?;
        match MailboxName::from_wire(&wire, self.names) {
            Some(name) => Ok(name),
            None => Self::error_at(at, "a mailbox name in modified UTF-7"),
        }
    }

    pub(crate) fn sequence_set(&mut self) -> Read<SequenceSet> {
        // RFC 5182 §2
        if self.eat(b'$') {
            return Ok(SequenceSet::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let from = self.seq_number()?;
            let to = if self.eat(b':') {
                self.seq_number()?
            } else {
                from
            };
            ranges.push(SequenceRange { from, to });
            if !self.eat(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    pub(crate) fn seq_number(&mut self) -> Read<SeqNumber> {
        if self.eat(b'*') {
            return Ok(SeqNumber::Star);
        }
        let at = self.at;
        match self.nz_number() {
            Ok(number) => Ok(SeqNumber::Number(number)),
            Err(_) => Self::error_at(at, "a set of message numbers"),
        }
    }

    /// A flag that can be stored; `None` for `\Recent`, which no client can change.
    pub(crate) fn flag(&mut self) -> Read<Option<Flag>> {
        let at = self.at;
        self.eat(b'\\');
        self.run(is_atom_char);
        let flag = self.input.get(at..self.at).unwrap_or_default();
        if flag.eq_ignore_ascii_case(b"\\Recent") {
            return Ok(None);
        }
        match std::str::from_utf8(flag).map(Flag::parse) {
            Ok(Some(flag)) => Ok(Some(flag)),
            _ => Self::error_at(at, "a flag this server keeps"),
        }
    }

    /// `(\Seen $Forwarded)`.
    pub(crate) fn flag_list(&mut self) -> Read<FlagSet> {
        let mut flags = FlagSet::new();
        self.list(|cursor| {
            if let Some(flag) = cursor.flag()? {
                flags.insert(flag);
            }
            Ok(())
        })?;
        Ok(flags)
    }

    /// `(item item …)`, or `()`.
    pub(crate) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.open()?;
        if self.eat(b')') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.eat(b')') {
                return Ok(());
            }
            self.expect(b' ', "a space or ')'")?;
        }
    }

    /// A date, quoted or not.
    pub(crate) fn date(&mut self) -> Read<Date> {
        let at = self.at;
        let quoted = self.eat(b'"');
        let date = self.date_text();
        let closed = !quoted || self.eat(b'"');
        match date {
            Some(date) if closed => Ok(date),
            _ => Self::error_at(at, "a date such as 1-Feb-2026"),
        }
    }

    fn date_text(&mut self) -> Option<Date> {
        let day = match self.run(|octet| octet.is_ascii_digit()) {
            digits @ ([_] | [_, _]) => decimal(digits)?,
            _ => return None,
        };
        let (month, year) = self.month_and_year()?;
        let day = u8::try_from(day).ok()?;
        Timestamp::from_civil((i32::from(year), month, day), (0, 0, 0), 0)?;
        Some(Date { year, month, day })
    }

    /// `-Feb-2026`.
    fn month_and_year(&mut self) -> Option<(u8, u16)> {
        self.eat(b'-').then_some(())?;
        let name = self.take(3)?;
        let month = MONTHS
            .iter()
            .position(|month| month.eq_ignore_ascii_case(name))?;
        self.eat(b'-').then_some(())?;
        let year = decimal(self.take(4)?)?;
        Some((u8::try_from(month + 1).ok()?, year))
    }

    /// `"23-Nov-2026 20:15:00 +0000"`, the day padded with a space.
    pub(crate) fn date_time(&mut self) -> Read<Timestamp> {
        let at = self.at;
        match self.date_time_text() {
            Some(date) => Ok(date),
            None => Self::error_at(at, "a date and time such as \" 1-Feb-2026 10:00:00 +0000\""),
        }
    }

    fn date_time_text(&mut self) -> Option<Timestamp> {
        self.eat(b'"').then_some(())?;
        // One digit needs a space before it; not all clients know.
        self.eat(b' ');
        let day = match self.run(|octet| octet.is_ascii_digit()) {
            digits @ ([_] | [_, _]) => decimal(digits)?,
            _ => return None,
        };
        let (month, year) = self.month_and_year()?;
        let &[
            b' ',
            h,
            i,
            b':',
            m,
            n,
            b':',
            s,
            t,
            b' ',
            sign,
            zh,
            zi,
            zm,
            zn,
            b'"',
        ] = self.take(16)?
        else {
            return None;
        };
        let small = |digits: [u8; 2]| u8::try_from(decimal(&digits)?).ok();
        let (hours, minutes) = (small([zh, zi])?, small([zm, zn])?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        let zone = i16::from(hours) * 60 + i16::from(minutes);
        let zone = match sign {
            b'+' => zone,
            b'-' => -zone,
            _ => return None,
        };
        let clock = (small([h, i])?, small([m, n])?, small([s, t])?);
        Timestamp::from_civil(
            (i32::from(year), month, u8::try_from(day).ok()?),
            clock,
            zone,
        )
    }
}

/// The text of a string that must be UTF-8.
pub(crate) fn unicode(text: Cow<'_, [u8]>, at: usize) -> Read<String> {
    match String::from_utf8(text.into_owned()) {
        // RFC 9051 §9
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Cursor::error_at(at, "text in UTF-8"),
    }
}

/// At most four digits.
fn decimal(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |number, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(u16::from(digit - b'0'))
    })
}
