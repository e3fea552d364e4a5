//! A whole session with a POP3 source: what is new there, by its unique-ids, is fetched; what was
//! fetched is deleted there once it is on the disk here, where that is wanted.
//!
//! RFC 1939 §7 (UIDL), §6 (what QUIT does).

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use mail::{FlagSet, Timestamp};
use pop3::command::Command;
use pop3::response::Status;
use post::{FetchId, FetchNote, Fetched, Fetching};
use serde_json::{Value, json};

use super::{Event, Talk};
use crate::fetch::source::Source;
use crate::fetch::trouble::Trouble;
use crate::fetch::{Errand, letter};

/// Messages that one maildrop may have.
const LISTED_MAX: usize = 1_000_000;
/// Messages, and octets of them, that are asked for at a time.
const RETRIEVED_MESSAGES: usize = 100;
const RETRIEVED_OCTETS: u64 = 1024 * 1024;
/// Changes of notes in one step.
const CHANGES_AT_ONCE: usize = 1000;
/// How long an id is remembered that is not told any more, seconds.
const REMEMBERED_SECONDS: i64 = 30 * 86_400;

/// A message over there.
#[derive(Clone, Debug)]
struct Row {
    number: NonZeroU32,
    octets: u64,
    id: FetchId,
}

/// A maildrop while it is fetched.
struct Work<'a> {
    errand: &'a Errand<'a>,
    fetching: Fetching,
    notes: BTreeMap<FetchId, FetchNote>,
    rows: Vec<Row>,
}

/// Fetches what is new, once.
pub(in crate::fetch) async fn once(errand: &Errand<'_>) -> Result<(), Trouble> {
    let source = errand.source;
    let mut talk = Talk::begin(source).await?;
    let trouble = |error: post::Error| Trouble::post(source, &error);
    let fetching = errand.account.fetching(source.folder_id("INBOX")).await;
    let mut fetching = fetching.map_err(trouble)?;
    let notes = fetching.notes().await.map_err(trouble)?;
    let rows = list(&mut talk, source).await?;
    let mut work = Work {
        errand,
        fetching,
        notes,
        rows,
    };
    work.recognise().await?;
    let wanted = work.choose().await?;
    work.retrieve(&mut talk, &wanted).await?;
    work.delete(&mut talk).await
}

/// What there is at the source, without fetching any of it.
pub(in crate::fetch) async fn look(errand: &Errand<'_>) -> Result<Value, Trouble> {
    let source = errand.source;
    let mut talk = Talk::begin(source).await?;
    let rows = list(&mut talk, source).await?;
    leave(&mut talk, source).await;
    let octets: u64 = rows.iter().map(|row| row.octets).sum();
    let known = errand.account.fetch_notes(source.folder_id("INBOX")).await;
    let known = known.map_err(|error| Trouble::post(source, &error))?;
    let is_new = |row: &&Row| !matches!(known.get(&row.id), Some(FetchNote::Fetched { .. }));
    let folder = json!({
        "name": "INBOX",
        "messages": rows.len(),
        "octets": octets,
        "new": rows.iter().filter(is_new).count(),
    });
    Ok(json!({ "folders": [folder], "idle": false }))
}

async fn leave(talk: &mut Talk, source: &Source) {
    // All is done: how it ends does not matter.
    drop(talk.good(source, Command::Quit).await);
}

/// All messages with their sizes and ids.
async fn list(talk: &mut Talk, source: &Source) -> Result<Vec<Row>, Trouble> {
    let pair = |line: &[u8]| {
        let text = std::str::from_utf8(line).ok()?;
        let (number, rest) = text.split_once(' ')?;
        Some((number.parse::<NonZeroU32>().ok()?, rest.to_owned()))
    };
    let mut ids = Vec::new();
    let knows = talk.lines(source, Command::Uidl(None), |line| {
        if ids.len() < LISTED_MAX {
            ids.extend(pair(line));
        }
    });
    if !knows.await? {
        let what = "tells no unique-ids (UIDL), so what was fetched cannot be told from the rest";
        return Err(Trouble::unable(
            source,
            what,
            "protocol = \"imap\", if it speaks that",
        ));
    }
    let mut sizes = HashMap::new();
    talk.lines(source, Command::List(None), |line| {
        let octets = pair(line).and_then(|(number, rest)| {
            let octets = rest.split(' ').next()?.parse::<u64>().ok()?;
            Some((number, octets))
        });
        if sizes.len() < LISTED_MAX {
            sizes.extend(octets);
        }
    })
    .await?;
    let mut told: HashMap<String, u32> = HashMap::new();
    let rows = ids.into_iter().filter_map(|(number, id)| {
        // Servers that make ids of what messages hold give two that are alike the same.
        let nth = told.entry(id.clone()).or_default();
        let hashed = hashed(&id, *nth)?;
        *nth += 1;
        Some(Row {
            number,
            octets: sizes.get(&number).copied().unwrap_or_default(),
            id: hashed,
        })
    });
    Ok(rows.collect())
}

/// What stands for a unique-id, which may have 70 octets.
fn hashed(id: &str, nth: u32) -> Option<FetchId> {
    let mut hash = blake3::Hasher::new();
    hash.update(id.trim().as_bytes());
    if nth > 0 {
        hash.update(&nth.to_be_bytes());
    }
    let hash = hash.finalize();
    FetchId::new(hash.as_bytes().get(..16)?)
}

impl Work<'_> {
    fn trouble(&self, error: &post::Error) -> Trouble {
        Trouble::post(self.errand.source, error)
    }

    /// Compares what is known with what is there: what has gone is forgotten after a while.
    async fn recognise(&mut self) -> Result<(), Trouble> {
        let here: BTreeMap<&FetchId, ()> = self.rows.iter().map(|row| (&row.id, ())).collect();
        let now = self.errand.now();
        let flushes = self.errand.source.flush && !self.errand.source.keep;
        let mut changes = Vec::new();
        for (id, note) in &self.notes {
            let change = match (*note, here.contains_key(id)) {
                (FetchNote::Fetched { owed, gone: None }, false) => Some(FetchNote::Fetched {
                    owed,
                    gone: Some(now),
                }),
                (
                    FetchNote::Fetched {
                        gone: Some(gone), ..
                    },
                    false,
                ) if now.seconds - gone.seconds < REMEMBERED_SECONDS => {
                    continue;
                }
                (_, false) => None,
                (FetchNote::Fetched { owed, gone }, true) => {
                    let owes = owed || flushes;
                    if owes == owed && gone.is_none() {
                        continue;
                    }
                    Some(FetchNote::Fetched {
                        owed: owes,
                        gone: None,
                    })
                }
                (FetchNote::Skipped { .. }, true) => continue,
            };
            changes.push((id.clone(), change));
        }
        self.change(changes).await
    }

    /// Which messages are fetched; those that are too large are noted.
    async fn choose(&mut self) -> Result<Vec<Row>, Trouble> {
        let errand = self.errand;
        let source = errand.source;
        let mut skipped = Vec::new();
        let mut wanted = Vec::new();
        for row in &self.rows {
            let known = match self.notes.get(&row.id) {
                // What only could not be taken away is not fetched once more.
                Some(FetchNote::Fetched { owed, .. }) => *owed || source.only_new,
                _ => false,
            };
            if known || wanted.len() >= errand.messages_max() {
                continue;
            }
            let octets = row.octets;
            if source.takes(octets) && octets <= errand.octets_max() {
                wanted.push(row.clone());
            } else if !self.notes.contains_key(&row.id) {
                skipped.push((row.id.clone(), Some(FetchNote::Skipped { octets })));
            }
        }
        self.change(skipped).await?;
        let octets = wanted.iter().map(|row| row.octets).sum();
        errand.tally.expect(wanted.len(), octets);
        Ok(wanted)
    }

    async fn retrieve(&mut self, talk: &mut Talk, wanted: &[Row]) -> Result<(), Trouble> {
        let pipelines = talk.can("PIPELINING");
        let mut rest = wanted;
        while let Some(first) = rest.first() {
            let mut octets = first.octets;
            let more = rest.iter().skip(1).take(RETRIEVED_MESSAGES - 1);
            let more = more.take_while(|row| {
                octets = octets.saturating_add(row.octets);
                pipelines && octets <= RETRIEVED_OCTETS
            });
            let (group, behind) = rest.split_at(1 + more.count());
            rest = behind;
            let commands = group.iter().map(|row| Command::Retr(row.number));
            talk.order(self.errand.source, commands.collect()).await?;
            for row in group {
                self.one(talk, row).await?;
            }
        }
        let before = self.fetching.mark().fetched;
        let committed = self.fetching.commit().await;
        self.count(before);
        committed.map_err(|error| self.trouble(&error))
    }

    /// One message, as it comes.
    async fn one(&mut self, talk: &mut Talk, row: &Row) -> Result<(), Trouble> {
        let source = self.errand.source;
        let reply = talk.reply(source).await?;
        if reply.status != Status::Ok {
            tracing::warn!(
                source = source.name,
                said = reply.text,
                "a message is refused"
            );
            let octets = row.octets;
            let note = FetchNote::Skipped { octets };
            return self.change(vec![(row.id.clone(), Some(note))]).await;
        }
        let mut beginning = BytesMut::new();
        let (mut size, mut fits) = (0_u64, true);
        loop {
            match talk.event(source).await? {
                Event::Lines(piece) => {
                    let room = letter::BEGINNING_OCTETS_MAX.saturating_sub(beginning.len());
                    beginning.extend_from_slice(piece.get(..room).unwrap_or(&piece));
                    size += u64::try_from(piece.len()).unwrap_or_default();
                    fits = fits && self.chunk(piece).await?;
                }
                Event::End => break,
                Event::Reply(_) | Event::Nonsense => {}
            }
        }
        match fits {
            true => self.end(row, &beginning, talk.peer()).await,
            false => {
                let note = FetchNote::Skipped { octets: size };
                self.change(vec![(row.id.clone(), Some(note))]).await
            }
        }
    }

    /// Takes a piece; false where the message turned out to be too large.
    async fn chunk(&mut self, octets: Bytes) -> Result<bool, Trouble> {
        match self.fetching.chunk(octets).await {
            Ok(()) => Ok(true),
            Err(error) if error.why() == post::Why::TooBig => {
                self.fetching.forget();
                Ok(false)
            }
            Err(error) => Err(self.trouble(&error)),
        }
    }

    async fn end(
        &mut self,
        row: &Row,
        beginning: &[u8],
        peer: std::net::IpAddr,
    ) -> Result<(), Trouble> {
        let source = self.errand.source;
        let note = FetchNote::Fetched {
            owed: !source.keep,
            gone: None,
        };
        let date: Option<Timestamp> = letter::received(beginning);
        let fetched = Fetched {
            into: source.destination(&["INBOX".to_owned()], None),
            flags: FlagSet::new(),
            date: date.filter(|_| source.preserves.dates),
            note: Some((row.id.clone(), note)),
            ..self.errand.letter(beginning, peer)
        };
        let before = self.fetching.mark().fetched;
        let ended = self.fetching.end(fetched).await;
        self.count(before);
        ended.map_err(|error| self.trouble(&error))?;
        self.errand.tally.came(row.octets);
        self.notes.insert(row.id.clone(), note);
        Ok(())
    }

    fn count(&self, before: u64) {
        let filed = self.fetching.mark().fetched.saturating_sub(before);
        self.errand.tally.filed(filed);
    }

    /// Deletes what was fetched and is still owed. It goes with QUIT, or not at all.
    async fn delete(&mut self, talk: &mut Talk) -> Result<(), Trouble> {
        let source = self.errand.source;
        let is_owed = |row: &&Row| {
            let note = self.notes.get(&row.id);
            matches!(note, Some(FetchNote::Fetched { owed: true, .. }))
        };
        let owed: Vec<Row> = match source.keep {
            true => Vec::new(),
            false => self.rows.iter().filter(is_owed).cloned().collect(),
        };
        let at_once = match talk.can("PIPELINING") {
            true => RETRIEVED_MESSAGES,
            false => 1,
        };
        let mut deleted = Vec::new();
        for rows in owed.chunks(at_once) {
            let commands = rows.iter().map(|row| Command::Dele(row.number));
            talk.order(source, commands.collect()).await?;
            for row in rows {
                if talk.reply(source).await?.status == Status::Ok {
                    deleted.push(row.id.clone());
                }
            }
        }
        self.errand.tally.left("INBOX", self.notes.values());
        if deleted.is_empty() {
            leave(talk, source).await;
            return Ok(());
        }
        talk.good(source, Command::Quit).await?;
        let note = FetchNote::Fetched {
            owed: false,
            gone: Some(self.errand.now()),
        };
        let gone = deleted.into_iter().map(|id| (id, Some(note)));
        self.change(gone.collect()).await?;
        self.errand.tally.left("INBOX", self.notes.values());
        Ok(())
    }

    async fn change(&mut self, changes: Vec<(FetchId, Option<FetchNote>)>) -> Result<(), Trouble> {
        for changes in changes.chunks(CHANGES_AT_ONCE) {
            let mark = self.fetching.mark().clone();
            let noted = self.fetching.note(changes, mark).await;
            noted.map_err(|error| self.trouble(&error))?;
            for (id, note) in changes {
                match note {
                    Some(note) => self.notes.insert(id.clone(), *note),
                    None => self.notes.remove(id),
                };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_alike_are_told_apart() {
        assert_eq!(hashed("whqtsw", 0), hashed("whqtsw ", 0));
        assert_ne!(hashed("whqtsw", 0), hashed("whqtsw", 1));
        assert_ne!(hashed("whqtsw", 0), hashed("whqtsx", 0));
    }
}
