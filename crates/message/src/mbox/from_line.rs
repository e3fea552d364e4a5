//! The line before each message: `From sender date` (RFC 4155 Appendix A).

use mail::Timestamp;

use super::FROM;
use crate::date::parse_date;

/// What the line before a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it, as it stands there; usually a reverse path.
    pub sender: String,
    /// When it came.
    pub date: Option<Timestamp>,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

impl Envelope {
    /// Reads a line without its end; `None` if it does not begin with `From `.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(FROM)?;
        let text = String::from_utf8_lossy(rest);
        let Some(at) = date_at(&text) else {
            let sender = text.trim().to_owned();
            return Some(Self { sender, date: None });
        };
        let (sender, date) = text.split_at_checked(at)?;
        Some(Self {
            sender: sender.trim().to_owned(),
            date: parse_date(date.trim().as_bytes()),
        })
    }

    /// True if a line begins with `From ` and has a date at its end.
    pub(super) fn is_dated(line: &[u8]) -> bool {
        Self::parse(line).is_some_and(|envelope| envelope.date.is_some())
    }

    /// Writes the line with LF, its date in Greenwich's zone.
    // RFC 4155 Appendix A
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(FROM);
        let sender = self.sender.bytes().filter(u8::is_ascii_graphic);
        let start = out.len();
        out.extend(sender);
        if out.len() == start {
            out.extend_from_slice(b"MAILER-DAEMON");
        }
        let seconds = self.date.map_or(0, |date| date.seconds);
        let date = Timestamp::utc(seconds);
        let (year, month, day) = date.civil_date();
        let days = seconds.div_euclid(86_400);
        let second = seconds.rem_euclid(86_400);
        let weekday = usize::try_from(days.rem_euclid(7)).unwrap_or_default();
        let weekday = DAYS.get(weekday).copied().unwrap_or("Thu");
        let month = MONTHS.get(usize::from(month.saturating_sub(1)));
        let month = month.copied().unwrap_or("Jan");
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let date = format!(" {weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}\n");
        out.extend_from_slice(date.as_bytes());
    }
}

/// Where a date begins: at the day of the week, or the month, before a time and a year.
fn date_at(text: &str) -> Option<usize> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split(' ') {
        if !word.is_empty() {
            words.push((at, word));
        }
        at += word.len() + 1;
    }
    let time = words.iter().rposition(|(_, word)| is_time(word))?;
    let has_year = |word: &str| word.len() == 4 && word.bytes().all(|octet| octet.is_ascii_digit());
    let behind = words.get(time + 1..)?;
    behind.iter().find(|(_, word)| has_year(word))?;
    let before = words.get(..time)?;
    let is_month = |word: &str| MONTHS.iter().any(|month| month.eq_ignore_ascii_case(word));
    let month = before.iter().rposition(|(_, word)| is_month(word))?;
    let weekday = month.checked_sub(1).and_then(|at| before.get(at));
    let is_day = |word: &str| DAYS.iter().any(|day| day.eq_ignore_ascii_case(word));
    match weekday.filter(|(_, word)| is_day(word.trim_end_matches(','))) {
        Some((at, _)) => Some(*at),
        None => before.get(month).map(|(at, _)| *at),
    }
}

fn is_time(word: &str) -> bool {
    let mut parts = word.split(':');
    let digits = |part: &str| {
        matches!(part.len(), 1 | 2) && part.bytes().all(|octet| octet.is_ascii_digit())
    };
    let count = word.split(':').count();
    matches!(count, 2 | 3) && parts.all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        for (line, sender, date) in [
            ("From a@b.c Thu Jan  1 00:00:10 1970", "a@b.c", Some(10)),
            ("From a@b.c  Thu Jan 01 00:01 1970", "a@b.c", Some(60)),
            (
                "From MAILER-DAEMON Mon Nov 23 12:00:00 2026",
                "MAILER-DAEMON",
                Some(1_795_435_200),
            ),
            ("From a b Thu Jan  1 00:00:10 1970", "a b", Some(10)),
            ("From Jan Thu Jan  1 00:00:10 1970", "Jan", Some(10)),
            ("From a@b.c Thu Jan  1 01:00:10 +0100 1970", "a@b.c", None),
            (
                "From here on it is 12:00 in 1970",
                "here on it is 12:00 in 1970",
                None,
            ),
            ("From ", "", None),
        ] {
            let envelope = Envelope::parse(line.as_bytes()).unwrap();
            assert_eq!(envelope.sender, sender, "{line}");
            if let Some(seconds) = date {
                assert_eq!(envelope.date.unwrap().seconds, seconds, "{line}");
            }
        }
        assert_eq!(Envelope::parse(b"from a"), None);
        assert!(!Envelope::is_dated(b"From here on it is 12:00 in 1970"));
    }

    #[test]
    fn lines_are_written() {
        for (sender, seconds, line) in [
            ("", 0, "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"),
            (
                "a @b\n",
                1_795_435_201,
                "From a@b Mon Nov 23 12:00:01 2026\n",
            ),
            ("a", -1, "From a Wed Dec 31 23:59:59 1969\n"),
        ] {
            let date = Some(Timestamp::utc(seconds));
            let envelope = Envelope {
                sender: sender.to_owned(),
                date,
            };
            let mut out = Vec::new();
            envelope.write(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), line);
            assert_eq!(Envelope::parse(out.trim_ascii_end()).unwrap().date, date);
        }
    }
}
