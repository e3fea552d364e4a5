//! Stores that releases wrote, opened with the real binary: everything is there, in whatever form
//! it was written; and one from a later release is left as it is.
//!
//! `UPDATE_STORE=NAME` writes a store anew with the binary that `CARAMEL_BINARY` names (without it
//! the one under test); `UPDATE=1` what is expected of all of them.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "house/mail_kept.rs"]
mod mail_kept;
#[path = "house/packed.rs"]
mod packed;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "house/running.rs"]
mod running;

use mail_kept::{ADA, said};
use running::House;

/// Each with what is in the folder's number file: the first was written before there was one.
const STORES: [(&str, &str); 7] = [
    ("2026-11-26-morning", "0"),
    ("2026-11-26-evening", "1"),
    ("2026-11-27-night", "2"),
    ("2026-11-27-morning", "3"),
    ("2026-11-27-noon", "4"),
    ("2026-11-27-evening", "5"),
    ("2026-11-28-morning", NUMBER),
];
/// The number that this release writes.
const NUMBER: &str = "6";

fn kept(name: &str) -> PathBuf {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores");
    stores.join(name)
}

/// A house whose store is a copy of what a release wrote.
fn copy_of(name: &str) -> House {
    let house = House::empty();
    let mut text = fs::read_to_string(house.config()).unwrap();
    // What the releases remembered is not forgotten while the tree grows older.
    text.push_str("[undo]\nwindow = \"36500d\"\n");
    fs::write(house.config(), text).unwrap();
    packed::unpack(&kept(name).join("store.zlib"), &store_of(&house));
    house
}

fn store_of(house: &House) -> PathBuf {
    house.folder.path().join("data/store")
}

/// What `upgrade` says of a store as JSON, and how it ended; with `--dry-run` nothing changes.
fn dry_run(house: &House) -> (serde_json::Value, Option<i32>) {
    let before = packed::contents(&store_of(house));
    let output = house.run(&["upgrade", "--dry-run", "--json"], "");
    assert_eq!(packed::contents(&store_of(house)), before);
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text).unwrap();
    (report, output.status.code())
}

fn found(report: &serde_json::Value, form: &str) -> String {
    let forms = report["forms"].as_array().unwrap();
    let form = forms.iter().find(|one| one["name"] == form).unwrap();
    let found = form["found"].as_object().unwrap();
    found.keys().cloned().collect::<Vec<_>>().join(" ")
}

/// Everything about one store: as it is, or without its view.
fn opens(name: &str, number: &str, has_view: bool) {
    let mut house = copy_of(name);
    if !has_view {
        fs::remove_dir_all(store_of(&house).join("view")).unwrap();
    }
    let (report, code) = dry_run(&house);
    assert_eq!(found(&report, "folder"), number);
    assert_eq!(report["newer"].as_array().unwrap().len(), 0, "{report}");
    let rewrites = report["rewrites"].as_array().unwrap().len();
    assert_eq!(rewrites > 0, number != NUMBER || !has_view, "{report}");
    assert_eq!(code, Some(if rewrites > 0 { 3 } else { 0 }), "{report}");
    assert_eq!(report["olderReads"], number == NUMBER);

    house.start();
    let told = mail_kept::told(&house);
    let file = kept(name).join("expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &told).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    assert_eq!(told, expected, "UPDATE=1 writes what is expected anew");
    // It goes on with it.
    house.done(
        &["account", "add", "new@test.localhost", "--password-stdin"],
        "secret word\n",
    );
    mail_kept::deliver(&house, &["new@test.localhost"], "Subject: new\r\n\r\nhere");
    house.stop();
    let checked = house.done(&["store", "check", "--deep"], "");
    assert!(checked.ends_with("sound\n"), "{checked}");
    let upgraded = house.done(&["upgrade"], "");
    assert!(upgraded.contains("Nothing is rewritten."), "{upgraded}");
    let (report, code) = dry_run(&house);
    assert_eq!(
        (found(&report, "folder"), code),
        (NUMBER.to_owned(), Some(0))
    );

    house.start();
    let told = mail_kept::told(&house);
    let same = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("new@test.localhost"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(same(&told), same(&expected));
    let mut imap = mail_kept::log_in(&house, "new@test.localhost");
    let status = said(&mut imap, "STATUS INBOX (MESSAGES)");
    assert!(status.contains("MESSAGES 1"), "{status}");
    if number != "0" {
        // What that release remembered is undone by this one.
        let list = house.done(&["undo", ADA], "");
        let deleted = list
            .lines()
            .find(|line| line.contains("Old deleted"))
            .unwrap();
        let operation = deleted.split_whitespace().next().unwrap();
        house.done(&["undo", ADA, operation], "");
        house.done(&["undo", "eve@test.localhost", "account"], "");
    }
    house.stop();
}

#[test]
fn what_a_release_wrote_is_all_there() {
    STORES
        .into_iter()
        .for_each(|(name, number)| opens(name, number, true));
}

#[test]
fn what_a_release_wrote_is_all_there_without_its_view() {
    STORES
        .into_iter()
        .for_each(|(name, number)| opens(name, number, false));
}

#[test]
fn a_store_is_written_where_one_is_asked_for() {
    let Some(name) = std::env::var("UPDATE_STORE")
        .ok()
        .filter(|name| !name.is_empty())
    else {
        return;
    };
    let mut house = House::empty();
    let mut text = fs::read_to_string(house.config()).unwrap();
    // Nobody answers: what is for elsewhere waits.
    text.push_str("[dns]\nservers = [\"127.0.0.1:9\"]\ntimeout = \"1s\"\n");
    fs::write(house.config(), text).unwrap();
    mail_kept::people(&house);
    house.start();
    mail_kept::life(&house);
    if std::env::var_os("CARAMEL_BINARY").is_none() {
        mail_kept::what_leaves_and_is_filtered(&house);
    }
    house.done(&["account", "rm", "eve@test.localhost"], "");
    house.stop();
    if std::env::var_os("CARAMEL_BINARY").is_none() {
        mail_kept::litter(&store_of(&house));
        house.done(&["store", "reclaim"], "");
        house.start();
        let long = "a line of the letter behind it\r\n".repeat(3000);
        let letter = format!("Subject: behind it\r\n\r\n{long}here");
        mail_kept::deliver(&house, &[mail_kept::BOB], &letter);
        house.stop();
        // What it is in is sealed by this, and compressed.
        mail_kept::litter(&store_of(&house));
        house.done(&["store", "reclaim"], "");
        mail_kept::litter(&store_of(&house));
    }
    packed::pack(&store_of(&house), &kept(&name).join("store.zlib"));
    // What is expected says who wrote it.
    house.start();
    fs::write(kept(&name).join("expected.txt"), mail_kept::told(&house)).unwrap();
    house.stop();
}

/// A checksum as segments and records have it (CRC-32 of ISO 3309).
fn crc(parts: &[&[u8]]) -> [u8; 4] {
    let octets = parts.iter().flat_map(|part| part.iter());
    let crc = octets.fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    });
    (!crc).to_be_bytes()
}

fn number(octets: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_be_bytes(octets[at..at + 4].try_into().unwrap())).unwrap()
}

/// Where records begin in a segment, and where each ends.
fn records(log: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 64);
    while log[at..].starts_with(b"CRec") {
        let end = at + 32 + number(log, at + 4);
        found.push((at, end));
        at = end;
        if log.len() < at + 4 {
            break;
        }
    }
    found
}

/// Changes a record's octet, and its checksum with it.
fn change(log: &mut [u8], (start, end): (usize, usize), at: usize, octet: u8) {
    log[at] = octet;
    let sum = crc(&[&log[12..20], &log[start..start + 28], &log[start + 32..end]]);
    log[start + 28..start + 32].copy_from_slice(&sum);
}

/// The rows of a record: partition, table, and where the value begins.
fn rows(log: &[u8], (start, _): (usize, usize)) -> Vec<(u64, u8, usize)> {
    let (mut found, mut at) = (Vec::new(), start + 36);
    for _ in 0..number(log, start + 32) {
        let partition = u64::from_be_bytes(log[at..at + 8].try_into().unwrap());
        let changes = number(log, at + 16);
        at += 20;
        for _ in 0..changes {
            let (op, table) = (log[at], log[at + 1]);
            let (key, value) = (number(log, at + 2), number(log, at + 6));
            if op != 2 {
                found.push((partition, table, at + 10 + key));
            }
            at += 10 + key + value;
        }
    }
    found
}

/// The first file of a folder, and its octets.
fn first(folder: &Path) -> (PathBuf, Vec<u8>) {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let path = paths.min().unwrap();
    let octets = fs::read(&path).unwrap();
    (path, octets)
}

/// A later release's form is named, and nothing is changed; `opens` says whether other commands
/// see it at once, or where they come to it.
fn is_refused(house: &House, form: &str, opens: bool) {
    let (report, code) = dry_run(house);
    let newer = report["newer"].as_array().unwrap();
    assert_eq!((newer.len(), code), (1, Some(1)), "{form}: {report}");
    assert_eq!(newer[0]["name"], form);
    let before = packed::contents(&store_of(house));
    let commands: [&[&str]; 5] = [
        &["upgrade"],
        &["serve"],
        &["store", "check"],
        &["store", "repair", "--yes"],
        &["account", "list"],
    ];
    for words in &commands[..if opens { 1 } else { 5 }] {
        let output = house.run(words, "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{form} {words:?}: {text}");
        assert!(
            text.contains("later release") && text.contains("nothing was changed"),
            "{form} {words:?}: {text}"
        );
        assert!(
            packed::contents(&store_of(house)) == before,
            "{form} {words:?}"
        );
    }
}

#[test]
fn a_compressed_segment_of_a_later_release_is_named() {
    let house = copy_of("2026-11-27-night");
    let (path, mut octets) = first(&store_of(&house).join("log"));
    assert!(octets.starts_with(b"caramzlg"), "it is compressed");
    octets[8..12].copy_from_slice(&2_u32.to_be_bytes());
    fs::write(&path, octets).unwrap();
    is_refused(&house, "compressed segments", false);
}

#[test]
fn a_damaged_head_of_a_compressed_segment_is_told_with_what_it_may_cost_and_written_again() {
    let house = copy_of("2026-11-27-night");
    let (path, whole) = first(&store_of(&house).join("log"));
    let mut octets = whole.clone();
    assert!(octets.starts_with(b"caramzlg"), "it is compressed");
    octets[70] ^= 1;
    fs::write(&path, octets).unwrap();
    let checked = house.run(&["store", "check"], "");
    let said = String::from_utf8(checked.stdout).unwrap();
    let told = "flaw: the first head of segment 4 is damaged: nothing is lost; if the last one \
                were damaged too, ";
    assert!(said.contains(told), "{said}");
    let cost = said.split_once(told).unwrap().1;
    let letters: u64 = cost.split_once(" letters of ").unwrap().0.parse().unwrap();
    assert!(letters > 0, "{said}");
    // What is kept can be read, and so it is looked at.
    assert!(said.contains("mail: "), "{said}");
    assert!(said.ends_with("1 flaws\n"), "{said}");
    assert_eq!(checked.status.code(), Some(1));
    let repaired = house.done(&["store", "repair", "--yes"], "");
    let again = "written again from the other one: the first head of segment 4\n";
    assert!(repaired.starts_with(again), "{repaired}");
    assert!(fs::read(&path).unwrap() == whole);
    let checked = house.done(&["store", "check"], "");
    assert!(checked.ends_with("sound\n"), "{checked}");
}

const PLAIN: &str = "2026-11-26-evening";

#[test]
fn files_of_a_later_release_are_named_and_left_as_they_are() {
    let house = copy_of(PLAIN);
    let store = store_of(&house);
    let next = NUMBER.parse::<u32>().unwrap() + 1;
    let words = format!("caramel store {next}\nwhat else it says\n");
    fs::write(store.join("format"), words).unwrap();
    is_refused(&house, "folder", false);
    fs::write(store.join("format"), format!("caramel store {NUMBER}\n")).unwrap();

    for (form, folder, opens) in [
        ("segments", "log", false),
        ("snapshots", "snapshots", false),
        ("bodies", "bodies", true),
    ] {
        let (path, octets) = first(&store.join(folder));
        let mut newer = octets.clone();
        newer[8..12].copy_from_slice(&2_u32.to_be_bytes());
        fs::write(&path, newer).unwrap();
        is_refused(&house, form, opens);
        fs::write(&path, octets).unwrap();
    }

    // The last record: nobody has written down yet that it is durable, and yet it is not cut off.
    fs::remove_dir_all(store.join("view")).unwrap();
    let logs = packed::contents(&store.join("log"));
    let (name, log) = logs.last().unwrap();
    let mut newer = log.clone().unwrap();
    let last = *records(&newer).last().unwrap();
    change(&mut newer, last, last.0 + 27, 2);
    fs::write(store.join("log").join(name), newer).unwrap();
    house.run(&["account", "list"], "");
    is_refused(&house, "records", true);
    let refused = house.run(&["serve"], "");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("is of version 2, which a later release wrote"),
        "{text}"
    );
    let logs_now = packed::contents(&store.join("log"));
    let (_, now) = logs_now.last().unwrap();
    assert_eq!(now.as_ref().unwrap().len(), log.as_ref().unwrap().len());
}

#[test]
fn rows_of_a_later_release_are_named() {
    let house = copy_of("2026-11-26-morning");
    let (path, log) = first(&store_of(&house).join("log"));
    let all: Vec<_> = records(&log)
        .into_iter()
        .flat_map(|record| rows(&log, record).into_iter().map(move |row| (record, row)))
        .collect();
    let mut seen = 0;
    for form in post::ROW_FORMS {
        let is_one = |(partition, table, _): &(u64, u8, usize)| {
            let owner = post::TableOwner::of(store::Partition(*partition));
            owner == form.owner && *table == form.table.0
        };
        let Some((record, row)) = all.iter().find(|(_, row)| is_one(row)) else {
            continue;
        };
        let mut newer = log.clone();
        change(
            &mut newer,
            *record,
            row.2,
            form.versions.last().unwrap() + 1,
        );
        fs::write(&path, newer).unwrap();
        is_refused(&house, form.name, true);
        seen += 1;
    }
    // All but what that release did not write.
    assert_eq!(seen, post::ROW_FORMS.len() - 26);
    // Who comes to such a row says so.
    fs::remove_dir_all(store_of(&house).join("view")).unwrap();
    let accounts = |row: &&(_, (u64, u8, usize))| (row.1.0, row.1.1) == (0, 3);
    let (record, row) = all.iter().rfind(accounts).unwrap();
    let mut newer = log;
    change(&mut newer, *record, row.2, 99);
    fs::write(&path, newer).unwrap();
    let refused = house.run(&["account", "list"], "");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("a row of accounts is of version 99"),
        "{text}"
    );
}
