//! What is read of messages: flags, outline, and pieces of their text.

use std::borrow::Cow;

use bytes::Bytes;
use mail::{
    BlobRange, EmailId, Flag, FlagSet, MailboxId, ModSeq, Rights, ThreadId, Timestamp, Uid, UidSet,
};
use message::view::{Bodies, preview_of, preview_spans};
use message::{
    Content, Encoding, Limits, Outline, Part, Scanner, Section, Span, Specifier, StoredOutline,
    Wanted, decode_transfer,
};

use self::damage::tells_body;
use self::headers::Headers;
use crate::draft::{Draft, Flagging, bit};
use crate::ledger::Folder;
use crate::tables::{EmailRow, Entry, SavedAt};
use crate::{Account, Fault, Outcome, Why};

mod damage;
mod digests;
mod headers;

/// Octets of a message that are read at a time for its outline.
const SCAN_OCTETS_MAX: u64 = 1024 * 1024;
/// Octets of messages in a page that tells their text: what is in memory until a slow reader took
/// it.
const TEXT_OCTETS_MAX: u64 = 2 * 1024 * 1024;

/// What to read of each message. Flags, size and dates come always: they cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// What of the outline is wanted (ENVELOPE, BODYSTRUCTURE).
    pub outline: Wanted,
    /// If and when the preview is wanted.
    pub preview: Option<Preview>,
    /// True if what its conversation is called is wanted.
    pub thread: bool,
    /// The pieces of text wanted, in this order.
    pub items: Vec<Item>,
    /// True if reading sets `\Seen`: the row then has the new flags.
    pub mark_seen: bool,
    /// True if text is told as a place ([`Data::Stored`]) however small it is, for whoever reads it
    /// later and piece by piece.
    pub in_place: bool,
    /// Only messages that changed after this one (CHANGEDSINCE).
    pub changed_since: Option<ModSeq>,
}

/// When the first words of a message's text are wanted (RFC 8970).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preview {
    /// Only if they are kept: they cost nothing then.
    Kept,
    /// In any case; what is made is kept.
    Made,
}

/// A piece of text wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Of which section.
    pub section: Section,
    /// As it is or decoded.
    pub form: Form,
    /// Octets to skip and to take at most; applied after decoding.
    pub range: Option<(u64, u64)>,
}

/// How a piece is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As it is stored: `BODY[…]`.
    #[default]
    Stored,
    /// With its transfer encoding undone: `BINARY[…]`.
    Decoded,
    /// Only its size with the transfer encoding undone: `BINARY.SIZE[…]`.
    DecodedSize,
}

/// What was read of one message.
#[derive(Clone, Debug)]
pub struct FetchRow {
    /// Which.
    pub uid: Uid,
    /// Its id, the same for its copies.
    pub email: EmailId,
    /// When its flags last changed.
    pub modseq: ModSeq,
    /// Its flags.
    pub flags: FlagSet,
    /// Octets of the message.
    pub size: u64,
    /// INTERNALDATE.
    pub date: Timestamp,
    /// When it was put into this mailbox, if that was kept then (RFC 8514).
    pub save_date: Option<Timestamp>,
    /// True if this fetch set `\Seen`.
    pub seen_now: bool,
    /// Its outline, if wanted.
    pub outline: Option<StoredOutline>,
    /// The first words of its text, if wanted and there.
    pub preview: Option<String>,
    /// What its conversation is called, if wanted (RFC 8474).
    pub thread: Option<ThreadId>,
    /// One for each item of the plan.
    pub data: Vec<Data>,
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// There is no such part: NIL.
    Nothing,
    /// These stored octets; the driver can put them on the wire without reading them here.
    Stored(BlobRange),
    /// These octets.
    Octets(Bytes),
    /// So many octets.
    Size(u64),
    /// The transfer encoding is not known, or the part has none: IMAP `UNKNOWN-CTE`.
    UnknownEncoding,
    /// The message's octets are not those that were stored.
    Damaged,
}

/// A page of rows.
#[derive(Clone, Debug)]
pub struct FetchPage {
    /// By rising UID. Messages that are gone are left out.
    pub rows: Vec<FetchRow>,
    /// Where to go on: ask again with only the UIDs above this one. `None` at the end.
    pub more_after: Option<Uid>,
}

impl Account {
    /// Reads messages, a bounded page at a time: those of `uids` above `after`.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or a fault.
    pub async fn fetch(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        after: Option<Uid>,
        plan: &FetchPlan,
    ) -> Outcome<FetchPage> {
        let mut page = self.page(mailbox, uids, after, plan).await?;
        if plan.is_light() {
            return Ok(page);
        }
        let emails: Vec<_> = page.rows.iter().map(|row| row.email).collect();
        if plan.is_of_digests() && self.tell_digests(&mut page, &emails, plan).await? {
            return Ok(page);
        }
        let mut kept = 0;
        let mut octets = 0;
        let mut made = Vec::new();
        let mut told = Vec::new();
        let mut headers = Headers::default();
        let octets_max = self.octets_max(plan);
        let read = match plan.is_of_parts() {
            true => self.bare_emails(&emails).await?,
            false => self.emails(&emails).await?,
        };
        for (at, email) in read.into_iter().enumerate() {
            // A message removed since the page was made is left out like one removed before.
            let Some(email) = email else { continue };
            if octets > octets_max {
                let last = page.rows.get(..kept).and_then(<[FetchRow]>::last);
                page.more_after = last.map(|row| row.uid);
                break;
            }
            if kept != at {
                page.rows.swap(kept, at);
            }
            let Some(row) = page.rows.get_mut(kept) else {
                break;
            };
            headers.begin_row(kept);
            octets += self.fill(mailbox, row, &email, plan, &mut headers).await?;
            if plan.items.iter().any(tells_body) {
                octets = octets.saturating_add(email.size);
                told.push(email.sought());
            }
            if plan.preview == Some(Preview::Made) && email.preview.is_none() {
                let preview = self.make_preview(mailbox, row, email, &mut made).await;
                octets += match preview {
                    // A damaged message has none.
                    Err(error) if error.why() == Why::Damaged => 0,
                    octets => octets?,
                };
            }
            kept += 1;
            if headers.are_many() {
                self.read_headers(&mut headers, &mut page.rows, plan)
                    .await?;
            }
        }
        page.rows.truncate(kept);
        self.read_headers(&mut headers, &mut page.rows, plan)
            .await?;
        self.keep_previews(mailbox, made).await;
        if !told.is_empty() {
            self.find_damage(mailbox, told, &mut page.rows, plan)
                .await?;
        }
        Ok(page)
    }

    /// Octets after which a page ends.
    fn octets_max(&self, plan: &FetchPlan) -> u64 {
        let octets_max = self.house.rules().section_octets_max;
        match !plan.in_place && plan.items.iter().any(tells_body) {
            true => octets_max.min(TEXT_OCTETS_MAX),
            false => octets_max,
        }
    }

    /// The rows without text.
    async fn page(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        after: Option<Uid>,
        plan: &FetchPlan,
    ) -> Outcome<FetchPage> {
        let rows_max = self.house.rules().fetch_rows_max.max(1);
        let seen = bit(Flag::Seen);
        let choose = |folder: &Folder| {
            let wanted = folder
                .among_above(uids, after)
                .filter(|entry| plan.changed_since.is_none_or(|since| entry.modseq > since));
            let mut chosen: Vec<Entry> = wanted.take(rows_max + 1).copied().collect();
            let more = chosen.len() > rows_max;
            chosen.truncate(rows_max);
            (chosen, more)
        };
        let page = |chosen: &[Entry], more: bool, rows: Vec<FetchRow>| FetchPage {
            rows,
            more_after: chosen.last().filter(|_| more).map(|entry| entry.uid),
        };
        if !plan.mark_seen {
            return self
                .look(|ledger| {
                    let folder = self.folder(ledger, mailbox, Rights::READ)?;
                    let (chosen, more) = choose(folder);
                    let rows = chosen.iter().map(|entry| row(folder, entry, false));
                    Ok(page(&chosen, more, rows.collect()))
                })
                .await?;
        }
        self.change(|draft| {
            let folder = self.folder(draft.ledger(), mailbox, Rights::READ)?;
            let may_mark = self.rights(folder).contains(Rights::SEEN);
            let (chosen, more) = choose(folder);
            // RFC 4314 §4: without the right they are read and stay unseen.
            let unseen = chosen
                .iter()
                .filter(|entry| may_mark && entry.system & seen == 0);
            let flaggings: Vec<_> = unseen
                .map(|entry| Flagging {
                    uid: entry.uid,
                    system: entry.system | seen,
                    keywords: entry.keywords,
                })
                .collect();
            draft.set_flags(mailbox, &flaggings);
            let folder = draft.ledger().folder(mailbox)?;
            let rows = chosen.iter().filter_map(|before| {
                let entry = folder.entry(before.uid)?;
                let seen_now = before.system & seen != entry.system & seen;
                Some(row(folder, entry, seen_now))
            });
            Ok(page(&chosen, more, rows.collect()))
        })
        .await
    }

    /// Reads what the plan wants of one message; tells how many octets of memory that took.
    async fn fill(
        &self,
        mailbox: MailboxId,
        row: &mut FetchRow,
        email: &EmailRow,
        plan: &FetchPlan,
        headers: &mut Headers,
    ) -> Outcome<u64> {
        let mut octets = 0;
        let pieced = plan.items.iter().any(|item| !is_whole(item));
        let mut outline = None;
        if plan.outline.any() || pieced {
            let stored = self
                .stored_outline(mailbox, row.uid, row.email, email)
                .await?;
            octets += u64::try_from(stored.len()).unwrap_or(u64::MAX);
            if pieced {
                let parts = plan.items.iter().any(names_part);
                let digest = false;
                let read = match email.bare {
                    true => Outline::decode_parts(&stored, parts),
                    false => Outline::decode_some(&stored, Wanted { digest, parts }),
                };
                let read = read.map_err(unreadable)?;
                octets += outline_octets(&stored, &read);
                outline = Some(read);
            }
            if plan.outline.any() {
                let outline = match email.bare {
                    true => Ok(StoredOutline::of_parts(stored)),
                    false => StoredOutline::new(stored, plan.outline),
                };
                row.outline = Some(outline.map_err(unreadable)?);
            }
        }
        for (at, item) in plan.items.iter().enumerate() {
            let data = match &outline {
                Some(outline) if !is_whole(item) => {
                    match header_of(email, outline, item).filter(|range| headers.fit(*range)) {
                        Some(range) => {
                            octets += headers.note(at, range, email);
                            Data::Nothing
                        }
                        None => match self.data(email, outline, item).await {
                            Err(error) if error.why() == Why::Damaged => Data::Damaged,
                            data => data?,
                        },
                    }
                }
                _ if item.form == Form::DecodedSize => Data::Size(email.size),
                _ => Data::Stored(cut(whole(email), item.range)),
            };
            if let Data::Octets(bytes) = &data {
                octets += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            }
            row.data.push(data);
        }
        if plan.preview.is_some() {
            row.preview = email.preview_text()?;
        }
        if plan.thread {
            let which = (mailbox, row.uid, row.email);
            row.thread = Some(self.conversation(which, email).await?);
        }
        Ok(octets)
    }

    /// Makes a preview that was not made at delivery (of texts far behind the beginning of a large
    /// message, and where the house was crowded); tells how many octets of memory that took.
    async fn make_preview(
        &self,
        mailbox: MailboxId,
        row: &mut FetchRow,
        email: EmailRow,
        made: &mut Vec<(Uid, EmailId, EmailRow)>,
    ) -> Outcome<u64> {
        let outline = self.outline(mailbox, row.uid, row.email, &email).await?;
        let bodies = Bodies::of(&outline.root);
        let mut texts = Vec::new();
        for span in preview_spans(&bodies) {
            texts.push(self.house.read(at(&email, span)).await?);
        }
        let preview = preview_of(&bodies, texts.iter().map(AsRef::as_ref));
        row.preview = Some(preview.clone());
        let stored = outline.encode();
        let octets = stored.len().saturating_add(preview.len());
        let known = EmailRow {
            outline: Some(stored.into()),
            preview: Some(preview.into()),
            ..email
        };
        made.push((row.uid, row.email, known));
        Ok(u64::try_from(octets).unwrap_or(u64::MAX))
    }

    /// Keeps previews that were made, all in one step. That they are not kept is no reason not to
    /// show them.
    async fn keep_previews(&self, mailbox: MailboxId, made: Vec<(Uid, EmailId, EmailRow)>) {
        if made.is_empty() || self.keeper.is_removed_mail() {
            return;
        }
        let kept = self.change(|draft| {
            for (uid, id, known) in &made {
                learn(draft, (mailbox, *uid, *id), known)?;
            }
            Ok(())
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, "previews were not kept");
        }
    }

    /// The outline of a message, read.
    pub(crate) async fn outline(
        &self,
        mailbox: MailboxId,
        uid: Uid,
        id: EmailId,
        email: &EmailRow,
    ) -> Outcome<Outline> {
        let stored = self.stored_outline(mailbox, uid, id, email).await?;
        Ok(Outline::decode(&stored).map_err(unreadable)?)
    }

    /// The outline of a message: stored beside it, or made at first use where it was not made at
    /// delivery (large messages of earlier versions, and where the house was crowded).
    async fn stored_outline(
        &self,
        mailbox: MailboxId,
        uid: Uid,
        id: EmailId,
        email: &EmailRow,
    ) -> Outcome<Bytes> {
        if let Some(stored) = &email.outline {
            return Ok(stored.clone());
        }
        let stored = Bytes::from(self.scan(email).await?.encode());
        let known = EmailRow {
            outline: Some(stored.clone()),
            ..email.clone()
        };
        if !self.keeper.is_removed_mail() {
            self.change(|draft| learn(draft, (mailbox, uid, id), &known))
                .await?;
        }
        Ok(stored)
    }

    /// Reads a message piece by piece: its body is never in memory whole.
    async fn scan(&self, email: &EmailRow) -> Outcome<Outline> {
        let mut scanner = Scanner::new(&Limits::HOUSE);
        let mut at = 0;
        while at < email.size {
            let piece = whole(email).part(at, SCAN_OCTETS_MAX);
            at = at.saturating_add(SCAN_OCTETS_MAX);
            scanner.push(&self.house.read(piece).await?);
        }
        Ok(scanner.finish().outline())
    }

    async fn data(&self, email: &EmailRow, outline: &Outline, item: &Item) -> Outcome<Data> {
        match item.form {
            Form::Stored => {
                let Some(located) = outline.locate(&item.section) else {
                    return Ok(Data::Nothing);
                };
                let range = at(email, located.span);
                if !located.filtered {
                    return Ok(Data::Stored(cut(range, item.range)));
                }
                let header = self.house.read(range).await?;
                let mut fields = Vec::new();
                item.section.filter(&header, &mut fields);
                Ok(Data::Octets(slice(fields.into(), item.range)))
            }
            Form::Decoded | Form::DecodedSize => self.decoded(email, outline, item).await,
        }
    }

    // RFC 9051 §6.4.5.1
    async fn decoded(&self, email: &EmailRow, outline: &Outline, item: &Item) -> Outcome<Data> {
        let Some(part) = outline.part(&item.section.parts) else {
            return Ok(Data::Nothing);
        };
        let Some(encoding) = encoding(part) else {
            return Ok(Data::UnknownEncoding);
        };
        let range = at(email, part.body);
        let size_only = item.form == Form::DecodedSize;
        if encoding == Encoding::Identity {
            return Ok(match size_only {
                true => Data::Size(range.len),
                false => Data::Stored(cut(range, item.range)),
            });
        }
        let body = self.house.read(range).await?;
        let octets = match decode_transfer(encoding, &body).octets {
            Cow::Borrowed(_) => body.clone(),
            Cow::Owned(octets) => octets.into(),
        };
        Ok(match size_only {
            true => Data::Size(u64::try_from(octets.len()).unwrap_or(u64::MAX)),
            false => Data::Octets(slice(octets, item.range)),
        })
    }
}

/// Writes a message's row anew, but only while it is there, or its row would outlive it.
fn learn(
    draft: &mut Draft<'_>,
    (mailbox, uid, id): (MailboxId, Uid, EmailId),
    known: &EmailRow,
) -> Outcome<()> {
    let folder = draft.ledger().folder(mailbox)?;
    if folder.entry(uid).is_some_and(|entry| entry.email == id) {
        draft.learn(id, known);
    }
    Ok(())
}

/// The octets of a message, whole.
pub(crate) const fn whole(email: &EmailRow) -> BlobRange {
    BlobRange {
        blob: email.blob,
        offset: 0,
        len: email.size,
    }
}

/// The octets of a span of a message.
pub(crate) fn at(email: &EmailRow, span: Span) -> BlobRange {
    whole(email).part(span.offset, span.len)
}

fn row(folder: &Folder, entry: &Entry, seen_now: bool) -> FetchRow {
    FetchRow {
        uid: entry.uid,
        email: entry.email,
        modseq: entry.modseq,
        flags: folder.flags(entry),
        size: entry.size.into(),
        date: entry.date(),
        save_date: entry.saved.map(SavedAt::moment),
        seen_now,
        outline: None,
        preview: None,
        thread: None,
        data: Vec::new(),
    }
}

fn unreadable(_: message::Error) -> Fault {
    Fault::Row("an outline")
}

/// About so many octets of memory an outline takes.
fn outline_octets(stored: &[u8], outline: &Outline) -> u64 {
    let parts = outline
        .root
        .walk()
        .count()
        .saturating_mul(size_of::<Part>());
    let octets = stored.len().saturating_mul(4).saturating_add(parts);
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// The header that an item tells some fields of, if it does and there is such a part.
fn header_of(email: &EmailRow, outline: &Outline, item: &Item) -> Option<BlobRange> {
    let located = outline.locate(&item.section)?;
    located.filtered.then(|| at(email, located.span))
}

/// True for what needs no outline: the message as it is.
fn is_whole(item: &Item) -> bool {
    item.section.parts.is_empty() && item.section.specifier == Specifier::All
}

/// True for what the places of the message's header and body are not enough for.
fn names_part(item: &Item) -> bool {
    !item.section.parts.is_empty() || item.form != Form::Stored && !is_whole(item)
}

/// How a part's body is encoded; `None` if that is not known, or it has parts of its own.
fn encoding(part: &Part) -> Option<Encoding> {
    let composite = matches!(part.content, Content::Multipart(_));
    match Encoding::parse(&part.encoding) {
        Encoding::Unknown => None,
        _ if composite => None,
        encoding => Some(encoding),
    }
}

fn cut(range: BlobRange, part: Option<(u64, u64)>) -> BlobRange {
    part.map_or(range, |(skip, take)| range.part(skip, take))
}

fn slice(octets: Bytes, part: Option<(u64, u64)>) -> Bytes {
    let Some((skip, take)) = part else {
        return octets;
    };
    let from = usize::try_from(skip).map_or(octets.len(), |skip| skip.min(octets.len()));
    let take = usize::try_from(take).unwrap_or(usize::MAX);
    octets.slice(from..from.saturating_add(take).min(octets.len()))
}
