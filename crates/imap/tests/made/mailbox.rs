//! What the made-up house keeps, and what it says of it.

use bytes::Bytes;
use imap::ask::{
    Changed, Criterion, FetchPlan, Piece, PieceData, PieceForm, Place, PreviewMode, Row, Selected,
    Status, When,
};
use mail::{
    AccountId, BlobId, BlobRange, EmailId, Flag, FlagSet, Keyword, MailboxId, ModSeq, Rights, Role,
    ThreadId, Timestamp, Uid, UidSet, UidValidity,
};
use message::view::{Bodies, preview};
use message::{Outline, StoredOutline};

/// What is kept of a letter; of one that says so its end is lost.
fn kept(text: &[u8], outline: &Outline, plan: &FetchPlan) -> StoredOutline {
    let mut stored = outline.encode();
    if text.starts_with(b"Subject: damaged") {
        stored.pop();
    }
    StoredOutline::new(stored.into(), plan.outline).unwrap()
}

/// Octets above which a piece is spliced.
const INLINE_OCTETS_MAX: usize = 40;

#[derive(Debug)]
pub(super) struct Message {
    pub(super) uid: u32,
    pub(super) flags: FlagSet,
    pub(super) modseq: u64,
    pub(super) text: usize,
    pub(super) date: Timestamp,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) role: Option<Role>,
    pub(super) next: u32,
    pub(super) messages: Vec<Message>,
    pub(super) vanished: Vec<(u32, u64)>,
    /// Whose it is, if not ada's.
    pub(super) owner: Option<AccountId>,
    /// What ada may do with it.
    pub(super) rights: Rights,
    /// Who else has rights.
    pub(super) acl: Vec<(String, Rights)>,
}

impl Mailbox {
    pub(super) const fn place(&self) -> Place {
        Place {
            owner: self.owner,
            mailbox: MailboxId(self.id),
        }
    }

    pub(super) fn uids(&self) -> UidSet {
        let uids = self
            .messages
            .iter()
            .filter_map(|message| Uid::new(message.uid));
        uids.collect()
    }

    pub(super) fn highest(&self) -> u64 {
        let living = self.messages.iter().map(|message| message.modseq);
        living
            .chain(self.vanished.iter().map(|(_, at)| *at))
            .max()
            .unwrap_or(1)
    }

    pub(super) fn keywords(&self) -> Vec<Keyword> {
        let all: FlagSet = self
            .messages
            .iter()
            .flat_map(|message| message.flags.iter())
            .collect();
        all.keywords().to_vec()
    }

    pub(super) fn push(
        &mut self,
        text: usize,
        flags: FlagSet,
        modseq: u64,
        date: Option<Timestamp>,
    ) -> Uid {
        let uid = self.next;
        self.next += 1;
        self.messages.push(Message {
            uid,
            flags,
            modseq,
            text,
            date: date.unwrap_or(Timestamp::utc(1_795_500_000)),
        });
        Uid::new(uid).unwrap()
    }

    pub(super) fn remove(&mut self, these: impl Fn(&Message) -> bool, modseq: u64) {
        let gone = self.messages.extract_if(.., |message| these(message));
        self.vanished
            .extend(gone.map(|message| (message.uid, modseq)));
    }

    pub(super) fn selected(&self, modseq: u64, read_only: bool) -> Selected {
        let mut unseen = self
            .messages
            .iter()
            .filter(|known| !known.flags.contains(&Flag::Seen));
        Selected {
            mailbox: self.place(),
            uid_validity: UidValidity::MIN,
            uid_next: Uid::new(self.next).unwrap(),
            modseq: ModSeq(modseq),
            highest: ModSeq(self.highest()),
            uids: self.uids(),
            keywords: self.keywords(),
            first_unseen: unseen.next().and_then(|message| Uid::new(message.uid)),
            read_only,
            rights: self.rights,
        }
    }

    pub(super) fn status(&self) -> Status {
        let count = |of: &dyn Fn(&Message) -> bool| {
            u32::try_from(self.messages.iter().filter(|message| of(message)).count()).unwrap()
        };
        Status {
            mailbox: self.place(),
            messages: count(&|_| true),
            uid_next: Uid::new(self.next).unwrap(),
            uid_validity: UidValidity::MIN,
            unseen: count(&|message| !message.flags.contains(&Flag::Seen)),
            deleted: count(&|message| message.flags.contains(&Flag::Deleted)),
            deleted_octets: 10,
            size_octets: 100,
            modseq: ModSeq(self.highest()),
        }
    }
}

impl Message {
    /// A day behind its date.
    fn saved(&self) -> Timestamp {
        Timestamp::utc(self.date.seconds + 86_400)
    }

    pub(super) fn changed(&self) -> Changed {
        Changed {
            uid: Uid::new(self.uid).unwrap(),
            flags: self.flags.clone(),
            modseq: ModSeq(self.modseq),
        }
    }

    pub(super) fn row(&self, text: &[u8], marked: bool, plan: &FetchPlan) -> Row {
        let outline = Outline::parse(text);
        let pieces = plan.pieces.iter();
        Row {
            uid: Uid::new(self.uid).unwrap(),
            modseq: ModSeq(self.modseq),
            flags: self.flags.clone(),
            marked,
            size_octets: u64::try_from(text.len()).unwrap(),
            internal_date: self.date,
            // The oldest of them is from before this was kept.
            save_date: (self.text > 0).then(|| self.saved()),
            email: EmailId(u64::try_from(self.text).unwrap()),
            thread: plan.thread.then(|| self.conversation()),
            // That of the third letter is not kept.
            preview: match plan.preview {
                Some(PreviewMode::Kept) if self.text == 2 => None,
                Some(_) => Some(preview(&Bodies::of(&outline.root), text)),
                None => None,
            },
            pieces: pieces
                .map(|piece| self.piece(text, &outline, piece))
                .collect(),
            outline: plan.outline.any().then(|| kept(text, &outline, plan)),
        }
    }

    /// Two texts at a time are one.
    fn conversation(&self) -> ThreadId {
        ThreadId(1000 + u64::try_from(self.text / 2).unwrap())
    }

    fn piece(&self, text: &[u8], outline: &Outline, piece: &Piece) -> PieceData {
        let Some(located) = outline.locate(&piece.section) else {
            return PieceData::Nil;
        };
        let mut octets = located.span.of(text).to_vec();
        if located.filtered {
            let mut kept = Vec::new();
            assert!(piece.section.filter(&octets, &mut kept));
            octets = kept;
        }
        if piece.form != PieceForm::Stored
            && let Some(part) = outline.part(&piece.section.parts)
        {
            match part.encoding.as_str() {
                "7bit" => {}
                "base64" => octets = b"\0binary".to_vec(),
                _ => return PieceData::UnknownCte,
            }
        }
        let whole = octets == located.span.of(text);
        let len = octets.len();
        if piece.form == PieceForm::DecodedSize {
            return PieceData::Size(u64::try_from(len).unwrap());
        }
        let (from, most) = piece.range.unwrap_or((0, u64::MAX));
        let range = BlobRange {
            blob: BlobId([u8::try_from(self.text).unwrap(); 32]),
            offset: located.span.offset,
            len: u64::try_from(len).unwrap(),
        };
        let range = range.part(from, most);
        if whole && len > INLINE_OCTETS_MAX {
            return PieceData::Blob(range);
        }
        let from = usize::try_from(from).unwrap_or(len).min(len);
        let to = from + usize::try_from(range.len).unwrap();
        PieceData::Bytes(Bytes::copy_from_slice(&octets[from..to]))
    }

    /// How near it comes: in a fuzzy search the last letter of a text makes no difference.
    pub(super) fn score(&self, criterion: &Criterion, text: &[u8]) -> u8 {
        let sharp = match criterion {
            Criterion::And(all) => Criterion::And(all.iter().map(sharp).collect()),
            one => sharp(one),
        };
        match self.meets(&sharp, text) {
            true => 100,
            false => 50 - u8::try_from(self.text).unwrap(),
        }
    }

    pub(super) fn meets(&self, criterion: &Criterion, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text).to_lowercase();
        let day = self.date.civil_date();
        match criterion {
            Criterion::All => true,
            Criterion::Uids(uids) => uids.contains(Uid::new(self.uid).unwrap()),
            Criterion::Has(flag) => self.flags.contains(flag),
            Criterion::Lacks(flag) => !self.flags.contains(flag),
            Criterion::Arrived(When::Before, date) => day < *date,
            Criterion::Arrived(When::On, date) => day == *date,
            Criterion::Arrived(When::Since, date) => day >= *date,
            Criterion::Saved(when, date) => {
                let day = self.saved().civil_date();
                match when {
                    When::Before => day < *date,
                    When::On => day == *date,
                    When::Since => day >= *date,
                }
            }
            Criterion::Header { name, text: words } => {
                let start = format!("{}: {}", name.to_lowercase(), words.to_lowercase());
                text.lines().any(|line| line.starts_with(&start))
            }
            Criterion::Body(words) | Criterion::Text(words) => text.contains(&words.to_lowercase()),
            Criterion::Larger(octets) => u64::try_from(text.len()).unwrap() > *octets,
            Criterion::Smaller(octets) => u64::try_from(text.len()).unwrap() < *octets,
            Criterion::ModSeq(least) => self.modseq >= least.0,
            Criterion::Fuzzy(inner) => self.meets(&blunt(inner), text.as_bytes()),
            Criterion::Not(inner) => !self.meets(inner, text.as_bytes()),
            Criterion::Or(one, other) => {
                self.meets(one, text.as_bytes()) || self.meets(other, text.as_bytes())
            }
            Criterion::And(all) => all.iter().all(|inner| self.meets(inner, text.as_bytes())),
            Criterion::Email(email) => email.0 == u64::try_from(self.text).unwrap(),
            Criterion::Thread(thread) => *thread == self.conversation(),
            Criterion::Sent(..) | Criterion::Older(_) | Criterion::Younger(_) => false,
        }
    }
}

fn sharp(criterion: &Criterion) -> Criterion {
    match criterion {
        Criterion::Fuzzy(inner) => inner.as_ref().clone(),
        other => other.clone(),
    }
}

/// The same for texts without their last letter.
fn blunt(criterion: &Criterion) -> Criterion {
    let cut = |text: &str| text[..text.len().saturating_sub(1)].to_owned();
    match criterion {
        Criterion::Header { name, text } => Criterion::Header {
            name: name.clone(),
            text: cut(text),
        },
        Criterion::Body(text) => Criterion::Body(cut(text)),
        Criterion::Text(text) => Criterion::Text(cut(text)),
        Criterion::And(all) => Criterion::And(all.iter().map(blunt).collect()),
        other => other.clone(),
    }
}

/// True if something in it is fuzzy.
pub(super) fn is_fuzzy(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Fuzzy(_) => true,
        Criterion::And(all) => all.iter().any(is_fuzzy),
        _ => false,
    }
}
