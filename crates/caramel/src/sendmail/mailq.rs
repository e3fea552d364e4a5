//! `mailq`: the queue in the columns that people and their scripts know.

use mail::Timestamp;
use rustix::process::geteuid;
use serde_json::{Value, json};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::place::Place;
use crate::told::{self, number};
use crate::{desk, queue, sysexits};

/// Days and months as they are told.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY_SECONDS: i64 = 86_400;

/// Lists the queue.
pub(super) fn run(place: &Place, json: bool) -> Result<(), Complaint> {
    let config = place.configuration()?;
    // Letters that nobody has picked up are seen by who owns the spool.
    let spooled = place.spool()?.letters().map_or(0, |ids| ids.len());
    if desk::connect(&config).is_err() {
        let complaint = Complaint::new("the queue is not shown to everybody");
        let complaint = complaint.because(format!("you are user {}", geteuid().as_raw()));
        let complaint = complaint.next("run it as root, or as the user that runs the server");
        return Err(complaint.coded(sysexits::NO_PERMISSION));
    }
    let (mut count, mut octets) = (0_u64, 0_u64);
    queue::each(&config, |letter| {
        count += 1;
        octets = octets.saturating_add(number(letter, "size"));
        if json {
            return say(&letter.to_string());
        }
        if count == 1 {
            say("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------")?;
        }
        say(&entry(letter))
    })?;
    if json {
        return match spooled {
            0 => Ok(()),
            count => say(&json!({ "notPickedUp": count }).to_string()),
        };
    }
    let told = match count {
        0 => "Mail queue is empty".to_owned(),
        count => {
            let noun = if count == 1 { "Request" } else { "Requests" };
            format!("-- {} Kbytes in {count} {noun}.", octets.div_ceil(1024))
        }
    };
    say(&told)?;
    match spooled {
        0 => Ok(()),
        count => say(&format!("{count} handed in and not picked up yet.")),
    }
}

/// An entry: its line, why it waits, its recipients.
fn entry(letter: &Value) -> String {
    let mark = match told::text(letter, "state") {
        "attempting" => '*',
        "held" => '!',
        _ => ' ',
    };
    let from = told::text(letter, "from").trim_matches(['<', '>']);
    let from = if from.is_empty() {
        "MAILER-DAEMON"
    } else {
        from
    };
    let arrived = letter.get("arrived").and_then(Value::as_i64);
    let mut text = format!(
        "{:<10}{mark}{:>8} {}  {from}\n",
        told::text(letter, "id"),
        number(letter, "size"),
        moment(arrived.unwrap_or_default()),
    );
    for recipient in queue::recipients(letter) {
        if let Some(said) = queue::said(recipient) {
            text.push_str(&format!("({said})\n"));
        }
        let to = told::text(recipient, "to").trim_matches(['<', '>']);
        text.push_str(&format!("{:41}{to}\n", ""));
    }
    text
}

/// `Fri Nov 27 14:00:00`, in UTC.
fn moment(seconds: i64) -> String {
    let (_, month, day) = Timestamp::utc(seconds).civil_date();
    let of = |names: &[&'static str], place: i64| {
        let place = usize::try_from(place).ok();
        place
            .and_then(|place| names.get(place).copied())
            .unwrap_or_default()
    };
    let second = seconds.rem_euclid(DAY_SECONDS);
    format!(
        "{} {} {day:>2} {:02}:{:02}:{:02}",
        of(&DAYS, seconds.div_euclid(DAY_SECONDS).rem_euclid(7)),
        of(&MONTHS, i64::from(month) - 1),
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shown_as_people_know_them() {
        assert_eq!(moment(0), "Thu Jan  1 00:00:00");
        assert_eq!(moment(1_764_252_012), "Thu Nov 27 14:00:12");
        let letter = json!({
            "id": "2a", "state": "held", "from": "<>", "arrived": 0, "size": 1234,
            "recipients": [{ "to": "<x@a.example>", "said": {
                "host": "mx.a.example", "code": 451, "status": "4.7.1", "text": "Not now" } }],
        });
        assert_eq!(
            entry(&letter),
            "2a        !    1234 Thu Jan  1 00:00:00  MAILER-DAEMON\n\
             (mx.a.example: 451 4.7.1 Not now)\n                                         \
             x@a.example\n"
        );
    }
}
