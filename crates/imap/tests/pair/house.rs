//! A house of one account with one mailbox.

use std::collections::BTreeMap;

use bytes::Bytes;
use imap::ask::{
    Changed, Changes, Criterion, FetchPlan, Gone, Listed, PieceData, Place, Reached, Row, Selected,
    Status, StoreMode,
};
use imap::{Answer, Ask};
use mail::{
    EmailId, Flag, FlagSet, MailboxId, ModSeq, Rights, Timestamp, Uid, UidSet, UidValidity,
};
use message::{Outline, StoredOutline};
use wire::sasl::{Question, Verdict};

const MAILBOX: Place = Place::own(MailboxId(7));

pub(crate) struct Letter {
    pub(crate) flags: FlagSet,
    pub(crate) modseq: ModSeq,
    octets: Bytes,
}

/// One account with one mailbox.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) letters: BTreeMap<u32, Letter>,
    gone: BTreeMap<u32, ModSeq>,
    added: BTreeMap<u32, ModSeq>,
    pub(crate) last: u32,
    pub(crate) modseq: ModSeq,
    appending: Option<(FlagSet, Vec<u8>)>,
    /// The message that goes as that one comes.
    replaces: Option<Uid>,
}

impl House {
    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn uids(&self) -> UidSet {
        self.letters.keys().map(|&uid| Self::uid(uid)).collect()
    }

    pub(crate) fn add(&mut self, flags: FlagSet, octets: Vec<u8>) -> Uid {
        self.modseq = self.modseq.next();
        self.last += 1;
        self.added.insert(self.last, self.modseq);
        let letter = Letter {
            flags,
            modseq: self.modseq,
            octets: Bytes::from(octets),
        };
        self.letters.insert(self.last, letter);
        Self::uid(self.last)
    }

    pub(crate) fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(Question::Password { user, password, .. }) => {
                assert_eq!((user.as_str(), password.0.as_str()), ("ada", "wörd \"x\""));
                Answer::Verdict(Verdict::Accepted)
            }
            Ask::List { .. } => Answer::Mailboxes(vec![Listed {
                place: None,
                name: "INBOX".to_owned(),
                role: None,
                subscribed: true,
                exists: true,
                selectable: true,
                rights: Rights::ALL,
            }]),
            Ask::Status { .. } => Answer::Status(self.status()),
            Ask::Select { read_only, .. } => Answer::Selected(Box::new(self.selected(read_only))),
            Ask::Changes { since, .. } => Answer::Changes(self.changes(since)),
            Ask::Fetch { uids, plan, .. } => self.fetch(&uids, &plan),
            Ask::Store {
                uids,
                mode,
                flags,
                unchanged_since,
                ..
            } => self.store(&uids, mode, &flags, unchanged_since),
            Ask::Expunge { uids, .. } => {
                self.expunge(uids.as_ref());
                Answer::Done
            }
            Ask::Search { criterion, .. } => Answer::Found {
                uids: self.found(&criterion),
                highest: None,
                scores: Vec::new(),
            },
            Ask::AppendBegin {
                flags, replaces, ..
            } => {
                self.replaces = replaces.map(|(_, uid)| uid);
                self.appending = Some((flags, Vec::new()));
                Answer::Done
            }
            Ask::AppendChunk(octets) => {
                self.appending
                    .as_mut()
                    .unwrap()
                    .1
                    .extend_from_slice(&octets);
                Answer::Done
            }
            Ask::AppendEnd => {
                let (flags, octets) = self.appending.take().unwrap();
                let uid = self.add(flags, octets);
                if let Some(replaced) = self.replaces.take() {
                    self.letters.remove(&replaced.value());
                    self.gone.insert(replaced.value(), self.modseq);
                }
                Answer::Appended {
                    uid_validity: UidValidity::MIN,
                    uids: UidSet::from_range(uid..=uid),
                }
            }
            Ask::AppendAbort | Ask::Identity(_) | Ask::Unauthenticate => Answer::Done,
            other => panic!("not asked in this test: {other:?}"),
        }
    }

    fn status(&self) -> Status {
        Status {
            mailbox: MAILBOX,
            messages: u32::try_from(self.letters.len()).unwrap(),
            uid_next: Self::uid(self.last + 1),
            uid_validity: UidValidity::MIN,
            unseen: 0,
            deleted: 0,
            deleted_octets: 0,
            size_octets: self
                .letters
                .values()
                .map(|letter| letter.octets.len() as u64)
                .sum(),
            modseq: self.modseq,
        }
    }

    fn selected(&self, read_only: bool) -> Selected {
        Selected {
            mailbox: MAILBOX,
            uid_validity: UidValidity::MIN,
            uid_next: Self::uid(self.last + 1),
            modseq: self.modseq,
            highest: self.modseq,
            uids: self.uids(),
            keywords: Vec::new(),
            first_unseen: None,
            read_only,
            rights: Rights::ALL,
        }
    }

    fn found(&self, criterion: &Criterion) -> UidSet {
        let letters = self.letters.iter().filter(|(uid, letter)| match criterion {
            Criterion::Has(flag) => letter.flags.contains(flag),
            Criterion::Uids(uids) => uids.contains(Self::uid(**uid)),
            _ => true,
        });
        letters.map(|(&uid, _)| Self::uid(uid)).collect()
    }

    /// At most two messages' changes at once, so that `more` is met as well.
    fn changes(&self, since: ModSeq) -> Changes {
        let mut lines: Vec<ModSeq> = self
            .letters
            .values()
            .map(|letter| letter.modseq)
            .chain(self.gone.values().copied())
            .chain(self.added.values().copied())
            .filter(|&modseq| modseq > since)
            .collect();
        lines.sort_unstable();
        lines.dedup();
        let upto = lines.get(1).copied().unwrap_or(self.modseq);
        let within = |modseq: ModSeq| modseq > since && modseq <= upto;
        let changed = self
            .letters
            .iter()
            .filter(|(_, letter)| within(letter.modseq));
        let added = self.added.iter().filter(|(_, modseq)| within(**modseq));
        // What came and went before anybody was told is neither new nor gone, or both.
        let last_added = self
            .added
            .iter()
            .filter(|(_, modseq)| **modseq <= upto)
            .count();
        Changes {
            modseq: upto,
            highest: upto,
            uid_next: Self::uid(u32::try_from(last_added).unwrap() + 1),
            added: added
                .map(|(&uid, _)| Self::uid(uid))
                .filter(|uid| self.letters.contains_key(&uid.value()))
                .collect(),
            changed: changed
                .map(|(&uid, letter)| Self::changed(uid, letter))
                .collect(),
            gone: Gone::Uids(
                self.gone
                    .iter()
                    .filter(|(_, modseq)| within(**modseq))
                    .map(|(&uid, _)| Self::uid(uid))
                    .collect(),
            ),
            keywords: Vec::new(),
            rights: Rights::ALL,
            over_quota: false,
            more: upto < self.modseq,
        }
    }

    fn changed(uid: u32, letter: &Letter) -> Changed {
        Changed {
            uid: Self::uid(uid),
            flags: letter.flags.clone(),
            modseq: letter.modseq,
        }
    }

    fn fetch(&mut self, uids: &UidSet, plan: &FetchPlan) -> Answer {
        let mut rows = Vec::new();
        let mut reached = Reached::End;
        for (&uid, letter) in &mut self.letters {
            if !uids.contains(Self::uid(uid)) {
                continue;
            }
            if rows.len() == 3 {
                reached = Reached::Uid(Self::uid(uid - 1));
                break;
            }
            let marked = plan.mark_seen && letter.flags.system_bits() & 1 == 0;
            if marked {
                self.modseq = self.modseq.next();
                letter.modseq = self.modseq;
                letter.flags.insert(Flag::Seen);
            }
            let outline = Outline::parse(&letter.octets);
            let pieces = plan
                .pieces
                .iter()
                .map(|piece| match outline.locate(&piece.section) {
                    Some(located) => {
                        PieceData::Bytes(letter.octets.slice_ref(located.span.of(&letter.octets)))
                    }
                    None => PieceData::Nil,
                });
            rows.push(Row {
                uid: Self::uid(uid),
                modseq: letter.modseq,
                flags: letter.flags.clone(),
                marked,
                size_octets: letter.octets.len() as u64,
                internal_date: Timestamp::utc(0),
                save_date: None,
                preview: None,
                email: EmailId(u64::from(uid)),
                thread: None,
                pieces: pieces.collect(),
                outline: plan.outline.any().then(|| StoredOutline::from(&outline)),
            });
        }
        Answer::Rows { rows, reached }
    }

    fn store(
        &mut self,
        uids: &UidSet,
        mode: StoreMode,
        flags: &FlagSet,
        unchanged_since: Option<ModSeq>,
    ) -> Answer {
        let mut modified = UidSet::new();
        let mut changed = Vec::new();
        self.modseq = self.modseq.next();
        for (&uid, letter) in &mut self.letters {
            if !uids.contains(Self::uid(uid)) {
                continue;
            }
            if unchanged_since.is_some_and(|since| letter.modseq > since) {
                modified.insert(Self::uid(uid));
                continue;
            }
            match mode {
                StoreMode::Replace => letter.flags = flags.clone(),
                StoreMode::Add => flags.iter().for_each(|flag| letter.flags.insert(flag)),
                StoreMode::Remove => flags.iter().for_each(|flag| letter.flags.remove(&flag)),
            }
            letter.modseq = self.modseq;
            changed.push(Self::changed(uid, letter));
        }
        Answer::Stored {
            changed,
            raced: UidSet::new(),
            modified,
            reached: Reached::End,
        }
    }

    fn expunge(&mut self, uids: Option<&UidSet>) {
        self.modseq = self.modseq.next();
        let modseq = self.modseq;
        let gone = &mut self.gone;
        self.letters.retain(|&uid, letter| {
            let goes = letter.flags.contains(&Flag::Deleted)
                && uids.is_none_or(|uids| uids.contains(Self::uid(uid)));
            if goes {
                gone.insert(uid, modseq);
            }
            !goes
        });
    }
}
