//! Both ends in memory: our client talks to our server about a house of one mailbox.
//!
//! Two clients walk at random over the same mailbox; each keeps only what the server tells it, and
//! must come to know exactly what the house has.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use imap::ask::{
    Changed, Changes, Criterion, Gone, Listed, PieceData, Reached, Row, Selected, Status, StoreMode,
};
use imap::client::{Client, ClientPolicy, Message, News, Request};
use imap::response::{Condition, FetchData};
use imap::{Answer, Ask, Command, MailboxName, Policy, Response, Session};
use mail::{EmailId, FlagSet, Instant, MailboxId, ModSeq, Timestamp, Uid, UidSet, UidValidity};
use message::Outline;
use wire::sasl::{Question, Secret, Verdict};
use wire::{Session as _, Step};

const MAILBOX: MailboxId = MailboxId(7);

struct Letter {
    flags: FlagSet,
    modseq: ModSeq,
    octets: Bytes,
}

/// One account with one mailbox.
#[derive(Default)]
struct House {
    letters: BTreeMap<u32, Letter>,
    gone: BTreeMap<u32, ModSeq>,
    added: BTreeMap<u32, ModSeq>,
    last: u32,
    modseq: ModSeq,
    appending: Option<(FlagSet, Vec<u8>)>,
}

impl House {
    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn uids(&self) -> UidSet {
        self.letters.keys().map(|&uid| Self::uid(uid)).collect()
    }

    fn add(&mut self, flags: FlagSet, octets: Vec<u8>) -> Uid {
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

    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(Question::Password { user, password, .. }) => {
                assert_eq!((user.as_str(), password.0.as_str()), ("ada", "wörd \"x\""));
                Answer::Verdict(Verdict::Accepted)
            }
            Ask::List => Answer::Mailboxes(vec![Listed {
                name: "INBOX".to_owned(),
                role: None,
                subscribed: true,
                exists: true,
                selectable: true,
            }]),
            Ask::Status { .. } => Answer::Status(Status {
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
            }),
            Ask::Select { read_only, .. } => Answer::Selected(Box::new(Selected {
                mailbox: MAILBOX,
                uid_validity: UidValidity::MIN,
                uid_next: Self::uid(self.last + 1),
                modseq: self.modseq,
                highest: self.modseq,
                uids: self.uids(),
                keywords: Vec::new(),
                first_unseen: None,
                read_only,
            })),
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
            Ask::Search { criterion, .. } => {
                let uids = self
                    .letters
                    .iter()
                    .filter(|(uid, letter)| match &criterion {
                        Criterion::Has(flag) => letter.flags.contains(flag),
                        Criterion::Uids(uids) => uids.contains(Self::uid(**uid)),
                        _ => true,
                    });
                let uids = uids.map(|(&uid, _)| Self::uid(uid)).collect();
                Answer::Found {
                    uids,
                    highest: None,
                }
            }
            Ask::AppendBegin { flags, .. } => {
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
                Answer::Appended {
                    uid_validity: UidValidity::MIN,
                    uids: UidSet::from_range(uid..=uid),
                }
            }
            Ask::AppendAbort | Ask::Identity(_) | Ask::Unauthenticate => Answer::Done,
            other => panic!("not asked in this test: {other:?}"),
        }
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

    fn fetch(&mut self, uids: &UidSet, plan: &imap::ask::FetchPlan) -> Answer {
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
                letter.flags.insert(mail::Flag::Seen);
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
                email: EmailId(u64::from(uid)),
                thread: None,
                pieces: pieces.collect(),
                outline: plan.outline.then(|| Arc::new(outline)),
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
            let goes = letter.flags.contains(&mail::Flag::Deleted)
                && uids.is_none_or(|uids| uids.contains(Self::uid(uid)));
            if goes {
                gone.insert(uid, modseq);
            }
            !goes
        });
    }
}

/// A client and the server's session it talks to, and what the client knows.
struct Pair {
    client: Client,
    server: Session,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// The client asks what to do next.
    resting: bool,
    over: bool,
    /// The command under way.
    verb: String,
    /// The messages in order: their UIDs and flags where known.
    view: Vec<(Option<Uid>, Option<FlagSet>)>,
    ends: Vec<(&'static str, Condition)>,
    found: Vec<u32>,
    bodies: Vec<Bytes>,
    /// Octets given at once.
    cut: usize,
}

impl Pair {
    fn new(cut: usize) -> Self {
        let policy = Policy {
            clear_passwords: true,
            ..Policy::default()
        };
        let mut client = Client::new(ClientPolicy::default(), []);
        let mut server = Session::new(Arc::new(policy));
        client.elapse(Instant::default());
        server.elapse(Instant::default());
        Self {
            client,
            server,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            resting: false,
            over: false,
            verb: String::new(),
            view: Vec::new(),
            ends: Vec::new(),
            found: Vec::new(),
            bodies: Vec::new(),
            cut,
        }
    }

    /// Does what the line says and returns how it ended.
    fn say(&mut self, house: &mut House, line: &str) -> Condition {
        let (_, command) = Command::parse(format!("x {line}").as_bytes()).unwrap();
        command.name().clone_into(&mut self.verb);
        self.request(house, Request::Command(command))
    }

    fn request(&mut self, house: &mut House, request: Request) -> Condition {
        self.work(house);
        assert!(self.resting, "the client is not at rest");
        self.resting = false;
        let before = self.ends.len();
        self.client.answer(vec![request]);
        self.work(house);
        assert_eq!(self.ends.len(), before + 1, "one end for one request");
        self.ends.last().unwrap().1
    }

    /// Lets both work until the client rests or both wait.
    fn work(&mut self, house: &mut House) {
        loop {
            self.work_server(house);
            if self.resting || self.over {
                return;
            }
            self.work_client();
            if self.resting || self.over {
                return;
            }
            if let Some(octets) = Self::piece(&mut self.to_server, self.cut) {
                self.server.receive(&octets);
            } else if let Some(octets) = Self::piece(&mut self.to_client, self.cut) {
                self.client.receive(&octets);
            } else {
                return;
            }
        }
    }

    fn piece(octets: &mut VecDeque<u8>, cut: usize) -> Option<Vec<u8>> {
        let piece: Vec<u8> = octets.drain(..octets.len().min(cut)).collect();
        (!piece.is_empty()).then_some(piece)
    }

    fn work_server(&mut self, house: &mut House) {
        loop {
            match self.server.step() {
                Step::Read | Step::Close => return,
                Step::Write(octets) => self.to_client.extend(octets.iter()),
                Step::Ask(ask) => self.server.answer(house.answer(ask)),
                other => panic!("the server wants {other:?}"),
            }
        }
    }

    fn work_client(&mut self) {
        loop {
            match self.client.step() {
                Step::Read => return,
                Step::Close => {
                    self.over = true;
                    return;
                }
                Step::Write(octets) => self.to_server.extend(octets.iter()),
                Step::Ask(News::Idle) => {
                    self.resting = true;
                    return;
                }
                Step::Ask(news) => {
                    let next = self.hear(news);
                    self.client.answer(next);
                }
                other => panic!("the client wants {other:?}"),
            }
        }
    }

    fn hear(&mut self, news: News) -> Vec<Request> {
        match news {
            News::Greeting(_) => {}
            News::Done(name, status) => self.ends.push((name, status.condition)),
            News::Response(Response::Exists(count)) => {
                let count = usize::try_from(count).unwrap();
                assert!(count >= self.view.len(), "EXISTS never shrinks");
                self.view.resize(count, (None, None));
            }
            News::Response(Response::Expunge(seq)) => {
                // RFC 9051 §7.5.1
                assert!(!["FETCH", "STORE", "SEARCH"].contains(&self.verb.as_str()));
                let at = usize::try_from(seq.value()).unwrap() - 1;
                assert!(at < self.view.len(), "no message {seq} to expunge");
                self.view.remove(at);
            }
            News::Response(Response::Fetch(seq, data)) => self.fetched(seq.value(), data),
            News::Response(Response::Search(numbers, _)) => self.found = numbers,
            News::Response(Response::Esearch(esearch)) => {
                let all = esearch.all.and_then(|all| all.resolve(mail::SeqNo::MIN));
                let all = all.unwrap_or_default();
                self.found = all.iter().map(mail::SeqNo::value).collect();
            }
            News::Response(_) => {}
            News::Unreadable(error) => panic!("the server wrote what we cannot read: {error}"),
            other => panic!("{other:?}"),
        }
        Vec::new()
    }

    fn fetched(&mut self, seq: u32, data: Vec<FetchData>) {
        let at = usize::try_from(seq).unwrap() - 1;
        let Some(known) = self.view.get_mut(at) else {
            panic!("no message {seq}");
        };
        for item in data {
            match item {
                FetchData::Uid(uid) => {
                    assert!(
                        known.0.is_none_or(|before| before == uid),
                        "{seq} is {known:?}"
                    );
                    known.0 = Some(uid);
                }
                FetchData::Flags(flags, false) => known.1 = Some(flags),
                FetchData::Section { octets, .. } => self.bodies.extend(octets),
                FetchData::Size(_) | FetchData::ModSeq(_) => {}
                other => panic!("not asked for: {other:?}"),
            }
        }
    }

    /// Logs in, turns on what the client speaks, opens the mailbox and looks at all of it.
    fn enter(&mut self, house: &mut House, enable: &str) {
        self.work(house);
        let login = Request::Command(Command::Login {
            user: "ada".to_owned(),
            password: Secret("wörd \"x\"".to_owned()),
        });
        assert_eq!(self.request(house, login), Condition::Ok);
        if !enable.is_empty() {
            assert_eq!(self.say(house, enable), Condition::Ok);
        }
        assert_eq!(self.say(house, "SELECT inbox"), Condition::Ok);
        if !self.view.is_empty() {
            assert_eq!(self.say(house, "FETCH 1:* (UID FLAGS)"), Condition::Ok);
        }
    }

    /// Hears the last news, then knows all the house has.
    fn knows_all(&mut self, house: &mut House) {
        self.server.notice(house.modseq);
        assert_eq!(self.say(house, "NOOP"), Condition::Ok);
        assert_eq!(self.view.len(), house.letters.len());
        for ((uid, flags), (number, letter)) in self.view.iter().zip(&house.letters) {
            assert!(
                uid.is_none_or(|uid| uid.value() == *number),
                "{uid:?} is {number}"
            );
            if let Some(flags) = flags {
                assert_eq!(*flags, letter.flags, "of message {number}");
            }
        }
    }
}

#[test]
fn a_visit() {
    for cut in [1, 5, usize::MAX] {
        let mut house = House::default();
        house.add(FlagSet::new(), b"Subject: one\r\n\r\nfirst\r\n".to_vec());
        let mut pair = Pair::new(cut);
        pair.enter(&mut house, "");
        let append = Request::Append {
            mailbox: MailboxName::new("INBOX"),
            flags: FlagSet::from_system_bits(1),
            date: None,
            message: Message::Octets(Bytes::from_static(b"Subject: two\r\n\r\n{5}\r\n")),
        };
        assert_eq!(pair.request(&mut house, append), Condition::Ok);
        assert_eq!(pair.view.len(), 2);
        assert_eq!(
            pair.say(&mut house, "FETCH 1:2 (UID BODY.PEEK[TEXT])"),
            Condition::Ok
        );
        let bodies: Vec<&[u8]> = pair.bodies.iter().map(AsRef::as_ref).collect();
        assert_eq!(bodies, [b"first\r\n", b"{5}\r\n".as_slice()]);
        assert_eq!(pair.say(&mut house, "SEARCH SEEN"), Condition::Ok);
        assert_eq!(pair.found, [2]);
        assert_eq!(pair.say(&mut house, "FETCH 1 BODY[]"), Condition::Ok);
        pair.knows_all(&mut house);
        assert_eq!(
            pair.say(&mut house, "STORE 3 +FLAGS (\\Seen)"),
            Condition::Bad
        );
        assert_eq!(
            pair.say(&mut house, "STORE 1 +FLAGS (\\Deleted)"),
            Condition::Ok
        );
        assert_eq!(pair.say(&mut house, "EXPUNGE"), Condition::Ok);
        pair.knows_all(&mut house);
        assert_eq!(pair.view.len(), 1);
        assert_eq!(pair.say(&mut house, "LOGIN a b"), Condition::Bad);
        assert_eq!(
            pair.say(&mut house, "STATUS INBOX (MESSAGES SIZE)"),
            Condition::Ok
        );
        assert_eq!(pair.say(&mut house, "LIST \"\" *"), Condition::Ok);
        assert_eq!(pair.say(&mut house, "LOGOUT"), Condition::Ok);
    }
}

/// The same numbers each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

#[test]
fn what_one_does_the_other_hears_in_idle() {
    let mut house = House::default();
    house.add(FlagSet::new(), b"x: y\r\n\r\nz".to_vec());
    let mut pairs = [Pair::new(usize::MAX), Pair::new(3)];
    pairs.iter_mut().for_each(|pair| pair.enter(&mut house, ""));
    let [idler, doer] = &mut pairs;
    idler.work(&mut house);
    idler.resting = false;
    "IDLE".clone_into(&mut idler.verb);
    idler.client.answer(vec![Request::Command(Command::Idle)]);
    idler.work(&mut house);
    for (line, known) in [
        ("STORE 1 +FLAGS (\\Flagged)", 1),
        ("STORE 1 FLAGS (\\Deleted)", 1),
        ("EXPUNGE", 0),
    ] {
        assert_eq!(doer.say(&mut house, line), Condition::Ok);
        idler.server.notice(house.modseq);
        idler.work(&mut house);
        assert_eq!(idler.view.len(), known, "{line}");
        let flags = house
            .letters
            .values()
            .map(|letter| Some(letter.flags.clone()));
        let heard = idler.view.iter().map(|(_, flags)| flags.clone());
        assert!(heard.eq(flags), "{line}");
    }
    house.add(FlagSet::new(), b"x: y\r\n\r\nz".to_vec());
    idler.server.notice(house.modseq);
    idler.work(&mut house);
    assert_eq!(idler.view.len(), 1);
    idler.client.answer(vec![Request::Done]);
    idler.work(&mut house);
    assert_eq!(idler.ends.last(), Some(&("IDLE", Condition::Ok)));
    idler.knows_all(&mut house);
}

/// One random deed of one client.
fn deed(pair: &mut Pair, house: &mut House, dice: &mut Dice) {
    let count = pair.view.len();
    let seq = dice.roll(count) + 1;
    let uid = dice.roll(usize::try_from(house.last).unwrap()) + 1;
    let flag = ["\\Seen", "\\Deleted", "\\Flagged"][dice.roll(3)];
    let sign = ["+", "-", ""][dice.roll(3)];
    let since = dice.roll(usize::try_from(house.modseq.0).unwrap() + 2);
    let silent = ["", ".SILENT"][dice.roll(2)];
    let line = match dice.roll(14) {
        0 if count > 0 => format!("STORE {seq} {sign}FLAGS ({flag})"),
        1 => format!("UID STORE {uid}:* {sign}FLAGS ({flag})"),
        2 if count > 0 => format!("STORE 1:{seq} +FLAGS{silent} (\\Deleted)"),
        3 => "EXPUNGE".to_owned(),
        4 => format!("UID EXPUNGE {uid}:4000000000"),
        5 if count > 0 => format!("FETCH {seq}:* (UID FLAGS)"),
        6 => format!("UID FETCH {uid} (FLAGS BODY[])"),
        7 => "SEARCH DELETED".to_owned(),
        8 => "NOOP".to_owned(),
        9 => format!("UID STORE {uid}:* (UNCHANGEDSINCE {since}) +FLAGS (\\Flagged)"),
        10 => format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {})", since.max(1)),
        _ => {
            let flags = FlagSet::from_system_bits(u8::try_from(dice.roll(32)).unwrap());
            house.add(flags, b"a: b\r\n\r\nc".to_vec());
            pair.server.notice(house.modseq);
            return;
        }
    };
    let condition = pair.say(house, &line);
    // RFC 9051 §9: what is only mentioned may be gone already, and another client's doing.
    assert_ne!(condition, Condition::Bad, "{line}");
    if line.contains(".SILENT") && condition == Condition::Ok {
        // A silent STORE tells nothing: the client takes its word for it.
        for (_, flags) in pair.view.iter_mut().take(seq) {
            *flags = None;
        }
    }
    if line == "SEARCH DELETED" {
        for &number in &pair.found {
            assert!(
                usize::try_from(number).unwrap() <= pair.view.len(),
                "{number} found"
            );
        }
    }
}

#[test]
fn two_clients_come_to_know_the_same() {
    let walks = std::env::var("CARAMEL_LAWS").map_or(60, |laws| laws.parse().unwrap_or(60));
    for seed in 0..walks {
        let mut dice = Dice(seed * 7919 + 1);
        let mut house = House::default();
        for _ in 0..dice.roll(6) {
            house.add(FlagSet::new(), b"x: y\r\n\r\nz".to_vec());
        }
        let mut pairs = [Pair::new(usize::MAX), Pair::new(1 + dice.roll(40))];
        for pair in &mut pairs {
            let speaks = ["", "ENABLE CONDSTORE", "ENABLE IMAP4rev2"][dice.roll(3)];
            pair.enter(&mut house, speaks);
        }
        for _ in 0..40 {
            let which = dice.roll(2);
            let pair = pairs.get_mut(which).unwrap();
            deed(pair, &mut house, &mut dice);
            // Sometimes the hint comes late: the ledger is the truth, a hint only wakes.
            if dice.roll(3) > 0 {
                for pair in &mut pairs {
                    pair.server.notice(house.modseq);
                    pair.work(&mut house);
                    // RFC 9051 §7.5.1: numbers stay what they are while no command is under way.
                    let unasked: Vec<u8> = pair.to_client.iter().copied().collect();
                    assert!(!unasked.windows(7).any(|octets| octets == b"EXPUNGE"));
                }
            }
        }
        for pair in &mut pairs {
            pair.knows_all(&mut house);
        }
    }
}
