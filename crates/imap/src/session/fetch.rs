//! FETCH and UID FETCH (RFC 9051 §6.4.5, §7.5.2; RFC 3501 for `RFC822…`, RFC 3516, RFC 7162
//! §3.1.4, RFC 8970, RFC 9394 §3.3).

use std::sync::Arc;

use bytes::BufMut;
use mail::{ModSeq, SeqNo, Uid, UidSet};
use message::{Section, Specifier};

use super::output::Output;
use super::state::{Fetching, Task, Wait};
use super::{Session, counting, uid_only};
use crate::ask::{
    Ask, FetchPlan, Piece, PieceData, PieceForm, Place, PreviewMode, Reached, Row, thread,
};
use crate::command::{Fetch, FetchItem, Partial};
use crate::diagram::Verb;
use crate::response::{Code, FetchLine, PartKinds, Status};
use crate::{SequenceSet, Tag};

/// Characters a preview has at most.
const PREVIEW_CHARACTERS_MAX: usize = 200;

impl Session {
    pub(super) fn fetch(&mut self, tag: Tag, fetch: Fetch) {
        if fetch.vanished && !(self.qresync && fetch.uid && fetch.changed_since.is_some()) {
            // RFC 7162 §3.2.6
            let status = Status::bad("VANISHED needs QRESYNC, UID and CHANGEDSINCE");
            return self.bad(Some(&tag), &status.with(Code::ClientBug));
        }
        let uids = match self.resolve(&fetch.set, fetch.uid) {
            Ok(uids) => uids,
            Err(status) => return self.bad(Some(&tag), &status),
        };
        let uids = match fetch.partial {
            Some(range) => range.of(&uids),
            None => uids,
        };
        if fetch.changed_since.is_some() || fetch.items.contains(&FetchItem::ModSeq) {
            self.enable_condstore();
        }
        let read_only = self.state.open().is_none_or(|open| open.read_only);
        let plan = plan(&fetch, read_only);
        let fetching = Box::new(Fetching {
            tag,
            fetch,
            count: uids.len(),
            told: false,
            uids,
            plan: Arc::new(plan),
            lack: Lack::default(),
        });
        if fetching.fetch.vanished {
            self.ask_vanished(fetching);
        } else {
            self.go_on_fetching(fetching);
        }
    }

    /// Asks which of the UIDs went since then, before the others are read.
    fn ask_vanished(&mut self, fetching: Box<Fetching>) {
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        let star = open.view.last().unwrap_or(Uid::MIN);
        let asked = fetching.fetch.set.resolve::<Uid>(star);
        let asked = asked.unwrap_or_else(|| UidSet::clone(&open.saved));
        let ask = Ask::Changes {
            mailbox: open.mailbox,
            since: fetching.fetch.changed_since.unwrap_or_default(),
            uid_next: open.uid_next,
        };
        self.wait(ask, Wait::Vanished(fetching, asked));
    }

    pub(super) fn go_on_fetching(&mut self, fetching: Box<Fetching>) {
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        if fetching.uids.is_empty() {
            let status = match fetching.lack.status() {
                Some(status) => status,
                None if fetching.finds_nothing() => gone(),
                None => Status::ok("Done"),
            };
            let Fetching {
                tag, fetch, plan, ..
            } = *fetching;
            let moment = counting(fetch.uid);
            return self.conclude(tag, Verb::Fetch, status, moment, plan.mark_seen);
        }
        let ask = Ask::Fetch {
            mailbox: open.mailbox,
            uids: fetching.uids.clone(),
            plan: Arc::clone(&fetching.plan),
        };
        self.wait(ask, Wait::Rows(fetching));
    }

    pub(super) fn take_rows(
        &mut self,
        mut fetching: Box<Fetching>,
        rows: &[Row],
        reached: Reached,
    ) {
        let lack = self.tell_rows(&fetching.fetch, rows);
        fetching.told |= !rows.is_empty();
        fetching.lack.add(lack);
        fetching.uids = beyond(&fetching.uids, reached);
        self.task = Task::Ready;
        self.go_on_fetching(fetching);
    }

    /// Tells of messages what is asked for, and what of it could not be told.
    pub(super) fn tell_rows(&mut self, fetch: &Fetch, rows: &[Row]) -> Lack {
        let mut lack = Lack::default();
        let Some(open) = self.state.open_mut() else {
            return lack;
        };
        let mut kinds = PartKinds::default();
        let mut marked = UidSet::new();
        let mut marked_at = ModSeq::default();
        for row in rows {
            let Some(seq) = open.view.seq(row.uid) else {
                continue;
            };
            // Whoever is told this mod-sequence takes all below it for told.
            // RFC 7162 §6
            self.noticed |= row.modseq > open.known;
            if row.marked {
                marked.insert(row.uid);
                marked_at = marked_at.max(row.modseq);
            }
            let line = Line {
                out: &mut self.output,
                kinds: &mut kinds,
                condstore: self.condstore,
                uid_only: self.uid_only,
                place: open.mailbox,
            };
            lack.add(line.write(seq, row, fetch));
        }
        if !marked.is_empty() {
            open.told.push((marked, marked_at));
        }
        lack
    }

    /// The UIDs of a set as the peer wrote it; only those that are there.
    pub(super) fn resolve(&self, set: &SequenceSet, uid: bool) -> Result<UidSet, Status> {
        let Some(open) = self.state.open() else {
            return Ok(UidSet::new());
        };
        let view = &open.view;
        if uid {
            let star = view.last().unwrap_or(Uid::MIN);
            let uids = set.resolve::<Uid>(star);
            return Ok(view.known(uids.as_ref().unwrap_or(&open.saved)));
        }
        // RFC 9051 §9 `seq-number`
        if set.reaches_beyond(view.count()) {
            return Err(Status::bad("There is no such message"));
        }
        let star = SeqNo::new(view.count()).unwrap_or(SeqNo::MIN);
        Ok(match set.resolve::<SeqNo>(star) {
            Some(seqs) => view.uids_of(&seqs),
            None => view.known(&open.saved),
        })
    }
}

impl Fetching {
    /// True if all that were named by number have gone, which the client has not heard of yet.
    // RFC 2180 §4.1.3
    const fn finds_nothing(&self) -> bool {
        let by_number = !self.fetch.uid && self.count > 0;
        by_number && !self.told && self.fetch.changed_since.is_none()
    }
}

/// What a command hears whose messages have all gone.
pub(super) fn gone() -> Status {
    Status::no("These messages are gone").with(Code::ExpungeIssued)
}

/// Those UIDs that are still to be dealt with.
pub(super) fn beyond(uids: &UidSet, reached: Reached) -> UidSet {
    match reached {
        Reached::End => UidSet::new(),
        Reached::Uid(uid) => crate::view::subtract(uids, &UidSet::from_range(Uid::MIN..=uid)),
    }
}

/// What has to be read to tell what is asked for.
pub(super) fn plan(fetch: &Fetch, read_only: bool) -> FetchPlan {
    let mut plan = FetchPlan {
        changed_since: fetch.changed_since,
        ..FetchPlan::default()
    };
    for item in &fetch.items {
        plan.outline.digest |= *item == FetchItem::Envelope;
        plan.thread |= *item == FetchItem::ThreadId;
        plan.outline.parts |= matches!(item, FetchItem::Body | FetchItem::BodyStructure);
        // RFC 9051 §6.4.5
        plan.mark_seen |= !read_only
            && matches!(
                item,
                FetchItem::Rfc822
                    | FetchItem::Rfc822Text
                    | FetchItem::BodySection { peek: false, .. }
                    | FetchItem::Binary { peek: false, .. }
            );
        plan.preview = plan.preview.max(match item {
            FetchItem::Preview { lazy: true } => Some(PreviewMode::Kept),
            FetchItem::Preview { lazy: false } => Some(PreviewMode::Made),
            _ => None,
        });
        plan.pieces
            .extend(piece(item).filter(|_| tells_piece(item)));
    }
    plan
}

/// True for the items that tell a piece of text.
const fn tells_piece(item: &FetchItem) -> bool {
    matches!(
        item,
        FetchItem::Rfc822
            | FetchItem::Rfc822Header
            | FetchItem::Rfc822Text
            | FetchItem::BodySection { .. }
            | FetchItem::Binary { .. }
            | FetchItem::BinarySize(_)
    )
}

/// The piece of text an item tells; the plan has them in the order of the items.
fn piece(item: &FetchItem) -> Option<Piece> {
    let whole = |parts: &[u32], form, partial: Option<Partial>| Piece {
        section: Section {
            parts: parts.to_vec(),
            specifier: Specifier::All,
        },
        form,
        range: partial.map(range),
    };
    let rfc822 = |specifier| Piece {
        section: Section {
            parts: Vec::new(),
            specifier,
        },
        form: PieceForm::Stored,
        range: None,
    };
    Some(match item {
        FetchItem::Rfc822 => rfc822(Specifier::All),
        FetchItem::Rfc822Header => rfc822(Specifier::Header),
        FetchItem::Rfc822Text => rfc822(Specifier::Text),
        FetchItem::BodySection {
            section, partial, ..
        } => Piece {
            section: section.clone(),
            form: PieceForm::Stored,
            range: partial.map(range),
        },
        FetchItem::Binary { part, partial, .. } => whole(part, PieceForm::Decoded, *partial),
        FetchItem::BinarySize(part) => whole(part, PieceForm::DecodedSize, None),
        _ => return None,
    })
}

const fn range(partial: Partial) -> (u64, u64) {
    (partial.offset, partial.octets)
}

/// As much of a preview as one line shows.
fn short(preview: &str) -> &str {
    // RFC 8970 §3.3
    let end = preview.char_indices().nth(PREVIEW_CHARACTERS_MAX);
    end.and_then(|(at, _)| preview.get(..at)).unwrap_or(preview)
}

/// What a FETCH line does not tell though it was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lack {
    /// A piece whose transfer encoding is not known.
    unknown_cte: bool,
    /// Something of an outline that is damaged.
    unreadable: bool,
    /// The text of messages that are damaged: the first of them, and how many there are.
    damaged: Option<(Uid, u32)>,
}

impl Lack {
    /// Adds what others lack, which come behind.
    const fn add(&mut self, other: Self) {
        self.unknown_cte |= other.unknown_cte;
        self.unreadable |= other.unreadable;
        self.damaged = match (self.damaged, other.damaged) {
            (Some((first, count)), Some((_, more))) => Some((first, count.saturating_add(more))),
            (None, damaged) | (damaged, None) => damaged,
        };
    }

    /// What the command hears that asked for it.
    fn status(self) -> Option<Status> {
        Some(if let Some((uid, count)) = self.damaged {
            let text = match count {
                1 => format!("The message with UID {uid} is damaged where it is stored"),
                _ => format!("{count} messages are damaged, the first has UID {uid}"),
            };
            // RFC 5530 §3
            Status::no(text).with(Code::Corruption)
        } else if self.unreadable {
            Status::no("Something kept about a message is damaged").with(Code::ServerBug)
        } else if self.unknown_cte {
            // RFC 3516 §4.3
            Status::no("A transfer encoding is not known").with(Code::UnknownCte)
        } else {
            return None;
        })
    }
}

/// One FETCH line on its way out.
struct Line<'a> {
    out: &'a mut Output,
    kinds: &'a mut PartKinds,
    condstore: bool,
    uid_only: bool,
    place: Place,
}

impl Line<'_> {
    /// Writes the line; tells what it lacks.
    fn write(mut self, seq: SeqNo, row: &Row, fetch: &Fetch) -> Lack {
        let mut line = uid_only::begin(self.uid_only, self.out.buffer(), (seq, row.uid));
        let mut pieces = row.pieces.iter();
        let mut lack = Lack::default();
        let items = &fetch.items;
        let tells_uid = fetch.uid || self.condstore && row.marked;
        if tells_uid && !self.uid_only && !items.contains(&FetchItem::Uid) {
            // RFC 9051 §6.4.9
            line.uid(self.out.buffer(), row.uid);
        }
        for item in items {
            if tells_piece(item) {
                match pieces.next() {
                    Some(PieceData::UnknownCte) => lack.unknown_cte = true,
                    Some(PieceData::Damaged) => lack.damaged = Some((row.uid, 1)),
                    data => self.piece(&mut line, item, data),
                }
            } else {
                lack.unreadable |= !self.plain(&mut line, item, row);
            }
        }
        if row.marked && !items.contains(&FetchItem::Flags) {
            line.flags(self.out.buffer(), &row.flags, false);
        }
        let tells_modseq = fetch.changed_since.is_some() || self.condstore && row.marked;
        if tells_modseq && !items.contains(&FetchItem::ModSeq) {
            line.modseq(self.out.buffer(), row.modseq);
        }
        if line.is_empty() {
            line.uid(self.out.buffer(), row.uid);
        }
        line.end(self.out.buffer());
        lack
    }

    /// Writes what is no piece of text; false where it cannot be read.
    fn plain(&mut self, line: &mut FetchLine, item: &FetchItem, row: &Row) -> bool {
        let out = self.out.buffer();
        match (item, &row.outline) {
            (FetchItem::Envelope, Some(outline)) => return line.envelope(out, outline),
            (FetchItem::Body, Some(outline)) => return line.body(out, outline, self.kinds),
            (FetchItem::BodyStructure, Some(outline)) => {
                return line.body_structure(out, outline, self.kinds);
            }
            (FetchItem::Flags, _) => line.flags(out, &row.flags, false),
            (FetchItem::InternalDate, _) => line.internal_date(out, row.internal_date),
            (FetchItem::Rfc822Size, _) => line.size(out, row.size_octets),
            (FetchItem::Uid, _) => line.uid(out, row.uid),
            (FetchItem::ModSeq, _) => line.modseq(out, row.modseq),
            (FetchItem::EmailId, _) => line.email_id(out, self.place.email(row.email)),
            (FetchItem::ThreadId, _) => line.thread_id(out, row.thread.map(thread)),
            (FetchItem::Preview { .. }, _) => line.preview(out, row.preview.as_deref().map(short)),
            (FetchItem::SaveDate, _) => line.save_date(out, row.save_date),
            _ => {}
        }
        true
    }

    fn piece(&mut self, line: &mut FetchLine, item: &FetchItem, data: Option<&PieceData>) {
        let out = self.out.buffer();
        let octets = match data {
            Some(PieceData::Size(octets)) => {
                if let FetchItem::BinarySize(part) = item {
                    line.binary_size(out, part, *octets);
                }
                return;
            }
            Some(PieceData::Bytes(bytes)) => Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Some(PieceData::Blob(range)) => Some(range.len),
            _ => None,
        };
        match (item, octets) {
            (FetchItem::Rfc822, octets) => line.rfc822(out, &Specifier::All, octets.unwrap_or(0)),
            (FetchItem::Rfc822Header, octets) => {
                line.rfc822(out, &Specifier::Header, octets.unwrap_or(0));
            }
            (FetchItem::Rfc822Text, octets) => {
                line.rfc822(out, &Specifier::Text, octets.unwrap_or(0));
            }
            (
                FetchItem::BodySection {
                    section, partial, ..
                },
                octets,
            ) => {
                let origin = partial.map(|partial| partial.offset);
                match octets {
                    Some(octets) => line.section(out, section, origin, octets),
                    None => line.no_section(out, section, origin),
                }
            }
            (FetchItem::Binary { part, partial, .. }, octets) => {
                let origin = partial.map(|partial| partial.offset);
                // Of stored octets nobody looked whether NUL is among them.
                let nul = !matches!(data, Some(PieceData::Bytes(bytes)) if !bytes.contains(&0));
                match octets {
                    Some(octets) => line.binary(out, part, origin, octets, nul),
                    None => line.no_binary(out, part, origin),
                }
            }
            _ => {}
        }
        match data {
            Some(PieceData::Bytes(bytes)) => out.put_slice(bytes),
            Some(PieceData::Blob(range)) if range.len > 0 => self.out.splice(*range),
            _ => {}
        }
    }
}
