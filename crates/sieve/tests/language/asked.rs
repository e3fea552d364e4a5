//! What a run asks for: mailboxes, dates, lists, other scripts, what was seen before.

use sieve::{Deed, Target};

use crate::made::circumstances;
use crate::{LETTER, all_hold, all_want, house};

// RFC 5183, RFC 5490, RFC 8579, RFC 9042, RFC 6785 §4
#[test]
fn what_the_house_is_asked() {
    all_hold(
        ", \"environment\", \"mailbox\", \"mboxmetadata\", \"servermetadata\", \"special-use\", \
         \"mailboxid\", \"imapsieve\"",
        &[
            ("environment \"Domain\" \"example.net\"", true),
            ("environment \"phase\" \"\"", false),
            ("environment \"imap.cause\" \"\"", true),
            ("mailboxexists \"Here\"", true),
            ("mailboxexists [\"Here\", \"There\"]", false),
            ("mailboxidexists \"F1\"", true),
            ("specialuse_exists \"\\\\Junk\"", true),
            ("specialuse_exists \"Here\" \"\\\\Junk\"", false),
            ("metadata \"INBOX\" \"/private/x\" \"on\"", true),
            ("metadata \"INBOX\" \"/private/z\" \"\"", false),
            ("metadataexists \"INBOX\" \"/private/x\"", true),
            ("servermetadata \"/shared/y\" \"1\"", true),
            ("servermetadataexists [\"/shared/y\", \"/shared/z\"]", false),
        ],
    );
    all_want(&[
        (
            "require [\"fileinto\", \"mailbox\", \"special-use\"]; \
             fileinto :create :specialuse \"\\\\Junk\" \"Spam\";",
            &["fileinto Spam \\Junk create"],
        ),
        (
            "require [\"fileinto\", \"mailbox\", \"mailboxid\"]; \
             fileinto :create :mailboxid \"F1\" \"Spam\";",
            &["fileinto Spam F1 create"],
        ),
    ]);
    let mut stored = circumstances(LETTER);
    stored.envelope = None;
    let text = "require \"envelope\"; if envelope \"from\" \"\" { discard; }";
    assert_eq!(
        house().lines(text, stored),
        ["error: there is no envelope here"]
    );
}

// RFC 5260
#[test]
fn dates() {
    all_hold(
        ", \"date\", \"relational\"",
        &[
            ("date :originalzone \"date\" \"hour\" \"09\"", true),
            ("date \"date\" \"hour\" \"15\"", true),
            ("date :zone \"+0530\" \"date\" \"time\" \"19:30:00\"", true),
            ("date \"received\" \"weekday\" \"5\"", true),
            ("date :value \"ge\" \"date\" \"date\" \"2026-11-27\"", true),
            ("date \"x-twice\" \"year\" \"2026\"", false),
            ("currentdate \"weekday\" \"6\"", true),
            (
                "currentdate :zone \"+0000\" \"iso8601\" \"2026-11-28T20:15:00Z\"",
                true,
            ),
        ],
    );
}

// RFC 5463
#[test]
fn capabilities_asked_for_at_run_time() {
    all_want(&[
        (
            "require \"ihave\"; if ihave [\"fileinto\", \"copy\"] { fileinto :copy \"x\"; }",
            &["fileinto x", "keep"],
        ),
        (
            "require \"ihave\"; if ihave \"nothing\" { nothing \"x\"; }",
            &["keep"],
        ),
        (
            "require \"ihave\"; if ihave \"variables\" { discard; }",
            &["keep"],
        ),
        (
            "require \"ihave\"; fileinto \"x\";",
            &["error: 'fileinto' needs the extension \"fileinto\""],
        ),
        (
            "require \"ihave\"; keep :nothing 3;",
            &["error: unknown tag ':nothing' of 'keep'"],
        ),
        (
            "require \"ihave\"; nothing;",
            &["error: unknown command 'nothing'"],
        ),
    ]);
}

// RFC 5235
#[test]
fn scores() {
    let count = |percent: Option<u8>, virus: Option<u8>, test: &str| {
        let mut world = circumstances(LETTER);
        world.spam = percent.map(|percent| sieve::Spam { percent });
        world.virus = virus;
        let text = format!(
            "require [\"spamtestplus\", \"virustest\", \"relational\", \
             \"comparator-i;ascii-numeric\"]; if {test} {{ discard; }}"
        );
        house().lines(&text, world) == ["discard"]
    };
    let numeric = ":comparator \"i;ascii-numeric\"";
    assert!(count(None, None, "spamtest \"0\""));
    assert!(count(Some(0), None, "spamtest \"1\""));
    assert!(count(Some(100), None, "spamtest \"10\""));
    assert!(count(
        Some(50),
        None,
        &format!("spamtest :percent :value \"eq\" {numeric} \"50\"")
    ));
    assert!(count(None, None, "spamtest :percent :count \"eq\" \"0\""));
    assert!(count(None, None, "virustest \"0\""));
    assert!(count(
        None,
        Some(4),
        &format!("virustest :value \"ge\" {numeric} \"4\"")
    ));
}

// RFC 6609
#[test]
fn scripts_included() {
    let mut house = house();
    let scripts = [
        (
            "sub",
            "require [\"include\", \"variables\"]; global \"g\"; \
             set \"g\" \"x${g}\"; return; discard;",
        ),
        ("global stop", "stop;"),
        ("loop", "require \"include\"; include \"loop\";"),
        (
            "bad",
            "require \"fileinto\"; fileinto \"here\"; redirect \"a@b.example\";",
        ),
    ];
    for (name, text) in scripts {
        house.scripts.insert(name.to_owned(), text.to_owned());
    }
    let head = "require [\"include\", \"variables\", \"fileinto\"];";
    for (text, expected) in [
        (
            "global \"g\"; include \"sub\"; include \"sub\"; fileinto \"${g}\";",
            vec!["fileinto xx"],
        ),
        (
            "include \"sub\"; include :once \"sub\"; fileinto \"${global.g}\";",
            vec!["fileinto x"],
        ),
        ("include :global \"stop\"; discard;", vec!["keep"]),
        ("include :optional \"none\"; discard;", vec!["discard"]),
        (
            "include \"none\";",
            vec!["error: there is no script 'none' to include"],
        ),
        (
            "include \"loop\";",
            vec!["error: the script 'loop' includes itself"],
        ),
        (
            "include \"bad\";",
            vec!["fileinto here", "redirect a@b.example"],
        ),
    ] {
        let lines = house.lines(&format!("{head}{text}"), circumstances(LETTER));
        assert_eq!(lines, expected, "{text}");
    }
    let outcome = house.run(&format!("{head} include \"bad\";"), circumstances(LETTER));
    assert_eq!(outcome.actions[0].cause.to_string(), "bad:1");
}

// RFC 7352
#[test]
fn duplicates() {
    all_want(&[
        (
            "require \"duplicate\"; if duplicate { discard; }",
            &["discard"],
        ),
        (
            "require \"duplicate\"; if duplicate :handle \"h\" { discard; }",
            &["keep", "duplicate <1@example.org> 604800"],
        ),
        (
            "require \"duplicate\"; if duplicate :uniqueid \"u\" :seconds 60 { discard; }",
            &["keep", "duplicate u 60"],
        ),
        (
            "require \"duplicate\"; if duplicate :header \"x-no\" { discard; }",
            &["keep"],
        ),
        (
            "require \"duplicate\"; if duplicate :seconds 0 { discard; }",
            &["keep"],
        ),
        (
            "require [\"duplicate\", \"ihave\"]; if duplicate :uniqueid \"u\" {} error \"e\";",
            &["error: e"],
        ),
        (
            "require \"ihave\"; error \"\";",
            &["error: 'error', without a word"],
        ),
    ]);
}

// RFC 6009
#[test]
fn delivery_parameters() {
    all_hold(
        ", \"envelope\", \"envelope-dsn\", \"envelope-deliverby\", \"relational\", \"copy\"",
        &[
            ("envelope \"notify\" \"SUCCESS\"", true),
            ("envelope \"notify\" \"DELAY\"", false),
            ("envelope :count \"eq\" \"notify\" \"2\"", true),
            ("envelope :matches \"orcpt\" \"rfc822;*@example.com\"", true),
            ("envelope \"ret\" \"HDRS\"", true),
            ("envelope \"envid\" \"QQ1\"", true),
            ("envelope \"bymode\" \"return\"", true),
            ("envelope \"bytimerelative\" \"120\"", true),
            (
                "envelope :zone \"+0000\" \"bytimeabsolute\" \"2026-11-28T20:15:00Z\"",
                true,
            ),
        ],
    );
    let text = "require [\"redirect-dsn\", \"redirect-deliverby\"]; redirect :notify \"NEVER\" \
        :ret \"FULL\" :bytimerelative 600 :bymode \"notify\" :bytrace \"a@b.example\";";
    let outcome = house().run(text, circumstances(LETTER));
    let Deed::Redirect(redirect) = &outcome.actions[0].deed else {
        panic!("it is sent on");
    };
    assert_eq!(redirect.notify, Some(mail::Notify::Never));
    assert_eq!(redirect.ret, Some(mail::Ret::Full));
    let by = redirect.by.clone().unwrap();
    assert_eq!(
        (by.time, by.returns, by.trace),
        (sieve::ByTime::Relative(600), false, true)
    );
}

// RFC 6134
#[test]
fn lists_kept_elsewhere() {
    all_hold(
        ", \"extlists\"",
        &[
            ("address :list \"from\" \"tag:a\"", true),
            ("address :list \"to\" [\"tag:b\", \"tag:a\"]", false),
            ("address :list \"from\" \":addrbook:x\"", true),
            ("valid_ext_list \"tag:a\"", true),
            ("valid_ext_list [\"tag:a\", \"tag:b\"]", false),
        ],
    );
    let outcome = house().run(
        "require [\"extlists\", \"variables\"]; redirect :list \"tag:a\";",
        circumstances(LETTER),
    );
    let Deed::Redirect(redirect) = &outcome.actions[0].deed else {
        panic!("it is sent on");
    };
    assert_eq!(redirect.target, Target::List("tag:a".to_owned()));
}
