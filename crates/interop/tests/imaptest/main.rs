//! imaptest's scripts, read as data and played on the running binary.
//!
//! The scripts and the text that describes their format are found through `CARAMEL_VECTORS`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use std::path::{Path, PathBuf};

use interop::{Server, Talk, Tls};

mod reply;
mod script;

use reply::{Variables, expand, fits, nodes};
use script::{Exchange, Letter, Octets as _, Script, State};

/// Scripts for what this server does not offer (yet), each with what it lacks.
const LACKING: &[(&str, &str)] = &[];

/// What a script wants and no RFC asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Judged {
    script: &'static str,
    /// How the command begins.
    command: &'static str,
    /// How the response begins; with `ok` the command is refused, and the script ends.
    wanted: &'static str,
    /// Why it is not so here.
    why: &'static str,
}

const fn recent(script: &'static str, command: &'static str, wanted: &'static str) -> Judged {
    Judged {
        script,
        command,
        wanted,
        why: "RFC 9051 Appendix E: \\Recent, and all that tells of it, is no more; we say none is",
    }
}

const JUDGED: &[Judged] = &[
    Judged {
        script: "append-binary",
        command: "append $mailbox ~{",
        wanted: "ok",
        why: "RFC 3516 §4.4: NUL is not stored, and no message is stored otherwise than it came",
    },
    recent("copy", "noop", "3 recent"),
    recent("copy", "noop", "4 recent"),
    recent("copy", "fetch 1:3", "1 fetch (flags (\\recent"),
    recent("copy", "fetch 1:3", "2 fetch (flags (\\recent"),
    recent("copy", "fetch 1:3", "3 fetch (flags (\\recent"),
    recent("copy", "fetch 4", "4 fetch (flags (\\recent"),
    recent("search-flags", "search new", "search 1 3 4 5"),
    recent("search-flags", "search old", "search"),
    recent("search-flags", "search recent", "search 1 2 3 4 5"),
    recent("select", "examine", "2 recent"),
    recent("select", "status $mailbox (messages recent", "status"),
    recent("select", "select", "2 recent"),
    Judged {
        script: "sort-partial",
        command: "sort return (partial 4:2)",
        wanted: "esearch (tag $tag) partial (2:4",
        why: "RFC 5267 §4.4, RFC 9394 §3.1: what comes back is the range that was asked for",
    },
];

/// Numbers messages had when a command began, as far as one connection knows.
type Numbers = Vec<usize>;

fn scripts() -> Option<Vec<PathBuf>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let vectors = std::env::var_os("CARAMEL_VECTORS").map_or(beside, PathBuf::from);
    let folder = vectors.join("imaptest-scripts/tests");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no {}", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    paths.sort();
    Some(paths)
}

struct Connection {
    talk: Talk,
    numbers: Numbers,
}

/// One script on its way.
struct Play<'a> {
    script: &'a Script,
    connections: Vec<Connection>,
    variables: Variables,
    /// The next message of the mailbox file that is appended.
    letter: usize,
    commands: usize,
    /// Lines of `JUDGED` that did not come indeed.
    judged: Vec<usize>,
}

impl<'a> Play<'a> {
    fn new(script: &'a Script, server: &Server) -> Self {
        let mut variables = Variables::new();
        for (name, value) in [
            ("mailbox", script.name.as_str()),
            // Nothing in the names of scripts is written otherwise in a URL.
            ("mailbox_url", script.name.as_str()),
            ("user", "ada@test.localhost"),
            ("username", "ada"),
            ("domain", "test.localhost"),
            ("password", "secret"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let connect = |_| {
            let (talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
            let numbers = Vec::new();
            Connection { talk, numbers }
        };
        Self {
            script,
            connections: (0..script.connections).map(connect).collect(),
            variables,
            letter: 0,
            commands: 0,
            judged: Vec::new(),
        }
    }

    /// Plays all of it; what went wrong, if anything did.
    fn play(&mut self) -> Result<(), String> {
        let state = self.script.state;
        let every = 0..self.connections.len();
        if state >= State::Auth {
            for connection in every.clone() {
                self.ok(connection, "LOGIN $user $password")?;
            }
        }
        if state >= State::Created {
            self.ok(0, "CREATE $mailbox")?;
        }
        if state >= State::Appended {
            let count = self.script.messages.unwrap_or(self.script.letters.len());
            for _ in 0..count {
                self.ok(0, "append")?;
            }
        }
        if state >= State::Selected {
            for connection in every {
                self.ok(connection, "SELECT $mailbox")?;
            }
        }
        for exchange in &self.script.exchanges {
            if !self.exchange(exchange)? {
                break;
            }
        }
        Ok(())
    }

    fn ok(&mut self, connection: usize, text: &str) -> Result<(), String> {
        let exchange = Exchange::ok(connection, text);
        self.exchange(&exchange).map(drop)
    }

    /// False where the rest of the script makes no sense.
    fn exchange(&mut self, exchange: &Exchange) -> Result<bool, String> {
        let mut tags = Vec::new();
        for said in &exchange.commands {
            self.commands += 1;
            let tag = format!("t{}", self.commands);
            self.variables.insert("tag".to_owned(), tag.clone());
            let mut text = expand(&said.text, &self.variables);
            if text.to_ascii_lowercase().starts_with("append") && !text.contains("}\n") {
                text = self.append(&text);
            }
            let line = format!("{tag} {text}\r\n").replace("}\n", "+}\r\n");
            let octets: Vec<u8> = line.chars().map(|octet| octet as u8).collect();
            let talk = &mut self.connections[exchange.connection].talk;
            talk.send(&octets)
                .map_err(|error| format!("{text}: {error}"))?;
            tags.push(tag);
        }
        let (heard, statuses) = self.hear(exchange, &tags)?;
        for (said, status) in exchange.commands.iter().zip(&statuses) {
            let wanted = nodes(said.status.as_deref().unwrap_or_default());
            let found = nodes(status);
            let starts = found.get(..wanted.len()).unwrap_or_default();
            if !fits(&wanted, starts, None, &mut self.variables) {
                let wanted = said.status.as_deref().unwrap_or_default();
                if let Some(judged) = judged(self.script, &said.text, wanted) {
                    self.judged.push(judged);
                    return Ok(false);
                }
                return Err(format!("{}: {:?}, not {status}", said.text, said.status));
            }
        }
        self.compare(exchange, &heard)?;
        Ok(true)
    }

    /// Adds a message of the mailbox file to an APPEND that has none.
    fn append(&mut self, text: &str) -> String {
        let letters = &self.script.letters;
        let Letter { text: letter, date } = &letters[self.letter % letters.len()];
        self.letter += 1;
        let octets = letter.len_octets();
        let literal = format!("{{{octets}}}\n{letter}");
        match text.split_once(' ') {
            None => format!("APPEND {} \"{date}\" {literal}", self.script.name),
            Some(_) => format!("{text} \"{date}\" {literal}"),
        }
    }

    /// Hears everything up to the last of the tagged responses: untagged ones, each with the
    /// number its message had before, and the tagged in the order of the commands.
    #[expect(clippy::type_complexity, reason = "it has one caller")]
    fn hear(
        &mut self,
        exchange: &Exchange,
        tags: &[String],
    ) -> Result<(Vec<(Option<usize>, String)>, Vec<String>), String> {
        let connection = &mut self.connections[exchange.connection];
        connection.numbers = (1..=10_000).collect();
        let mut heard = Vec::new();
        let mut statuses = vec![String::new(); tags.len()];
        let mut missing = tags.len();
        while missing > 0 {
            let line = line(&mut connection.talk)
                .map_err(|error| format!("{:?}: {error}", exchange.commands))?;
            let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
            if let Some(place) = tags.iter().position(|tag| tag == first) {
                statuses[place] = rest.to_owned();
                missing -= 1;
            } else if first == "*" {
                let (first, verb) = rest.split_once(' ').unwrap_or((rest, ""));
                let number = first.parse::<usize>().ok().filter(|number| *number > 0);
                let then = number.and_then(|number| connection.numbers.get(number - 1).copied());
                if let Some(number) = number
                    && verb.eq_ignore_ascii_case("expunge")
                {
                    connection.numbers.remove(number - 1);
                }
                heard.push((then, rest.to_owned()));
            }
        }
        Ok((heard, statuses))
    }

    /// Compares what was heard with what was wanted, except for what was judged. One response
    /// may be all that several wanted ones say.
    fn compare(
        &mut self,
        exchange: &Exchange,
        heard: &[(Option<usize>, String)],
    ) -> Result<(), String> {
        let asked = &exchange.commands[0].text;
        let mut fitted = vec![false; heard.len()];
        for reply in &exchange.replies {
            let wanted = nodes(&reply.text);
            let mut found = false;
            for ((number, line), fitted) in heard.iter().zip(&mut fitted) {
                if fits(&wanted, &nodes(line), *number, &mut self.variables) {
                    *fitted = true;
                    found = true;
                }
            }
            let judged = judged(self.script, asked, &reply.text);
            if let Some(judged) = judged.filter(|_| found != reply.wanted) {
                self.judged.push(judged);
            } else if judged.is_some() {
                return Err(format!("{asked}: {} is as it should", reply.text));
            } else if found != reply.wanted {
                let wants = if found { "does not want" } else { "wants" };
                return Err(format!("{asked}: {wants} {}\n{heard:#?}", reply.text));
            }
        }
        let extra = fitted.iter().any(|fitted| !fitted);
        if self.script.strict && extra {
            return Err(format!("{asked}: too much: {heard:?}"));
        }
        Ok(())
    }
}

/// The judgement on what a command should be answered, if there is one.
fn judged(script: &Script, asked: &str, wanted: &str) -> Option<usize> {
    JUDGED.iter().position(|judged| {
        judged.script == script.name
            && asked.starts_with(judged.command)
            && wanted.starts_with(judged.wanted)
    })
}

/// One response with its literals, octets as characters.
fn line(talk: &mut Talk) -> std::io::Result<String> {
    let mut line = talk.hear()?;
    loop {
        let count = line.strip_suffix('}').and_then(|line| {
            let (_, count) = line.rsplit_once('{')?;
            count.parse::<usize>().ok()
        });
        let Some(count) = count else {
            return Ok(line);
        };
        line.push('\n');
        line.extend(talk.hear_octets(count)?.into_iter().map(char::from));
        line.push_str(&talk.hear()?);
    }
}

/// What the server offers, once somebody has logged in.
fn capabilities(server: &Server) -> Vec<String> {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let lines = talk.imap("CAPABILITY").unwrap();
    lines[0].split(' ').map(str::to_owned).collect()
}

#[test]
fn every_script_goes_as_written() {
    let Some(paths) = scripts() else {
        return;
    };
    let server = Server::start().unwrap();
    let offered = capabilities(&server);
    let (mut wrong, mut lacking, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let script = script::read(&path);
        let lacks = script
            .capabilities
            .iter()
            .find(|wanted| !offered.contains(wanted));
        if let Some(capability) = lacks {
            lacking.push((script.name.clone(), capability.clone()));
            continue;
        }
        let mut play = Play::new(&script, &server);
        if let Err(error) = play.play() {
            wrong.push(format!("{}: {error}", script.name));
        }
        judged.extend(play.judged);
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n\n"), server.log());
    let known: Vec<(String, String)> = LACKING
        .iter()
        .map(|(name, capability)| ((*name).to_owned(), (*capability).to_owned()))
        .collect();
    assert_eq!(lacking, known, "what is lacking");
    let stale = (0..JUDGED.len()).find(|at| !judged.contains(at));
    assert_eq!(stale.map(|at| JUDGED[at]), None, "a judgement nobody needs");
}
