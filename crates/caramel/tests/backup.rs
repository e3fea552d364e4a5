//! Backups with the real binary: beside a server, at rest, damaged, and the way back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "house/running.rs"]
mod running;

#[path = "backup/locked.rs"]
mod locked;

use running::House;

fn send(house: &House, numbers: std::ops::Range<usize>) {
    let mut lmtp = house.call("lmtp");
    lmtp.say("LHLO there.example", &["250 "]);
    for number in numbers {
        lmtp.say("MAIL FROM:<>", &["250 "]);
        lmtp.say("RCPT TO:<ada@test.localhost>", &["250 "]);
        lmtp.say("DATA", &["354 "]);
        let text = "some words ".repeat(number * 40);
        let letter = format!("Subject: {number}\r\n\r\n{text}\r\n.");
        assert!(lmtp.say(&letter, &["250 ", "4", "5"]).starts_with("250 "));
    }
}

/// What a client sees of the inbox.
fn inbox(house: &House) -> String {
    let mut imap = house.call("imap");
    imap.say("a LOGIN ada@test.localhost \"secret word\"", &["a "]);
    let opened = imap.say("b EXAMINE INBOX", &["b "]);
    let all = imap.say(
        "c UID FETCH 1:* (FLAGS MODSEQ INTERNALDATE EMAILID BODY[])",
        &["c "],
    );
    imap.say("d LOGOUT", &["d "]);
    format!("{opened}{all}")
}

/// The same for all backups: no configuration is there.
fn caramel(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caramel"));
    command.env_remove("HOME").env_remove("XDG_DATA_HOME");
    command.args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn packs(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder.join("bodies")).unwrap();
    found.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn mail_comes_back_as_it_was() {
    let mut house = House::new();
    let folder = house.folder.path().join("backups");
    let create = ["backup", "create", text(&folder)];
    house.done(&create, "");
    house.start();
    send(&house, 1..30);
    let first = house.done(&create, "");
    assert!(first.contains("1 accounts, 29 messages"), "{first}");
    let name = first.split(':').next().unwrap().to_owned();
    let before = inbox(&house);
    assert!(
        before.contains("29 EXISTS") && before.contains("EMAILID"),
        "{before}"
    );
    // What is not there yet is not in it, and what has not changed is not written again.
    send(&house, 30..33);
    let second = house.done(&create, "");
    assert!(second.contains("32 messages"), "{second}");
    assert!(
        second.contains("3 messages' bodies, 1 pieces of rows"),
        "{second}"
    );
    let after = inbox(&house);
    house.stop();
    let third = house.done(&[&create[..], &["--json"]].concat(), "");
    assert!(third.contains("\"written\":0"), "{third}");
    let listed = said(&caramel(&["backup", "list", text(&folder)]));
    assert_eq!(listed.lines().count(), 4, "{listed}");

    let verified = caramel(&["backup", "verify", text(&folder)]);
    assert!(verified.status.success(), "{}", said(&verified));
    assert!(
        said(&verified).contains("32 messages of "),
        "{}",
        said(&verified)
    );
    for (backup, expected) in [(Some(&name), &before), (None, &after)] {
        // The house burns down.
        fs::remove_dir_all(house.folder.path().join("data")).unwrap();
        let data = house.folder.path().join("data");
        let mut words = vec!["backup", "restore", text(&folder), "--to", text(&data)];
        words.extend(
            backup
                .map(|name| ["--backup", name.as_str()])
                .into_iter()
                .flatten(),
        );
        let restored = caramel(&words);
        assert!(restored.status.success(), "{}", said(&restored));
        let written = data
            .join("elsewhere")
            .join(house.config().strip_prefix("/").unwrap());
        assert_eq!(
            fs::read(written).unwrap(),
            fs::read(house.config()).unwrap()
        );
        // Not over what is there.
        assert_eq!(caramel(&words).status.code(), Some(2));
        house.start();
        assert_eq!(&inbox(&house), expected);
        house.stop();
    }
}

#[test]
fn what_is_lost_is_named_and_the_rest_is_there() {
    let mut house = House::new();
    let folder = house.folder.path().join("backups");
    let create = ["backup", "create", text(&folder)];
    house.start();
    send(&house, 1..10);
    house.done(&create, "");
    let first = packs(&folder).pop().unwrap();
    send(&house, 10..20);
    house.done(&create, "");
    house.stop();
    // An octet of a body.
    let mut octets = fs::read(&first).unwrap();
    octets[3000] ^= 1;
    fs::write(&first, octets).unwrap();
    let verified = caramel(&["backup", "verify", text(&folder)]);
    assert_eq!(verified.status.code(), Some(1));
    let told = said(&verified);
    assert!(told.contains("ada@test.localhost: the message "), "{told}");
    assert!(told.contains("INBOX, UID 3: "), "{told}");
    let data = house.folder.path().join("again");
    let restored = caramel(&["backup", "restore", text(&folder), "--to", text(&data)]);
    assert_eq!(restored.status.code(), Some(1));
    assert!(
        said(&restored).contains("18 messages of "),
        "{}",
        said(&restored)
    );
    // The store still has it.
    fs::remove_file(first).unwrap();
    let healed = house.done(&create, "");
    assert!(healed.contains("9 messages' bodies"), "{healed}");
    let verified = caramel(&["backup", "verify", text(&folder)]);
    assert!(verified.status.success(), "{}", said(&verified));
    assert_eq!(
        caramel(&["backup", "list", text(&data)]).status.code(),
        Some(1)
    );
}

/// A line of the inbox's status.
fn status(house: &House, mailbox: &str) -> String {
    let mut imap = house.call("imap");
    imap.say("a LOGIN ada@test.localhost \"secret word\"", &["a "]);
    let items = "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)";
    imap.say(&format!("b STATUS \"{mailbox}\" {items}"), &["b "])
}

/// A house with six letters in a backup, all of them thrown away since; the status before that.
fn thrown_away(folder: &Path, house: &mut House) -> String {
    house.start();
    send(house, 1..8);
    let mut imap = house.call("imap");
    imap.say("a LOGIN ada@test.localhost \"secret word\"", &["a "]);
    imap.say("b SELECT INBOX", &["b "]);
    imap.say("c STORE 2,4 +FLAGS (\\Seen)", &["c "]);
    imap.say("d STORE 1 +FLAGS (\\Deleted)", &["d "]);
    imap.say("e EXPUNGE", &["e "]);
    let before = status(house, "INBOX");
    assert!(before.contains("MESSAGES 6 UNSEEN 4 UIDNEXT 8"), "{before}");
    house.done(&["backup", "create", text(folder)], "");
    imap.say("f STORE 1:* +FLAGS (\\Deleted)", &["f "]);
    imap.say("g EXPUNGE", &["g "]);
    before
}

#[test]
fn one_account_comes_back_to_a_server_that_runs() {
    let mut house = House::new();
    let folder = house.folder.path().join("backups");
    let before = thrown_away(&folder, &mut house);
    let account = ["--account", "ada@test.localhost"];
    let restore = [&["backup", "restore", text(&folder)][..], &account].concat();
    let told = house.done(&restore, "");
    assert!(told.starts_with("6 messages"), "{told}");
    // A mailbox that has had messages never gives their UIDs again: they are put beside it.
    let below = told.trim_end().rsplit_once(" in ").unwrap().1;
    let below = below.trim_end_matches('.');
    assert!(below.starts_with("Restored/2"), "{told}");
    let mailbox = format!("{below}/INBOX");
    let there = status(&house, &mailbox);
    assert!(there.contains("MESSAGES 6 UNSEEN 4"), "{there}");

    // And only one of them.
    let one = [&restore[..], &["--mailbox", "INBOX", "--uid", "3"]].concat();
    house.done(&one, "");
    let there = status(&house, &mailbox);
    assert!(there.contains("MESSAGES 7 "), "{there}");

    // Into an account that is new: as it was, UIDs and all.
    let add = ["account", "add", "alan@test.localhost", "--password-stdin"];
    house.done(&add, "secret word\n");
    let into = [&restore[..], &["--into", "alan@test.localhost"]].concat();
    house.done(&into, "");
    let mut imap = house.call("imap");
    imap.say("a LOGIN alan@test.localhost \"secret word\"", &["a "]);
    let items = "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)";
    let alans = imap.say(&format!("b STATUS \"INBOX\" {items}"), &["b "]);
    assert_eq!(alans, before);
    let eve = [
        "backup",
        "restore",
        text(&folder),
        "--account",
        "eve@test.localhost",
    ];
    assert_eq!(house.run(&eve, "").status.code(), Some(1));
    assert!(!folder.join("scratch").exists());
}

#[test]
fn one_message_comes_back_by_its_digest() {
    let mut house = House::new();
    let folder = house.folder.path().join("backups");
    thrown_away(&folder, &mut house);
    house.stop();
    let digest = digest_of_one(&folder);
    let message = caramel(&["backup", "restore", text(&folder), "--message", &digest]);
    assert!(message.status.success(), "{}", said(&message));
    assert!(said(&message).contains("Subject: "), "{}", said(&message));
    let none = [
        "backup",
        "restore",
        text(&folder),
        "--message",
        &"0".repeat(64),
    ];
    assert_eq!(caramel(&none).status.code(), Some(1));
}

/// The digest of the first item in the index of a pack of bodies.
fn digest_of_one(folder: &Path) -> String {
    let octets = fs::read(packs(folder).pop().unwrap()).unwrap();
    let footer = &octets[octets.len() - 56..];
    let index_at = u64::from_be_bytes(footer[8..16].try_into().unwrap());
    let index = &octets[usize::try_from(index_at).unwrap()..];
    index[..32]
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

#[test]
fn backups_in_the_data_folder_are_not_in_themselves() {
    let house = House::new();
    let folder = house.folder.path().join("data/backups");
    for _ in 0..3 {
        house.done(&["backup", "create", text(&folder)], "");
    }
    let listed = said(&caramel(&["backup", "list", text(&folder), "--json"]));
    let files: Vec<&str> = listed.split("\"files\":").skip(1).collect();
    assert_eq!(files.len(), 3, "{listed}");
    assert!(
        files.iter().all(|files| files.starts_with("1,")),
        "{listed}"
    );
}

/// All files below a folder, the store left out.
fn files_of(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(data).unwrap().to_owned();
            if path.is_dir() && name != Path::new("store") {
                folders.push(path);
            } else if path.is_file() {
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn whatever_lies_beside_the_store_comes_back() {
    let mut house = House::new();
    let data = house.folder.path().join("data");
    let write = |name: &str, octets: &[u8]| {
        let path = data.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    };
    // Larger than anything that is held at once; with the names of what is left out elsewhere.
    let large: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_be_bytes).collect();
    write("manifests/of the whole company", &large);
    write("manifests/store", b"not the store");
    write("manifests/lock", b"not its lock");
    write("lock", b"nor this");
    write("a/b/c/d/e/f/store/deep", b"");
    let other = house.folder.path().join("other");
    fs::write(&other, "another's").unwrap();
    std::os::unix::fs::symlink(&other, data.join("linked")).unwrap();
    std::os::unix::fs::symlink(&data, data.join("a/round")).unwrap();
    let folder = data.join("backups");
    let create = ["backup", "create", text(&folder)];
    house.start();
    house.done(&create, "");
    let again = house.done(&create, "");
    assert!(again.contains(" 0 octets written"), "{again}");
    house.stop();
    let verified = caramel(&["backup", "verify", text(&folder)]);
    assert!(verified.status.success(), "{}", said(&verified));
    let kept = house.folder.path().join("kept");
    fs::rename(&folder, &kept).unwrap();
    fs::remove_file(data.join("a/round")).unwrap();
    let before = files_of(&data);
    assert!(before.len() > 6 && before.iter().any(|(_, octets)| *octets == large));
    fs::remove_dir_all(&data).unwrap();
    let restored = caramel(&["backup", "restore", text(&kept), "--to", text(&data)]);
    assert!(restored.status.success(), "{}", said(&restored));
    fs::remove_dir_all(data.join("elsewhere")).unwrap();
    assert!(files_of(&data) == before);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let house = House::new();
    let data = house.folder.path().join("data");
    let folder = house.folder.path().join("backups");
    let create = ["backup", "create", text(&folder)];
    std::os::unix::fs::symlink("nowhere", data.join("key.pem")).unwrap();
    let made = house.run(&create, "");
    assert_eq!(made.status.code(), Some(1));
    assert!(
        said(&made).contains("the file key.pem: "),
        "{}",
        said(&made)
    );
    let verified = caramel(&["backup", "verify", text(&folder)]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        said(&verified).contains("the file key.pem "),
        "{}",
        said(&verified)
    );
    fs::remove_file(data.join("key.pem")).unwrap();
    // Backups of another kind are no part of what is kept; who has them there is told.
    let second = data.join("more backups");
    house.done(&["backup", "create", text(&second)], "");
    let told = house.done(&create, "");
    assert!(
        told.contains("more backups has backups, and is left out"),
        "{told}"
    );
    let verified = caramel(&["backup", "verify", text(&folder)]);
    assert!(verified.status.success(), "{}", said(&verified));
}

#[test]
fn what_a_backup_holds_is_shown() {
    let mut house = House::new();
    let folder = house.folder.path().join("backups");
    house.start();
    send(&house, 1..8);
    let mut imap = house.call("imap");
    imap.say("a LOGIN ada@test.localhost \"secret word\"", &["a "]);
    imap.say("b CREATE Work", &["b "]);
    imap.say("c SELECT INBOX", &["c "]);
    imap.say("d COPY 2:3 Work", &["d "]);
    imap.say("e STORE 1 +FLAGS (\\Deleted)", &["e "]);
    imap.say("f EXPUNGE", &["f "]);
    let status = |name: &str, imap: &mut running::Talk| {
        let told = imap.say(&format!("g STATUS {name} (SIZE)"), &["g "]);
        let size = told.split("SIZE ").nth(1).unwrap();
        size.split(')').next().unwrap().to_owned()
    };
    let (inbox, work) = (status("INBOX", &mut imap), status("Work", &mut imap));
    house.done(
        &["account", "add", "alan@test.localhost", "--password-stdin"],
        "secret word\n",
    );
    house.done(&["backup", "create", text(&folder)], "");
    house.stop();
    let shown = caramel(&["backup", "show", text(&folder)]);
    assert!(shown.status.success(), "{}", said(&shown));
    let shown = said(&shown);
    for line in [
        "ada@test.localhost: 8 messages".to_owned(),
        format!("  INBOX: 6 messages, {inbox} octets"),
        format!("  Work: 2 messages, {work} octets"),
        "alan@test.localhost: 0 messages".to_owned(),
    ] {
        assert!(
            shown.lines().any(|one| one.starts_with(&line)),
            "{line}: {shown}"
        );
    }
    assert!(shown.contains("caramel.toml"), "{shown}");
    let shown = said(&caramel(&["backup", "show", text(&folder), "--json"]));
    let ada = shown
        .lines()
        .find(|line| line.starts_with("{\"account\":\"ada@"));
    for (name, messages, octets) in [("INBOX", 6, &inbox), ("Work", 2, &work)] {
        let part = format!("{{\"messages\":{messages},\"name\":\"{name}\",\"octets\":{octets}}}");
        assert!(ada.unwrap().contains(&part), "{part}: {shown}");
    }
    // A damaged piece of rows is named, and what there was in it does not count.
    let rows = fs::read_dir(folder.join("rows")).unwrap();
    for path in rows.map(|entry| entry.unwrap().path()) {
        let mut octets = fs::read(&path).unwrap();
        let at = octets
            .windows(8)
            .position(|some| some == b"carachk1")
            .unwrap();
        octets[at + 40] ^= 1;
        fs::write(path, octets).unwrap();
    }
    let shown = caramel(&["backup", "show", text(&folder)]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(said(&shown).contains("rows are lost: "), "{}", said(&shown));
}

#[test]
fn old_backups_go_and_others_stay_whole() {
    let mut house = House::new();
    let folder = house.folder.path().join("backups");
    let create = ["backup", "create", text(&folder)];
    house.start();
    for round in 0..4 {
        send(&house, round * 5 + 1..round * 5 + 6);
        house.done(&create, "");
    }
    house.stop();
    let names = said(&caramel(&["backup", "list", text(&folder)]));
    let trial = caramel(&["backup", "prune", text(&folder), "--keep", "2", "--dry-run"]);
    assert!(
        said(&trial).contains("2 backups would be removed."),
        "{}",
        said(&trial)
    );
    assert_eq!(said(&caramel(&["backup", "list", text(&folder)])), names);
    // Of yesterday there is none.
    let days = caramel(&["backup", "prune", text(&folder), "--days", "1"]);
    assert!(said(&days).contains("0 backups"), "{}", said(&days));
    let pruned = caramel(&["backup", "prune", text(&folder), "--keep", "2"]);
    assert!(
        said(&pruned).contains("2 backups and "),
        "{}",
        said(&pruned)
    );
    let left = said(&caramel(&["backup", "list", text(&folder)]));
    assert!(
        names.ends_with(&left) && left.lines().count() == 2,
        "{left}"
    );
    for line in left.lines() {
        let name = line.split(' ').next().unwrap();
        let words = ["backup", "verify", text(&folder), "--backup", name];
        let verified = caramel(&words);
        assert!(verified.status.success(), "{}", said(&verified));
    }
    assert_eq!(
        caramel(&["backup", "prune", text(&folder)]).status.code(),
        Some(2)
    );
}
