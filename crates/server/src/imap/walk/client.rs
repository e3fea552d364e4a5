//! One connection: a session with its house on one side, a naive client on the other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use imap::ask::StoreMode;
use imap::{Answer, Ask, Policy, Session};
use mail::{ConnId, FlagSet, MailboxId, ModSeq, Uid, UidSet, UidValidity};
use net::{House as _, Peer};
use post::{Account, Post};
use wire::{Session as _, Step};

use super::super::House;
use super::kept::{Kept, What};
use super::model::{Incoming, Model};
use super::notify::Watch;
use crate::guest::Guest;

/// What a client once knew of a mailbox.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) id: MailboxId,
    pub(super) validity: UidValidity,
    pub(super) modseq: ModSeq,
    pub(super) messages: BTreeMap<u32, FlagSet>,
    /// The last lines it had heard, to be told if it was wrong.
    pub(super) log: Vec<String>,
}

/// A message as the client has it: its UID, and what it was told of it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) uid: u32,
    pub(super) flags: Option<FlagSet>,
}

/// The mailbox the client has open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: MailboxId,
    pub(super) read_only: bool,
    pub(super) known: Vec<Known>,
    /// The HIGHESTMODSEQ it keeps after RFC 7162 §6.
    pub(super) highest: ModSeq,
    /// After which step the server last looked.
    pub(super) looked: u64,
    /// False while what it remembers has still to be brought up to date.
    pub(super) is_current: bool,
    /// The mod-sequence it remembers.
    pub(super) seed: ModSeq,
    /// Results that are kept up to date.
    pub(super) kept: Vec<Kept>,
}

/// A command under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) tag: String,
    pub(super) line: String,
    /// After which step it was given.
    pub(super) begun: u64,
    /// True while it must not tell that messages went (RFC 9051 §7.5.1).
    pub(super) counts: bool,
    /// True if the FETCH lines it asks for may lack MODSEQ.
    pub(super) fetches: bool,
    /// A STORE that tells nothing: which messages, how, which flags.
    pub(super) silent: Option<(UidSet, StoreMode, FlagSet)>,
    /// What the client brings along to SELECT.
    pub(super) memory: Option<Memory>,
    /// The UIDs it names there, or all.
    pub(super) named: Option<UidSet>,
    /// The client brings itself up to date with this.
    pub(super) catches_up: bool,
    /// The first question about changes is about what vanished.
    pub(super) asks_vanished: bool,
    /// VANISHED (EARLIER) may come, of what went behind this.
    pub(super) earlier: Option<ModSeq>,
    /// What the house found, in its order.
    pub(super) finds: Option<Vec<u32>>,
    /// The house has found it.
    pub(super) found: bool,
    /// What is to be kept up to date.
    pub(super) keeps: Option<What>,
    /// What the client asks to be told.
    pub(super) notify: Option<Watch>,
    /// The mailboxes that LIST told.
    pub(super) listed: Vec<String>,
    /// Told so far.
    pub(super) told: Told,
}

/// What a command told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) flags: UidSet,
    pub(super) modseq: ModSeq,
    pub(super) highest: Option<ModSeq>,
    pub(super) modified: UidSet,
}

pub(super) struct Client {
    pub(super) session: Session,
    house: House,
    incoming: Incoming,
    /// The question that waits for the house.
    asks: Option<Ask>,
    pub(super) heard: Vec<u8>,
    pub(super) command: Option<Command>,
    pub(super) open: Option<Open>,
    pub(super) idles: bool,
    pub(super) over: bool,
    pub(super) rev2: bool,
    pub(super) condstore: bool,
    pub(super) qresync: bool,
    pub(super) uid_only: bool,
    /// What it has asked to be told, if it ever did.
    pub(super) notify: Option<Watch>,
    /// The last lines said and heard.
    pub(super) log: Vec<String>,
}

/// Where a connection stands after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It asks something and waits for the house.
    Asks,
    /// It waits for the client.
    Rests,
}

const LOG_LINES_MAX: usize = 60;

impl Drop for Client {
    /// Tells the last lines of a walk that failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{:#?}", self.log);
        }
    }
}

impl Client {
    pub(super) fn new(post: &Post, number: u64) -> Self {
        let policy = Policy {
            clear_passwords: true,
            contexts_max: 3,
            uid_only: true,
            context_octets_max: 100,
            ..Policy::default()
        };
        let peer = Peer {
            conn: ConnId(number),
            address: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1)),
            local: None,
            user: None,
        };
        Self {
            session: Session::new(Arc::new(policy)),
            house: House {
                guest: Guest::new(post.clone(), peer, crate::Protocol::Imap),
                append: None,
            },
            incoming: Incoming::default(),
            asks: None,
            heard: Vec::new(),
            command: None,
            open: None,
            idles: false,
            over: false,
            rev2: false,
            condstore: false,
            qresync: false,
            uid_only: false,
            notify: None,
            log: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, line: &str) {
        if self.log.len() == LOG_LINES_MAX {
            self.log.remove(0);
        }
        self.log.push(line.trim_end().to_owned());
    }

    /// Gives a command, as the driver does: first the news that came before it.
    pub(super) async fn say(&mut self, model: &mut Model, account: &Account, command: Command) {
        self.look_up(model, account).await;
        if self.over {
            return;
        }
        let octets = format!("{} {}\r\n", command.tag, command.line);
        self.note(&format!("C: {octets} ({})", model.step));
        assert!(self.command.is_none(), "one command at a time");
        if command.line.starts_with("CANCELUPDATE") {
            self.let_go(&command.line);
        }
        self.command = Some(Command {
            begun: model.step,
            ..command
        });
        self.session.receive(octets.as_bytes());
    }

    /// Ends an IDLE.
    pub(super) async fn done(&mut self, model: &mut Model, account: &Account) {
        self.look_up(model, account).await;
        self.note("C: DONE");
        self.idles = false;
        self.session.receive(b"DONE\r\n");
    }

    /// Hears of the ledger's news, if there are any.
    pub(super) async fn look_up(&mut self, model: &mut Model, account: &Account) {
        if let Some(modseq) = self.house.pending_hint() {
            self.session.notice(modseq);
        }
        while !self.over && self.advance(model, account).await == Progress::Asks {}
        self.check_told(model);
    }

    /// True if there is nothing left that it was to be told.
    pub(super) const fn is_told(&self) -> bool {
        self.asks.is_none() && (self.idles || self.command.is_none())
    }

    /// Puts the session's question to the house, if it has one, and lets it work until the next.
    pub(super) async fn advance(&mut self, model: &mut Model, account: &Account) -> Progress {
        if let Some(ask) = self.asks.take() {
            let answer = self.house.ask(ask.clone()).await;
            let incoming = &mut self.incoming;
            model.take(incoming, account, &ask, &answer).await;
            self.answered(model, &ask, &answer);
            self.session.answer(answer);
        }
        loop {
            match self.session.step() {
                Step::Read => return Progress::Rests,
                Step::Write(octets) => self.hear(model, &octets),
                Step::Splice(range) => {
                    let octets = self.house.read(range).await.unwrap();
                    self.hear(model, &octets);
                }
                Step::Ask(ask) => {
                    self.asks = Some(ask);
                    return Progress::Asks;
                }
                Step::Close => {
                    self.over = true;
                    return Progress::Rests;
                }
                Step::Upgrade(upgrade) => panic!("{upgrade:?} was not asked for"),
            }
        }
    }

    /// What a session has asked, and when, is all that the test knows of its inside.
    fn answered(&mut self, model: &mut Model, ask: &Ask, answer: &Answer) {
        let step = model.step;
        match (ask, answer) {
            (Ask::Select { .. }, Answer::Selected(selected)) => {
                let folder = model.folder(selected.mailbox.mailbox);
                let uids = folder.uids_at(step);
                self.open = Some(Open {
                    id: selected.mailbox.mailbox,
                    read_only: selected.read_only,
                    known: uids.iter().map(|&uid| Known { uid, flags: None }).collect(),
                    highest: ModSeq(0),
                    looked: step,
                    is_current: true,
                    seed: ModSeq(0),
                    kept: Vec::new(),
                });
                let validity = folder.validity;
                if let Some(command) = &mut self.command {
                    command.memory = command
                        .memory
                        .take()
                        .filter(|memory| memory.validity == validity);
                    command.earlier = command.memory.as_ref().map(|memory| memory.modseq);
                }
            }
            (Ask::Changes { .. }, Answer::Changes(_)) => {
                let command = self.command.as_mut();
                if command.is_some_and(|command| std::mem::take(&mut command.asks_vanished)) {
                    return;
                }
                if let Some(open) = &mut self.open {
                    open.looked = step;
                }
            }
            (Ask::Search { .. }, Answer::Found { uids, .. }) => {
                self.finds(ask, uids.iter().map(Uid::value).collect());
            }
            (Ask::Sort { .. }, Answer::Sorted { uids, .. }) => {
                self.finds(ask, uids.iter().map(|uid| uid.value()).collect());
            }
            _ => {}
        }
    }

    /// The first that is found is what the command asked for, the rest is for what is kept.
    fn finds(&mut self, ask: &Ask, found: Vec<u32>) {
        let Some(command) = &mut self.command else {
            return;
        };
        let searches = ["SEARCH ", "SORT "]
            .iter()
            .any(|verb| command.line.contains(verb));
        if searches && !std::mem::replace(&mut command.found, true) {
            command.keeps = What::of(ask, &command.line);
            command.finds = Some(found);
        }
    }
}
