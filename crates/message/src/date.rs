//! Dates of header fields as the world writes them.
//!
//! First the grammar of RFC 5322 §3.3 with §4.3 is tried, which costs nothing but the reading. What
//! does not fit it is cut into words, and the words say for themselves what they are.

use mail::Timestamp;

use crate::leniency::{Leniencies, Leniency};
use crate::scan::{Scan, is_space};

/// Octets of a date that are looked at.
const DATE_OCTETS_MAX: usize = 256;
/// Words of a date that are looked at.
const WORDS_MAX: usize = 16;
/// The years that dates may have: RFC 5322 §3.3 begins with 1900, four digits end with 9999.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=9999;

/// Reads a date: RFC 5322's, its obsolete forms, C's `asctime`, ISO 8601, and their mixtures.
///
/// The day of the week is not checked; a missing or unknown zone is taken for UTC, a missing or
/// impossible time for midnight (RFC 5256 §2.2). `None` where the calendar has no such day.
#[must_use]
pub fn parse_date(value: &[u8]) -> Option<Timestamp> {
    parse_date_noting(value, &mut Leniencies::default())
}

/// The same, and adds what had to be repaired.
pub fn parse_date_noting(value: &[u8], noted: &mut Leniencies) -> Option<Timestamp> {
    let value = value.get(..DATE_OCTETS_MAX).unwrap_or(value);
    if let Some(date) = Date::parse(value)
        && let Some(time) = date.timestamp()
    {
        if !date.weekday_fits(time) {
            noted.add(Leniency::DateRepaired);
        } else if date.obsolete {
            noted.add(Leniency::DateObsolete);
        }
        return Some(time);
    }
    noted.add(Leniency::DateRepaired);
    let text: String = without_comments(value);
    let mut found = Found::default();
    let separators = |letter: char| letter.is_whitespace() || letter == ',';
    for word in text
        .split(separators)
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
    {
        found.word(word);
    }
    found.settle()
}

/// A date that keeps to RFC 5322's grammar.
struct Date<'a> {
    weekday: Option<&'a [u8]>,
    date: (i32, u8, u8),
    time: (u8, u8, u8),
    zone_minutes: i16,
    /// It has something of §4.3.
    obsolete: bool,
}

impl<'a> Date<'a> {
    // RFC 5322 §3.3
    /// Reads all of the value.
    fn parse(value: &'a [u8]) -> Option<Self> {
        let mut reader = Grammar {
            scan: Scan::new(value),
            obsolete: false,
        };
        reader.space();
        let weekday = reader.weekday()?;
        let day = reader.number(1..=2)?.0;
        reader.space();
        let month = month(std::str::from_utf8(reader.letters()).ok()?)?;
        reader.space();
        let (number, digits) = reader.number(2..=4)?;
        reader.obsolete |= digits < 4;
        if !reader.space() {
            return None;
        }
        let hour = reader.number(2..=2)?.0;
        let minute = reader.colon().then(|| reader.number(2..=2))??.0;
        let second = if reader.colon() {
            reader.number(2..=2)?.0
        } else {
            0
        };
        if !reader.space() {
            return None;
        }
        let zone_minutes = reader.zone()?;
        reader.scan.skip_space();
        let ended = reader.scan.rest().is_empty() && !reader.scan.unended;
        ended.then_some(Self {
            weekday,
            date: (year(number, digits), month, u8::try_from(day).ok()?),
            time: (
                u8::try_from(hour).ok()?,
                u8::try_from(minute).ok()?,
                u8::try_from(second).ok()?,
            ),
            zone_minutes,
            obsolete: reader.obsolete,
        })
    }

    fn timestamp(&self) -> Option<Timestamp> {
        let year_fits = YEARS.contains(&self.date.0);
        let time = Timestamp::from_civil(self.date, self.time, self.zone_minutes);
        time.filter(|_| year_fits)
    }

    fn weekday_fits(&self, time: Timestamp) -> bool {
        const WEEKDAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
        let local = time.seconds + i64::from(time.zone_minutes) * 60;
        let at = usize::try_from(local.div_euclid(86_400).rem_euclid(7)).unwrap_or_default();
        let named = WEEKDAYS.get(at).copied().unwrap_or_default();
        self.weekday
            .is_none_or(|name| name.eq_ignore_ascii_case(named))
    }
}

struct Grammar<'a> {
    scan: Scan<'a>,
    obsolete: bool,
}

impl<'a> Grammar<'a> {
    /// White space; a comment is obsolete here. True if there was any.
    fn space(&mut self) -> bool {
        let before = self.scan.rest();
        self.scan.until(|octet| !is_space(octet));
        self.obsolete |= self.scan.peek() == Some(b'(');
        self.scan.skip_space();
        self.scan.rest().len() < before.len()
    }

    /// The day of the week with its comma, if one stands here.
    fn weekday(&mut self) -> Option<Option<&'a [u8]>> {
        let name = self.letters();
        if name.is_empty() {
            return Some(None);
        }
        self.space();
        if name.len() != 3 || !self.scan.take(b',') {
            return None;
        }
        self.space();
        Some(Some(name))
    }

    fn letters(&mut self) -> &'a [u8] {
        self.scan.until(|octet| !octet.is_ascii_alphabetic())
    }

    /// A number of so many digits, and how many they were.
    fn number(&mut self, digits: std::ops::RangeInclusive<usize>) -> Option<(u16, usize)> {
        let text = self.scan.until(|octet| !octet.is_ascii_digit());
        // Four digits fit.
        let number = |number: u16, &digit: &u8| number * 10 + u16::from(digit - b'0');
        let fits = text.len() <= 4 && digits.contains(&text.len());
        fits.then(|| (text.iter().fold(0, number), text.len()))
    }

    /// A colon, with obsolete white space on both sides.
    fn colon(&mut self) -> bool {
        let mut ahead = self.scan.clone();
        let spaced = ahead.skip_space();
        if !ahead.take(b':') {
            return false;
        }
        self.obsolete |= ahead.skip_space() || spaced;
        self.scan = ahead;
        true
    }

    /// `+hhmm`, or an obsolete name.
    fn zone(&mut self) -> Option<i16> {
        if !matches!(self.scan.peek(), Some(b'+' | b'-')) {
            self.obsolete = true;
            let name = std::str::from_utf8(self.letters()).ok()?;
            // RFC 5322 §4.3: zones nobody knows count as -0000.
            return (1..=5)
                .contains(&name.len())
                .then(|| zone(name).unwrap_or_default());
        }
        let east = self.scan.bump() == Some(b'+');
        let (number, _) = self.number(4..=4)?;
        let (hours, minutes) = (number / 100, number % 100);
        let total = i16::try_from(hours * 60 + minutes).ok()?;
        let fits = hours < 24 && minutes < 60;
        fits.then_some(if east { total } else { -total })
    }
}

/// What the words said so far.
#[derive(Default)]
struct Found {
    year: Option<i32>,
    month: Option<u8>,
    day: Option<u8>,
    time: Option<(u8, u8, u8)>,
    zone: Option<i16>,
}

impl Found {
    fn word(&mut self, word: &str) {
        let word = word.trim_matches('.');
        if word.contains(':') {
            return self.time_word(word);
        }
        if self.month.is_none()
            && let Some(month) = month(word)
        {
            self.month = Some(month);
            return;
        }
        if word.contains(['-', '/']) && !word.starts_with('-') {
            return self.dashed(&word.replace('/', "-"));
        }
        if self.time.is_some() && self.zone.is_none() && !word.starts_with(char::is_numeric) {
            if self.year.is_some() || word.len() > 2 || word.starts_with(['+', '-']) {
                self.zone = zone(word);
            }
            if word.eq_ignore_ascii_case("pm") || word.eq_ignore_ascii_case("am") {
                self.half_day(word);
            }
            return;
        }
        self.number(word);
    }

    /// A day or a year; the day comes first in all forms but ISO 8601.
    fn number(&mut self, word: &str) {
        let digits = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let Ok(number) = digits.parse::<u16>() else {
            return;
        };
        match (self.day, u8::try_from(number)) {
            (None, Ok(day)) if digits.len() <= 2 => self.day = Some(day),
            _ if self.year.is_none() => self.year = Some(year(number, digits.len())),
            _ => {}
        }
    }

    /// `21-Nov-1997`, `1997-11-21` or `1997/11/21`; not `11/12/1997`, which may be two days.
    fn dashed(&mut self, word: &str) {
        let (date, time) = word.split_once(['T', 't']).unwrap_or((word, ""));
        let mut fields = date.split('-');
        let (first, middle, last) = (fields.next(), fields.next(), fields.next());
        let (Some(first), Some(middle), Some(last)) = (first, middle, last) else {
            return;
        };
        let (day, month, year_word) = if first.len() == 4 {
            (last, month(middle).or_else(|| middle.parse().ok()), first)
        } else {
            (first, month(middle), last)
        };
        let (Ok(day), Some(month), Ok(number)) = (day.parse(), month, year_word.parse()) else {
            return;
        };
        self.day = Some(day);
        self.month = Some(month);
        self.year = Some(year(number, year_word.len()));
        if !time.is_empty() {
            self.word(time);
        }
    }

    /// `09:55`, `09:55:06.7`, `09:55:06+0100`, `09:55:06Z`, or an ISO date glued to it.
    fn time_word(&mut self, word: &str) {
        if let Some((date, time)) = word.split_once(['T', 't'])
            && date.contains('-')
        {
            self.dashed(date);
            return self.time_word(time);
        }
        // A zone with a colon: `+01:00`.
        if word.starts_with(['+', '-']) {
            self.zone = self.zone.or_else(|| zone(&word.replace(':', "")));
            return;
        }
        let clock_end = word
            .find(|letter: char| !letter.is_ascii_digit() && letter != ':' && letter != '.')
            .unwrap_or(word.len());
        let (clock, rest) = word.split_at_checked(clock_end).unwrap_or((word, ""));
        let mut fields = clock.split(':').map(|field| {
            let whole = field.split('.').next().unwrap_or_default();
            whole.parse::<u8>().ok()
        });
        let (Some(Some(hour)), Some(Some(minute))) = (fields.next(), fields.next()) else {
            return;
        };
        if self.time.is_none() {
            self.time = Some((hour, minute, fields.next().flatten().unwrap_or_default()));
        }
        if rest.eq_ignore_ascii_case("pm") || rest.eq_ignore_ascii_case("am") {
            self.half_day(rest);
        } else if !rest.is_empty() {
            self.zone = self.zone.or_else(|| zone(&rest.replace(':', "")));
        }
    }

    fn half_day(&mut self, word: &str) {
        let afternoon = word.eq_ignore_ascii_case("pm");
        if let Some((hour, _, _)) = &mut self.time {
            match (*hour, afternoon) {
                (12, false) => *hour = 0,
                (1..=11, true) => *hour += 12,
                _ => {}
            }
        }
    }

    fn settle(self) -> Option<Timestamp> {
        let year = self.year.filter(|year| YEARS.contains(year));
        let date = (year?, self.month?, self.day?);
        let zone = self.zone.unwrap_or_default();
        let (hour, minute, second) = self.time.unwrap_or_default();
        Timestamp::from_civil(date, (hour, minute, second), zone)
            .or_else(|| Timestamp::from_civil(date, (0, 0, 0), zone))
    }
}

/// RFC 5322 §4.3: two digits below 50 are of this century, others of the last.
fn year(number: u16, digits: usize) -> i32 {
    let number = i32::from(number);
    match digits {
        1 | 2 if number < 50 => number + 2000,
        1..=3 => number + 1900,
        _ => number,
    }
}

fn month(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let short = word.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == short)?;
    let spelled = word.bytes().all(|octet| octet.is_ascii_alphabetic());
    u8::try_from(at + 1).ok().filter(|_| spelled)
}

/// Minutes east of Greenwich; `None` for a zone nobody knows.
fn zone(word: &str) -> Option<i16> {
    const NAMED: [(&str, i16); 11] = [
        ("UT", 0),
        ("GMT", 0),
        ("UTC", 0),
        ("EDT", -240),
        ("EST", -300),
        ("CDT", -300),
        ("CST", -360),
        ("MDT", -360),
        ("MST", -420),
        ("PDT", -420),
        ("PST", -480),
    ];
    let word = match word.get(..3) {
        Some(prefix)
            if word.len() > 3
                && (prefix.eq_ignore_ascii_case("GMT") || prefix.eq_ignore_ascii_case("UTC")) =>
        {
            word.get(3..)?
        }
        _ => word,
    };
    if let Some(digits) = word.strip_prefix(['+', '-']) {
        let digits = digits.get(..4).unwrap_or(digits);
        let number: i16 = digits.parse().ok().filter(|number| *number >= 0)?;
        let minutes = if digits.len() <= 2 {
            number * 60
        } else {
            number / 100 * 60 + number % 100
        };
        let minutes = Some(minutes).filter(|minutes| *minutes < 24 * 60)?;
        return Some(if word.starts_with('-') {
            -minutes
        } else {
            minutes
        });
    }
    // `EST5EDT` is the first of its names.
    let end = word.find(|letter: char| letter.is_ascii_digit());
    let word = word.get(..end.unwrap_or(word.len()))?;
    let named = NAMED
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    named.map(|&(_, minutes)| minutes)
}

/// The text in ASCII without comments and without white space around colons.
fn without_comments(value: &[u8]) -> String {
    let mut depth = 0_usize;
    let mut text = String::with_capacity(value.len());
    for &octet in value {
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            // Obsolete syntax allows white space inside a time of day (RFC 5322 §4.3).
            b':' => {
                text.truncate(text.trim_end().len());
                text.push(':');
            }
            b' ' | b'\t' | b'\r' | b'\n' if text.ends_with(':') => {}
            _ if octet.is_ascii() => text.push(char::from(octet)),
            _ => text.push(' '),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATES: &[(&str, &str)] = &[
        // RFC 5322 appendix A.
        (
            "Fri, 21 Nov 1997 09:55:06 -0600",
            "Fri, 21 Nov 1997 09:55:06 -0600",
        ),
        (
            "Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)",
            "Thu, 13 Feb 1969 23:32:00 -0330",
        ),
        ("21 Nov 97 09:55:06 GMT", "Fri, 21 Nov 1997 09:55:06 +0000"),
        (
            "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
            "Fri, 21 Nov 1997 09:55:06 -0600",
        ),
        // RFC 5322 §4.3.
        ("1 Jan 49 00:00 UT", "Fri, 1 Jan 2049 00:00:00 +0000"),
        ("1 Jan 50 00:00 UT", "Sun, 1 Jan 1950 00:00:00 +0000"),
        ("1 Jan 103 00:00 UT", "Wed, 1 Jan 2003 00:00:00 +0000"),
        (
            "Sun, 27 Oct 2002 23:57:07 EST",
            "Sun, 27 Oct 2002 23:57:07 -0500",
        ),
        (
            "27 Oct 2002 23:57:07 PDT",
            "Sun, 27 Oct 2002 23:57:07 -0700",
        ),
        ("27 Oct 2002 23:57:07 Z", "Sun, 27 Oct 2002 23:57:07 +0000"),
        (
            "27 Oct 2002 23:57:07 NOWHERE",
            "Sun, 27 Oct 2002 23:57:07 +0000",
        ),
        (
            "10 Jul 1997 14:53:31 EST5EDT",
            "Thu, 10 Jul 1997 14:53:31 -0500",
        ),
        // The wild.
        (
            "Fri Nov 21 09:55:06 1997",
            "Fri, 21 Nov 1997 09:55:06 +0000",
        ),
        (
            "Fri Nov 21 09:55:06 PST 1997",
            "Fri, 21 Nov 1997 09:55:06 -0800",
        ),
        (
            "Fri, Nov 21, 1997 9:55:06 PM +0100",
            "Fri, 21 Nov 1997 21:55:06 +0100",
        ),
        (
            "21-Nov-1997 09:55:06 +0000",
            "Fri, 21 Nov 1997 09:55:06 +0000",
        ),
        ("1997-11-21T09:55:06Z", "Fri, 21 Nov 1997 09:55:06 +0000"),
        (
            "1997-11-21T09:55:06.123-03:30",
            "Fri, 21 Nov 1997 09:55:06 -0330",
        ),
        (
            "1997-11-21 09:55:06 +02:00",
            "Fri, 21 Nov 1997 09:55:06 +0200",
        ),
        (
            "Friday, 21 November 1997 09:55:06 GMT+0200",
            "Fri, 21 Nov 1997 09:55:06 +0200",
        ),
        ("21 Nov 1997", "Fri, 21 Nov 1997 00:00:00 +0000"),
        (
            "1997/11/21 09:55:06 UTC+1",
            "Fri, 21 Nov 1997 09:55:06 +0100",
        ),
        (
            "Monday, November 21, 1997 8:15 PM",
            "Fri, 21 Nov 1997 20:15:00 +0000",
        ),
        (
            "Fri, 21 Nov 1997 09:55:06 +0100 (CET",
            "Fri, 21 Nov 1997 09:55:06 +0100",
        ),
        ("21 Nov 1997 25:61 +0000", "Fri, 21 Nov 1997 00:00:00 +0000"),
        (
            "31 Dec 2016 23:59:60 +0000",
            "Sun, 1 Jan 2017 00:00:00 +0000",
        ),
    ];

    #[test]
    fn dates_of_all_sorts() {
        for (text, read) in DATES {
            let date = parse_date(text.as_bytes()).map(|date| date.to_rfc5322().to_string());
            assert_eq!(date.as_deref(), Some(*read), "{text}");
        }
    }

    #[test]
    fn repairs_are_named() {
        use Leniency::{DateObsolete, DateRepaired};
        let cases = [
            ("Fri, 21 Nov 1997 09:55:06 -0600", None),
            ("21 Nov 1997 09:55 -0600 (CST)", None),
            (" fri,\r\n 1 Aug 1997 09:55:06 +0000\r\n (a (b))", None),
            ("21 Nov 97 09:55:06 GMT", Some(DateObsolete)),
            ("Fri, 21 Nov 1997 09:55:06 CEST", Some(DateObsolete)),
            ("Fri, 21 Nov 1997 09 : 55:06 -0600", Some(DateObsolete)),
            ("Fri, (x) 21 Nov 1997 09:55:06 -0600", Some(DateObsolete)),
            ("Thu, 21 Nov 1997 09:55:06 -0600", Some(DateRepaired)),
            ("Fri, 21 Nov 1997 9:55:06 -0600", Some(DateRepaired)),
            ("Fri, 21 Nov 1997 09:55:06", Some(DateRepaired)),
            ("Fri, 21 Nov 1997 09:55:06 -0600 x", Some(DateRepaired)),
            ("Fri, 21 Nov 1997 09:55:06 -0600 (x", Some(DateRepaired)),
            ("1997-11-21T09:55:06Z", Some(DateRepaired)),
        ];
        for (text, expected) in cases {
            let mut noted = Leniencies::NONE;
            assert!(parse_date_noting(text.as_bytes(), &mut noted).is_some());
            assert_eq!(noted, expected.into_iter().collect(), "{text}");
        }
    }

    #[test]
    fn no_dates() {
        for text in [
            "11/12/1997 09:55",
            "21-11-1997",
            "1 Jan 1899 00:00 +0000",
            "1 Jan 10000 00:00 +0000",
            "32 Jan 2026 00:00 +0000",
            "",
            "soon",
            "31 Feb 2026 00:00 +0000",
            "7 Bog 2026 19:14:51 +0000",
            "12:00",
            "-",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }
}
