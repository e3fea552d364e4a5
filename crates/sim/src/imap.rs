//! An IMAP client that knows a few commands, and how to read what comes back.

use std::collections::BTreeSet;

use crate::client::{Line, Outcome, Trouble, wrong};
use crate::fill;
use crate::oracle::{Glimpse, Seen};

/// A conversation.
#[derive(Debug)]
pub(crate) struct Client {
    line: Line,
    tags: u32,
}

/// A response, its literals taken out.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) text: String,
    pub(crate) literals: Vec<Vec<u8>>,
}

/// How a command ended, and what was told before.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the tagged response says behind its tag.
    pub(crate) text: String,
    pub(crate) told: Vec<Response>,
}

impl Ended {
    pub(crate) fn is_ok(&self) -> bool {
        self.text.starts_with("OK")
    }
}

impl Client {
    /// Hears the greeting and logs in.
    pub(crate) async fn login(line: Line, user: &str, password: &str) -> Outcome<Self> {
        let mut client = Self { line, tags: 0 };
        let greeting = client.line.line().await?;
        if !greeting.starts_with("* OK") {
            return Err(Trouble::Lost);
        }
        let login = format!("LOGIN {user} {password}");
        match client.command(&login).await? {
            ended if ended.is_ok() => Ok(client),
            // The house may be about to stop.
            _ => Err(Trouble::Lost),
        }
    }

    /// Says a command, and hears how it ends.
    pub(crate) async fn command(&mut self, text: &str) -> Outcome<Ended> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.line.say(&format!("{tag} {text}\r\n")).await?;
        self.end(&tag).await
    }

    async fn end(&mut self, tag: &str) -> Outcome<Ended> {
        let mut told = Vec::new();
        loop {
            let response = self.response().await?;
            if let Some(text) = response.text.strip_prefix(tag) {
                let text = text.trim_start().to_owned();
                if text.starts_with("BAD") {
                    return wrong(format!("a good command is called bad: {text}"));
                }
                return Ok(Ended { text, told });
            }
            if response.text.starts_with("* BYE") {
                return Err(Trouble::Lost);
            }
            told.push(response);
        }
    }

    async fn response(&mut self) -> Outcome<Response> {
        let mut text = self.line.line().await?;
        let mut literals = Vec::new();
        while let Some(count) = literal(&text) {
            literals.push(self.line.octets(count).await?);
            let behind = self.line.line().await?;
            text.push_str(&behind);
        }
        Ok(Response { text, literals })
    }

    /// IDLE until something is told, or for so long.
    pub(crate) async fn idle(&mut self, time: std::time::Duration) -> Outcome<()> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.line.say(&format!("{tag} IDLE\r\n")).await?;
        while !self.response().await?.text.starts_with('+') {}
        // Dropped in the middle it loses nothing: what was heard is kept.
        let heard = tokio::time::timeout(time, self.line.line()).await;
        heard.unwrap_or(Ok(String::new()))?;
        self.line.say("DONE\r\n").await?;
        self.end(&tag).await.map(drop)
    }

    /// The names of all mailboxes.
    pub(crate) async fn names(&mut self) -> Outcome<BTreeSet<String>> {
        let ended = self.sure("LIST \"\" *").await?;
        let names = ended.told.iter().filter_map(|response| {
            let (_, name) = response.text.strip_prefix("* LIST ")?.rsplit_once(' ')?;
            Some(name.trim_matches('"').to_owned())
        });
        Ok(names.collect())
    }

    /// Opens a mailbox and looks at all that is in it, at every octet if `whole`.
    pub(crate) async fn glimpse(&mut self, name: &str, whole: bool) -> Outcome<Glimpse> {
        let opened = self.sure(&format!("SELECT {name} (CONDSTORE)")).await?;
        let number = |key: &str| {
            let find = |response: &Response| {
                let (_, rest) = response.text.split_once(key)?;
                rest.split(']').next()?.trim().parse().ok()
            };
            opened.told.iter().find_map(find).unwrap_or(0_u64)
        };
        let mut glimpse = Glimpse {
            uid_validity: number("[UIDVALIDITY"),
            uid_next: number("[UIDNEXT"),
            modseq: number("[HIGHESTMODSEQ"),
            letters: Vec::new(),
        };
        let body = if whole {
            "BODY.PEEK[]"
        } else {
            "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"
        };
        let fetch = format!("UID FETCH 1:* (UID FLAGS MODSEQ {body})");
        for response in self.sure(&fetch).await?.told {
            let Some(text) = response.literals.first() else {
                // A change that somebody else made.
                continue;
            };
            glimpse.letters.push(seen(&response, text)?);
        }
        glimpse.letters.sort_by_key(|letter| letter.uid);
        Ok(glimpse)
    }

    /// A command that only looks, and so has to succeed while the house stands.
    pub(crate) async fn sure(&mut self, text: &str) -> Outcome<Ended> {
        let ended = self.command(text).await?;
        if ended.is_ok() {
            return Ok(ended);
        }
        // A house that is about to stop answers nothing; one that stands has to.
        Err(Trouble::Lost)
    }
}

fn seen(response: &Response, text: &[u8]) -> Outcome<Seen> {
    let value = |key: &str| -> Option<&str> {
        let (_, rest) = response.text.split_once(key)?;
        rest.split([' ', ')']).next()
    };
    let flags = response.text.split_once("FLAGS (");
    let flags = flags.and_then(|(_, rest)| rest.split(')').next());
    let uid = value("UID ").and_then(|uid| uid.parse().ok());
    let modseq = value("MODSEQ (").and_then(|modseq| modseq.parse().ok());
    let (Some(uid), Some(modseq), Some(flags), Some(token)) =
        (uid, modseq, flags, fill::token(text))
    else {
        return wrong(format!("a row that is none: {}", response.text));
    };
    let flags = flags.split_whitespace();
    Ok(Seen {
        uid,
        modseq,
        flags: flags
            .filter(|flag| *flag != "\\Recent")
            .map(str::to_owned)
            .collect(),
        token,
        body: fill::behind_header(text).to_vec(),
    })
}

/// How many octets are announced at a line's end.
fn literal(text: &str) -> Option<usize> {
    let (_, count) = text.strip_suffix('}')?.rsplit_once('{')?;
    count.parse().ok()
}
