//! What scripts on mailboxes of other users take for granted: who shares what, with which rights,
//! and what is in it.
//!
//! They do not say it, but it can be told from what they want: from the rights they ask for first,
//! from a mailbox's own name, and from the messages they count. Their names are made ours.

use std::collections::BTreeMap;

use interop::{Server, Talk, Tls};

use super::script::Exchange;

/// Names of other users' mailboxes, as the scripts have them.
const SHARED: &[&str] = &["#user.", "user.Boby", "user.boby"];

/// Who shares, or is given rights.
const OTHERS: &[&str] = &["boby", "diana", "benwa"];

/// Rights that go without saying: all but those that RFC 4314 has replaced.
const ALL: &str = "aeiklprstwx";

/// Where four messages are wanted, one of them is flagged and one is deleted.
const FLAGS: [&str; 4] = ["", "", "\\Flagged", "\\Deleted"];

const LETTER: &str = "Subject: One of a few\r\n\r\nGood day\r\n";

/// A script whose names are ours, and what has to be there for it.
pub(crate) struct Shares {
    user: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// Takes a script on other users' mailboxes; `None` for one on the user's own alone.
pub(crate) fn shares(exchanges: &[Exchange], user: &str) -> Option<Shares> {
    let mut said = exchanges.iter().flat_map(|exchange| &exchange.said);
    if !said.any(|line| SHARED.iter().any(|name| line.contains(name))) {
        return None;
    }
    let mut shares = Shares {
        user: user.to_owned(),
        exchanges: Vec::new(),
    };
    let renamed = |exchange: &Exchange| Exchange {
        connection: exchange.connection,
        said: exchange
            .said
            .iter()
            .map(|line| shares.renamed(line))
            .collect(),
        wanted: exchange
            .wanted
            .iter()
            .map(|line| shares.renamed(line))
            .collect(),
    };
    shares.exchanges = exchanges.iter().map(renamed).collect();
    Some(shares)
}

impl Shares {
    /// A line with our names and our separator.
    fn renamed(&self, line: &str) -> String {
        let mut line = line.replace("\\\".\\\"", "\"/\"");
        line = line
            .replace("\\\"\\.\\\"", "\"/\"")
            .replace("\".\"", "\"/\"");
        line = line.replace("\\\"", "\"");
        line = line.replace("\"user.\" \"Boby\"", "\"#user.boby.\" \"INBOX\"");
        line = line.replace("\"diana.", &format!("\"{}/", self.address("diana")));
        let mut renamed = String::new();
        let mut quoted = false;
        for (at, word) in line.split(' ').enumerate() {
            if at > 0 {
                renamed.push(' ');
            }
            let bare = word.trim_matches('"');
            let name = self.name(bare);
            let word = match name {
                Some(name) => format!("\"{name}\""),
                None => word.to_owned(),
            };
            quoted ^= word.matches('"').count() % 2 == 1;
            renamed.push_str(&word);
        }
        assert!(!quoted || !renamed.contains("Other Users"), "{renamed}");
        renamed
    }

    /// Our name of a mailbox or a user; `None` for any other word.
    fn name(&self, word: &str) -> Option<String> {
        if word == "imapuser" {
            return Some(self.user.clone());
        }
        if OTHERS.contains(&word.to_ascii_lowercase().as_str()) {
            return Some(self.address(word));
        }
        if let Some(rest) = word.strip_prefix("user.imapuser") {
            let own = rest.trim_start_matches('.').replace('.', "/");
            return Some(if own.is_empty() { "INBOX".into() } else { own });
        }
        if let Some(rest) = word.strip_prefix("user.Boby") {
            let below = rest.replace('.', "/");
            return Some(format!("{}INBOX{below}", self.tree("boby")));
        }
        let rest = word.strip_prefix("#user")?;
        let mut levels: Vec<String> = rest.split('.').map(str::to_owned).collect();
        "Other Users".clone_into(&mut levels[0]);
        if let Some(owner) = levels.get_mut(1)
            && OTHERS.contains(&owner.as_str())
        {
            *owner = self.address(owner);
        }
        Some(levels.join("/"))
    }

    fn address(&self, name: &str) -> String {
        // Others for each script, so that nobody has shared anything before.
        format!("{}-of-{}", name.to_ascii_lowercase(), self.user)
    }

    fn tree(&self, owner: &str) -> String {
        format!("Other Users/{}/", self.address(owner))
    }

    /// Makes, fills and shares what the script begins with.
    pub(crate) fn prepare(&self, server: &Server) {
        for owner in OTHERS {
            let address = self.address(owner);
            if !self.said().any(|line| line.contains(&address)) && !self.tells(&address) {
                continue;
            }
            server
                .add_account(&self.address(owner), "password")
                .unwrap();
            let tree = self.tree(owner);
            let there: BTreeMap<String, String> = self.mailboxes(&tree);
            let mut talk = logged_in(server, &self.address(owner));
            // An account begins with these two.
            let own = ["INBOX", "Sent"];
            for name in there.keys().filter(|name| !own.contains(&name.as_str())) {
                well(&mut talk, &format!("CREATE \"{name}\""));
            }
            for (name, rights) in &there {
                fill(&mut talk, name, self.count(&format!("{tree}{name}")));
                let user = &self.user;
                well(&mut talk, &format!("SETACL \"{name}\" {user} {rights}"));
            }
        }
        let mut talk = logged_in(server, &self.user);
        if self.rights("test").is_some() {
            well(&mut talk, "CREATE test");
        }
        if self
            .said()
            .any(|line| line.contains(" SELECT \"INBOX\"") || line.ends_with(" SELECT INBOX"))
        {
            fill(&mut talk, "INBOX", FLAGS.len());
        }
    }

    fn said(&self) -> impl Iterator<Item = &String> {
        self.exchanges.iter().flat_map(|exchange| &exchange.said)
    }

    fn tells(&self, word: &str) -> bool {
        let mut wanted = self.exchanges.iter().flat_map(|exchange| &exchange.wanted);
        wanted.any(|line| line.contains(word))
    }

    /// The mailboxes below `tree` that are there from the beginning, with the rights on them: those
    /// that the first LIST tells, or whose rights are asked for before anything else is done.
    fn mailboxes(&self, tree: &str) -> BTreeMap<String, String> {
        let about = |exchange: &&Exchange| {
            let line = exchange.said.first().map_or("", String::as_str);
            line.contains(" LOGIN ") || line.contains(" MYRIGHTS ") || line.contains(" LIST ")
        };
        let first = self.exchanges.iter().take_while(about);
        let told = first.flat_map(|exchange| &exchange.wanted);
        let names = told.filter_map(|line| {
            let (_, name) = line.split_once(tree)?;
            let (name, _) = name.split_once('"')?;
            (!name.is_empty()).then(|| name.to_owned())
        });
        names
            .map(|name| {
                let rights = self.rights(&format!("{tree}{name}"));
                let (_, behind) = name.rsplit_once('-').unwrap_or(("", ALL));
                let rights = rights.unwrap_or_else(|| behind.to_owned());
                (name, rights)
            })
            .collect()
    }

    /// The rights a script wants to have on a mailbox.
    fn rights(&self, name: &str) -> Option<String> {
        let start = format!("\\* MYRIGHTS \"{name}\" ");
        let mut wanted = self.exchanges.iter().flat_map(|exchange| &exchange.wanted);
        let line = wanted.find_map(|line| line.strip_prefix(&start))?;
        let rights = line.trim_matches('"').replace(['c', 'd'], "");
        Some(rights)
    }

    /// How many messages a script finds in a mailbox that it has put none into.
    fn count(&self, name: &str) -> usize {
        for exchange in &self.exchanges {
            let line = exchange.said.first().map_or("", String::as_str);
            if !line.contains(&format!("\"{name}\"")) {
                continue;
            }
            let verb = line.split(' ').nth(1).unwrap_or_default();
            let number = match verb {
                "SELECT" | "EXAMINE" => number(&exchange.wanted, "\\* ", " EXISTS"),
                "STATUS" => number(&exchange.wanted, "\\(MESSAGES ", "\\)"),
                "COPY" | "APPEND" => Some(0),
                _ => None,
            };
            if let Some(number) = number {
                return number;
            }
        }
        0
    }
}

fn number(lines: &[String], before: &str, behind: &str) -> Option<usize> {
    lines.iter().find_map(|line| {
        let (_, rest) = line.split_once(before)?;
        rest.split_once(behind)?.0.parse().ok()
    })
}

fn logged_in(server: &Server, user: &str) -> Talk {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login(user, "password").unwrap();
    talk
}

fn well(talk: &mut Talk, command: &str) {
    let heard = talk.imap(command).unwrap();
    let last = heard.last().unwrap();
    assert!(last.starts_with("t OK"), "{command}: {last}");
}

fn fill(talk: &mut Talk, name: &str, count: usize) {
    let flags = match count {
        4 => FLAGS.to_vec(),
        _ => vec![""; count],
    };
    for flags in flags {
        let octets = LETTER.len();
        let command = format!("APPEND \"{name}\" ({flags}) {{{octets}+}}\r\n{LETTER}");
        well(talk, &command);
    }
}
