//! What there must be: all that was acknowledged, wholly; of what was on its way either all or
//! nothing; and no UID ever means two messages.
//!
//! Not here: who does what (`load`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Mutex;

use interop::{Server, Talk, Tls, expect};

use crate::load::{LINE, READERS};

/// Letters that may be in an INBOX before it is emptied: then most segments of the log are dead.
const LETTERS_MAX: usize = 300;

/// What all clients know together.
pub(crate) struct World {
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) letters: Mutex<Letters>,
    /// Letters that were acknowledged, found, and removed.
    removed: usize,
}

/// What one reader knows of its mailbox: acknowledged, and what was on its way at the end.
#[derive(Clone, Default)]
pub(crate) struct Mailbox {
    pub(crate) messages: BTreeMap<u32, Message>,
    /// Every UID ever acknowledged, with the token of its message.
    pub(crate) known: BTreeMap<u32, String>,
    pub(crate) pending: Option<Pending>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) token: String,
    pub(crate) flagged: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Pending {
    Append(String),
    Flag(u32, bool),
    Expunge(u32),
}

/// What the senders know: tokens acknowledged, tokens that were on their way, and tokens refused
/// for want of room.
#[derive(Default)]
pub(crate) struct Letters {
    pub(crate) acknowledged: BTreeSet<String>,
    pub(crate) pending: BTreeSet<String>,
    pub(crate) refused: BTreeSet<String>,
}

/// What a look at the server found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Messages that were read and compared.
    pub(crate) compared: usize,
    /// What is not as it must be, though the server says that all is well.
    pub(crate) wrong: Vec<String>,
    /// What the server says that it cannot tell.
    pub(crate) refused: Vec<String>,
}

impl Findings {
    /// How many messages all is well with; else the test ends here.
    pub(crate) fn sound(self) -> usize {
        assert!(
            self.wrong.is_empty() && self.refused.is_empty(),
            "{self:#?}"
        );
        self.compared
    }
}

/// A message that was read: UID, flagged, token.
type Read = (u32, bool, String);

impl World {
    pub(crate) fn new() -> Self {
        Self {
            mailboxes: vec![Mailbox::default(); READERS],
            letters: Mutex::default(),
            removed: 0,
        }
    }

    /// Letters and messages that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        let known: usize = self
            .mailboxes
            .iter()
            .map(|mailbox| mailbox.known.len())
            .sum();
        known + self.removed + self.letters.lock().unwrap().acknowledged.len()
    }

    /// Empties the INBOXes where much is in them; none of it may come back.
    pub(crate) fn tidy(&mut self, server: &Server) -> io::Result<()> {
        let acknowledged = &mut self.letters.get_mut().unwrap().acknowledged;
        if acknowledged.len() <= LETTERS_MAX {
            return Ok(());
        }
        for user in ["ada", "alan"] {
            let mut talk = login(server, user)?;
            for command in [
                "SELECT INBOX",
                "STORE 1:* +FLAGS.SILENT (\\Deleted)",
                "EXPUNGE",
            ] {
                expect(talk.imap(command)?.last(), "t OK")?;
            }
        }
        self.removed += acknowledged.len();
        acknowledged.clear();
        Ok(())
    }

    /// Compares all there is with all there may be, and takes over what became of the pending.
    pub(crate) fn compare(&mut self, server: &Server) -> Findings {
        let mut findings = Findings::default();
        if let Err(error) = self.look(server, &mut findings) {
            findings.refused.push(error.to_string());
        }
        findings
    }

    fn look(&mut self, server: &Server, findings: &mut Findings) -> io::Result<()> {
        let mut talk = login(server, "ada")?;
        for (number, mailbox) in self.mailboxes.iter_mut().enumerate() {
            let name = format!("Box{number}");
            // Its reader may have been stopped before it made it.
            let may_be_missing = mailbox.known.is_empty();
            if let Some(found) = read(&mut talk, &name, may_be_missing, findings)? {
                mailbox.compare(&name, found, findings);
            }
        }
        let letters = self.letters.get_mut().unwrap();
        let mut both: Vec<BTreeSet<String>> = Vec::new();
        for user in ["ada", "alan"] {
            let mut talk = login(server, user)?;
            let Some(found) = read(&mut talk, "INBOX", false, findings)? else {
                continue;
            };
            let tokens: BTreeSet<String> = found.iter().map(|found| found.2.clone()).collect();
            if tokens.len() < found.len() {
                findings.wrong.push(format!("{user}: a letter came twice"));
            }
            letters.compare(user, &tokens, findings);
            both.push(tokens);
        }
        if let [one, other] = &*both {
            if one != other {
                let what = "one of two recipients has what the other has not";
                findings.wrong.push(what.to_owned());
            }
            letters.acknowledged.clone_from(one);
            letters.pending.clear();
        }
        Ok(())
    }
}

impl Mailbox {
    fn compare(&mut self, name: &str, found: Vec<Read>, findings: &mut Findings) {
        for (uid, _, token) in &found {
            let known = self.known.entry(*uid).or_insert_with(|| token.clone());
            if known != token {
                let what = format!("{name}: UID {uid} means {token} now, and meant {known}");
                findings.wrong.push(what);
            }
        }
        let is: BTreeMap<u32, Message> = found
            .into_iter()
            .map(|(uid, flagged, token)| (uid, Message { token, flagged }))
            .collect();
        let was = &self.messages;
        let mut after = was.clone();
        match self.pending.take() {
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
        if is != *was && is != after {
            let what = format!("{name}: neither before nor after\nis: {is:?}\nwas: {was:?}");
            findings.wrong.push(what);
        }
        self.messages = is;
    }
}

impl Letters {
    fn compare(&self, user: &str, tokens: &BTreeSet<String>, findings: &mut Findings) {
        let mut wrong = |what: String| findings.wrong.push(format!("{user}: {what}"));
        for token in self.acknowledged.difference(tokens) {
            wrong(format!("acknowledged and lost: {token}"));
        }
        for token in self.refused.intersection(tokens) {
            wrong(format!("refused, and there: {token}"));
        }
        let known = |token: &&String| {
            let sets = [&self.acknowledged, &self.pending, &self.refused];
            sets.iter().any(|set| set.contains(*token))
        };
        for token in tokens.iter().filter(|token| !known(token)) {
            wrong(format!("nobody sent {token}"));
        }
    }
}

fn login(server: &Server, user: &str) -> io::Result<Talk> {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls))?;
    talk.imap_login(&format!("{user}@test.localhost"), "secret")?;
    Ok(talk)
}

/// Every message of a mailbox; none if the server does not give them, which is noted.
fn read(
    talk: &mut Talk,
    name: &str,
    may_be_missing: bool,
    findings: &mut Findings,
) -> io::Result<Option<Vec<Read>>> {
    let selected = talk.imap(&format!("SELECT {name}"))?;
    let last = selected.last().cloned().unwrap_or_default();
    if !last.starts_with("t OK") {
        let is_missing = last.contains("[NONEXISTENT]");
        match (is_missing, may_be_missing) {
            (true, true) => return Ok(Some(Vec::new())),
            (true, false) => findings.wrong.push(format!("SELECT {name}: {last}")),
            (false, _) => findings.refused.push(format!("SELECT {name}: {last}")),
        }
        return Ok(None);
    }
    if selected.iter().any(|line| line == "* 0 EXISTS") {
        return Ok(Some(Vec::new()));
    }
    let lines = talk.imap("FETCH 1:* (UID FLAGS BODY.PEEK[])")?;
    let last = lines.last().cloned().unwrap_or_default();
    if !last.starts_with("t OK") {
        findings.refused.push(format!("FETCH of {name}: {last}"));
        return Ok(None);
    }
    let mut read = Vec::new();
    for line in lines.iter().filter(|line| line.contains(" FETCH (")) {
        match message(line) {
            Some(message) => read.push(message),
            None => {
                let head = line.lines().next().unwrap_or_default();
                findings
                    .wrong
                    .push(format!("{name}: half a message: {head}"));
            }
        }
    }
    findings.compared += read.len();
    Ok(Some(read))
}

/// A message out of the response that tells it; none if it is not whole.
fn message(line: &str) -> Option<Read> {
    let field = |name: &str| Some(line.split_once(name)?.1.split_once('\r')?.0);
    let uid = line.split_once("UID ")?.1;
    let uid = uid.split([' ', ')']).next()?.parse().ok()?;
    let head = line.split('\n').next()?;
    let token = field("Subject: ")?;
    let body = LINE.repeat(field("X-Lines: ")?.parse().ok()?);
    let whole = line.contains(&format!("\r\n\r\n{body}end of {token}"));
    whole.then(|| (uid, head.contains("\\Flagged"), token.to_owned()))
}
