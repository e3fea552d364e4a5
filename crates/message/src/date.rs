//! Dates of header fields (RFC 5322 §3.3, §4.3) as the world writes them.

use mail::Timestamp;

/// Octets of a date that are looked at.
const DATE_OCTETS_MAX: usize = 256;
/// Words of a date that are looked at.
const WORDS_MAX: usize = 16;

/// Reads a date: RFC 5322's, its obsolete forms, C's `asctime`, ISO 8601.
///
/// The day of the week is not checked; a missing or unknown zone is taken for UTC, a missing time
/// for midnight (RFC 5256 §2.2).
#[must_use]
pub fn parse_date(value: &[u8]) -> Option<Timestamp> {
    let value = value.get(..DATE_OCTETS_MAX).unwrap_or(value);
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
        if word.contains('-') && !word.starts_with('-') {
            return self.dashed(word);
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

    /// `21-Nov-1997` or `1997-11-21`.
    fn dashed(&mut self, word: &str) {
        let (date, time) = word.split_once(['T', 't']).unwrap_or((word, ""));
        let mut fields = date.split('-');
        let (first, middle, last) = (fields.next(), fields.next(), fields.next());
        let (Some(first), Some(middle), Some(last)) = (first, middle, last) else {
            return;
        };
        let month = month(middle).or_else(|| middle.parse().ok());
        let (day, year_word) = if first.len() == 4 {
            (last, first)
        } else {
            (first, last)
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
        let date = (self.year?, self.month?, self.day?);
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
        Some(prefix) if prefix.eq_ignore_ascii_case("GMT") && word.len() > 3 => word.get(3..)?,
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
    let named = NAMED
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    named.map(|&(_, minutes)| minutes)
}

fn without_comments(value: &[u8]) -> String {
    let mut depth = 0_usize;
    let mut text = String::with_capacity(value.len());
    for &octet in value {
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ if octet.is_ascii() => text.push(char::from(octet)),
            _ => text.push(' '),
        }
    }
    text
}
