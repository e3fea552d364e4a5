//! A POP3 client.

use crate::client::{Line, Outcome, Trouble, wrong};
use crate::fill;

/// A conversation in the transaction state.
#[derive(Debug)]
pub(crate) struct Client {
    line: Line,
}

impl Client {
    pub(crate) async fn login(line: Line, user: &str, password: &str) -> Outcome<Self> {
        let mut client = Self { line };
        client.line.line().await?;
        client.command(&format!("USER {user}")).await?;
        client.command(&format!("PASS {password}")).await?;
        Ok(client)
    }

    /// A command of one line; what is refused is treated as a conversation that ended.
    async fn command(&mut self, text: &str) -> Outcome<String> {
        self.line.say(&format!("{text}\r\n")).await?;
        let answer = self.line.line().await?;
        let told = answer.strip_prefix("+OK").map(str::to_owned);
        told.ok_or(Trouble::Lost)
    }

    pub(crate) async fn count(&mut self) -> Outcome<u32> {
        let told = self.command("STAT").await?;
        let count = told.split_whitespace().next();
        match count.and_then(|count| count.parse().ok()) {
            Some(count) => Ok(count),
            None => wrong(format!("STAT: {told}")),
        }
    }

    /// A letter's token and what is behind its header.
    pub(crate) async fn retrieve(&mut self, number: u32) -> Outcome<(String, Vec<u8>)> {
        self.command(&format!("RETR {number}")).await?;
        let mut text = String::new();
        loop {
            let line = self.line.line().await?;
            if line == "." {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        let body = fill::behind_header(text.as_bytes()).to_vec();
        match fill::token(text.as_bytes()) {
            Some(token) => Ok((token, body)),
            None => wrong("a letter without its token"),
        }
    }

    pub(crate) async fn delete(&mut self, number: u32) -> Outcome<()> {
        self.command(&format!("DELE {number}")).await.map(drop)
    }

    /// True if the update was done, false if it was refused.
    pub(crate) async fn quit(&mut self) -> Outcome<bool> {
        self.line.say("QUIT\r\n").await?;
        Ok(self.line.line().await?.starts_with("+OK"))
    }
}
