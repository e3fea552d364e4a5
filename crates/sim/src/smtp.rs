//! An SMTP client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Line, Outcome, Trouble};

/// A conversation behind EHLO.
#[derive(Debug)]
pub(crate) struct Client {
    line: Line,
}

impl Client {
    pub(crate) async fn greet(line: Line) -> Outcome<Self> {
        let mut client = Self { line };
        client.reply().await?;
        client.sure("EHLO client.example").await?;
        Ok(client)
    }

    pub(crate) async fn authenticate(&mut self, user: &str, password: &str) -> Outcome<()> {
        let secret = STANDARD.encode(format!("\0{user}\0{password}"));
        self.sure(&format!("AUTH PLAIN {secret}")).await
    }

    /// The first digit of a reply.
    async fn reply(&mut self) -> Outcome<char> {
        loop {
            let line = self.line.line().await?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.chars().next().ok_or(Trouble::Lost);
            }
        }
    }

    async fn sure(&mut self, command: &str) -> Outcome<()> {
        self.line.say(&format!("{command}\r\n")).await?;
        match self.reply().await? {
            '2' | '3' => Ok(()),
            _ => Err(Trouble::Lost),
        }
    }

    /// Everything before the letter's octets; lost if any of it is refused.
    pub(crate) async fn envelope(&mut self, from: &str, to: &[&str]) -> Outcome<()> {
        self.sure(&format!("MAIL FROM:<{from}>")).await?;
        for recipient in to {
            self.sure(&format!("RCPT TO:<{recipient}>")).await?;
        }
        self.sure("DATA").await
    }

    /// All but the end: until then the letter is nobody's.
    pub(crate) async fn text(&mut self, text: &str) -> Outcome<()> {
        self.line.say(text).await
    }

    /// The end; true if the letter was taken.
    pub(crate) async fn end(&mut self) -> Outcome<bool> {
        self.line.say(".\r\n").await?;
        Ok(self.reply().await? == '2')
    }
}
