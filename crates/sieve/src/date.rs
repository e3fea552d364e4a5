//! Parts of dates as texts (RFC 5260 §4.2).

use mail::Timestamp;

use crate::extension::named;

named! {
    all
    /// What of a date is compared.
    pub(crate) enum Part {
        Year = "year",
        Month = "month",
        Day = "day",
        Date = "date",
        Julian = "julian",
        Hour = "hour",
        Minute = "minute",
        Second = "second",
        Time = "time",
        Iso8601 = "iso8601",
        Std11 = "std11",
        Zone = "zone",
        Weekday = "weekday",
    }
}

/// Days before 1970-01-01 since the Modified Julian Day 0 (RFC 5260 §4.2).
const MODIFIED_JULIAN_EPOCH: i64 = 40_587;
const DAY_SECONDS: i64 = 86_400;

impl Part {
    /// Reads the name in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|part| part.name().eq_ignore_ascii_case(name))
    }

    /// The part of a moment, on the wall of its own zone.
    pub(crate) fn of(self, time: Timestamp) -> String {
        let local = time
            .seconds
            .saturating_add(i64::from(time.zone_minutes) * 60);
        let days = local.div_euclid(DAY_SECONDS);
        let clock = local.rem_euclid(DAY_SECONDS);
        let (year, month, day) = time.civil_date();
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        match self {
            Self::Year => format!("{year:04}"),
            Self::Month => format!("{month:02}"),
            Self::Day => format!("{day:02}"),
            Self::Date => format!("{year:04}-{month:02}-{day:02}"),
            // RFC 5260 §4.2: "since 00:00 UTC", but of the date as it is shown.
            Self::Julian => (days + MODIFIED_JULIAN_EPOCH).to_string(),
            Self::Hour => format!("{hour:02}"),
            Self::Minute => format!("{minute:02}"),
            Self::Second => format!("{second:02}"),
            Self::Time => format!("{hour:02}:{minute:02}:{second:02}"),
            Self::Iso8601 => time.to_rfc3339().to_string().replace("+00:00", "Z"),
            Self::Std11 => time.to_rfc5322().to_string(),
            Self::Zone => {
                let minutes = time.zone_minutes.unsigned_abs();
                let sign = if time.zone_minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
            }
            // 1970-01-01 was a Thursday.
            Self::Weekday => (days + 4).rem_euclid(7).to_string(),
        }
    }
}

/// Reads `+hhmm` or `-hhmm` as minutes east of Greenwich.
pub(crate) fn zone_minutes(text: &str) -> Option<i16> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let number: i16 = digits.parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_date() {
        let time = message::parse_date(b"Mon, 26 Feb 2007 09:00:07 -0500").unwrap();
        for (part, expected) in [
            ("year", "2007"),
            ("MONTH", "02"),
            ("day", "26"),
            ("date", "2007-02-26"),
            ("julian", "54157"),
            ("hour", "09"),
            ("minute", "00"),
            ("second", "07"),
            ("time", "09:00:07"),
            ("iso8601", "2007-02-26T09:00:07-05:00"),
            ("std11", "Mon, 26 Feb 2007 09:00:07 -0500"),
            ("zone", "-0500"),
            ("weekday", "1"),
        ] {
            assert_eq!(Part::parse(part).unwrap().of(time), expected, "{part}");
        }
        let utc = Timestamp::utc(time.seconds);
        assert_eq!(Part::Iso8601.of(utc), "2007-02-26T14:00:07Z");
        assert_eq!(Part::Zone.of(utc), "+0000");
    }

    #[test]
    fn zones() {
        for (text, minutes) in [
            ("+0100", Some(60)),
            ("-0330", Some(-210)),
            ("+0000", Some(0)),
            ("0100", None),
            ("+1", None),
            ("+0160", None),
            ("+2400", None),
            ("+01:0", None),
        ] {
            assert_eq!(zone_minutes(text), minutes, "{text}");
        }
    }
}
