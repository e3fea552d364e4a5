//! One mailbox of an IMAP source: what is new there is fetched by UID, and what was fetched goes
//! there once it is on the disk here, where that is wanted.
//!
//! RFC 9051 §6.4.5 (FETCH), §6.4.9 (UID EXPUNGE), §2.3.1.1 (UIDVALIDITY).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use bytes::Bytes;
use imap::command::{Fetch, FetchItem, Partial, SelectParameters, Store, StoreAction};
use imap::response::{Code, FetchData};
use imap::{Command, Response, SeqNumber, SequenceRange, SequenceSet};
use mail::{Flag, FlagSet, Timestamp, UidValidity};
use post::{FetchId, FetchMark, FetchNote, Fetched, Fetching};

use super::Talk;
use super::listing::Folder;
use crate::fetch::trouble::Trouble;
use crate::fetch::{Errand, letter};

/// Octets of messages asked for at a time; of a larger one so many.
const FETCH_OCTETS_MAX: u64 = 1024 * 1024;
/// Messages of one mailbox that one session fetches.
const LISTED_MAX: usize = 100_000;
/// UIDs that one command names.
const UIDS_AT_ONCE: usize = 500;
/// Changes of notes in one step.
const CHANGES_AT_ONCE: usize = 1000;

/// A message over there.
#[derive(Clone, Debug, Default)]
struct Row {
    flags: FlagSet,
    date: Option<Timestamp>,
    size: u64,
}

/// How a mailbox stands.
#[derive(Debug, Default)]
struct Standing {
    exists: u32,
    uidvalidity: Option<UidValidity>,
    uidnext: Option<u32>,
}

/// One mailbox while it is fetched.
struct Work<'a> {
    errand: &'a Errand<'a>,
    folder: &'a Folder,
    fetching: Fetching,
    notes: BTreeMap<u32, FetchNote>,
    /// Where it is fetched.
    peer: IpAddr,
}

/// Fetches what is new in a mailbox.
pub(super) async fn fetch(
    errand: &Errand<'_>,
    talk: &mut Talk,
    folder: &Folder,
) -> Result<(), Trouble> {
    let source = errand.source;
    let standing = select(errand, talk, folder).await?;
    talk.has_more = false;
    let id = source.folder_id(folder.name.as_str());
    let fetching = errand.account.fetching(id).await;
    let mut work = Work {
        errand,
        folder,
        fetching: fetching.map_err(|error| Trouble::post(source, &error))?,
        notes: BTreeMap::new(),
        peer: talk.peer(),
    };
    work.begin(&standing).await?;
    let rows = match standing.exists {
        0 => BTreeMap::new(),
        _ => work.list(talk, &standing).await?,
    };
    let wanted = work.choose(rows).await?;
    work.transfer(talk, &wanted).await?;
    work.take_away(talk, &standing).await
}

/// How many messages a mailbox has, and how many of them are new.
pub(super) async fn look(
    errand: &Errand<'_>,
    talk: &mut Talk,
    folder: &Folder,
) -> Result<(u32, usize), Trouble> {
    let standing = select(errand, talk, folder).await?;
    let id = errand.source.folder_id(folder.name.as_str());
    let mark = errand.account.fetch_mark(id).await;
    let mark = mark.map_err(|error| Trouble::post(errand.source, &error))?;
    let generation = standing.uidvalidity.map_or(0, UidValidity::value);
    let mark = mark.filter(|mark| mark.generation == generation);
    let from = mark.map_or(0, |mark| mark.through).saturating_add(1);
    let mut rows = BTreeMap::new();
    if standing.exists > 0 {
        list(talk, errand, onward(from), &mut rows).await?;
    }
    rows.retain(|uid, _| *uid >= from);
    Ok((standing.exists, rows.len()))
}

async fn select(
    errand: &Errand<'_>,
    talk: &mut Talk,
    folder: &Folder,
) -> Result<Standing, Trouble> {
    let (mailbox, parameters) = (folder.name.clone(), SelectParameters::default());
    let command = match errand.source.keep {
        true => Command::Examine {
            mailbox,
            parameters,
        },
        false => Command::Select {
            mailbox,
            parameters,
        },
    };
    let mut standing = Standing::default();
    talk.good(errand.source, command, |response| match response {
        Response::Exists(count) => standing.exists = count,
        Response::Untagged(status) => match status.code {
            Some(Code::UidValidity(value)) => standing.uidvalidity = Some(value),
            Some(Code::UidNext(value)) => standing.uidnext = Some(value.value()),
            _ => {}
        },
        _ => {}
    })
    .await?;
    Ok(standing)
}

impl Work<'_> {
    fn trouble(&self, error: &post::Error) -> Trouble {
        Trouble::post(self.errand.source, error)
    }

    /// Reads what is known of the mailbox; in another generation nothing is.
    async fn begin(&mut self, standing: &Standing) -> Result<(), Trouble> {
        let notes = self.fetching.notes().await;
        let notes = notes.map_err(|error| self.trouble(&error))?;
        self.notes = notes
            .iter()
            .filter_map(|(id, note)| Some((uid_of(id)?, *note)))
            .collect();
        let generation = standing.uidvalidity.map_or(0, UidValidity::value);
        let mark = self.fetching.mark().clone();
        if mark.generation == generation {
            return Ok(());
        }
        if mark.generation != 0 {
            let (source, folder) = (&self.errand.source.name, self.folder.name.as_str());
            tracing::warn!(source, folder, "its UIDs have begun anew: all of it is new");
        }
        let gone = std::mem::take(&mut self.notes);
        self.change(gone.into_keys().map(|uid| (uid, None)).collect())
            .await?;
        let mark = FetchMark {
            generation,
            through: 0,
            ..mark
        };
        let noted = self.fetching.note(&[], mark).await;
        noted.map_err(|error| self.trouble(&error))
    }

    /// What is there of the messages that may be wanted.
    async fn list(
        &mut self,
        talk: &mut Talk,
        standing: &Standing,
    ) -> Result<BTreeMap<u32, Row>, Trouble> {
        let source = self.errand.source;
        let through = self.fetching.mark().through;
        let from = match source.only_new {
            true => through.saturating_add(1),
            false => 1,
        };
        let mut rows = BTreeMap::new();
        if standing.uidnext.is_none_or(|next| next > from) {
            list(talk, self.errand, onward(from), &mut rows).await?;
            // `n:*` names the last message even where that comes before n.
            rows.retain(|uid, _| *uid >= from);
        }
        // Another limit may let them in.
        let skipped = self.notes.iter().filter(|(_, note)| is_skipped(**note));
        let skipped: Vec<u32> = skipped.map(|(uid, _)| *uid).collect();
        for uids in skipped.chunks(UIDS_AT_ONCE) {
            list(talk, self.errand, numbers(uids), &mut rows).await?;
        }
        let gone = skipped.iter().filter(|uid| !rows.contains_key(uid));
        self.change(gone.map(|uid| (*uid, None)).collect()).await?;
        Ok(rows)
    }

    /// Which of them are fetched; those that are too large are noted.
    async fn choose(
        &mut self,
        mut rows: BTreeMap<u32, Row>,
    ) -> Result<BTreeMap<u32, Row>, Trouble> {
        let errand = self.errand;
        // What only could not be taken away is not fetched once more.
        rows.retain(|uid, _| !matches!(self.notes.get(uid), Some(FetchNote::Fetched { .. })));
        while rows.len() > errand.messages_max() {
            rows.pop_last();
        }
        let mut skipped = Vec::new();
        rows.retain(|uid, row| {
            let fits = errand.source.takes(row.size) && row.size <= errand.octets_max();
            if !fits && !self.notes.get(uid).is_some_and(|note| is_skipped(*note)) {
                skipped.push((*uid, Some(FetchNote::Skipped { octets: row.size })));
            }
            fits
        });
        self.change(skipped).await?;
        let octets = rows.values().map(|row| row.size).sum();
        errand.tally.expect(rows.len(), octets);
        Ok(rows)
    }

    async fn transfer(
        &mut self,
        talk: &mut Talk,
        rows: &BTreeMap<u32, Row>,
    ) -> Result<(), Trouble> {
        let mut rest = rows.iter().peekable();
        while let Some((uid, row)) = rest.next() {
            if row.size > FETCH_OCTETS_MAX {
                self.large(talk, *uid, row).await?;
                continue;
            }
            let mut group = vec![*uid];
            let mut octets = row.size;
            while let Some((uid, row)) =
                rest.next_if(|(_, row)| octets + row.size <= FETCH_OCTETS_MAX)
            {
                group.push(*uid);
                octets += row.size;
            }
            let mut bodies = bodies(talk, self.errand, &group).await?;
            // One that did not come, but is still there, is asked for again another time.
            let missing = group.iter().filter(|uid| !bodies.contains_key(uid));
            let octets = |uid: &u32| rows.get(uid).map_or(0, |row| row.size);
            let missing = missing.map(|uid| {
                (
                    *uid,
                    Some(FetchNote::Skipped {
                        octets: octets(uid),
                    }),
                )
            });
            self.change(missing.collect()).await?;
            for uid in group {
                if let (Some(body), Some(row)) = (bodies.remove(&uid), rows.get(&uid)) {
                    let beginning = body.slice(..body.len().min(letter::BEGINNING_OCTETS_MAX));
                    if self.chunk(uid, body).await? {
                        self.end(uid, row, &beginning).await?;
                    }
                }
            }
        }
        self.commit().await?;
        // What was passed over above the last that was fetched need not be asked for again.
        let mark = self.fetching.mark().clone();
        let last = rows.last_key_value().map_or(0, |(uid, _)| *uid);
        let mark = FetchMark {
            through: mark.through.max(last),
            ..mark
        };
        let noted = self.fetching.note(&[], mark).await;
        noted.map_err(|error| self.trouble(&error))
    }

    /// A large message, piece by piece.
    async fn large(&mut self, talk: &mut Talk, uid: u32, row: &Row) -> Result<(), Trouble> {
        let mut beginning = Bytes::new();
        let (mut offset, mut fits) = (0, true);
        loop {
            let octets = FETCH_OCTETS_MAX;
            let piece = body(Some(Partial { offset, octets }));
            let fetch = fetch_items(numbers(&[uid]), vec![FetchItem::Uid, piece]);
            let mut came = Bytes::new();
            talk.good(self.errand.source, fetch, |response| {
                if let Some((_, octets)) = section(response) {
                    came = octets;
                }
            })
            .await?;
            let len = u64::try_from(came.len()).unwrap_or(u64::MAX);
            if offset == 0 {
                beginning = came.slice(..came.len().min(letter::BEGINNING_OCTETS_MAX));
            }
            if fits && len > 0 {
                fits = self.chunk(uid, came).await?;
            }
            if len < FETCH_OCTETS_MAX {
                break;
            }
            offset += len;
        }
        match (fits, beginning.is_empty()) {
            (true, false) => self.end(uid, row, &beginning).await,
            (true, true) => {
                let octets = row.size;
                self.fetching.forget();
                self.change(vec![(uid, Some(FetchNote::Skipped { octets }))])
                    .await
            }
            (false, _) => Ok(()),
        }
    }

    /// Takes a piece; false where the message turned out to be too large.
    async fn chunk(&mut self, uid: u32, octets: Bytes) -> Result<bool, Trouble> {
        let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        match self.fetching.chunk(octets).await {
            Ok(()) => Ok(true),
            Err(error) if error.why() == post::Why::TooBig => {
                self.fetching.forget();
                let note = FetchNote::Skipped {
                    octets: size.max(self.errand.octets_max().saturating_add(1)),
                };
                self.commit().await?;
                self.change(vec![(uid, Some(note))]).await?;
                Ok(false)
            }
            Err(error) => Err(self.trouble(&error)),
        }
    }

    async fn end(&mut self, uid: u32, row: &Row, beginning: &[u8]) -> Result<(), Trouble> {
        let source = self.errand.source;
        let was_skipped = self.notes.contains_key(&uid);
        let note = FetchNote::Fetched {
            owed: !source.keep,
            gone: None,
        };
        // Where it stays, that all up to it are known is enough.
        let noted = (!source.keep || was_skipped).then_some(note);
        let flags = match source.preserves.flags {
            true => row.flags.clone(),
            false => FlagSet::new(),
        };
        let fetched = Fetched {
            into: source.destination(&self.folder.levels, self.folder.role),
            flags,
            date: row.date.filter(|_| source.preserves.dates),
            ..self.errand.letter(beginning, self.peer)
        };
        let fetched = Fetched {
            note: noted.and_then(|note| Some((id_of(uid)?, note))),
            through: Some(uid),
            ..fetched
        };
        let before = self.fetching.mark().fetched;
        let ended = self.fetching.end(fetched).await;
        self.count(before);
        ended.map_err(|error| self.trouble(&error))?;
        self.errand.tally.came(row.size);
        if let Some(note) = noted {
            self.notes.insert(uid, note);
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Trouble> {
        let before = self.fetching.mark().fetched;
        let committed = self.fetching.commit().await;
        self.count(before);
        committed.map_err(|error| self.trouble(&error))
    }

    fn count(&self, before: u64) {
        let filed = self.fetching.mark().fetched.saturating_sub(before);
        self.errand.tally.filed(filed);
    }

    /// Takes away what was fetched and is still owed, and what was kept before if that is wanted.
    async fn take_away(&mut self, talk: &mut Talk, standing: &Standing) -> Result<(), Trouble> {
        let source = self.errand.source;
        if source.flush && !source.keep && standing.exists > 0 {
            self.owe_all(talk).await?;
        }
        let owed = self.notes.iter().filter(|(_, note)| is_owed(**note));
        let owed: Vec<u32> = owed.map(|(uid, _)| *uid).collect();
        if !source.keep {
            for uids in owed.chunks(UIDS_AT_ONCE) {
                remove(talk, self.errand, uids).await?;
            }
        }
        let mut left = BTreeSet::new();
        for uids in owed.chunks(UIDS_AT_ONCE) {
            let mut rows = BTreeMap::new();
            if standing.exists > 0 {
                list(talk, self.errand, numbers(uids), &mut rows).await?;
            }
            left.extend(rows.into_keys());
        }
        let known = self.notes.iter().filter(|(uid, note)| match note {
            FetchNote::Fetched { .. } => !left.contains(uid),
            FetchNote::Skipped { .. } => false,
        });
        let gone = known.map(|(uid, _)| (*uid, None)).collect();
        self.change(gone).await?;
        self.errand
            .tally
            .left(self.folder.name.as_str(), self.notes.values());
        Ok(())
    }

    /// All that was fetched before is to go.
    async fn owe_all(&mut self, talk: &mut Talk) -> Result<(), Trouble> {
        let through = self.fetching.mark().through;
        let known = SequenceSet::Ranges(vec![SequenceRange {
            from: SeqNumber::Number(NonZeroU32::MIN),
            to: SeqNumber::Number(NonZeroU32::new(through).unwrap_or(NonZeroU32::MIN)),
        }]);
        let mut rows = BTreeMap::new();
        list(talk, self.errand, known, &mut rows).await?;
        let note = FetchNote::Fetched {
            owed: true,
            gone: None,
        };
        let old = rows.into_keys().filter(|uid| *uid <= through);
        let old = old.filter(|uid| !self.notes.contains_key(uid));
        let old: Vec<_> = old.map(|uid| (uid, Some(note))).collect();
        self.change(old).await
    }

    async fn change(&mut self, changes: Vec<(u32, Option<FetchNote>)>) -> Result<(), Trouble> {
        for changes in changes.chunks(CHANGES_AT_ONCE) {
            let named = changes.iter();
            let named = named.filter_map(|(uid, note)| Some((id_of(*uid)?, *note)));
            let named: Vec<_> = named.collect();
            let mark = self.fetching.mark().clone();
            let noted = self.fetching.note(&named, mark).await;
            noted.map_err(|error| self.trouble(&error))?;
            for (uid, note) in changes {
                match note {
                    Some(note) => self.notes.insert(*uid, *note),
                    None => self.notes.remove(uid),
                };
            }
        }
        Ok(())
    }
}

const fn is_skipped(note: FetchNote) -> bool {
    matches!(note, FetchNote::Skipped { .. })
}

const fn is_owed(note: FetchNote) -> bool {
    matches!(note, FetchNote::Fetched { owed: true, .. })
}

/// Marks messages as deleted and expunges those, and no others.
async fn remove(talk: &mut Talk, errand: &Errand<'_>, uids: &[u32]) -> Result<(), Trouble> {
    let source = errand.source;
    let store = Command::Store(Store {
        uid: true,
        set: numbers(uids),
        unchanged_since: None,
        action: StoreAction::Add,
        silent: true,
        flags: [Flag::Deleted].into_iter().collect(),
    });
    talk.good(source, store, |_| {}).await?;
    match talk.can("UIDPLUS") || talk.can("IMAP4REV2") {
        true => {
            let expunge = Command::UidExpunge(numbers(uids));
            talk.good(source, expunge, |_| {}).await
        }
        // EXPUNGE would take others along that somebody marked: they stay marked.
        false => Ok(()),
    }
}

/// What is known of the messages with these UIDs.
async fn list(
    talk: &mut Talk,
    errand: &Errand<'_>,
    uids: SequenceSet,
    rows: &mut BTreeMap<u32, Row>,
) -> Result<(), Trouble> {
    let items = vec![
        FetchItem::Uid,
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Rfc822Size,
    ];
    talk.good(errand.source, fetch_items(uids, items), |response| {
        let Response::Fetch(_, data) = response else {
            return;
        };
        let (mut uid, mut row, mut whole) = (None, Row::default(), false);
        for one in data {
            match one {
                FetchData::Uid(value) => uid = Some(value.value()),
                FetchData::Flags(flags, _) => row.flags = flags,
                FetchData::InternalDate(date) => row.date = Some(date),
                FetchData::Size(size) => (row.size, whole) = (size, true),
                _ => {}
            }
        }
        // What only tells flags is news of another message.
        if let Some(uid) = uid.filter(|_| whole && rows.len() < LISTED_MAX) {
            rows.insert(uid, row);
        }
    })
    .await
}

/// Whole messages.
async fn bodies(
    talk: &mut Talk,
    errand: &Errand<'_>,
    uids: &[u32],
) -> Result<BTreeMap<u32, Bytes>, Trouble> {
    let fetch = fetch_items(numbers(uids), vec![FetchItem::Uid, body(None)]);
    let mut messages = BTreeMap::new();
    talk.good(errand.source, fetch, |response| {
        if let Some((uid, octets)) = section(response) {
            messages.insert(uid, octets);
        }
    })
    .await?;
    Ok(messages)
}

fn section(response: Response) -> Option<(u32, Bytes)> {
    let Response::Fetch(_, data) = response else {
        return None;
    };
    let (mut uid, mut found) = (None, None);
    for one in data {
        match one {
            FetchData::Uid(value) => uid = Some(value.value()),
            FetchData::Section { octets, .. } => found = octets,
            _ => {}
        }
    }
    uid.zip(found)
}

const fn fetch_items(set: SequenceSet, items: Vec<FetchItem>) -> Command {
    Command::Fetch(Fetch {
        uid: true,
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

/// All from this UID on.
fn onward(from: u32) -> SequenceSet {
    SequenceSet::Ranges(vec![SequenceRange {
        from: SeqNumber::Number(NonZeroU32::new(from).unwrap_or(NonZeroU32::MIN)),
        to: SeqNumber::Star,
    }])
}

/// A set of these, rising, in as few words as can be.
fn numbers(uids: &[u32]) -> SequenceSet {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    let number = |uid| NonZeroU32::new(uid).map(SeqNumber::Number);
    let ranges = ranges.into_iter().filter_map(|(from, to)| {
        let (from, to) = (number(from)?, number(to)?);
        Some(SequenceRange { from, to })
    });
    SequenceSet::Ranges(ranges.collect())
}

fn id_of(uid: u32) -> Option<FetchId> {
    FetchId::new(&uid.to_be_bytes())
}

fn uid_of(id: &FetchId) -> Option<u32> {
    Some(u32::from_be_bytes(id.octets().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_uids_are_short() {
        let text = |uids: &[u32]| match numbers(uids) {
            SequenceSet::Ranges(ranges) => ranges.len(),
            SequenceSet::Saved => 0,
        };
        assert_eq!(text(&[1, 2, 3, 7, 9, 10]), 3);
        assert_eq!(text(&[u32::MAX - 1, u32::MAX]), 1);
        assert_eq!(uid_of(&id_of(77).unwrap()), Some(77));
    }
}
