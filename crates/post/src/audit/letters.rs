//! The messages themselves: their rows, and the bodies these name.
//!
//! Of each body its end is asked for: whether it is there, and as long as its row says. Some are
//! read whole, and all that was made of them is made again.

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::{BlobRange, EmailId};
use message::view::{Bodies, preview_of, preview_spans};
use message::{Limits, Scanner};
use store::{Direction, Page, Row, Table};

use super::walk::{Auditor, EMAILS_MAX, behind, count, octets};
use super::{Kind, Mend, Place, Suspect};
use crate::fetch::{at, whole};
use crate::spool::End;
use crate::tables::{self, Counters, DigestRow, EmailRow};
use crate::{Error, Outcome, Why};

/// Octets of a body that are read at a time.
const PIECE_OCTETS: u64 = 1 << 20;
/// What asking for the end of a body costs: the disk reads a page.
const END_OCTETS: u64 = 4096;
/// How often rows are looked at anew that changed meanwhile.
const TRIES_MAX: usize = 8;

/// What reading a body whole gave.
struct Read {
    hash: [u8; 32],
    outline: Bytes,
    preview: String,
    /// Its last line has no end.
    unended: bool,
}

impl Auditor<'_> {
    pub(super) async fn letters(&mut self) -> Outcome<()> {
        let mut from = Bytes::new();
        loop {
            let Some(next) = self.some_letters(&from).await? else {
                return Ok(());
            };
            from = next;
        }
    }

    /// Judges a page of rows; tells where the next begins.
    async fn some_letters(&mut self, from: &Bytes) -> Outcome<Option<Bytes>> {
        let mut next = None;
        for _ in 0..TRIES_MAX {
            let seen = self.version().await?;
            let emails = self.rows(tables::EMAILS, from).await?;
            let digests = self.rows(tables::DIGESTS, from).await?;
            // As far as both were read.
            let ends = [&emails, &digests].into_iter().filter(|page| page.more);
            let ends = ends.filter_map(|page| page.rows.last());
            let end = ends.map(|row| row.key.clone()).min();
            let is_within = |row: &Row| end.as_ref().is_none_or(|end| row.key <= *end);
            let newest = self.account.look(|ledger| ledger.counters.email).await?;
            let mut suspects = Vec::new();
            let digests = digests.rows.into_iter().filter(is_within);
            let mut digests: BTreeMap<_, _> = digests.map(|row| (row.key, row.value)).collect();
            for row in emails.rows.iter().filter(|row| is_within(row)) {
                self.spend(count(octets(row))).await;
                let rest = digests.remove(&row.key);
                self.letter(row, rest.as_ref(), newest, &mut suspects)
                    .await?;
            }
            suspects.extend(digests.keys().filter_map(|key| self.stray(key)));
            let is_new = |key: &Bytes| {
                let id = key.as_ref().try_into().map(u64::from_be_bytes);
                id.is_ok_and(|id| id > self.horizon.email && id <= newest)
            };
            next = end.filter(|key| !is_new(key)).map(|key| behind(&key));
            if self.settle(seen, suspects).await? {
                return Ok(next);
            }
        }
        self.findings.postponed += 1;
        Ok(next)
    }

    async fn rows(&self, table: Table, from: &Bytes) -> Outcome<Page> {
        let store = self.account.house.inner.store.as_ref();
        let partition = self.account.keeper.partition();
        let range = (from.clone(), None);
        let page = store.scan(partition, table, range, EMAILS_MAX, Direction::Rising);
        page.await.map_err(Error::reading("reading a table"))
    }

    /// A digest whose message has no row. If the message is in a mailbox, that is named with its
    /// entry.
    fn stray(&self, key: &Bytes) -> Option<Suspect> {
        let id = key.as_ref().try_into().map(u64::from_be_bytes);
        let Ok(id) = id.map(EmailId) else {
            let what = "the row of a digest cannot be read".to_owned();
            let mend = Mend::Row(tables::DIGESTS, key.clone());
            return Some(Suspect::of(Kind::Unreadable, Place::Account, what, mend));
        };
        if self.emails.binary_search(&id).is_ok() {
            return None;
        }
        let what = format!("the digest of message {} is there, and not its row", id.0);
        let mend = Mend::Email(id);
        Some(Suspect::of(Kind::OrphanEmail, Place::Account, what, mend))
    }

    async fn letter(
        &mut self,
        row: &Row,
        rest: Option<&Bytes>,
        newest: u64,
        suspects: &mut Vec<Suspect>,
    ) -> Outcome<()> {
        let id = row.key.as_ref().try_into().map(u64::from_be_bytes);
        let (Ok(id), Some(email)) = (id.map(EmailId), EmailRow::read(&row.value)) else {
            let what = "the row of a message cannot be read".to_owned();
            suspects.push(Suspect::of(
                Kind::Unreadable,
                Place::Account,
                what,
                Mend::Nothing,
            ));
            return Ok(());
        };
        if id.0 > newest {
            let what = format!("message {} was given, but counted is {newest}", id.0);
            let given = Counters {
                email: id.0,
                ..Counters::default()
            };
            let mend = Mend::Raise(Box::new(given));
            suspects.push(Suspect::of(Kind::Bounds, Place::Account, what, mend));
        }
        if self.emails.binary_search(&id).is_err() {
            // It may have come since: that is looked at again when its row goes.
            let what = format!("message {} is in no mailbox", id.0);
            let place = Place::Account;
            suspects.push(Suspect::of(Kind::OrphanEmail, place, what, Mend::Email(id)));
            return Ok(());
        }
        let rest = rest.and_then(DigestRow::read);
        let is_half = email.bare && rest.is_none();
        self.body(id, (email.with(rest), is_half), suspects).await
    }

    /// Judges a body; what was made of it has to be made again where half of it is not there.
    async fn body(
        &mut self,
        id: EmailId,
        (mut email, is_half): (EmailRow, bool),
        suspects: &mut Vec<Suspect>,
    ) -> Outcome<()> {
        if self.ends.to >= id && id != EmailId(0) {
            // The page is looked at anew.
            self.ends.unended.retain(|known| *known < id);
            self.ends.unread.retain(|known| *known < id);
        }
        self.ends.to = id;
        self.findings.bodies += 1;
        self.spend(END_OCTETS).await;
        let place = Place::Email(id);
        if !self.ends(&email).await {
            let blob = email.blob;
            match self.length(&email).await {
                Err(store::Error::NoBlob(_)) => {
                    let what = format!("its body is not there: {blob}");
                    suspects.push(Suspect::of(Kind::NoBody, place, what, Mend::Nothing));
                    self.ends.unread.push(id);
                    return Ok(());
                }
                Ok(len) if len != email.size => {
                    let what = format!("its size is kept as {}, it has {len} octets", email.size);
                    email.size = len;
                    let mend = Mend::Learn(id, Box::new(email.clone()));
                    suspects.push(Suspect::of(Kind::Size, place, what, mend));
                }
                Ok(_) => {
                    suspects.push(damaged(place, "it ends too early"));
                    self.ends.unread.push(id);
                    return Ok(());
                }
                Err(error) => {
                    suspects.push(damaged(place, &error.to_string()));
                    self.ends.unread.push(id);
                    return Ok(());
                }
            }
        }
        if !self.is_chosen(id) && !is_half {
            return Ok(());
        }
        self.findings.read += 1;
        self.ends.unread.push(id);
        match self.read_whole(&email).await {
            Ok(read) if read.hash != email.blob.0 => {
                suspects.push(damaged(place, "it is not what its name says"));
            }
            Ok(read) => {
                self.ends.unread.pop();
                if read.unended {
                    self.ends.unended.push(id);
                }
                match is_half {
                    true => suspects.push(made_again(id, &email, read)),
                    false => learnt(id, email, &read, suspects),
                }
            }
            Err(Error::Refused(Why::Damaged, refusal)) => {
                suspects.push(damaged(place, &refusal.cause));
            }
            Err(Error::Fault(fault)) => suspects.push(damaged(place, &fault.to_string())),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// True if the body has as many octets as its row says, and its last one can be read.
    async fn ends(&self, email: &EmailRow) -> bool {
        let store = self.account.house.inner.store.as_ref();
        let last = whole(email).part(email.size.saturating_sub(1), 1);
        let beyond = BlobRange {
            offset: email.size,
            len: 1,
            ..whole(email)
        };
        let too_far = matches!(store.read(beyond).await, Err(store::Error::OutOfRange(_)));
        too_far && store.read(last).await.is_ok()
    }

    /// How long a body is: found by asking where it ends.
    async fn length(&self, email: &EmailRow) -> Result<u64, store::Error> {
        let store = self.account.house.inner.store.as_ref();
        let (mut low, mut high) = (0, u64::MAX);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let range = BlobRange {
                blob: email.blob,
                offset: middle,
                len: 0,
            };
            match store.read(range).await {
                Ok(_) => low = middle,
                Err(store::Error::OutOfRange(_)) => high = middle - 1,
                Err(error) => return Err(error),
            }
        }
        Ok(low)
    }

    /// Reads a body piece by piece.
    async fn read_whole(&mut self, email: &EmailRow) -> Outcome<Read> {
        let house = self.account.house.clone();
        let mut hasher = blake3::Hasher::new();
        let mut scanner = Scanner::new(&Limits::HOUSE);
        let mut end = End::default();
        let mut offset = 0;
        while offset < email.size {
            let piece = whole(email).part(offset, PIECE_OCTETS);
            let octets = house.read(piece).await?;
            end.pass(&octets);
            self.spend(piece.len).await;
            hasher.update(&octets);
            scanner.push(&octets);
            offset = offset.saturating_add(PIECE_OCTETS);
        }
        let outline = scanner.finish().outline();
        let bodies = Bodies::of(&outline.root);
        let mut texts = Vec::new();
        for span in preview_spans(&bodies) {
            texts.push(house.read(at(email, span)).await?);
        }
        Ok(Read {
            hash: *hasher.finalize().as_bytes(),
            preview: preview_of(&bodies, texts.iter().map(AsRef::as_ref)),
            outline: outline.encode().into(),
            unended: end.is_unended(),
        })
    }
}

/// What was made of a body and is kept, beside what was made of it now.
fn learnt(id: EmailId, mut email: EmailRow, read: &Read, suspects: &mut Vec<Suspect>) {
    let mut flaws = Vec::new();
    if email
        .outline
        .as_ref()
        .is_some_and(|kept| *kept != read.outline)
    {
        flaws.push((Kind::Outline, "its outline is not what is made of it now"));
        email.outline = Some(read.outline.clone());
    }
    let preview = read.preview.as_bytes();
    if email.preview.as_ref().is_some_and(|kept| kept != preview) {
        flaws.push((Kind::Preview, "its preview is not what is made of it now"));
        email.preview = Some(Bytes::copy_from_slice(preview));
    }
    for (kind, what) in flaws {
        let mend = Mend::Learn(id, Box::new(email.clone()));
        suspects.push(Suspect::of(kind, Place::Email(id), what.to_owned(), mend));
    }
}

/// What was made of a body, of which half was kept.
fn made_again(id: EmailId, email: &EmailRow, read: Read) -> Suspect {
    let known = EmailRow {
        outline: Some(read.outline),
        preview: Some(read.preview.into()),
        ..email.clone()
    };
    let what = "its digest is not there, or cannot be read".to_owned();
    let mend = Mend::Learn(id, Box::new(known));
    Suspect::of(Kind::Outline, Place::Email(id), what, mend)
}

fn damaged(place: Place, how: &str) -> Suspect {
    let what = format!("its body is damaged: {how}");
    Suspect::of(Kind::DamagedBody, place, what, Mend::Nothing)
}
