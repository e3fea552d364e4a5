//! Another server's mailboxes, by IMAP: opened read-only, fetched by UID, a few messages at a time.

use std::collections::BTreeMap;

use imap::command::{Fetch, FetchItem, List, ListReturn, ListSelect, Partial, SelectParameters};
use imap::response::{Attribute, Code, FetchData};
use imap::{Command, MailboxName, Response, SeqNumber, SequenceRange, SequenceSet};
use mail::{FlagSet, Role, SeqNo, Timestamp, Uid, UidValidity};
use serde_json::{Value, json};

use crate::complaint::Complaint;
use crate::transfer::sink::{Facts, Sink};
use crate::transfer::target::Target;

mod talk;

pub(in crate::transfer) use talk::Login;
use talk::Talk;

/// Messages asked for at a time.
const WINDOW: u32 = 200;
/// Octets of messages asked for at a time; of a larger one so many.
const FETCH_OCTETS_MAX: u64 = 1024 * 1024;

/// A mailbox over there.
struct Mailbox {
    name: MailboxName,
    levels: Vec<String>,
    role: Option<Role>,
    subscribed: bool,
}

/// A message over there.
#[derive(Clone, Debug, Default)]
struct Row {
    flags: FlagSet,
    date: Option<Timestamp>,
    size: u64,
}

/// Imports all mailboxes of an account elsewhere.
pub(in crate::transfer) fn import(
    login: &Login,
    target: &Target,
    sink: &mut Sink,
) -> Result<(), Complaint> {
    let mut talk = Talk::begin(login)?;
    for mailbox in mailboxes(&mut talk)? {
        one(&mut talk, login, &mailbox, target, sink)?;
    }
    talk.command(Command::Logout, |_| Ok(())).map(drop)
}

fn mailboxes(talk: &mut Talk) -> Result<Vec<Mailbox>, Complaint> {
    let mut subscribed = Vec::new();
    let lsub = Command::Lsub {
        reference: String::new(),
        pattern: "*".to_owned(),
    };
    // A server of IMAP4rev2 alone may not know it.
    talk.command(lsub, |response| {
        if let Response::Lsub(listing) = response {
            subscribed.push(listing.mailbox);
        }
        Ok(())
    })?;
    let list = Command::List(List {
        select: ListSelect::default(),
        reference: String::new(),
        patterns: vec!["*".to_owned()],
        returning: ListReturn::default(),
        extended: false,
    });
    let mut mailboxes = Vec::new();
    talk.good(list, |response| {
        let Response::List(listing) = response else {
            return Ok(());
        };
        let has = |attribute| listing.attributes.contains(&attribute);
        if has(Attribute::NoSelect) || has(Attribute::NonExistent) {
            return Ok(());
        }
        let role = listing
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                Attribute::Role(role) => Some(*role),
                _ => None,
            });
        let delimiter = listing.delimiter.unwrap_or('\u{0}');
        let levels = listing.mailbox.as_str().split(delimiter);
        mailboxes.push(Mailbox {
            levels: levels.map(|level| level.replace('/', "_")).collect(),
            role,
            subscribed: subscribed.contains(&listing.mailbox),
            name: listing.mailbox,
        });
        Ok(())
    })?;
    mailboxes.sort_by_key(|mailbox| (!mailbox.name.is_inbox(), mailbox.levels.clone()));
    Ok(mailboxes)
}

fn one(
    talk: &mut Talk,
    login: &Login,
    mailbox: &Mailbox,
    target: &Target,
    sink: &mut Sink,
) -> Result<(), Complaint> {
    let (mut exists, mut uidnext) = (0, None);
    let mut uidvalidity: Option<UidValidity> = None;
    let examine = Command::Examine {
        mailbox: mailbox.name.clone(),
        parameters: SelectParameters::default(),
    };
    talk.good(examine, |response| {
        match response {
            Response::Exists(count) => exists = count,
            Response::Untagged(status) => match status.code {
                Some(Code::UidValidity(value)) => uidvalidity = Some(value),
                Some(Code::UidNext(value)) => uidnext = Some(value),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    })?;
    let generation = uidvalidity.map_or(0, UidValidity::value);
    // Another generation is another source: none of its UIDs was imported.
    let identity = format!(
        "{}/{}/{generation}",
        login.identity(),
        mailbox.name.as_str()
    );
    let mut opening = target.opening("imap", identity.as_ref(), &mailbox.levels, "".as_ref());
    opening.uidvalidity = uidvalidity.filter(|_| target.keep_uids);
    opening.role = mailbox.role;
    opening.subscribed = mailbox.subscribed;
    let keeps = opening.uidvalidity.is_some();
    let mark = sink.open(&opening)?;
    let done = mark
        .as_ref()
        .and_then(|mark| mark.get("uid"))
        .and_then(Value::as_u64);
    let done = done.unwrap_or_default();
    let mut from = 1;
    while from <= exists {
        let to = exists.min(from.saturating_add(WINDOW - 1));
        let mut rows = window(talk, from, to)?;
        rows.retain(|uid, _| u64::from(uid.value()) > done);
        transfer(talk, &rows, (&mailbox.name, keeps), sink)?;
        from = to.saturating_add(1);
    }
    sink.close(uidnext.filter(|_| keeps))
}

/// What is known of the messages with these sequence numbers.
fn window(talk: &mut Talk, from: u32, to: u32) -> Result<BTreeMap<Uid, Row>, Complaint> {
    let items = vec![
        FetchItem::Uid,
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Rfc822Size,
    ];
    let mut rows = BTreeMap::new();
    let command = fetch(false, numbers([(from, to)]), items);
    talk.good(command, |response| {
        let Response::Fetch(_, data) = response else {
            return Ok(());
        };
        let (mut uid, mut row) = (None, Row::default());
        for one in data {
            match one {
                FetchData::Uid(value) => uid = Some(value),
                FetchData::Flags(flags, _) => row.flags = flags,
                FetchData::InternalDate(date) => row.date = Some(date),
                FetchData::Size(size) => row.size = size,
                _ => {}
            }
        }
        if let Some(uid) = uid.filter(|_| row.date.is_some()) {
            rows.insert(uid, row);
        }
        Ok(())
    })?;
    Ok(rows)
}

fn transfer(
    talk: &mut Talk,
    rows: &BTreeMap<Uid, Row>,
    (name, keeps): (&MailboxName, bool),
    sink: &mut Sink,
) -> Result<(), Complaint> {
    let end = |uid: Uid, row: &Row, sink: &mut Sink| {
        let facts = Facts {
            flags: row.flags.clone(),
            date: row.date,
            uid: Some(uid).filter(|_| keeps),
        };
        sink.end(&facts, &json!({ "uid": uid.value() }))
    };
    let place = |uid: Uid| format!("{};UID={}", name.as_str(), uid.value());
    let mut rest = rows.iter().peekable();
    while let Some((uid, row)) = rest.next() {
        if row.size > FETCH_OCTETS_MAX {
            sink.begin(&place(*uid));
            pieces(talk, *uid, sink)?;
            end(*uid, row, sink)?;
            continue;
        }
        let mut group = vec![*uid];
        let mut octets = row.size;
        while let Some((uid, row)) = rest.next_if(|(_, row)| octets + row.size <= FETCH_OCTETS_MAX)
        {
            group.push(*uid);
            octets += row.size;
        }
        let messages = bodies(talk, &group)?;
        for uid in group {
            // One that is gone meanwhile is gone.
            if let (Some(octets), Some(row)) = (messages.get(&uid), rows.get(&uid)) {
                sink.begin(&place(uid));
                sink.octets(octets)?;
                end(uid, row, sink)?;
            }
        }
    }
    Ok(())
}

/// Whole messages.
fn bodies(talk: &mut Talk, uids: &[Uid]) -> Result<BTreeMap<Uid, bytes::Bytes>, Complaint> {
    let ranges = uids.iter().map(|uid| (uid.value(), uid.value()));
    let items = vec![FetchItem::Uid, body(None)];
    let mut messages = BTreeMap::new();
    talk.good(fetch(true, numbers(ranges), items), |response| {
        if let Some((uid, octets)) = section(response) {
            messages.insert(uid, octets);
        }
        Ok(())
    })?;
    Ok(messages)
}

/// One message, piece by piece.
fn pieces(talk: &mut Talk, uid: Uid, sink: &mut Sink) -> Result<(), Complaint> {
    let mut offset = 0;
    loop {
        let partial = Partial {
            offset,
            octets: FETCH_OCTETS_MAX,
        };
        let set = numbers([(uid.value(), uid.value())]);
        let items = vec![FetchItem::Uid, body(Some(partial))];
        let mut came = 0;
        talk.good(fetch(true, set, items), |response| {
            if let Some((_, octets)) = section(response) {
                came = u64::try_from(octets.len()).unwrap_or_default();
                sink.octets(&octets)?;
            }
            Ok(())
        })?;
        if came < FETCH_OCTETS_MAX {
            return Ok(());
        }
        offset += came;
    }
}

fn section(response: Response) -> Option<(Uid, bytes::Bytes)> {
    let Response::Fetch(_, data) = response else {
        return None;
    };
    let (mut uid, mut found) = (None, None);
    for one in data {
        match one {
            FetchData::Uid(value) => uid = Some(value),
            FetchData::Section { octets, .. } => found = octets,
            _ => {}
        }
    }
    uid.zip(found)
}

const fn fetch(uid: bool, set: SequenceSet, items: Vec<FetchItem>) -> Command {
    Command::Fetch(Fetch {
        uid,
        set,
        items,
        changed_since: None,
        vanished: false,
        partial: None,
    })
}

fn body(partial: Option<Partial>) -> FetchItem {
    FetchItem::BodySection {
        section: message::Section::default(),
        partial,
        peek: true,
    }
}

fn numbers(ranges: impl IntoIterator<Item = (u32, u32)>) -> SequenceSet {
    let number = |number| SeqNo::new(number).map(|number| number.value());
    let number = |value| number(value).and_then(std::num::NonZeroU32::new);
    let ranges = ranges.into_iter().filter_map(|(from, to)| {
        let (from, to) = (number(from)?, number(to)?);
        Some(SequenceRange {
            from: SeqNumber::Number(from),
            to: SeqNumber::Number(to),
        })
    });
    SequenceSet::Ranges(ranges.collect())
}
