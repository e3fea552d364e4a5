//! An IMAP script played on the running binary.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use interop::Talk;

use super::pattern::{fits, letters, plain};
use super::response::{Response, gather, read};
use super::script::Exchange;

/// Names of mailboxes are in what these say and hear: their separator is the dot, ours the slash.
const NAMING: &[&str] = &[
    "APPEND",
    "COPY",
    "CREATE",
    "DELETE",
    "EXAMINE",
    "LIST",
    "LSUB",
    "MOVE",
    "NAMESPACE",
    "RENAME",
    "SELECT",
    "STATUS",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
];

/// The command that finds out where the server is.
const PROBE: &str = "probe";

/// What is different, by aspect; one case of each.
pub(crate) type Found = BTreeMap<String, String>;

pub(crate) struct Play {
    connections: Vec<Talk>,
    user: String,
    verb: String,
    /// The last exchange ended in a request for more.
    goes_on: bool,
    /// A response that came where the script wanted to go on with a literal.
    early: bool,
    /// Names of mailboxes are theirs still.
    pub(crate) dotted: bool,
    pub(crate) found: Found,
}

impl Play {
    /// Connects as often as the exchanges need; logs in where `login` says so.
    pub(crate) fn new(
        address: SocketAddr,
        exchanges: &[Exchange],
        user: &str,
        login: bool,
    ) -> Self {
        let count = exchanges.iter().map(|exchange| exchange.connection).max();
        let connect = |_| {
            let (mut talk, _) = Talk::open(address).unwrap();
            if login {
                talk.imap_login(user, "password").unwrap();
            }
            talk
        };
        Self {
            connections: (0..=count.unwrap_or_default()).map(connect).collect(),
            user: user.to_owned(),
            verb: String::new(),
            goes_on: false,
            early: false,
            dotted: true,
            found: Found::new(),
        }
    }

    /// Deletes the mailboxes an account begins with: the scripts know of none but INBOX.
    pub(crate) fn clear(&mut self) {
        for name in ["Archive", "Drafts", "Junk", "Sent", "Trash"] {
            for verb in ["DELETE", "UNSUBSCRIBE"] {
                self.prepare(&format!("{verb} {name}"));
            }
        }
    }

    /// Says a command before the script begins; it must go well.
    pub(crate) fn prepare(&mut self, command: &str) {
        let heard = self.connections[0].imap(command).unwrap();
        let last = heard.last().unwrap();
        assert!(last.starts_with("t OK"), "{command}: {last}");
    }

    pub(crate) fn play(&mut self, exchanges: &[Exchange]) {
        for exchange in exchanges {
            if let Err(error) = self.exchange(exchange) {
                let verb = self.verb.clone();
                self.note(&format!("{verb} ends"), &format!("{exchange:?}: {error}"));
                return;
            }
        }
    }

    fn note(&mut self, aspect: &str, what: &str) {
        let aspect = aspect.replace(',', " ");
        self.found.entry(aspect).or_insert_with(|| what.to_owned());
    }

    fn exchange(&mut self, exchange: &Exchange) -> std::io::Result<()> {
        if exchange.said.is_empty() {
            // The greeting: it was heard when the connection was made.
            return Ok(());
        }
        let mut wanted: Vec<Response> = Vec::new();
        if let (Some(line), false) = (exchange.said.first(), self.goes_on) {
            self.verb = verb(line);
        }
        let names = self.dotted && NAMING.iter().any(|name| self.verb.ends_with(name));
        for response in &exchange.wanted {
            let response = match names {
                true => response.replace("\\.", "/"),
                false => response.clone(),
            };
            wanted.push(read(&letters(&response)));
        }
        if self.early {
            // The literal was not taken; what was said instead is noted.
            self.early = false;
            self.goes_on = false;
            return Ok(());
        }
        self.say(exchange, names && !self.goes_on)?;
        let goes_on = matches!(wanted.last(), Some(Response::Continuation));
        let tags: Vec<&str> = wanted
            .iter()
            .filter_map(|response| match response {
                Response::Tagged { tag, .. } => Some(tag.as_str()),
                _ => None,
            })
            .collect();
        let heard = self.hear(exchange.connection, &tags, goes_on)?;
        self.early = goes_on && !matches!(heard.last(), Some(Response::Continuation));
        let case = format!("{:?}\n  wanted {:?}", exchange.said, exchange.wanted);
        self.compare(wanted, heard, &case);
        self.goes_on = goes_on;
        Ok(())
    }

    fn say(&mut self, exchange: &Exchange, names: bool) -> std::io::Result<()> {
        let mut octets = String::new();
        for (at, line) in exchange.said.iter().enumerate() {
            let mut line = line.clone();
            if at == 0 && !self.goes_on {
                let mended = mended(&line);
                if mended != line {
                    self.note("spaces", &line);
                }
                line = mended;
            }
            let login = line.contains("LOGIN imapuser ");
            match line.split_once(' ') {
                Some((tag, rest)) if at == 0 && names => {
                    octets.push_str(&format!("{tag} {}", rest.replace('.', "/")));
                }
                _ if login => octets.push_str(&line.replace("imapuser", &self.user)),
                _ => octets.push_str(&line),
            }
            octets.push_str("\r\n");
        }
        self.connections[exchange.connection].send(octets.as_bytes())
    }

    /// Hears everything up to the last of the tagged responses, or the one that asks for more.
    /// Where it is not as wanted, or none is, a command of our own says when all was heard.
    fn hear(
        &mut self,
        connection: usize,
        tags: &[&str],
        goes_on: bool,
    ) -> std::io::Result<Vec<Response>> {
        let talk = &mut self.connections[connection];
        let mut missing = tags.to_vec();
        let mut heard = Vec::new();
        let mut probed = missing.is_empty() && !goes_on;
        if probed {
            drop(talk.send(format!("{PROBE} NOOP\r\n").as_bytes()));
        }
        loop {
            let line = match talk.imap_line() {
                Ok(line) => line.replace('\n', "\r\n"),
                // The end of a connection that was said.
                Err(error) => match heard.last() {
                    Some(Response::Status { condition, .. }) if condition == "BYE" => {
                        return Ok(heard);
                    }
                    _ => return Err(error),
                },
            };
            let line = unwound(&line);
            let response = read(&plain(&line));
            match &response {
                Response::Continuation if goes_on => {
                    heard.push(response);
                    return Ok(heard);
                }
                Response::Tagged { tag, .. } if tag == PROBE => return Ok(heard),
                Response::Tagged { tag, .. } if !probed => {
                    let before = missing.len();
                    missing.retain(|wanted| wanted != tag);
                    if before == missing.len() {
                        probed = true;
                        drop(talk.send(format!("{PROBE} NOOP\r\n").as_bytes()));
                    } else if missing.is_empty() {
                        heard.push(response);
                        return Ok(heard);
                    }
                }
                _ => {}
            }
            heard.push(response);
        }
    }

    fn compare(&mut self, mut wanted: Vec<Response>, mut heard: Vec<Response>, case: &str) {
        if gather(&mut wanted) {
            self.note("recent", case);
        }
        gather(&mut heard);
        let case = format!("{case}\n  heard  {heard:?}");
        let mut missing = Vec::new();
        for response in wanted {
            match heard.iter().position(|heard| response.wants(heard)) {
                Some(place) => drop(heard.remove(place)),
                None => missing.push(response),
            }
        }
        for response in missing {
            if let Some(place) = heard.iter().position(|heard| same_place(&response, heard)) {
                let heard = heard.remove(place);
                self.differ(&response, &heard, &case);
            } else {
                let verb = self.verb.clone();
                self.note(&format!("{verb} without {}", response.kind()), &case);
            }
        }
        for response in heard {
            let verb = self.verb.clone();
            self.note(&format!("{verb} with {}", response.surplus()), &case);
        }
    }

    /// Two responses at the same place, which say different things.
    fn differ(&mut self, wanted: &Response, heard: &Response, case: &str) {
        let verb = self.verb.clone();
        let (Response::Fetch { items, open, .. }, Response::Fetch { items: told, .. }) =
            (wanted, heard)
        else {
            let (wanted, heard) = (wanted.kind(), heard.kind());
            let aspect = if wanted == heard {
                format!("{verb} other {wanted}")
            } else {
                format!("{verb} {wanted} is {heard}")
            };
            return self.note(&aspect, case);
        };
        for (name, value) in items {
            match told.get(name) {
                None => self.note(&format!("{verb} without {name}"), case),
                Some(told) if !fits(value, told) => {
                    let show = |letters: &[(char, bool)]| -> String {
                        letters.iter().map(|letter| letter.0).collect()
                    };
                    let what = format!(
                        "{}\n  ours   {:?}\n  theirs {:?}",
                        self.verb,
                        show(told),
                        show(value)
                    );
                    let empty = value.is_empty() && show(told) == "NIL";
                    let name = name.split_inclusive('[').next().unwrap();
                    let aspect = match (empty, name.strip_suffix('[')) {
                        (true, _) => "FETCH of nothing".to_owned(),
                        (false, Some(name)) => format!("{verb} other {name}[]"),
                        (false, None) => format!("{verb} other {name}"),
                    };
                    self.note(&aspect, &what);
                }
                Some(_) => {}
            }
        }
        for name in told
            .keys()
            .filter(|name| !open && !items.contains_key(*name))
        {
            self.note(&format!("{verb} with {name}"), case);
        }
    }
}

fn same_place(wanted: &Response, heard: &Response) -> bool {
    match (wanted, heard) {
        (Response::Tagged { .. }, Response::Tagged { .. }) => true,
        (Response::Fetch { number, .. }, Response::Fetch { number: other, .. }) => number == other,
        _ => wanted.kind() == heard.kind(),
    }
}

/// A command with the spaces that the grammar has (RFC 9051 §9).
fn mended(line: &str) -> String {
    let mut mended = String::new();
    let mut quoted = false;
    for one in line.chars() {
        quoted ^= one == '"';
        if quoted || one != ' ' || !mended.ends_with(' ') {
            mended.push(one);
        }
    }
    let mended = mended.replace("( ", "(").replace(" )", ")");
    let mended = mended.replace("\"RETURN", "\" RETURN");
    match line.ends_with("  ") {
        true => mended.trim_end().to_owned(),
        false => mended,
    }
}

/// What a command does: its first word, and of UID the second as well.
pub(crate) fn verb(line: &str) -> String {
    let mut words = line.split(' ').skip(1);
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    match words.next() {
        _ if first.is_empty() => "line".to_owned(),
        Some(second) if first == "UID" => format!("UID {}", second.to_ascii_uppercase()),
        _ => first,
    }
}

/// `Talk` puts one line feed between a literal's length and its octets; literals keep their own.
fn unwound(line: &str) -> String {
    line.replace("\r\r\n", "\r\n")
}
