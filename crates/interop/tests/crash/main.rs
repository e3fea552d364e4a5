//! `kill -9` in the middle of everything, again and again: what was acknowledged is there, what was
//! not is there wholly or not at all, and no UID ever means two messages.
//!
//! `CARAMEL_CRASHES` sets the rounds; the tests' usual few keep a change honest, a release runs 50.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use interop::{Server, Talk, Tls, expect};

/// Clients that append, flag and expunge, each in a mailbox of its own.
const READERS: usize = 8;
/// Clients that deliver by SMTP.
const SENDERS: usize = 8;

/// What one reader knows of its mailbox: acknowledged, and what was on its way at the end.
#[derive(Default)]
struct Mailbox {
    messages: BTreeMap<u32, Message>,
    /// Every UID ever acknowledged, with the token of its message.
    known: BTreeMap<u32, String>,
    pending: Option<Pending>,
}

#[derive(Clone, Debug, PartialEq)]
struct Message {
    token: String,
    flagged: bool,
}

#[derive(Clone, Debug)]
enum Pending {
    Append(String),
    Flag(u32, bool),
    Expunge(u32),
}

/// What the senders know: tokens acknowledged, and tokens that were on their way.
#[derive(Default)]
struct Letters {
    acknowledged: BTreeSet<String>,
    pending: BTreeSet<String>,
}

/// A small generator of numbers: the same seed, the same numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

static TOKENS: AtomicU64 = AtomicU64::new(1);

/// Counts what was acknowledged, so that the blow falls in the middle of the work.
#[derive(Default)]
struct Count {
    done: Mutex<u64>,
    more: Condvar,
}

impl Count {
    fn one(&self) {
        *self.done.lock().unwrap() += 1;
        self.more.notify_all();
    }

    fn wait_for(&self, count: u64) {
        let done = self.done.lock().unwrap();
        let minute = Duration::from_secs(60);
        let waited = self
            .more
            .wait_timeout_while(done, minute, |done| *done < count)
            .unwrap();
        assert!(
            !waited.1.timed_out(),
            "not even {count} operations in a minute"
        );
    }
}

/// A letter that says its token in its subject and at its very end.
fn letter(dice: &mut Dice) -> (String, String) {
    let token = format!("token{}", TOKENS.fetch_add(1, Ordering::Relaxed));
    let lines = match dice.below(20) {
        0 => 8000,
        1..=3 => 300,
        _ => 5,
    };
    let body = "A line of some length, to be found whole or not at all.\r\n".repeat(lines);
    let text = format!(
        "From: x@elsewhere.example\r\nTo: ada@test.localhost\r\nSubject: {token}\r\n\r\n{body}\
         end of {token}"
    );
    (token, text)
}

fn reader(
    address: SocketAddr,
    number: usize,
    mailbox: &mut Mailbox,
    dice: &mut Dice,
    count: &Count,
) -> io::Result<()> {
    let (mut talk, _) = Talk::open(address)?;
    talk.imap_login("ada@test.localhost", "secret")?;
    let name = format!("Box{number}");
    talk.imap(&format!("CREATE {name}"))?;
    expect(talk.imap(&format!("SELECT {name}"))?.last(), "t OK")?;
    loop {
        let uids: Vec<u32> = mailbox.messages.keys().copied().collect();
        let chosen = uids
            .get(usize::try_from(dice.below(64)).unwrap_or_default())
            .copied();
        match (dice.below(4), chosen) {
            (0 | 1, Some(uid)) => {
                let flagged = dice.below(2) == 0;
                mailbox.pending = Some(Pending::Flag(uid, flagged));
                let sign = if flagged { '+' } else { '-' };
                let lines =
                    talk.imap(&format!("UID STORE {uid} {sign}FLAGS.SILENT (\\Flagged)"))?;
                expect(lines.last(), "t OK")?;
                if let Some(message) = mailbox.messages.get_mut(&uid) {
                    message.flagged = flagged;
                }
            }
            (2, Some(uid)) if uids.len() > 5 => {
                mailbox.pending = Some(Pending::Expunge(uid));
                let lines = talk.imap(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?;
                expect(lines.last(), "t OK")?;
                expect(talk.imap(&format!("UID EXPUNGE {uid}"))?.last(), "t OK")?;
                mailbox.messages.remove(&uid);
            }
            _ => append(&mut talk, &name, mailbox, dice)?,
        }
        mailbox.pending = None;
        count.one();
    }
}

fn append(talk: &mut Talk, name: &str, mailbox: &mut Mailbox, dice: &mut Dice) -> io::Result<()> {
    let (token, text) = letter(dice);
    mailbox.pending = Some(Pending::Append(token.clone()));
    talk.send(format!("t APPEND {name} {{{}+}}\r\n{text}\r\n", text.len()).as_bytes())?;
    let lines = talk.imap_response()?;
    let last = lines.last().cloned().unwrap_or_default();
    let uid = last.split_once("[APPENDUID ").and_then(|(_, rest)| {
        rest.split_once(']')?
            .0
            .split_once(' ')?
            .1
            .parse::<u32>()
            .ok()
    });
    let uid = uid.ok_or_else(|| io::Error::other(format!("APPEND said {last:?}")))?;
    let before = mailbox.known.insert(uid, token.clone());
    assert_eq!(before, None, "UID {uid} was given twice");
    mailbox.messages.insert(
        uid,
        Message {
            token,
            flagged: false,
        },
    );
    Ok(())
}

fn sender(
    address: SocketAddr,
    letters: &Mutex<Letters>,
    dice: &mut Dice,
    count: &Count,
) -> io::Result<()> {
    let (mut talk, _) = Talk::open(address)?;
    talk.smtp("EHLO test.localhost")?;
    loop {
        let (token, text) = letter(dice);
        letters.lock().unwrap().pending.insert(token.clone());
        let to = ["ada@test.localhost", "alan@test.localhost"];
        let reply = talk.deliver("x@elsewhere.example", &to, &text)?;
        expect(Some(&reply), "250")?;
        let mut letters = letters.lock().unwrap();
        letters.pending.remove(&token);
        letters.acknowledged.insert(token);
        count.one();
    }
}

/// Every message of a mailbox: UID, flagged, token; a body that is not whole fails the test.
fn read(talk: &mut Talk, name: &str) -> Vec<(u32, bool, String)> {
    talk.imap(&format!("SELECT {name}")).unwrap();
    let lines = talk.imap("FETCH 1:* (UID FLAGS BODY.PEEK[])").unwrap();
    let fetched = lines.iter().filter(|line| line.contains(" FETCH ("));
    fetched
        .map(|line| {
            let uid = line.split_once("UID ").unwrap().1;
            let uid = uid.split([' ', ')']).next().unwrap().parse().unwrap();
            let head = line.split('\n').next().unwrap();
            let token = line
                .split_once("Subject: ")
                .unwrap()
                .1
                .split_once('\r')
                .unwrap()
                .0;
            let end = format!("end of {token}");
            assert!(line.contains(&end), "{name} {uid}: half a message: {head}");
            (uid, head.contains("\\Flagged"), token.to_owned())
        })
        .collect()
}

/// Compares a reader's mailbox with what it may be, and takes over what became of the pending.
fn verify(talk: &mut Talk, name: &str, mailbox: &mut Mailbox) {
    let found = read(talk, name);
    for (uid, _, token) in &found {
        let known = mailbox.known.entry(*uid).or_insert_with(|| token.clone());
        assert_eq!(known, token, "{name}: UID {uid} means another message now");
    }
    let is: BTreeMap<u32, Message> = found
        .into_iter()
        .map(|(uid, flagged, token)| (uid, Message { token, flagged }))
        .collect();
    let was = &mailbox.messages;
    let mut after = was.clone();
    match mailbox.pending.take() {
        Some(Pending::Flag(uid, flagged)) => {
            if let Some(message) = after.get_mut(&uid) {
                message.flagged = flagged;
            }
        }
        Some(Pending::Expunge(uid)) => {
            after.remove(&uid);
        }
        Some(Pending::Append(token)) => {
            let new = is.iter().find(|(_, message)| message.token == token);
            after.extend(new.map(|(uid, message)| (*uid, message.clone())));
        }
        None => {}
    }
    assert!(
        is == *was || is == after,
        "{name}: neither before nor after\nis: {is:?}\nwas: {was:?}"
    );
    mailbox.messages = is;
}

fn round(server: &mut Server, mailboxes: &mut [Mailbox], letters: &Mutex<Letters>, seed: u64) {
    let imap = server.address("imap", Tls::Starttls);
    let smtp = server.address("smtp", Tls::Starttls);
    let count = &Count::default();
    std::thread::scope(|scope| {
        for (number, mailbox) in mailboxes.iter_mut().enumerate() {
            let mut dice = Dice(seed * 1000 + u64::try_from(number).unwrap() + 1);
            scope.spawn(move || reader(imap, number, mailbox, &mut dice, count).unwrap_err());
        }
        for number in 0..SENDERS {
            let mut dice = Dice(seed * 1000 + u64::try_from(number).unwrap() + 501);
            scope.spawn(move || sender(smtp, letters, &mut dice, count).unwrap_err());
        }
        // The blow falls at a different moment of the work each time.
        count.wait_for(100 + Dice(seed * 7919 + 1).below(1000));
        server.kill();
    });
}

fn verify_all(server: &Server, mailboxes: &mut [Mailbox], letters: &Mutex<Letters>) {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    for (number, mailbox) in mailboxes.iter_mut().enumerate() {
        verify(&mut talk, &format!("Box{number}"), mailbox);
    }
    let mut letters = letters.lock().unwrap();
    let mut both: Vec<BTreeSet<String>> = Vec::new();
    for user in ["ada", "alan"] {
        let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
        talk.imap_login(&format!("{user}@test.localhost"), "secret")
            .unwrap();
        let found = read(&mut talk, "INBOX");
        let tokens: BTreeSet<String> = found.iter().map(|(_, _, token)| token.clone()).collect();
        assert_eq!(tokens.len(), found.len(), "{user}: a letter came twice");
        let lost: Vec<&String> = letters.acknowledged.difference(&tokens).collect();
        assert!(lost.is_empty(), "{user}: acknowledged and lost: {lost:?}");
        let known: BTreeSet<String> = letters
            .acknowledged
            .union(&letters.pending)
            .cloned()
            .collect();
        assert!(tokens.is_subset(&known), "{user}: letters nobody sent");
        both.push(tokens);
    }
    assert_eq!(
        both.first(),
        both.last(),
        "one of two recipients has what the other has not"
    );
    letters.acknowledged = both.remove(0);
    letters.pending.clear();
}

/// Each fixture: whether the view is thrown away before the restart.
fn crashes(drop_view: bool) {
    let rounds = std::env::var("CARAMEL_CRASHES")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut server = Server::start().unwrap();
    let mut mailboxes: Vec<Mailbox> = (0..READERS).map(|_| Mailbox::default()).collect();
    let letters = Mutex::new(Letters::default());
    for seed in 0..rounds.unwrap_or(2_u64) {
        round(&mut server, &mut mailboxes, &letters, seed + 1);
        if drop_view {
            fs::remove_dir_all(server.data().join("store/view")).unwrap();
        }
        let report = server.command(&["store", "check"], "").unwrap();
        server.run().unwrap();
        verify_all(&server, &mut mailboxes, &letters);
        let letters = letters.lock().unwrap().acknowledged.len();
        eprintln!("round {seed}: {letters} letters kept; {}", report.trim());
    }
    let kept: usize = mailboxes.iter().map(|mailbox| mailbox.known.len()).sum();
    assert!(
        kept > 0 && !letters.lock().unwrap().acknowledged.is_empty(),
        "nothing was done"
    );
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    crashes(false);
}

#[test]
fn what_was_acknowledged_survives_kill_9_without_the_view() {
    crashes(true);
}
