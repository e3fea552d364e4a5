//! Looking after the store with the real binary.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::{Command, Output};

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "house/running.rs"]
mod running;

use running::House;

fn verify(words: &[&str], file: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caramel"));
    command.args(["store", "verify-disk"]).args(words);
    command.args(file).output().unwrap()
}

#[test]
fn an_audit_is_asked_of_a_server_and_of_a_store() {
    let mut house = House::new();
    let resting = house.done(&["audit"], "");
    assert!(resting.contains("Nothing differs."), "{resting}");
    house.start();
    let running = house.done(&["audit", "ada@test.localhost", "--deep"], "");
    assert!(running.contains("1 accounts, 6 mailboxes"), "{running}");
    let all: String = house.done(&["audit", "--json"], "");
    assert!(
        all.contains("\"found\":0") && all.contains("\"differences\":[]"),
        "{all}"
    );
    let status = house.done(&["audit", "--status"], "");
    assert!(status.contains("2 accounts looked at"), "{status}");
    let stats = house.done(&["store", "stats"], "");
    assert!(
        stats.contains("1 accounts, 1 domains") && stats.contains("subscriptions"),
        "{stats}"
    );
    let unknown = house.run(&["audit", "eve@test.localhost"], "");
    assert_eq!(unknown.status.code(), Some(1));
    house.stop();
    let checked = house.done(&["store", "check", "--deep"], "");
    assert!(
        checked.contains("mail: 1 accounts") && checked.ends_with("sound\n"),
        "{checked}"
    );
    let stats = house.done(&["store", "stats", "--json"], "");
    assert!(stats.contains("\"domains\":1"), "{stats}");
}

#[test]
fn what_is_dead_is_freed_and_damage_left_out_when_somebody_asks() {
    let mut house = House::new();
    house.start();
    let freed = house.done(&["store", "reclaim"], "");
    assert!(
        freed.starts_with("0 letters that no mailbox has any more"),
        "{freed}"
    );
    let stats = house.done(&["store", "stats"], "");
    assert!(
        stats.contains("letters: 0 live, 0 octets; 0 dead"),
        "{stats}"
    );
    house.stop();
    let freed = house.done(&["store", "reclaim", "--json"], "");
    assert!(freed.contains("\"sweeps\":1"), "{freed}");
    let asked = house.run(&["store", "repair"], "no\n");
    assert_eq!(asked.status.code(), Some(1));
    let repaired = house.done(&["store", "repair", "--yes"], "");
    assert!(repaired.contains("The store can be opened"), "{repaired}");
    let checked = house.done(&["store", "check"], "");
    assert!(checked.ends_with("sound\n"), "{checked}");
}

#[test]
fn blocks_survive_where_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blocks");
    let written = verify(&["--blocks", "20", "--before-cut"], Some(&file));
    assert!(written.status.success(), "{written:?}");
    let numbers = String::from_utf8(written.stdout).unwrap();
    assert_eq!(numbers.lines().last(), Some("20"));
    let after = verify(&["--acknowledged", "20", "--after-cut"], Some(&file));
    assert!(after.status.success(), "{after:?}");
    let lost = verify(&["--acknowledged", "22", "--after-cut"], Some(&file));
    assert_eq!(lost.status.code(), Some(1));
    let said = String::from_utf8(lost.stderr).unwrap();
    assert!(said.contains("block 21 and 1 more are gone"), "{said}");
    // Nobody's file is written over.
    let again = verify(&["--before-cut"], Some(&file));
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(verify(&[], None).status.code(), Some(2));
}

/// Needs root, loop devices and ext4; where they are not, it says so.
#[test]
fn a_cut_loses_only_what_was_not_synced() {
    let folder = tempfile::tempdir().unwrap();
    let cut = verify(&["--cut"], Some(folder.path()));
    let said = String::from_utf8(cut.stdout).unwrap();
    let complained = String::from_utf8(cut.stderr).unwrap();
    let missing = ["losetup", "mount", "mkfs.ext4"];
    let is_missing = |tool: &&str| {
        complained.contains(&format!("starting {tool}"))
            || complained.contains(&format!("{tool} -"))
    };
    if missing.iter().any(is_missing) || complained.contains("is memory") {
        eprintln!("no power to cut here: {complained}");
        return;
    }
    let kept = said
        .lines()
        .filter(|line| line.starts_with("cut ") && line.ends_with(" acknowledged, 0 are lost"));
    assert_eq!(kept.count(), 3, "{said}{complained}");
    assert!(
        said.contains("control without syncs: "),
        "{said}{complained}"
    );
    // Whether the disk is believable is not the test's to say.
    assert!(matches!(cut.status.code(), Some(0 | 3)), "{complained}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
