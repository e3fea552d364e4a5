//! Time as an argument: nothing here reads a clock.

use std::fmt;
use std::time::Duration;

/// A monotonic moment: time since an origin that only the owner of the clock knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

impl Instant {
    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment on the calendar with the zone it was written in (RFC 5322 §3.3, RFC 9051 §2.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of Greenwich.
    pub zone_minutes: i16,
}

/// A date and time of day on the wall of some zone.
struct Wall {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Wall {
    fn month_name(&self) -> &'static str {
        let name = MONTHS.get(self.month.wrapping_sub(1));
        name.copied().unwrap_or("Jan")
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY: i64 = 86_400;

impl Timestamp {
    /// A moment in Greenwich's zone.
    #[must_use]
    pub const fn utc(seconds: i64) -> Self {
        Self {
            seconds,
            zone_minutes: 0,
        }
    }

    /// The moment when clocks `zone_minutes` east of Greenwich show the given date and time.
    ///
    /// `None` where the calendar has no such date; a leap second counts as the next second.
    #[must_use]
    pub fn from_civil(
        (year, month, day): (i32, u8, u8),
        (hour, minute, second): (u8, u8, u8),
        zone_minutes: i16,
    ) -> Option<Self> {
        let year = i64::from(year);
        let fits = (1..=12).contains(&month)
            && day >= 1
            && i64::from(day) <= days_in_month(year, month)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !fits {
            return None;
        }
        let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let days = days_from_civil(year, i64::from(month), i64::from(day));
        let seconds = days * DAY + clock - i64::from(zone_minutes) * 60;
        Some(Self {
            seconds,
            zone_minutes,
        })
    }

    /// Year, month (1–12) and day on the wall of its own zone.
    #[must_use]
    pub fn civil_date(self) -> (i32, u8, u8) {
        let wall = self.wall();
        let year = i32::try_from(wall.year).unwrap_or(i32::MAX);
        let month = u8::try_from(wall.month).unwrap_or(1);
        (year, month, u8::try_from(wall.day).unwrap_or(1))
    }

    /// Writes the date as RFC 5322 §3.3 `date-time`.
    #[must_use]
    pub fn to_rfc5322(self) -> Rfc5322 {
        Rfc5322(self)
    }

    /// Writes the date as RFC 9051 `date-time`, without the quotes.
    #[must_use]
    pub fn to_imap(self) -> Imap {
        Imap(self)
    }

    /// Writes the date as RFC 3339 §5.6 `date-time`.
    #[must_use]
    pub fn to_rfc3339(self) -> Rfc3339 {
        Rfc3339(self)
    }

    fn wall(self) -> Wall {
        let local = self.seconds + i64::from(self.zone_minutes) * 60;
        let (year, month, day) = civil_from_days(local.div_euclid(DAY));
        let clock = local.rem_euclid(DAY);
        Wall {
            year,
            month,
            day,
            hour: clock / 3600,
            minute: clock / 60 % 60,
            second: clock % 60,
        }
    }

    fn zone(self) -> (char, i16, i16) {
        let minutes = self.zone_minutes.abs();
        (
            if self.zone_minutes < 0 { '-' } else { '+' },
            minutes / 60,
            minutes % 60,
        )
    }

    /// As RFC 5322 §3.3 and IMAP write it: `20:15:00 +0000`.
    fn clock(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let (wall, (sign, hours, minutes)) = (self.wall(), self.zone());
            write!(
                f,
                "{:02}:{:02}:{:02} {sign}{hours:02}{minutes:02}",
                wall.hour, wall.minute, wall.second
            )
        })
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds, self.zone_minutes).cmp(&(other.seconds, other.zone_minutes))
    }
}

/// Shows a [`Timestamp`] as `Mon, 23 Nov 2026 20:15:00 +0000`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc5322(Timestamp);

impl fmt::Display for Rfc5322 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = self.0.wall();
        let local = self.0.seconds + i64::from(self.0.zone_minutes) * 60;
        let weekday = usize::try_from(local.div_euclid(DAY).rem_euclid(7)).unwrap_or_default();
        let weekday = WEEKDAYS.get(weekday).copied().unwrap_or("Thu");
        let (month, clock) = (wall.month_name(), self.0.clock());
        write!(
            f,
            "{weekday}, {} {month} {:04} {clock}",
            wall.day, wall.year
        )
    }
}

/// Shows a [`Timestamp`] as `23-Nov-2026 20:15:00 +0000`, the day padded with a space.
#[derive(Clone, Copy, Debug)]
pub struct Imap(Timestamp);

impl fmt::Display for Imap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = self.0.wall();
        let (month, clock) = (wall.month_name(), self.0.clock());
        write!(f, "{:2}-{month}-{:04} {clock}", wall.day, wall.year)
    }
}

/// Shows a [`Timestamp`] as `2026-11-23T20:15:00+00:00`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = self.0.wall();
        let (sign, hours, minutes) = self.0.zone();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{hours:02}:{minutes:02}",
            wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second
        )
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year is taken to begin in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (
        era * 400 + year_of_era + carry,
        usize::try_from(month).unwrap_or(1),
        day,
    )
}

fn days_in_month(year: i64, month: u8) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_known_by_heart() {
        let cases = [
            (
                0,
                0,
                "Thu, 1 Jan 1970 00:00:00 +0000",
                " 1-Jan-1970 00:00:00 +0000",
                "1970-01-01T00:00:00+00:00",
            ),
            (
                951_782_400,
                0,
                "Tue, 29 Feb 2000 00:00:00 +0000",
                "29-Feb-2000 00:00:00 +0000",
                "2000-02-29T00:00:00+00:00",
            ),
            (
                880_127_706,
                -360,
                "Fri, 21 Nov 1997 09:55:06 -0600",
                "21-Nov-1997 09:55:06 -0600",
                "1997-11-21T09:55:06-06:00",
            ),
            (
                -1,
                0,
                "Wed, 31 Dec 1969 23:59:59 +0000",
                "31-Dec-1969 23:59:59 +0000",
                "1969-12-31T23:59:59+00:00",
            ),
        ];
        for (seconds, zone_minutes, rfc5322, imap, rfc3339) in cases {
            let moment = Timestamp {
                seconds,
                zone_minutes,
            };
            assert_eq!(moment.to_rfc5322().to_string(), rfc5322);
            assert_eq!(moment.to_imap().to_string(), imap);
            assert_eq!(moment.to_rfc3339().to_string(), rfc3339);
        }
    }

    #[test]
    fn every_day_of_eight_centuries_reads_back() {
        for day in -146_097..146_097_i64 {
            let moment = Timestamp::utc(day * DAY + 3661);
            let back = Timestamp::from_civil(moment.civil_date(), (1, 1, 1), 0);
            assert_eq!(back, Some(moment));
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        assert_eq!(Timestamp::from_civil((2026, 2, 29), (0, 0, 0), 0), None);
        assert_eq!(Timestamp::from_civil((2026, 13, 1), (0, 0, 0), 0), None);
        assert_eq!(Timestamp::from_civil((2026, 4, 31), (0, 0, 0), 0), None);
        assert_eq!(Timestamp::from_civil((2026, 4, 30), (24, 0, 0), 0), None);
    }
}
