//! A plain IMAP client that keeps octets as they are, and what FETCH says as a flat list.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A piece of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Nil,
    Text(String),
    List(Vec<Self>),
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Self(BufReader::new(stream));
        client.line()?;
        Ok(client)
    }

    /// One response, its literals in the line.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            if self.0.read_until(b'\n', &mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(count) = literal(&line) else {
                return Ok(line);
            };
            let mut octets = vec![0; count];
            self.0.read_exact(&mut octets)?;
            line.extend(octets);
        }
    }

    /// Says a command and hears everything up to its tagged response, which must be OK.
    pub(crate) fn say(&mut self, command: &[u8]) -> std::io::Result<Vec<Vec<u8>>> {
        let stream = self.0.get_mut();
        stream.write_all(&[b"t ", command, b"\r\n"].concat())?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line.starts_with(b"t ") {
                if !line.starts_with(b"t OK") {
                    return Err(std::io::Error::other(String::from_utf8_lossy(&line)));
                }
                return Ok(lines);
            }
            lines.push(line);
        }
    }

    /// Puts a message into INBOX and asks what the server makes of it.
    pub(crate) fn read(&mut self, number: usize, message: &[u8]) -> Vec<Node> {
        let append = format!("APPEND INBOX {{{}+}}\r\n", message.len());
        self.say(&[append.as_bytes(), message].concat()).unwrap();
        self.say(b"NOOP").unwrap();
        let fetch = format!("FETCH {number} (ENVELOPE BODYSTRUCTURE)");
        let lines = self.say(fetch.as_bytes()).unwrap();
        let line = lines.iter().find(|line| memmem(line, b" FETCH ")).unwrap();
        let Some(Node::List(items)) = nodes(line).into_iter().nth(3) else {
            panic!("{}", line.escape_ascii())
        };
        let after = |name: &str| {
            let at = items
                .iter()
                .position(|node| *node == Node::Text(name.to_owned()));
            items[at.unwrap() + 1].clone()
        };
        vec![after("ENVELOPE"), after("BODYSTRUCTURE")]
    }
}

fn memmem(line: &[u8], wanted: &[u8]) -> bool {
    line.windows(wanted.len()).any(|piece| piece == wanted)
}

fn literal(line: &[u8]) -> Option<usize> {
    let text = line.strip_suffix(b"}\r\n")?;
    let open = text.iter().rposition(|octet| *octet == b'{')?;
    std::str::from_utf8(&text[open + 1..]).ok()?.parse().ok()
}

fn nodes(line: &[u8]) -> Vec<Node> {
    let mut rest = line;
    list(&mut rest)
}

fn list(rest: &mut &[u8]) -> Vec<Node> {
    let mut all = Vec::new();
    while let Some((&octet, behind)) = rest.split_first() {
        match octet {
            b')' => {
                *rest = behind;
                break;
            }
            b'(' => {
                *rest = behind;
                all.push(Node::List(list(rest)));
            }
            b' ' | b'\r' | b'\n' => *rest = behind,
            b'"' => {
                *rest = behind;
                all.push(Node::Text(quoted(rest)));
            }
            b'{' => {
                let end = rest.iter().position(|octet| *octet == b'\n').unwrap() + 1;
                let count = literal(&rest[..end]).unwrap();
                all.push(Node::Text(shown(&rest[end..end + count])));
                *rest = &rest[end + count..];
            }
            _ => {
                let end = rest.iter().position(|octet| b" ()\r\n".contains(octet));
                let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
                *rest = behind;
                let nil = word.eq_ignore_ascii_case(b"NIL");
                all.push(if nil {
                    Node::Nil
                } else {
                    Node::Text(shown(word))
                });
            }
        }
    }
    all
}

fn quoted(rest: &mut &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((&octet, behind)) = rest.split_first() {
        *rest = behind;
        match octet {
            b'"' => break,
            b'\\' => {
                text.extend(rest.first());
                *rest = &rest[1..];
            }
            _ => text.push(octet),
        }
    }
    shown(&text)
}

fn shown(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.escape_ascii().to_string(),
    }
}

/// What was said by aspect: the fields of the envelope, the tree, and of each kind of value in it
/// the list over all parts.
pub(crate) fn aspects(read: &[Node]) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    envelope(&read[0], &mut all);
    part(&read[1], &mut all);
    all
}

type Aspects = BTreeMap<&'static str, Vec<String>>;

fn envelope(node: &Node, all: &mut Aspects) {
    const FIELDS: [&str; 10] = [
        "date",
        "subject",
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "in-reply-to",
        "message-id",
    ];
    let Node::List(fields) = node else {
        panic!("an envelope: {node:?}")
    };
    assert_eq!(fields.len(), FIELDS.len(), "{fields:?}");
    for (name, field) in FIELDS.iter().zip(fields) {
        note(name, text(field), all);
    }
}

fn note(aspect: &'static str, value: String, all: &mut Aspects) {
    all.entry(aspect).or_default().push(value);
}

fn text(node: &Node) -> String {
    match node {
        Node::Nil => "NIL".to_owned(),
        Node::Text(text) => format!("{text:?}"),
        Node::List(list) => {
            let all: Vec<String> = list.iter().map(text).collect();
            format!("({})", all.join(" "))
        }
    }
}

fn lower(node: &Node) -> String {
    match node {
        Node::Text(text) => text.to_ascii_lowercase(),
        other => text(other),
    }
}

/// Parameters with their names in lower case, in the order of their names.
fn parameters(node: &Node) -> String {
    let Node::List(list) = node else {
        return text(node);
    };
    let mut pairs: Vec<String> = list
        .chunks(2)
        .map(|pair| format!("{}={}", lower(&pair[0]), text(&pair[1])))
        .collect();
    pairs.sort();
    pairs.join("; ")
}

fn disposition(node: Option<&Node>) -> String {
    match node {
        Some(Node::List(list)) => format!("{}; {}", lower(&list[0]), parameters(&list[1])),
        Some(node) => text(node),
        None => "NIL".to_owned(),
    }
}

fn part(node: &Node, all: &mut Aspects) {
    let Node::List(fields) = node else {
        panic!("a body structure: {node:?}")
    };
    let tree = |piece: String, all: &mut Aspects| {
        let tree = all.entry("tree").or_insert_with(|| vec![String::new()]);
        tree[0].push_str(&piece);
    };
    let parts = fields
        .iter()
        .take_while(|field| matches!(field, Node::List(_)))
        .count();
    if parts > 0 {
        tree(format!("multipart/{}(", lower(&fields[parts])), all);
        for child in &fields[..parts] {
            tree(" ".to_owned(), all);
            part(child, all);
        }
        tree(")".to_owned(), all);
        note(
            "parameters",
            fields.get(parts + 1).map_or_else(String::new, parameters),
            all,
        );
        return note("disposition", disposition(fields.get(parts + 2)), all);
    }
    let kind = format!("{}/{}", lower(&fields[0]), lower(&fields[1]));
    tree(kind.clone(), all);
    note("parameters", parameters(&fields[2]), all);
    note("id", text(&fields[3]), all);
    note("description", text(&fields[4]), all);
    note("encoding", lower(&fields[5]), all);
    note("size", text(&fields[6]), all);
    let mut next = 7;
    if matches!(fields.get(7), Some(Node::List(_))) && kind.starts_with("message/") {
        envelope(&fields[7], all);
        tree("(".to_owned(), all);
        part(&fields[8], all);
        tree(")".to_owned(), all);
        note("lines", text(&fields[9]), all);
        next = 10;
    } else if kind.starts_with("text/") {
        note("lines", text(&fields[7]), all);
        next = 8;
    }
    note("md5", fields.get(next).map_or_else(String::new, text), all);
    note("disposition", disposition(fields.get(next + 1)), all);
    note(
        "language",
        fields.get(next + 2).map_or_else(String::new, text),
        all,
    );
    note(
        "location",
        fields.get(next + 3).map_or_else(String::new, text),
        all,
    );
}
