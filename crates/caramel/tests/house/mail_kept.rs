//! A store with something of everything, made by a binary; and all that is in one, as text.

use std::path::Path;

use crate::running::{House, Talk};

pub(crate) const PASSWORD: &str = "secret word";
pub(crate) const ADA: &str = "ada@test.localhost";
pub(crate) const BOB: &str = "bob@test.localhost";
const TEAM: &str = "team@test.localhost";
/// A relayed domain with a list.
const LISTED: &str = "listed.example";

pub(crate) fn log_in(house: &House, address: &str) -> Talk {
    let mut imap = house.call("imap");
    said(&mut imap, &format!("LOGIN {address} \"{PASSWORD}\""));
    said(&mut imap, "ENABLE IMAP4rev2 QRESYNC");
    imap
}

/// What is said to a command that has to succeed, without its last line.
pub(crate) fn said(imap: &mut Talk, line: &str) -> String {
    let said = imap.say(&format!("tag {line}"), &["tag "]);
    let (heard, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", &said));
    assert!(last.trim_start().starts_with("tag OK"), "{line}: {said}");
    heard.to_owned()
}

pub(crate) fn deliver(house: &House, recipients: &[&str], letter: &str) {
    let mut lmtp = house.call("lmtp");
    lmtp.say("LHLO here", &["250 "]);
    lmtp.say("MAIL FROM:<alan@example.net>", &["250"]);
    for recipient in recipients {
        lmtp.say(&format!("RCPT TO:<{recipient}>"), &["250"]);
    }
    lmtp.say("DATA", &["354"]);
    let mut said = lmtp.say(&format!("{letter}\r\n."), &["250"]);
    for _ in recipients.iter().skip(1) {
        said = format!("{}\n{}", said.trim_end(), lmtp.line());
    }
    // A letter's name may have these digits as well.
    let taken = said.lines().filter(|line| line.starts_with("250"));
    assert_eq!(taken.count(), recipients.len(), "{said}");
}

fn letter(number: u32) -> String {
    format!(
        "From: Alan <alan@example.net>\r\nTo: ada@test.localhost\r\nSubject: no {number}\r\n\
         Message-ID: <{number}@example.net>\r\nDate: Thu, 26 Nov 2026 09:0{}:00 +0100\r\n\
         References: <1@example.net>\r\n\r\nTea at {number}?",
        number % 10
    )
}

fn mixed() -> String {
    "From: =?utf-8?q?Zo=C3=AB?= <zoe@example.net>\r\nTo: ada@test.localhost\r\n\
     Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nMIME-Version: 1.0\r\n\
     Content-Type: multipart/mixed; boundary=part\r\n\r\n--part\r\n\
     Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
     \r\nGr=C3=BC=C3=9Fe aus Z=C3=BCrich\r\n--part\r\nContent-Type: application/octet-stream\r\n\
     Content-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgcICQ==\r\n--part--"
        .to_owned()
}

/// Large enough for a file of its own.
fn large() -> String {
    let mut text = letter(99);
    for line in 0..6000 {
        text.push_str(&format!(
            "\r\nline {line} of a letter that is larger than others"
        ));
    }
    text
}

fn append(imap: &mut Talk, mailbox: &str, flags: &str, letter: &str) {
    let len = letter.len();
    let date = "26-Nov-2026 08:30:00 +0100";
    let line = format!("APPEND {mailbox} ({flags}) \"{date}\" {{{len}+}}\r\n{letter}");
    said(imap, &line);
}

/// Accounts, and what the command line does.
pub(crate) fn people(house: &House) {
    house.done(&["domain", "add", "test.localhost"], "");
    for address in [ADA, BOB, "eve@test.localhost"] {
        let words = ["account", "add", address, "--password-stdin"];
        house.done(&words, &format!("{PASSWORD}\n"));
    }
    house.done(&["account", "add", "--shared", TEAM], "");
    house.done(&["account", "rights", TEAM, "INBOX", ADA, "lrswikxtea"], "");
    let quota = [
        "account",
        "quota",
        BOB,
        "--octets",
        "5M",
        "--messages",
        "200",
    ];
    house.done(&quota, "");
    house.done(&["alias", "add", "postmaster@test.localhost", ADA], "");
    house.done(&["alias", "add", "@test.localhost", BOB, ADA], "");
    let mbox = house.folder.path().join("old.mbox");
    let one = |number: u32| format!("From alan Thu Nov 26 09:00:00 2026\n{}\n\n", letter(number));
    std::fs::write(
        &mbox,
        (50..53).map(one).collect::<String>().replace('\r', ""),
    )
    .unwrap();
    let words = ["import", "--account", ADA, "--mailbox", "Imported"];
    house.done(&[&words[..], &[mbox.to_str().unwrap()]].concat(), "");
}

/// What mail programs do.
pub(crate) fn life(house: &House) {
    (1..=5).for_each(|number| deliver(house, &[ADA], &letter(number)));
    deliver(house, &[ADA, BOB, TEAM], &mixed());
    deliver(house, &[ADA], &large());
    deliver(house, &["eve@test.localhost"], &letter(7));
    let mut imap = log_in(house, ADA);
    for name in ["Work", "Work/Plans", "Work/Plans/2027", "Passing", "Old"] {
        said(&mut imap, &format!("CREATE {name}"));
    }
    said(&mut imap, "SUBSCRIBE Work/Plans");
    said(&mut imap, "SUBSCRIBE Nowhere");
    (100..140).for_each(|number| append(&mut imap, "Work", "", &letter(number)));
    said(&mut imap, "SELECT INBOX");
    said(
        &mut imap,
        "UID STORE 1 +FLAGS (\\Seen \\Flagged $Forwarded Project-X)",
    );
    said(&mut imap, "UID STORE 2 +FLAGS (\\Answered \\Draft)");
    said(&mut imap, "UID STORE 3 +FLAGS (\\Deleted)");
    said(&mut imap, "EXPUNGE");
    said(&mut imap, "UID COPY 4 Work/Plans/2027");
    append(&mut imap, "Drafts", "\\Draft", &letter(8));
    said(&mut imap, "SELECT Work");
    said(&mut imap, "UID STORE 1:38 +FLAGS (\\Seen Project-X)");
    said(&mut imap, "UID MOVE 1:33 Work/Plans");
    said(&mut imap, "SELECT Work/Plans");
    said(&mut imap, "UID STORE 10:12 +FLAGS (\\Deleted)");
    said(&mut imap, "UID EXPUNGE 10:12");
    append(&mut imap, "Old", "\\Seen", &letter(9));
    said(&mut imap, "DELETE Old");
    said(&mut imap, "RENAME Passing Kept");
    said(
        &mut imap,
        "SETMETADATA Work (/private/comment \"mine\" /shared/comment \"ours\")",
    );
    said(&mut imap, "SETMETADATA \"\" (/private/comment \"of all\")");
    said(&mut imap, "SETACL Work bob@test.localhost lrs");
}

/// Scripts, what they have seen, and a letter for elsewhere that the operator keeps back: so it is
/// there for ever.
pub(crate) fn what_leaves_and_is_filtered(house: &House) {
    let script = house.folder.path().join("script");
    let text = "require [\"fileinto\", \"duplicate\"];\r\n\
        if header \"subject\" \"filed\" { if not duplicate { fileinto \"Kept\"; } }\r\n";
    std::fs::write(&script, text).unwrap();
    let script = script.to_str().unwrap();
    house.done(
        &["sieve", "put", ADA, script, "--name", "sorts", "--activate"],
        "",
    );
    house.done(&["sieve", "put", ADA, script, "--name", "rests"], "");
    deliver(
        house,
        &[ADA],
        "Message-ID: <f@example.net>\r\nSubject: filed\r\n\r\nhere",
    );
    let away = ["alias", "add", "away@test.localhost", "zoe@example.net"];
    house.done(&away, "");
    house.done(&["domain", "add", "any.example", "--relay"], "");
    house.done(&["domain", "add", LISTED, "--relay"], "");
    let set = ["domain", "recipients", LISTED, "--set", "-"];
    house.done(&set, "zoe\n\"bo b\"\n");
    deliver(house, &["away@test.localhost"], &letter(77));
    let waived = format!("TLS-Required: No\r\n{}", letter(78));
    deliver(house, &["away@test.localhost"], &waived);
    // What is being handed on cannot be held.
    loop {
        house.done(&["queue", "hold", "--all"], "");
        let listed = house.done(&["queue", "list", "--json"], "");
        if listed.matches("\"state\":\"held\"").count() == 2 {
            return;
        }
    }
}

/// All that clients and the command line see of it.
pub(crate) fn told(house: &House) -> String {
    let mut text = String::new();
    for words in [["domain", "list"], ["account", "list"], ["alias", "list"]] {
        text.push_str(&house.done(&words, ""));
    }
    if text.contains(LISTED) {
        text.push_str(&house.done(&["domain", "recipients", LISTED], ""));
    }
    text.push_str(&house.done(&["queue", "list", "--json"], ""));
    for address in [ADA, BOB] {
        text.push_str(&format!("\n== {address}\n"));
        let scripts = house.done(&["sieve", "list", address, "--json"], "");
        if scripts.contains("sorts") {
            text.push_str(&scripts);
            text.push_str(&house.done(&["sieve", "get", address, "sorts"], ""));
        }
        // Releases that remembered nothing have no such command.
        let remembered = house.run(&["undo", address, "--json"], "").stdout;
        let remembered = String::from_utf8(remembered).unwrap();
        if !remembered.contains("\"list\":[]") {
            text.push_str(&remembered);
        }
        let mut imap = log_in(house, address);
        for line in [
            "LIST \"\" \"*\" RETURN (SUBSCRIBED SPECIAL-USE)",
            "LSUB \"\" \"*\"",
            "GETQUOTAROOT INBOX",
            "GETMETADATA \"\" (/private/comment)",
        ] {
            text.push_str(&format!("{}\n", said(&mut imap, line)));
        }
        let list = said(&mut imap, "LIST \"\" \"*\"");
        for row in list.lines().filter(|row| !row.contains("\\No")) {
            let name = row.split_once("\"/\" ").unwrap().1;
            mailbox(&mut imap, name, &mut text);
        }
    }
    text
}

fn mailbox(imap: &mut Talk, name: &str, text: &mut String) {
    let items = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE HIGHESTMODSEQ MAILBOXID";
    text.push_str(&format!(
        "\n{}\n",
        said(imap, &format!("STATUS {name} ({items})"))
    ));
    // What others wrote beside their mailboxes is told to them alone.
    if !["Shared/", "\"Other"]
        .iter()
        .any(|others| name.starts_with(others))
    {
        let notes = format!("GETMETADATA {name} (/private/comment /shared/comment)");
        text.push_str(&format!("{}\n", said(imap, &notes)));
    }
    text.push_str(&format!("{}\n", said(imap, &format!("MYRIGHTS {name}"))));
    said(imap, &format!("EXAMINE {name}"));
    let gone = said(imap, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)");
    let gone = gone.lines().filter(|line| line.contains("VANISHED"));
    gone.for_each(|line| text.push_str(&format!("{line}\n")));
    let rows = said(
        imap,
        "UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE MODSEQ EMAILID SAVEDATE PREVIEW)",
    );
    for row in rows.lines().filter(|row| row.contains("UID ")) {
        let uid = row.split("UID ").nth(1).unwrap();
        let uid = uid.split([' ', ')']).next().unwrap();
        let whole = said(
            imap,
            &format!("UID FETCH {uid} (ENVELOPE BODYSTRUCTURE BODY.PEEK[])"),
        );
        let hash = blake3::hash(whole.as_bytes()).to_hex();
        text.push_str(&format!("{row} {}\n", &hash[..16]));
    }
}

/// Bodies that no row mentions, in several segments: what is freed is part of a store's life.
pub(crate) fn litter(store: &Path) {
    let settings = store::EmbeddedSettings {
        segment_octets: 20_000,
        ..store::EmbeddedSettings::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = store::Embedded::open(store, settings).unwrap();
        for number in 0..3_u8 {
            let batch = store::Batch {
                parts: Vec::new(),
                blobs: vec![store::Staged::of(vec![number; 15_000].into())],
            };
            store::Store::commit(&store, batch).await.unwrap();
        }
        store.close();
    });
}
