//! Backups that nobody without the key can read.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::running::House;
use crate::{caramel, digest_of_one, inbox, packs, said, send, text};

/// A house with two backups that are encrypted, of nine letters and of twelve.
struct Locked {
    house: House,
    folder: PathBuf,
    key: PathBuf,
    scratch: PathBuf,
    /// The inbox as it was at the second.
    inbox: String,
}

impl Locked {
    fn new() -> Self {
        let house = House::new();
        let of = |name: &str| house.folder.path().join(name);
        let mut locked = Self {
            folder: of("backups"),
            key: of("key"),
            scratch: of("scratch"),
            inbox: String::new(),
            house,
        };
        let made = caramel(&["backup", "key", text(&locked.key)]);
        assert!(made.status.success(), "{}", said(&made));
        locked.house.start();
        send(&locked.house, 1..10);
        locked.house.done(&locked.words("create", &[]), "");
        send(&locked.house, 10..13);
        let second = locked.house.done(&locked.words("create", &[]), "");
        let written = "3 messages' bodies, 1 pieces of rows";
        assert!(second.contains(written), "{second}");
        locked.inbox = inbox(&locked.house);
        locked
    }

    fn words<'a>(&'a self, verb: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["backup", verb, text(&self.folder), "--key", text(&self.key)];
        [&words[..], more].concat()
    }

    fn run(&self, verb: &str, more: &[&str]) -> Output {
        caramel(&self.words(verb, more))
    }
}

#[test]
fn encrypted_backups_need_their_key() {
    let locked = Locked::new();
    let other = locked.house.folder.path().join("other");
    let before = fs::read(&locked.key).unwrap();
    assert!(caramel(&["backup", "key", text(&other)]).status.success());
    // Never over one that is there.
    let over = caramel(&["backup", "key", text(&locked.key)]);
    assert_eq!(over.status.code(), Some(1));
    assert_eq!(fs::read(&locked.key).unwrap(), before);
    for verb in ["list", "show"] {
        let shown = locked.run(verb, &[]);
        assert!(said(&shown).contains("12 messages"), "{}", said(&shown));
        let wrong = ["backup", verb, text(&locked.folder), "--key", text(&other)];
        let wrong = caramel(&wrong);
        assert_eq!(wrong.status.code(), Some(1));
        let told = said(&wrong);
        assert!(told.contains("not the one of these"), "{told}");
        let none = said(&caramel(&["backup", verb, text(&locked.folder)]));
        assert!(none.contains("need their key"), "{none}");
    }
    let none = locked
        .house
        .run(&["backup", "create", text(&locked.folder)], "");
    assert!(said(&none).contains("need their key"), "{}", said(&none));
    let folder = text(&locked.folder);
    let listed = caramel(&[
        "backup",
        "list",
        folder,
        "--key",
        text(&locked.house.config()),
    ]);
    assert_eq!(listed.status.code(), Some(2));
}

#[test]
fn encrypted_backups_are_verified_and_lead_back() {
    let mut locked = Locked::new();
    let scratch = locked.scratch.clone();
    let scratch = ["--scratch", text(&scratch)];
    // Mail that is not encrypted is not put beside them unasked.
    let account = ["--account", "ada@test.localhost"];
    let refused = locked.house.run(&locked.words("restore", &account), "");
    assert_eq!(refused.status.code(), Some(2));
    let words = [&account[..], &scratch].concat();
    let told = locked.house.done(&locked.words("restore", &words), "");
    assert!(told.starts_with("12 messages"), "{told}");
    let message = digest_of_one_in(&locked.house);
    let found = locked.run("restore", &["--message", &message]);
    assert!(said(&found).contains("Subject: "), "{}", said(&found));
    locked.house.stop();
    let pruned = said(&locked.run("prune", &["--keep", "1"]));
    assert!(pruned.contains("1 backups and "), "{pruned}");
    assert_eq!(locked.run("verify", &[]).status.code(), Some(2));
    let verified = locked.run("verify", &scratch);
    assert!(verified.status.success(), "{}", said(&verified));
    let data = locked.house.folder.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    let restored = locked.run("restore", &["--to", text(&data)]);
    assert!(restored.status.success(), "{}", said(&restored));
    locked.house.start();
    // What was restored into the account came after the backup.
    assert_eq!(inbox(&locked.house), locked.inbox);
    locked.house.stop();
    let first = packs(&locked.folder).pop().unwrap();
    let mut octets = fs::read(&first).unwrap();
    octets[3000] ^= 1;
    fs::write(&first, octets).unwrap();
    let verified = locked.run("verify", &scratch);
    assert_eq!(verified.status.code(), Some(1));
    let told = said(&verified);
    assert!(told.contains("bodies/"), "{told}");
    assert!(told.contains("ada@test.localhost"), "{told}");
}

/// The digest of a letter, as its row has it.
fn digest_of_one_in(house: &House) -> String {
    let again = house.folder.path().join("plain");
    house.done(&["backup", "create", text(&again)], "");
    digest_of_one(&again)
}
