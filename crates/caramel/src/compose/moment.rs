//! Dates as people and programs give them.

use mail::Timestamp;
use message::{Leniencies, Leniency, parse_date_noting};

/// Reads a date of RFC 3339 or RFC 5322; what has to be guessed is none.
pub(crate) fn parse(text: &str) -> Result<Timestamp, &'static str> {
    let mut noted = Leniencies::NONE;
    let moment = rfc3339(text).or_else(|| {
        let moment = parse_date_noting(text.trim().as_bytes(), &mut noted);
        moment.filter(|_| !noted.has(Leniency::DateRepaired))
    });
    moment.ok_or("a date is 2026-11-23T20:15:00+01:00 or Mon, 23 Nov 2026 20:15:00 +0100")
}

// RFC 3339 §5.6; seconds may be left out, as in RFC 5322.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let ([hour, minute, second], fraction) = match numbers(time, ':', [2, 2]) {
        Some([hour, minute]) => ([hour, minute, 0], "0"),
        None => {
            let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
            (numbers(time, ':', [2, 2, 2])?, fraction)
        }
    };
    if fraction.is_empty() || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let small = |number: u16| u8::try_from(number).ok();
    let date = (i32::from(year), small(month)?, small(day)?);
    let time = (small(hour)?, small(minute)?, small(second)?);
    Timestamp::from_civil(date, time, zone_minutes(zone)?)
}

fn zone_minutes(zone: &str) -> Option<i16> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (west, zone) = match zone.strip_prefix('-') {
        Some(zone) => (true, zone),
        None => (false, zone.strip_prefix('+')?),
    };
    let [hours, minutes] = numbers(zone, ':', [2, 2])?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    let minutes = i16::try_from(hours * 60 + minutes).ok()?;
    Some(if west { -minutes } else { minutes })
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u16; N]> {
    let mut found = [0; N];
    let mut words = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let word = words.next()?;
        let fits = word.len() == digits && word.bytes().all(|octet| octet.is_ascii_digit());
        *number = word.parse().ok().filter(|_| fits)?;
    }
    words.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_both_kinds() {
        let expected = Timestamp::from_civil((2026, 11, 23), (20, 15, 0), 60).unwrap();
        for text in [
            "2026-11-23T20:15:00+01:00",
            "2026-11-23 20:15:00.25+01:00",
            "Mon, 23 Nov 2026 20:15:00 +0100",
            "23 Nov 2026 20:15 +0100",
            "2026-11-23T20:15+01:00",
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        let west = parse("2026-11-23t15:45:00-03:30").unwrap();
        assert_eq!((west.seconds, west.zone_minutes), (expected.seconds, -210));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Ok(Timestamp::utc(0)));
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T20:15:00",
            "2026-11-23T20:15.5Z",
            "2026-11-23T20Z",
            "2026-11-23T20:15:00.+01:00",
            "2026-02-30T20:15:00Z",
            "2026-11-23T20:15:00+1:00",
            "2026-11-23T20:15:00+24:00",
            "+026-11-23T20:15:00Z",
            "2026-11-23T20:15:00:00Z",
            "Tue, 23 Nov 2026 20:15:00 +0100",
            "23.11.2026",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
