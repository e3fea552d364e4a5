//! The mixed load: clients that append, flag and expunge, and clients that deliver, all at once,
//! each writing down what it was told.
//!
//! Not here: comparing (`oracle`), and what happens to the server meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use interop::{Server, Talk, Tls, expect};

use crate::oracle::{Letters, Mailbox, Message, Pending, World};

/// Clients that append, flag and expunge, each in a mailbox of its own.
pub(crate) const READERS: usize = 8;
/// Clients that deliver by SMTP.
const SENDERS: usize = 8;
/// A client that was not stopped after so many operations stops by itself.
const OPERATIONS_MAX: u64 = 5000;
/// What letters are made of.
pub(crate) const LINE: &str = "A line of some length, to be found whole or not at all.\r\n";

static TOKENS: AtomicU64 = AtomicU64::new(1);

/// A small generator of numbers: the same seed, the same numbers.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Counts what was acknowledged, so that the blow falls in the middle of the work.
#[derive(Default)]
pub(crate) struct Count {
    /// Operations done, and clients that have ended.
    done: Mutex<(u64, usize)>,
    more: Condvar,
}

impl Count {
    fn one(&self) {
        self.done.lock().unwrap().0 += 1;
        self.more.notify_all();
    }

    fn end(&self) {
        self.done.lock().unwrap().1 += 1;
        self.more.notify_all();
    }

    /// Returns when so many operations are done, or no client is left.
    pub(crate) fn wait_for(&self, count: u64) {
        let goes_on = |done: &mut (u64, usize)| done.0 < count && done.1 < READERS + SENDERS;
        let (done, minute) = (self.done.lock().unwrap(), Duration::from_secs(60));
        let waited = self.more.wait_timeout_while(done, minute, goes_on).unwrap();
        assert!(
            !waited.1.timed_out(),
            "not even {count} operations in a minute"
        );
    }
}

/// Lets all clients work until they are refused or cut off; `blow` is what happens meanwhile.
pub(crate) fn work(
    server: &mut Server,
    world: &mut World,
    seed: u64,
    blow: impl FnOnce(&mut Server, &Count),
) {
    let imap = server.address("imap", Tls::Starttls);
    let smtp = server.address("smtp", Tls::Starttls);
    let (count, letters) = (&Count::default(), &world.letters);
    std::thread::scope(|scope| {
        for (number, mailbox) in world.mailboxes.iter_mut().enumerate() {
            let mut dice = Dice(seed * 1000 + u64::try_from(number).unwrap() + 1);
            scope.spawn(move || {
                let ended = reader(imap, number, mailbox, &mut dice, count);
                count.end();
                ended.unwrap_err()
            });
        }
        for number in 0..SENDERS {
            let mut dice = Dice(seed * 1000 + u64::try_from(number).unwrap() + 501);
            scope.spawn(move || {
                let ended = sender(smtp, letters, &mut dice, count);
                count.end();
                ended.unwrap_err()
            });
        }
        blow(server, count);
    });
}

/// A letter that says its token in its subject and at its very end, and how long it is. One that
/// `stays` is small or has a file of its own: what is in the log's segments is removed soon.
fn letter(dice: &mut Dice, stays: bool) -> (String, String) {
    let token = format!("token{}", TOKENS.fetch_add(1, Ordering::Relaxed));
    let lines = match dice.below(20) {
        0 => 8000,
        1..=3 if !stays => 300,
        _ => 5,
    };
    let body = LINE.repeat(lines);
    let text = format!(
        "From: x@elsewhere.example\r\nTo: ada@test.localhost\r\nSubject: {token}\r\n\
         X-Lines: {lines}\r\n\r\n{body}end of {token}"
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
    for _ in 0..OPERATIONS_MAX {
        let uids: Vec<u32> = mailbox.messages.keys().copied().collect();
        let chosen = uids
            .get(usize::try_from(dice.below(24)).unwrap_or_default())
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
    Err(io::Error::other("nothing happened"))
}

fn append(talk: &mut Talk, name: &str, mailbox: &mut Mailbox, dice: &mut Dice) -> io::Result<()> {
    let (token, text) = letter(dice, false);
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
    let message = Message {
        token,
        flagged: false,
    };
    mailbox.messages.insert(uid, message);
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
    for _ in 0..OPERATIONS_MAX {
        let (token, text) = letter(dice, true);
        letters.lock().unwrap().pending.insert(token.clone());
        let to = ["ada@test.localhost", "alan@test.localhost"];
        let reply = talk.deliver("x@elsewhere.example", &to, &text)?;
        let mut letters = letters.lock().unwrap();
        // No room: a promise that it is not there. Of any other refusal nobody can know.
        if reply.starts_with("452") {
            letters.pending.remove(&token);
            letters.refused.insert(token);
            return Err(io::Error::other(reply));
        }
        expect(Some(&reply), "250")?;
        letters.pending.remove(&token);
        letters.acknowledged.insert(token);
        drop(letters);
        count.one();
    }
    Err(io::Error::other("nothing happened"))
}
