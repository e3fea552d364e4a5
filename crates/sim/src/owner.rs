//! What people do with their mail: one thing after the other, chosen by the dice.

use std::collections::BTreeSet;
use std::sync::Arc;

use server::Protocol;

use crate::client::{Outcome, Trouble, wrong};
use crate::house::{House, PASSWORD, PEOPLE, address};
use crate::oracle::{Change, Mailbox, Oracle};
use crate::verify::look;
use crate::{Dice, imap, pop3, smtp};

/// Names of mailboxes that people make.
const NAMES: [&str; 4] = ["work", "home", "old", "lists"];
/// Flags that people set.
const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "note"];
/// Letters that are put in though they were before, of a hundred: one that died may come back
/// while it is being freed.
const AGAIN_PERCENT: u64 = 25;
/// Letters that one command is about, at most.
const LETTERS_MAX: usize = 4;
/// Operations that are regretted at once, of a hundred.
const REGRETS_PERCENT: u64 = 20;

/// Somebody who acts.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) house: Arc<House>,
    pub(crate) oracle: Oracle,
    pub(crate) dice: Dice,
    pub(crate) number: usize,
    /// True if most letters are large today.
    pub(crate) heavy: bool,
}

impl Person {
    pub(crate) fn address(&self) -> String {
        address(self.number)
    }

    pub(crate) fn note(&self, what: impl std::fmt::Display) {
        let who = PEOPLE.get(self.number).unwrap_or(&"somebody");
        self.house.trace.event(format!("{who}: {what}"));
    }

    /// Octets of the next letter: most are small, some are larger than what travels in the log.
    fn octets(&self) -> usize {
        let most = match (self.dice.below(100), self.heavy) {
            (0..60, false) | (0..20, true) => 900,
            (60..90, false) | (20..40, true) => 9000,
            (90..97, false) | (40..97, true) => 60_000,
            _ => 320_000,
        };
        100 + self.dice.place(most)
    }

    /// An owner's day: `visits` conversations, one after the other.
    pub(crate) async fn live(self, visits: u64) -> Result<(), String> {
        for _ in 0..visits {
            let outcome = match self.dice.below(10) {
                0..7 => self.imap().await,
                7..9 => self.pop3(45).await.map(drop),
                _ => self.submit().await,
            };
            if self.ended(outcome)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Somebody outside who sends letters.
    pub(crate) async fn send(self, letters: u64) -> Result<(), String> {
        for _ in 0..letters {
            let outcome = self.deliver().await;
            if self.ended(outcome)? {
                return Ok(());
            }
            tokio::time::sleep(self.dice.millis(300)).await;
        }
        Ok(())
    }

    /// Somebody who waits for news, and does nothing else.
    pub(crate) async fn wait(self) {
        let waited = async {
            let mut client = self.login().await?;
            client.sure("SELECT INBOX").await?;
            loop {
                client.idle(std::time::Duration::from_secs(20)).await?;
            }
        };
        let waited: Outcome<()> = waited.await;
        drop(waited);
    }

    /// Whether this is the end of the day, and not a mistake of the server's.
    fn ended(&self, outcome: Outcome<()>) -> Result<bool, String> {
        match outcome {
            Ok(()) => Ok(self.house.has_stopped()),
            Err(Trouble::Lost) => {
                self.note("lost");
                Ok(self.house.has_stopped())
            }
            Err(Trouble::Wrong(what)) => Err(what),
        }
    }

    pub(crate) async fn login(&self) -> Outcome<imap::Client> {
        let line = self.house.connect(Protocol::Imap);
        imap::Client::login(line, &address(self.number), PASSWORD).await
    }

    async fn imap(&self) -> Outcome<()> {
        // Whatever was on its way when the last conversation was cut has come to its end.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let mut client = self.login().await?;
        for _ in 0..=self.dice.below(3) {
            look(
                &mut client,
                &self.oracle,
                self.number,
                self.dice.percent(10),
            )
            .await?;
            for _ in 0..=self.dice.below(3) {
                let known = self.oracle.mailboxes(self.number);
                let names: Vec<&String> = known.keys().collect();
                let Some(name) = self.dice.of(&names) else {
                    return Ok(());
                };
                let mailbox = known.get(*name).cloned().unwrap_or_default();
                self.act(&mut client, name, &mailbox).await?;
                if self.dice.percent(REGRETS_PERCENT) {
                    self.regret().await?;
                }
            }
        }
        if self.dice.percent(50) {
            client.command("LOGOUT").await.map(drop).or(Ok(()))?;
        }
        Ok(())
    }

    /// One change, of a mailbox or in it.
    async fn act(&self, client: &mut imap::Client, name: &str, mailbox: &Mailbox) -> Outcome<()> {
        let known = self.oracle.mailboxes(self.number);
        let uids = self.some(mailbox);
        let (drawn, fresh) = (self.dice.below(100), self.fresh(&known));
        let change = match (drawn, fresh) {
            (0..12, Some(fresh)) => Change::Create(fresh),
            (12..18, Some(fresh)) if NAMES.contains(&name) => {
                Change::Rename(name.to_owned(), fresh)
            }
            (18..23, _) if NAMES.contains(&name) => Change::Delete(name.to_owned()),
            (23..45, _) => return self.append(client, name).await,
            _ if uids.is_empty() => return self.append(client, name).await,
            (45..65, _) => Change::Store {
                mailbox: name.to_owned(),
                uids,
                sign: self.dice.of(&["+", "-", ""]).unwrap_or(&"+"),
                flags: self.flags(),
            },
            (65..85, _) => {
                let others: Vec<&String> = known.keys().filter(|other| *other != name).collect();
                let Some(to) = self.dice.of(&others) else {
                    return Ok(());
                };
                Change::Copy {
                    from: name.to_owned(),
                    uids,
                    to: (*to).clone(),
                    moved: self.dice.percent(50),
                }
            }
            _ => return self.expunge(client, name, mailbox, uids).await,
        };
        self.ask(client, change).await.map(drop)
    }

    /// Marks letters, and removes them and all that were marked before.
    async fn expunge(
        &self,
        client: &mut imap::Client,
        name: &str,
        mailbox: &Mailbox,
        uids: Vec<u64>,
    ) -> Outcome<()> {
        let mark = Change::Store {
            mailbox: name.to_owned(),
            uids: uids.clone(),
            sign: "+",
            flags: BTreeSet::from(["\\Deleted".to_owned()]),
        };
        if !self.ask(client, mark).await? {
            return Ok(());
        }
        let mut marked = uids;
        let before = mailbox.letters.iter();
        let before = before.filter(|(_, letter)| letter.flags.contains("\\Deleted"));
        marked.extend(before.map(|(uid, _)| *uid));
        marked.sort_unstable();
        marked.dedup();
        let change = Change::Expunge {
            mailbox: name.to_owned(),
            uids: marked,
        };
        self.ask(client, change).await.map(drop)
    }

    /// Asks for a change; true if it was done.
    pub(crate) async fn ask(&self, client: &mut imap::Client, change: Change) -> Outcome<bool> {
        let mailbox = match &change {
            Change::Store { mailbox, .. } | Change::Expunge { mailbox, .. } => Some(mailbox),
            Change::Copy { from, .. } => Some(from),
            _ => None,
        };
        if let Some(mailbox) = mailbox {
            client.sure(&format!("SELECT {mailbox}")).await?;
        }
        self.note(format_args!("{change:?}"));
        let command = command(&change);
        self.oracle.asking(self.number, change);
        let ended = client.command(&command).await?;
        self.answered(ended.is_ok(), &ended.text)
    }

    /// Learns what the server said to a change. A server that is about to stop says no to what it
    /// may have done.
    pub(crate) fn answered(&self, done: bool, text: &str) -> Outcome<bool> {
        self.note(format_args!("answered {text}"));
        if !done && self.house.has_stopped() {
            return Err(Trouble::Lost);
        }
        if !done && !self.house.disk.is_in_trouble() {
            return wrong(format!("refused for nothing: {text}"));
        }
        self.oracle.answered(self.number, done);
        Ok(done)
    }

    async fn append(&self, client: &mut imap::Client, name: &str) -> Outcome<()> {
        let again = self.dice.percent(AGAIN_PERCENT);
        let again = again.then(|| self.oracle.write_again(&self.dice)).flatten();
        let letter = again.unwrap_or_else(|| self.oracle.write(self.octets()));
        self.put(client, name, letter).await.map(drop)
    }

    /// Appends a letter; true if that was done.
    pub(crate) async fn put(
        &self,
        client: &mut imap::Client,
        name: &str,
        (token, text): (String, String),
    ) -> Outcome<bool> {
        let flags = self.flags();
        let listed = Vec::from_iter(flags.iter().map(String::as_str)).join(" ");
        self.note(format_args!(
            "appends {token} to {name}, {} octets",
            text.len()
        ));
        let change = Change::Append {
            mailbox: name.to_owned(),
            token,
            flags,
        };
        self.oracle.asking(self.number, change);
        let len = text.len();
        let command = format!("APPEND {name} ({listed}) {{{len}+}}\r\n{text}");
        let ended = client.command(&command).await?;
        self.answered(ended.is_ok(), &ended.text)
    }

    fn flags(&self) -> BTreeSet<String> {
        let drawn = (0..self.dice.below(3)).filter_map(|_| self.dice.of(&FLAGS));
        drawn.map(|flag| (*flag).to_owned()).collect()
    }

    /// A name that no mailbox has.
    fn fresh(&self, known: &std::collections::BTreeMap<String, Mailbox>) -> Option<String> {
        let free: Vec<&str> = NAMES
            .into_iter()
            .filter(|name| !known.contains_key(*name))
            .collect();
        self.dice.of(&free).map(|name| (*name).to_owned())
    }

    /// Some of a mailbox's letters.
    fn some(&self, mailbox: &Mailbox) -> Vec<u64> {
        let all: Vec<u64> = mailbox.letters.keys().copied().collect();
        let wanted = 1 + self.dice.place(LETTERS_MAX);
        let mut uids: Vec<u64> = (0..wanted)
            .filter_map(|_| self.dice.of(&all))
            .copied()
            .collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    /// Reads so many of a hundred letters by POP3, and removes so many of these; true if that was
    /// done.
    pub(crate) async fn pop3(&self, share: u64) -> Outcome<bool> {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        // First what is there, so that letters have UIDs to be known by.
        let mut client = self.login().await?;
        look(&mut client, &self.oracle, self.number, false).await?;
        drop(client);
        let line = self.house.connect(Protocol::Pop3);
        let mut client = pop3::Client::login(line, &address(self.number), PASSWORD).await?;
        let count = client.count().await?;
        let inbox = self.oracle.mailboxes(self.number);
        let inbox = inbox.get("INBOX").cloned().unwrap_or_default();
        let mut uids = Vec::new();
        for number in (1..=count).filter(|_| self.dice.percent(share)) {
            let (token, body) = client.retrieve(number).await?;
            let known = inbox.letters.iter();
            let mut known = known.filter(|(_, letter)| letter.token == token);
            // One that came meanwhile, or is there twice, is let alone.
            let (Some((uid, _)), None) = (known.next(), known.next()) else {
                continue;
            };
            if body.is_empty() || !self.oracle.is_letter(&token, &body) {
                return wrong(format!("POP3: {token} is not what was written"));
            }
            if self.dice.percent(share) {
                client.delete(number).await?;
                uids.push(*uid);
            }
        }
        self.note(format_args!("removes {uids:?} by POP3"));
        if uids.is_empty() {
            return client.quit().await;
        }
        let change = Change::Expunge {
            mailbox: "INBOX".to_owned(),
            uids,
        };
        self.oracle.asking(self.number, change);
        let done = client.quit().await?;
        self.answered(done, "QUIT")
    }

    async fn deliver(&self) -> Outcome<()> {
        let line = self.house.connect(Protocol::Smtp);
        let mut client = smtp::Client::greet(line).await?;
        for _ in 0..=self.dice.below(2) {
            self.hand_in(&mut client, "friend@elsewhere.example")
                .await?;
        }
        Ok(())
    }

    async fn submit(&self) -> Outcome<()> {
        let line = self.house.connect(Protocol::Submission);
        let mut client = smtp::Client::greet(line).await?;
        client.authenticate(&address(self.number), PASSWORD).await?;
        self.hand_in(&mut client, &address(self.number)).await
    }

    pub(crate) async fn hand_in(&self, client: &mut smtp::Client, from: &str) -> Outcome<()> {
        let mut to: Vec<usize> = (0..PEOPLE.len())
            .filter(|_| self.dice.percent(40))
            .collect();
        if to.is_empty() {
            to.push(self.dice.place(PEOPLE.len()));
        }
        self.hand(client, from, to, self.octets()).await.map(drop)
    }

    /// Hands a letter in; true if it was taken.
    pub(crate) async fn hand(
        &self,
        client: &mut smtp::Client,
        from: &str,
        to: Vec<usize>,
        octets: usize,
    ) -> Outcome<bool> {
        let addresses: Vec<String> = to.iter().map(|person| address(*person)).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let (token, text) = self.oracle.write(octets);
        client.envelope(from, &addresses).await?;
        self.note(format_args!(
            "sends {token} to {to:?}, {} octets",
            text.len()
        ));
        client.text(&text).await?;
        self.oracle.sending(&token, to);
        let taken = client.end().await?;
        self.note(format_args!("{token} was taken: {taken}"));
        if !taken && self.house.has_stopped() {
            return Err(Trouble::Lost);
        }
        let told = self.oracle.told(&token, taken);
        told.map_err(Trouble::Wrong)?;
        Ok(taken)
    }
}

fn command(change: &Change) -> String {
    let set = |uids: &[u64]| {
        let uids: Vec<String> = uids.iter().map(u64::to_string).collect();
        uids.join(",")
    };
    match change {
        // Appending has a literal, and a method of its own.
        Change::Append { mailbox, .. } => format!("STATUS {mailbox} (MESSAGES)"),
        Change::Store {
            uids, sign, flags, ..
        } => {
            let flags = Vec::from_iter(flags.iter().map(String::as_str)).join(" ");
            format!("UID STORE {} {sign}FLAGS ({flags})", set(uids))
        }
        Change::Copy {
            uids, to, moved, ..
        } => {
            let verb = if *moved { "MOVE" } else { "COPY" };
            format!("UID {verb} {} {to}", set(uids))
        }
        Change::Expunge { uids, .. } => format!("UID EXPUNGE {}", set(uids)),
        Change::Create(name) => format!("CREATE {name}"),
        Change::Rename(from, to) => format!("RENAME {from} {to}"),
        Change::Delete(name) => format!("DELETE {name}"),
        // Not by IMAP.
        Change::Undo => "NOOP".to_owned(),
    }
}
