//! An SMTP script played on the running binary: reply codes are compared, and the keywords of EHLO.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use interop::Talk;

use super::imap::Found;
use super::script::Exchange;

/// A reply: its code and what follows it, line by line.
struct Reply {
    code: String,
    texts: Vec<String>,
}

/// Plays a script; what is different, by aspect.
pub(crate) fn play(address: SocketAddr, exchanges: &[Exchange]) -> Found {
    let mut found = Found::new();
    let (mut talk, _) = Talk::open(address).unwrap();
    for exchange in exchanges {
        if exchange.said.is_empty() {
            // The greeting.
            continue;
        }
        let said = exchange.said.join("\r\n") + "\r\n";
        if let Err(error) = talk.send(said.as_bytes()) {
            found.insert("ends".to_owned(), format!("{exchange:?}: {error}"));
            return found;
        }
        let wanted = replies(&exchange.wanted);
        for (at, wanted) in wanted.iter().enumerate() {
            let place = if wanted.len_differs(&exchange.said) {
                0
            } else {
                at
            };
            let verb = verb(exchange.said.get(place).map_or("", String::as_str));
            let heard = match hear(&mut talk) {
                Ok(heard) => heard,
                Err(error) => {
                    found.insert("ends".to_owned(), format!("{exchange:?}: {error}"));
                    return found;
                }
            };
            compare(&verb, wanted, &heard, &mut found);
        }
    }
    found
}

impl Reply {
    /// True for the reply to what is no list of commands: a message.
    fn len_differs(&self, said: &[String]) -> bool {
        said.iter().any(|line| line == ".") || said.len() < self.texts.len() && said.len() == 1
    }
}

/// `250.*` begins the many lines of an EHLO's reply.
fn replies(lines: &[String]) -> Vec<Reply> {
    let mut replies: Vec<Reply> = Vec::new();
    let mut open = false;
    for line in lines {
        let (code, rest) = line.split_at(3);
        if !open {
            replies.push(Reply {
                code: code.to_owned(),
                texts: Vec::new(),
            });
        }
        let text = rest.get(1..).unwrap_or_default();
        replies.last_mut().unwrap().texts.push(text.to_owned());
        open = !rest.starts_with(' ');
    }
    replies
}

fn hear(talk: &mut Talk) -> std::io::Result<Reply> {
    let mut texts = Vec::new();
    loop {
        let line = talk.hear()?;
        let (code, rest) = line.split_at(3);
        texts.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(Reply {
                code: code.to_owned(),
                texts,
            });
        }
    }
}

fn verb(line: &str) -> String {
    let first = line.split([' ', ':']).next().unwrap_or_default();
    match first.to_ascii_uppercase().as_str() {
        known @ ("AUTH" | "EHLO" | "MAIL" | "RCPT" | "DATA" | "STARTTLS") => known.to_owned(),
        _ => "text".to_owned(),
    }
}

fn compare(verb: &str, wanted: &Reply, heard: &Reply, found: &mut Found) {
    let case = format!(
        "wanted {:?}\n  heard {:?} {:?}",
        wanted.texts, heard.code, heard.texts
    );
    if wanted.code != heard.code {
        let aspect = format!("{verb} {} is {}", wanted.code, heard.code);
        found.insert(aspect, case);
        return;
    }
    if verb == "EHLO" {
        let known = |reply: &Reply| -> BTreeSet<String> {
            let lines = reply.texts.iter().skip(1);
            lines.map(|line| line.to_ascii_uppercase()).collect()
        };
        let heard = known(heard);
        for keyword in known(wanted)
            .into_iter()
            .filter(|word| !heard.contains(word))
        {
            let keyword = keyword.split(' ').next().unwrap_or_default();
            found.insert(format!("EHLO without {keyword}"), case.clone());
        }
    }
}
