//! A client and the session it talks to, side by side.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use imap::client::{Client, ClientPolicy, News, Request};
use imap::response::{Condition, FetchData};
use imap::{Command, Policy, Response, Session};
use mail::{FlagSet, Instant, SeqNo, Uid};
use wire::sasl::Secret;
use wire::{Session as _, Step};

use crate::house::House;

/// A client and the server's session it talks to, and what the client knows.
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) server: Session,
    to_server: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
    /// The client asks what to do next.
    pub(crate) resting: bool,
    over: bool,
    /// The command under way.
    pub(crate) verb: String,
    /// The messages in order: their UIDs and flags where known.
    pub(crate) view: Vec<(Option<Uid>, Option<FlagSet>)>,
    pub(crate) ends: Vec<(&'static str, Condition)>,
    pub(crate) found: Vec<u32>,
    pub(crate) bodies: Vec<Bytes>,
    /// Octets given at once.
    cut: usize,
}

impl Pair {
    pub(crate) fn new(cut: usize) -> Self {
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
    pub(crate) fn say(&mut self, house: &mut House, line: &str) -> Condition {
        let (_, command) = Command::parse(format!("x {line}").as_bytes()).unwrap();
        command.name().clone_into(&mut self.verb);
        self.request(house, Request::Command(command))
    }

    /// Does what the line says, which has to go well.
    pub(crate) fn does(&mut self, house: &mut House, line: &str) {
        assert_eq!(self.say(house, line), Condition::Ok, "{line}");
    }

    pub(crate) fn request(&mut self, house: &mut House, request: Request) -> Condition {
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
    pub(crate) fn work(&mut self, house: &mut House) {
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
                let counting = ["FETCH", "STORE", "SEARCH", "SORT", "THREAD"];
                assert!(!counting.contains(&self.verb.as_str()));
                let at = usize::try_from(seq.value()).unwrap() - 1;
                assert!(at < self.view.len(), "no message {seq} to expunge");
                self.view.remove(at);
            }
            News::Response(Response::Fetch(seq, data)) => self.fetched(seq.value(), data),
            News::Response(Response::Search(numbers, _)) => self.found = numbers,
            News::Response(Response::Esearch(esearch)) => {
                let all = esearch.all.and_then(|all| all.resolve(SeqNo::MIN));
                let all = all.unwrap_or_default();
                self.found = all.iter().map(SeqNo::value).collect();
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
    pub(crate) fn enter(&mut self, house: &mut House, enable: &str) {
        self.work(house);
        let login = Request::Command(Command::Login {
            user: "ada".to_owned(),
            password: Secret("wörd \"x\"".to_owned()),
        });
        assert_eq!(self.request(house, login), Condition::Ok);
        if !enable.is_empty() {
            self.does(house, enable);
        }
        self.does(house, "SELECT inbox");
        if !self.view.is_empty() {
            self.does(house, "FETCH 1:* (UID FLAGS)");
        }
    }

    /// Hears the last news, then knows all the house has.
    pub(crate) fn knows_all(&mut self, house: &mut House) {
        self.server.notice(house.modseq);
        self.does(house, "NOOP");
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
