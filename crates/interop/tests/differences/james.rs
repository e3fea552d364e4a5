//! The scripts of another project's mail server, played on the running binary: what they want and
//! we do otherwise is judged in `docs/differences/james.md`.
//!
//! Found through `CARAMEL_VECTORS`. Not played: scripts that need what this server has not; they
//! are in the same list, with what is lacking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use interop::{Server, Tls};

use crate::judged;

mod imap;
mod pattern;
mod response;
mod script;
mod shares;
mod smtp;

use script::Exchange;

/// Scripts that begin on a connection nobody has logged in on.
const STRANGERS: &[&str] = &[
    "ACLCommandsOnOtherUser",
    "ACLCommandsOnOwner",
    "Authenticate",
    "AuthenticatePlain",
    "Login",
    "ValidAuthenticated",
    "ValidSelected",
];

/// No scripts of their own: what comes before and behind those that begin with an open mailbox.
const PARTS: &[&str] = &["SelectedStateCleanup", "SelectedStateSetup"];

const OPENING: &[&str] = &["EXAMINE", "SELECT"];

/// Commands that need an open mailbox.
const OPEN: &[&str] = &[
    "CHECK", "COPY", "EXPUNGE", "FETCH", "SEARCH", "STORE", "UID",
];

/// Commands and names of what may be lacking, with its capability.
const NEEDS: &[(&str, &str)] = &[
    ("ACL", "ACL"),
    ("MYRIGHTS", "ACL"),
    ("#user", "ACL"),
    ("XLIST", "XLIST"),
];

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let vectors = env::var_os("CARAMEL_VECTORS").map_or(beside, PathBuf::from);
    let folder = vectors.join("mpt-james");
    if !folder.is_dir() {
        println!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The scripts of a protocol by name.
fn scripts(folder: &Path) -> BTreeMap<String, Vec<Exchange>> {
    let mut scripts = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts.extend(self::scripts(&path));
        } else if path.extension().is_some_and(|end| end == "test") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            scripts.insert(name, script::read(&path));
        }
    }
    scripts
}

/// What a script needs that is not offered.
fn lacks(exchanges: &[Exchange], offered: &[String]) -> Option<&'static str> {
    let mut lines = exchanges.iter().flat_map(|exchange| &exchange.said);
    lines.find_map(|line| {
        let needs = NEEDS.iter().find(|(word, _)| line.contains(word))?;
        (!offered.iter().any(|name| name == needs.1)).then_some(needs.1)
    })
}

/// Mailboxes a script takes for granted.
fn prepared(name: &str) -> &'static [&'static str] {
    match name {
        "ListSpecialChar" => &["projects &- abc", "&AOk-valuations", "mailbox #17"],
        _ => &[],
    }
}

/// Another user a script takes for granted.
fn neighbour(name: &str) -> Option<&'static str> {
    match name {
        "ACLCommandsOnOwner" => Some("boby"),
        "Rights" => Some("bob"),
        _ => None,
    }
}

/// True if a script works on messages before it opens a mailbox: it begins with one open.
fn begins_selected(exchanges: &[Exchange]) -> bool {
    let firsts = exchanges
        .iter()
        .filter_map(|exchange| exchange.said.first());
    let verbs = firsts.map(|line| imap::verb(line));
    let mut decisive = verbs.filter(|verb| {
        let first = verb.split(' ').next().unwrap_or_default();
        OPENING.contains(&first) || OPEN.contains(&first)
    });
    let made = |word: &str| {
        let mut said = exchanges.iter().flat_map(|exchange| &exchange.said);
        said.any(|line| line.contains(word))
    };
    let mut wanted = exchanges.iter().flat_map(|exchange| &exchange.wanted);
    let listed = wanted.any(|line| line.contains("\"selected\""));
    decisive
        .next()
        .is_some_and(|verb| !OPENING.contains(&verb.as_str()))
        || made("APPEND selected") && !made("CREATE selected")
        || listed
}

/// What was found, by protocol, aspect and script.
type Judged = BTreeMap<judged::Place, String>;

#[test]
fn every_script_is_judged() {
    let Some(folder) = folder() else {
        return;
    };
    let server = Server::start().unwrap();
    let mut found = Judged::new();
    imap_scripts(&server, &scripts(&folder.join("imap")), &mut found);
    smtp_scripts(&scripts(&folder.join("smtp")), &mut found);
    for name in scripts(&folder.join("managesieve")).into_keys() {
        let place = (
            "managesieve".to_owned(),
            "without MANAGESIEVE".to_owned(),
            name,
        );
        found.insert(place, String::new());
    }
    judged::compare("james.md", &found);
}

fn smtp_scripts(scripts: &BTreeMap<String, Vec<Exchange>>, found: &mut Judged) {
    let server = Server::start().unwrap();
    server
        .command(&["domain", "add", "mydomain.tld"], "")
        .unwrap();
    for name in ["bob", "starttls"] {
        let address = format!("{name}@mydomain.tld");
        server.add_account(&address, "secret").unwrap();
    }
    for (name, exchanges) in scripts {
        let mut said = exchanges.iter().flat_map(|exchange| &exchange.said);
        let protocol = match said.any(|line| line.starts_with("AUTH")) {
            true => "submission",
            false => "smtp",
        };
        let address = server.address(protocol, Tls::Starttls);
        for (aspect, what) in smtp::play(address, exchanges) {
            found.insert(("smtp".to_owned(), aspect, name.clone()), what);
        }
    }
}

fn imap_scripts(server: &Server, scripts: &BTreeMap<String, Vec<Exchange>>, found: &mut Judged) {
    let address = server.address("imap", Tls::Starttls);
    let (mut talk, _) = interop::Talk::open(address).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let capability = talk.imap("CAPABILITY").unwrap();
    let offered: Vec<String> = capability[0].split(' ').map(str::to_owned).collect();
    for (name, exchanges) in scripts {
        if PARTS.contains(&name.as_str()) {
            continue;
        }
        let place = |aspect: &str| ("imap".to_owned(), aspect.to_owned(), name.clone());
        if let Some(capability) = lacks(exchanges, &offered) {
            found.insert(place(&format!("without {capability}")), String::new());
            continue;
        }
        let plain = name == "AuthenticatePlain";
        let user = if plain { "imapuser" } else { name.as_str() };
        let user = format!("{}@test.localhost", user.to_ascii_lowercase());
        server.add_account(&user, "password").unwrap();
        if let Some(other) = neighbour(name) {
            let other = format!("{other}@test.localhost");
            server.add_account(&other, "password").unwrap();
        }
        let shares = shares::shares(exchanges, &user);
        if let Some(shares) = &shares {
            shares.prepare(server);
        }
        let exchanges = shares
            .as_ref()
            .map_or(exchanges, |shares| &shares.exchanges);
        let hears = exchanges.first().is_some_and(|first| first.said.is_empty());
        let strange = STRANGERS.contains(&name.as_str()) || name.starts_with("ACLIntegration");
        let login = !hears && !strange;
        let mut play = imap::Play::new(address, exchanges, &user, login);
        play.dotted = shares.is_none();
        if login {
            play.clear();
        }
        for mailbox in prepared(name) {
            play.prepare(&format!("CREATE \"{mailbox}\""));
        }
        if login && begins_selected(exchanges) {
            play.play(&scripts["SelectedStateSetup"]);
            play.found.clear();
        }
        play.play(exchanges);
        for (aspect, what) in play.found {
            found.insert(place(&aspect), what);
        }
    }
}
