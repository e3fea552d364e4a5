//! A filter that learns by what people do with their mail, as a mail program (imaplib) does it; and
//! what letters that somebody collected come out as.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use interop::{Server, Tls, program};

const ADA: &str = "ada@test.localhost";
const GOOD: [&str; 4] = [
    "Shall we meet for tea in the garden on Thursday afternoon?",
    "The minutes of our meeting are in the folder, please read them before Thursday.",
    "Grandmother sends her love, the garden is full of roses this summer.",
    "Please find the timetable for the choir, rehearsal is on Thursday in the garden.",
];
const JUNK: [&str; 4] = [
    "Cheap replica watches, order today at https://deals.example/watch and save money!",
    "Order cheap pills today, discreet shipping, visit https://deals.example/pills now",
    "You have won money! Claim today at https://deals.example/win, limited offer",
    "Limited offer: cheap replica bags, order today, visit https://deals.example/bags",
];
const MORE_JUNK: &str = "Limited offer, order cheap replica watches today: https://deals.example/x";
const MORE_GOOD: &str = "The choir meets in the garden on Thursday afternoon, please bring tea.";

/// Does these things with a mail program, and gives what was found.
fn person(server: &Server, steps: &str) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/spam.py");
    let ca = server.authority().unwrap();
    let imap = server.address("imap", Tls::Implicit).to_string();
    let smtp = server.address("smtp", Tls::Starttls).to_string();
    let words = [script, &ca, &imap, &smtp];
    let ended = program("/usr/bin/python3", &words, server.folder(), steps).unwrap();
    assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
    ended.out.lines().map(str::to_owned).collect()
}

fn spam(server: &Server, words: &[&str], input: &str) -> String {
    server.command(&[&["spam"], words].concat(), input).unwrap()
}

/// How much was learned: good letters, junk, clues.
fn learned(server: &Server) -> (u64, u64, u64) {
    let told = spam(server, &["status", "--account", ADA, "--json"], "");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let number = |name: &str| told.get(name).and_then(serde_json::Value::as_u64).unwrap();
    (number("good"), number("junk"), number("clues"))
}

/// Letters as they come, and what their reader does with them.
fn lessons() -> String {
    let mut steps = String::new();
    for (number, (good, junk)) in GOOD.iter().zip(JUNK).enumerate() {
        let _good = writeln!(steps, "send|g{number}|good {number}|{good}");
        let _junk = writeln!(steps, "send|j{number}|offer {number}|{junk}");
    }
    for number in 0..4 {
        // Programs without MOVE copy; others only mark.
        let (how, mark) = match number {
            0 => ("copy", "$NotJunk"),
            1 => ("move", "NonJunk"),
            _ => ("move", "$NotJunk"),
        };
        let _junk = writeln!(steps, "{how}|INBOX|Junk|offer {number}");
        let _good = writeln!(steps, "mark|INBOX|+{mark}|good {number}");
    }
    steps
}

#[test]
fn moving_mail_teaches_and_moving_it_back_is_forgotten() {
    let mut server = Server::start_with("[spam]\nletters = 4\nthreshold = 80\n").unwrap();
    let before = format!("send|0|early offer|{MORE_JUNK}\nwhere|early offer\n");
    // Nothing was learned: nothing is said, and what the sender says of it is not believed.
    assert_eq!(person(&server, &before), ["INBOX "]);
    person(&server, &lessons());
    let (good, junk, clues) = learned(&server);
    assert_eq!((good, junk), (4, 4));
    assert!(clues > 40, "{clues}");

    let steps = format!(
        "send|1|late offer|{MORE_JUNK}\nsend|2|late news|{MORE_GOOD}\n\
         where|late offer\nwhere|late news\n"
    );
    let found = person(&server, &steps);
    assert!(
        found[0].starts_with("Junk X-Caramel-Spam: 100/100"),
        "{found:?}"
    );
    assert!(found[1].starts_with("INBOX X-Caramel-Spam: "), "{found:?}");
    let why = server.command(&["why", "late offer"], "").unwrap();
    let told = why.contains("junk by its words") && why.contains("link:deals.example 9");
    assert!(told && why.contains("filed into Junk"), "{why}");
    let why = server.command(&["why", "late news"], "").unwrap();
    assert!(
        why.contains("judged by its words") && why.contains("garden"),
        "{why}"
    );

    // Back and forth: exactly what was.
    person(&server, "move|Junk|INBOX|offer 2\n");
    let (good, junk, fewer) = learned(&server);
    assert!(
        (good, junk) == (4, 3) && fewer < clues,
        "{good} {junk} {fewer}"
    );
    person(&server, "move|INBOX|Junk|offer 2\n");
    assert_eq!(learned(&server), (4, 4, clues));
    // What the filter put there was not learned: out of it, it is good; back, as it was.
    person(&server, "move|Junk|INBOX|late offer\n");
    assert_eq!((learned(&server).0, learned(&server).1), (5, 4));
    person(
        &server,
        "move|INBOX|Junk|late offer\nmark|INBOX|-$NotJunk|good 3\n",
    );
    assert_eq!((learned(&server).0, learned(&server).1), (3, 4));
    person(&server, "mark|INBOX|+$NotJunk|good 3\n");
    assert_eq!(learned(&server), (4, 4, clues));

    // It is on the disk.
    server.kill();
    server.run().unwrap();
    assert_eq!(learned(&server), (4, 4, clues));
    let steps = format!("send|3|last offer|{MORE_JUNK}\nwhere|last offer\n");
    assert!(person(&server, &steps)[0].starts_with("Junk "));
    let audit = server.command(&["audit", ADA], "").unwrap();
    assert!(!audit.contains("cannot be read"), "{audit}");
    // The owner wants none of it, by a note that any IMAP program can write.
    let steps = format!("note|off\nsend|4|free offer|{MORE_JUNK}\nwhere|free offer\n");
    assert_eq!(person(&server, &steps), ["INBOX "]);
    spam(&server, &["threshold", "house", "--account", ADA], "");
    assert!(spam(&server, &["forget", "--account", ADA], "").contains("forgotten"));
    assert_eq!(learned(&server), (0, 0, 0));
}

/// The command line teaches the site, whose counts everybody's letters are judged by, whether the
/// server runs or not; each verdict tells its evidence.
#[test]
fn the_command_line_teaches_the_site() {
    let mut server =
        Server::start_with("[spam]\nletters = 4\nthreshold = 80\nsite = \"alan@test.localhost\"\n")
            .unwrap();
    let folder = server.folder().to_owned();
    for (name, letters) in [("good", GOOD), ("junk", JUNK)] {
        fs::create_dir(folder.join(name)).unwrap();
        for (number, text) in letters.iter().enumerate() {
            let letter = format!("From: a@elsewhere.example\nSubject: {name}\n\n{text}\n");
            fs::write(folder.join(name).join(number.to_string()), letter).unwrap();
        }
    }
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let said = spam(&server, &["train", "--good", &path("good")], "");
    assert_eq!(said, "4 letters, 4 of them count otherwise than before.\n");
    let said = spam(&server, &["train", "--good", &path("good")], "");
    assert_eq!(said, "4 letters, 0 of them count otherwise than before.\n");
    let letter = format!("Subject: x\n\n{MORE_JUNK}\n");
    let refused = server.command(&["spam", "explain", "-"], &letter);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("Too little was learned")
    );
    assert!(server.stop());
    let said = spam(&server, &["train", "--junk", &path("junk")], "");
    assert_eq!(said, "4 letters, 4 of them count otherwise than before.\n");
    let said = spam(&server, &["explain", "-"], &letter);
    assert!(
        said.contains(": junk (from 80 on), by what alan@test.localhost"),
        "{said}"
    );
    assert!(
        said.contains("link:deals.example  (junk 4, good 0)"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 11, "{said}");
    server.run().unwrap();
    let steps = format!("send|1|an offer|{MORE_JUNK}\nwhere|an offer\n");
    assert!(person(&server, &steps)[0].starts_with("Junk X-Caramel-Spam: 100/100"));
    let said = spam(
        &server,
        &[
            "explain",
            "--account",
            ADA,
            "--mailbox",
            "Junk",
            "--uid",
            "1",
        ],
        "",
    );
    assert!(said.contains("junk (from 80 on)"), "{said}");
    // A script that asks decides itself, and is told how likely it is.
    let script = "require [\"fileinto\", \"spamtestplus\", \"relational\", \"mailbox\",\n\
        \"comparator-i;ascii-numeric\"];\n\
        if spamtest :percent :value \"ge\" :comparator \"i;ascii-numeric\" \"80\" {\n\
        fileinto :create \"Offers\"; }\n";
    let words = ["sieve", "put", ADA, "-", "--name", "own", "--activate"];
    server.command(&words, script).unwrap();
    person(&server, &format!("send|2|other offer|{MORE_JUNK}\n"));
    let why = server.command(&["why", "other offer"], "").unwrap();
    assert!(why.contains("filed into Offers"), "{why}");
    let words = ["train", "--neither", &path("junk")];
    assert!(spam(&server, &words, "").contains("4 of them"));
    assert!(spam(&server, &["status"], "").contains("4 good letters and 0 of junk"));
}

/// Letters that somebody collected, in folders `good` and `junk`: half of them teach, the other
/// half is judged.
#[test]
fn letters_of_a_collection_are_told_apart() {
    let folder = collection();
    let (good, junk) = (letters(&folder.join("good")), letters(&folder.join("junk")));
    if good.len() < 100 || junk.len() < 100 {
        eprintln!("skipped: no collection of letters in {}", folder.display());
        return;
    }
    let server = Server::start_with("[spam]\nsite = \"alan@test.localhost\"\n").unwrap();
    for (class, all) in [("--good", &good), ("--junk", &junk)] {
        let half = all.iter().step_by(2).map(|path| path.to_str().unwrap());
        let words: Vec<&str> = ["train", class].into_iter().chain(half).collect();
        spam(&server, &words, "");
    }
    let junk_of = |all: &[PathBuf]| {
        let other: Vec<&PathBuf> = all.iter().skip(1).step_by(2).take(200).collect();
        let percent = |path: &PathBuf| {
            let told = spam(&server, &["explain", "--json", path.to_str().unwrap()], "");
            let told: serde_json::Value = serde_json::from_str(&told).unwrap();
            told.get("percent")
                .and_then(serde_json::Value::as_u64)
                .unwrap()
        };
        let found = other.iter().filter(|path| percent(path) >= 95).count();
        (found, other.len())
    };
    let ((wrong, goods), (right, junks)) = (junk_of(&good), junk_of(&junk));
    eprintln!("junk found: {right} of {junks}; good letters taken for junk: {wrong} of {goods}");
    assert!(right * 10 >= junks * 6, "{right} of {junks}");
    assert!(wrong * 100 <= goods * 2, "{wrong} of {goods}");
}

/// Where such letters are: beside the tree, among the vectors.
fn collection() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let vectors = std::env::var_os("CARAMEL_VECTORS").map_or(beside, PathBuf::from);
    vectors.join("spamassassin")
}

fn letters(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}
