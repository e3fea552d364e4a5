//! The queue, for who looks after it: what waits, why, and what is to be done with it.

use clap::{Args, Subcommand};
use mail::Timestamp;
use serde_json::{Value, json};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::compose::moment;
use crate::config::{Config, span};
use crate::desk::Talk;
use crate::told::{number, text};

mod suppressed;
mod top;

use suppressed::Addresses;

/// Letters that one call names.
const IDS_AT_ONCE: usize = 1000;

/// What is asked of the queue.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Lists the letters that wait to leave, one for each destination.
    List {
        #[command(flatten)]
        which: Filter,
        #[command(flatten)]
        listing: Listing,
    },
    /// Shows for each destination how much is on its way, due and waiting, and what it said last;
    /// on a terminal anew each second, until `q`.
    Top {
        #[command(flatten)]
        listing: Listing,
    },
    /// Shows a letter: its recipients, and what was said of each.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        listing: Listing,
    },
    /// Tries letters now, whenever their time is; or at another time, and not before.
    Retry {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        then: Then,
    },
    /// Keeps letters back until they are released.
    Hold(Chosen),
    /// Lets letters go on that were held.
    Release(Chosen),
    /// Throws letters away; nobody is told.
    Drop(Chosen),
    /// Lists addresses that nothing is sent to, since their hosts said that there is nobody.
    Suppressed {
        #[command(flatten)]
        listing: Listing,
    },
    /// Lets mail go to such addresses again.
    Unsuppress(Addresses),
}

/// Which letters, by what they are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    /// Letters to this domain.
    #[arg(long, value_name = "DOMAIN")]
    to: Option<String>,
    /// Letters of this sender; `<>` for reports.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
}

/// Which letters.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// Their ids.
    #[arg(required_unless_present_any = ["all", "to", "from"])]
    ids: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["ids", "to", "from"])]
    all: bool,
    #[command(flatten)]
    which: Filter,
    #[command(flatten)]
    listing: Listing,
}

/// When letters are tried next, if not now.
#[derive(Debug, Args)]
pub(crate) struct Then {
    /// At this time: 2026-12-01T08:00Z. It has to be before a letter is given up.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    at: Option<Timestamp>,
    /// After so long: 2h.
    #[arg(long = "in", value_name = "SPAN", value_parser = span, conflicts_with = "at")]
    after: Option<u64>,
}

impl Then {
    /// What is asked besides, and the words for it.
    fn asked(&self) -> Value {
        match (self.at, self.after) {
            (Some(at), _) => json!({ "at": at.seconds }),
            (None, Some(seconds)) => json!({ "in": seconds }),
            (None, None) => json!({}),
        }
    }
}

impl Filter {
    fn takes(&self, letter: &Value) -> bool {
        let is = |name: &str, wanted: &Option<String>| {
            let has = text(letter, name).trim_matches(['<', '>']);
            wanted
                .as_deref()
                .is_none_or(|wanted| has.eq_ignore_ascii_case(wanted.trim_matches(['<', '>'])))
        };
        is("destination", &self.to) && is("from", &self.from)
    }
}

/// Does what is asked.
pub(crate) fn run(config: &Config, command: &QueueCommand) -> Result<(), Complaint> {
    match command {
        QueueCommand::List { which, listing } => list(config, which, listing),
        QueueCommand::Top { listing } => top::run(config, listing),
        QueueCommand::Show { id, listing } => show(config, id, listing),
        QueueCommand::Retry { chosen, then } => {
            change(config, ("Queue/retry", &then.asked()), "tried now", chosen)
        }
        QueueCommand::Hold(chosen) => simply(config, "Queue/hold", "held", chosen),
        QueueCommand::Release(chosen) => simply(config, "Queue/release", "released", chosen),
        QueueCommand::Drop(chosen) => simply(config, "Queue/drop", "thrown away", chosen),
        QueueCommand::Suppressed { listing } => suppressed::list(config, listing),
        QueueCommand::Unsuppress(which) => suppressed::free(config, which),
    }
}

/// Goes through the queue, page by page; tells how many letters there are.
fn walk(
    talk: &mut Talk,
    which: &Filter,
    mut each: impl FnMut(&Value) -> Result<(), Complaint>,
) -> Result<u64, Complaint> {
    let mut after = Value::Null;
    loop {
        let page = talk.ask("Queue/list", &json!({ "after": after }))?;
        let letters = page.get("list").and_then(Value::as_array);
        let letters = letters.map(Vec::as_slice).unwrap_or_default();
        letters
            .iter()
            .filter(|letter| which.takes(letter))
            .try_for_each(&mut each)?;
        let more = page.get("more").and_then(Value::as_bool) == Some(true);
        match letters.last().filter(|_| more) {
            Some(last) => after = json!(text(last, "id")),
            None => return Ok(number(&page, "total")),
        }
    }
}

/// Tries letters now whose ids, destinations and senders these are, or all; says nothing.
pub(crate) fn retry(
    config: &Config,
    id: Option<&str>,
    (to, from): (Option<&str>, Option<&str>),
) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let which = Filter {
        to: to.map(str::to_owned),
        from: from.map(str::to_owned),
    };
    let mut ids: Vec<String> = id.iter().map(ToString::to_string).collect();
    if ids.is_empty() {
        walk(&mut talk, &which, |letter| {
            ids.push(text(letter, "id").to_owned());
            Ok(())
        })?;
    }
    for ids in ids.chunks(IDS_AT_ONCE) {
        talk.ask("Queue/retry", &json!({ "ids": ids }))?;
    }
    Ok(())
}

/// All letters, one after the other.
pub(crate) fn each(
    config: &Config,
    each: impl FnMut(&Value) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    walk(&mut talk, &Filter::default(), each).map(drop)
}

fn list(config: &Config, which: &Filter, listing: &Listing) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let mut told = 0_u64;
    let total = walk(&mut talk, which, |letter| {
        told += 1;
        match listing.json {
            true => say(&letter.to_string()),
            false => say(&line(letter)),
        }
    })?;
    match listing.json {
        true => Ok(()),
        false if told == total => say(&format!("{} in the queue.", letters(total))),
        false => say(&format!("{told} of {} in the queue.", letters(total))),
    }
}

fn line(letter: &Value) -> String {
    let recipients = recipients(letter);
    let first = recipients.first();
    let to = first.map_or("", |one| text(one, "to"));
    let others = match recipients.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let mut line = format!(
        "{:>8}  {}  {:>9}  {} → {to}{others}  {}",
        text(letter, "id"),
        moment(letter, "arrived"),
        number(letter, "size"),
        text(letter, "from"),
        state(letter),
    );
    if let Some(said) = first.and_then(said) {
        line.push_str(&format!("\n          {said}"));
    }
    line
}

fn state(letter: &Value) -> String {
    match text(letter, "state") {
        "due" => {
            let attempts = number(letter, "attempts");
            format!("tried {attempts} times, next at {}", moment(letter, "due"))
        }
        "attempting" => "on its way".to_owned(),
        state => state.to_owned(),
    }
}

fn show(config: &Config, id: &str, listing: &Listing) -> Result<(), Complaint> {
    let letter = Talk::begin(config)?.ask("Queue/get", &json!({ "id": id }))?;
    if listing.json {
        return say(&letter.to_string());
    }
    say(&format!(
        "letter    {}\njourney   {}\nfrom      {}\nto        {}\narrived   {}\nsize      {}\n\
         state     {}",
        text(&letter, "id"),
        text(&letter, "journey"),
        text(&letter, "from"),
        text(&letter, "destination"),
        moment(&letter, "arrived"),
        number(&letter, "size"),
        state(&letter),
    ))?;
    match text(&letter, "tls") {
        "" => {}
        wish => say(&format!("TLS       {wish}"))?,
    }
    if letter.get("later").and_then(Value::as_bool) == Some(true) {
        say("rank      after letters of people")?;
    }
    for one in recipients(&letter) {
        say(&format!("recipient {}", text(one, "to")))?;
        if let Some(said) = said(one) {
            say(&format!("          {said}"))?;
        }
    }
    Ok(())
}

/// What was said of a recipient, in one line.
pub(crate) fn said(recipient: &Value) -> Option<String> {
    let said = recipient.get("said").filter(|said| !said.is_null())?;
    let code = said.get("code").and_then(Value::as_u64);
    let code = code.map(|code| format!("{code} ")).unwrap_or_default();
    let host = match text(said, "host") {
        "" => String::new(),
        host => format!("{host}: "),
    };
    let words = format!(
        "{host}{code}{} {}",
        text(said, "status"),
        text(said, "text")
    );
    // Another host's words: nothing in them moves the cursor.
    let shown = |letter: char| if letter.is_control() { '?' } else { letter };
    Some(words.chars().map(shown).collect())
}

fn simply(config: &Config, method: &str, what: &str, chosen: &Chosen) -> Result<(), Complaint> {
    change(config, (method, &json!({})), what, chosen)
}

fn change(
    config: &Config,
    (method, besides): (&str, &Value),
    what: &str,
    chosen: &Chosen,
) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let mut ids = chosen.ids.clone();
    if ids.is_empty() {
        walk(&mut talk, &chosen.which, |letter| {
            ids.push(text(letter, "id").to_owned());
            Ok(())
        })?;
    }
    let mut outcome = Outcome::default();
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut asked = besides.clone();
        if let Some(asked) = asked.as_object_mut() {
            asked.insert("ids".to_owned(), json!(ids));
        }
        outcome.add(&talk.ask(method, &asked)?);
    }
    match chosen.listing.json {
        true => say(&outcome.json().to_string()),
        false => outcome.tell(what),
    }
}

/// What came of a change.
#[derive(Default)]
struct Outcome {
    changed: u64,
    unfit: u64,
    busy: u64,
    missing: u64,
    late: u64,
    /// When the first of those that are late is given up.
    ends: Option<i64>,
    /// When the others are tried, if that was said.
    at: Option<i64>,
}

impl Outcome {
    fn add(&mut self, done: &Value) {
        let seconds = |name| done.get(name).and_then(Value::as_i64);
        self.changed += number(done, "changed");
        self.unfit += number(done, "unfit");
        self.busy += number(done, "busy");
        self.missing += number(done, "missing");
        self.late += number(done, "late");
        self.ends = self.ends.into_iter().chain(seconds("ends")).min();
        self.at = self.at.or_else(|| seconds("at"));
    }

    fn json(&self) -> Value {
        let mut done = json!({
            "changed": self.changed, "unfit": self.unfit, "busy": self.busy,
            "missing": self.missing,
        });
        if let (Some(at), Some(done)) = (self.at, done.as_object_mut()) {
            done.insert("at".to_owned(), json!(at));
            done.insert("late".to_owned(), json!(self.late));
            done.insert("ends".to_owned(), json!(self.ends));
        }
        done
    }

    /// Tells it in words: `what` is what was done with those that were changed.
    fn tell(&self, what: &str) -> Result<(), Complaint> {
        let what = match self.at {
            Some(at) => format!("put to {}", rfc3339(at)),
            None => what.to_owned(),
        };
        let ends = self.ends.map(rfc3339).unwrap_or_default();
        let late = format!("given up before that, the first at {ends}");
        if self.changed == 0 && self.late > 0 {
            let what = format!("{} would be {late}", letters(self.late));
            let next = "say an earlier time; `[queue] expire` is how long letters are tried";
            return Err(Complaint::new(what).next(next));
        }
        let mut told = format!("{} {what}", letters(self.changed));
        for (count, why) in [
            (self.unfit, "left as they are"),
            (self.busy, "on their way at this moment"),
            (self.missing, "not there"),
            (self.late, late.as_str()),
        ] {
            if count > 0 {
                told.push_str(&format!("; {count} {why}"));
            }
        }
        told.push('.');
        say(&told)
    }
}

fn letters(count: u64) -> String {
    match count {
        1 => "1 letter".to_owned(),
        count => format!("{count} letters"),
    }
}

pub(crate) fn recipients(letter: &Value) -> &[Value] {
    let list = letter.get("recipients").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn moment(value: &Value, name: &str) -> String {
    let seconds = value.get(name).and_then(Value::as_i64);
    rfc3339(seconds.unwrap_or_default())
}

fn rfc3339(seconds: i64) -> String {
    Timestamp::utc(seconds).to_rfc3339().to_string()
}
