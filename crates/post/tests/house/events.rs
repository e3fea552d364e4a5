//! Scripts that run because of what people do with messages.

use bytes::Bytes;
use mail::{FlagSet, MailboxId, Uid};
use post::{Account, EventCause, FetchPlan, FlagAction, FlagChange, Rules, ScriptVerdict, Why};

use crate::filter::{held, one, runs};
use crate::queue::{claim_one, queue, relaying};
use crate::scripts::name;
use crate::world::{World, append, audited, flags, recounted, rules, told, uid, uids, whole};

const LETTER: &str =
    "From: ada@example.org\r\nSubject: Tea\r\nMessage-ID: <1@x>\r\n\r\nAt five?\r\n";
const ENTRY: &str = "/shared/imapsieve/script";

/// Makes this the script that runs for what is done in a mailbox, or in all.
async fn watches(account: &Account, mailbox: Option<&str>, text: &str) {
    let (script, text) = (name("event"), Bytes::copy_from_slice(text.as_bytes()));
    let kept = account.put_script(&script, &text).await.unwrap();
    assert_eq!(kept, ScriptVerdict::Right(Vec::new()), "{text:?}");
    note(account, mailbox, Some("event")).await;
}

async fn note(account: &Account, mailbox: Option<&str>, value: Option<&str>) {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    let entries = [(ENTRY.to_owned(), value)];
    account.set_metadata(mailbox, &entries).await.unwrap();
}

async fn id(account: &Account, mailbox: &str) -> MailboxId {
    account.open(mailbox).await.unwrap().id
}

/// Puts a message there, as IMAP does.
async fn put(account: &Account, mailbox: &str, names: &[&str]) -> Uid {
    put_text(account, mailbox, names, LETTER).await
}

async fn put_text(account: &Account, mailbox: &str, names: &[&str], text: &str) -> Uid {
    let put = append(account, mailbox, names, text).await;
    let there = id(account, mailbox).await;
    account
        .happened(there, EventCause::Append, vec![(put, FlagSet::new())])
        .await;
    put
}

async fn flag(account: &Account, mailbox: &str, uid: Uid, action: FlagAction, names: &[&str]) {
    let change = FlagChange {
        action,
        flags: flags(names),
        unchanged_since: None,
    };
    let there = id(account, mailbox).await;
    let these = [uid].into_iter().collect();
    let stored = account.store(there, &these, &change).await.unwrap();
    account
        .happened(there, EventCause::Flag, stored.differing)
        .await;
}

/// The flags of all messages in a mailbox.
async fn flagged(account: &Account, mailbox: &str) -> Vec<String> {
    let open = account.open(mailbox).await.unwrap();
    let plan = FetchPlan::default();
    let page = account
        .fetch(open.id, &open.uids, None, &plan)
        .await
        .unwrap();
    page.rows.iter().map(|row| row.flags.to_string()).collect()
}

const REQUIRE: &str = "require [\"imapsieve\", \"environment\", \"imap4flags\", \"fileinto\", \
    \"copy\", \"variables\", \"mailbox\", \"editheader\", \"ihave\", \"duplicate\", \"body\"];\n";

// tidy: table
#[tokio::test]
async fn what_a_script_makes_of_a_message_that_is_put_there() {
    /// The script; what is held, and the flags of the message that was put there.
    type Case<'a> = (&'a str, &'a [(&'a str, usize)], &'a str);
    let inbox: &[(&str, usize)] = &[("INBOX", 1)];
    let both: &[(&str, usize)] = &[("Archive", 1), ("INBOX", 1)];
    let cases: &[Case<'_>] = &[
        ("", inbox, "\\Seen a"),
        ("keep;", inbox, "\\Seen a"),
        ("stop;", inbox, "\\Seen a"),
        // In addition to where it is, and then it is to be deleted.
        ("fileinto \"Archive\";", both, "\\Seen \\Deleted a"),
        ("fileinto :copy \"Archive\";", both, "\\Seen a"),
        ("fileinto \"Archive\"; keep;", both, "\\Seen a"),
        (
            "fileinto :create \"New\";",
            &[("INBOX", 1), ("New", 1)],
            "\\Seen \\Deleted a",
        ),
        ("discard;", inbox, "\\Seen \\Deleted a"),
        ("discard; keep;", inbox, "\\Seen a"),
        // It is always another message.
        ("fileinto :copy \"INBOX\";", &[("INBOX", 2)], "\\Seen a"),
        // As if a client had done it.
        ("addflag \"b\"; removeflag \"\\\\Seen\";", inbox, "a b"),
        ("setflag \"\";", inbox, ""),
        ("keep :flags \"\\\\Flagged\";", inbox, "\\Flagged"),
        (
            "setflag \"b\"; fileinto \"Archive\";",
            both,
            "\\Seen \\Deleted a",
        ),
        // What was changed is changed for others alone.
        ("addheader \"X-A\" \"1\";", inbox, "\\Seen a"),
        // Nothing comes of one that fails.
        ("fileinto \"Archive\"; error \"no\";", inbox, "\\Seen a"),
        (
            "if ihave \"vacation\" { fileinto \"Archive\"; }",
            inbox,
            "\\Seen a",
        ),
        (
            "if allof (environment \"imap.cause\" \"APPEND\", environment \"imap.mailbox\" \
             \"INBOX\", environment \"imap.user\" \"ada@example.org\", environment \"imap.email\" \
             \"ada@example.org\", environment \"imap.changedflags\" \"\", environment \"location\" \
             \"MS\", environment \"phase\" \"post\", hasflag \"\\\\Seen\", hasflag \"a\", \
             header \"subject\" \"Tea\", body :contains \"five\") { discard; }",
            inbox,
            "\\Seen \\Deleted a",
        ),
    ];
    for (script, expected, flags) in cases {
        let world = World::with(&["ada"], rules()).await;
        let ada = world.account("ada").await;
        watches(&ada, Some("INBOX"), &format!("{REQUIRE}{script}")).await;
        put(&ada, "INBOX", &["\\Seen", "a"]).await;
        let expected = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        let expected: Vec<_> = expected.collect();
        assert_eq!(held(&ada).await, expected, "{script}");
        let found = flagged(&ada, "INBOX").await;
        assert_eq!(found.first().map(String::as_str), Some(*flags), "{script}");
        assert!(whole(&ada, "INBOX", 1).await == LETTER);
        audited(&world.post).await;
        recounted(&world).await;
        audited(&world.again().await.post).await;
    }
}

#[tokio::test]
async fn what_is_only_for_letters_that_come_ends_a_script() {
    let world = World::with(&["ada"], relaying()).await;
    let ada = world.account("ada").await;
    for script in [
        "require [\"fileinto\", \"reject\"]; fileinto \"Archive\";",
        "require [\"fileinto\", \"ereject\"]; fileinto \"Archive\";",
        "require [\"fileinto\", \"vacation\"]; fileinto \"Archive\";",
        "require [\"fileinto\", \"vacation-seconds\"]; fileinto \"Archive\";",
        "require [\"fileinto\", \"envelope\"]; if not envelope \"from\" \"x\" \
         { fileinto \"Archive\"; }",
    ] {
        watches(&ada, Some("INBOX"), script).await;
        put(&ada, "INBOX", &[]).await;
        assert!(
            !held(&ada).await.iter().any(|(name, _)| name == "Archive"),
            "{script}"
        );
    }
    assert!(flagged(&ada, "INBOX").await.iter().all(String::is_empty));
}

#[tokio::test]
async fn which_script_runs_the_notes_say() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    let discard = "require \"imapsieve\"; discard;";
    // Nobody's note is no note; the one on the account is for all mailboxes without one.
    put(&ada, "INBOX", &[]).await;
    watches(&ada, None, discard).await;
    put(&ada, "INBOX", &[]).await;
    note(&ada, Some("INBOX"), Some("")).await;
    put(&ada, "INBOX", &[]).await;
    note(&ada, Some("INBOX"), Some("no such")).await;
    put(&ada, "INBOX", &[]).await;
    note(&ada, Some("INBOX"), None).await;
    put(&ada, "INBOX", &[]).await;
    let expected = ["", "\\Deleted", "", "", "\\Deleted"];
    assert_eq!(flagged(&ada, "INBOX").await, expected);
    // Another entry for all is the owner's of the house alone.
    let other = [("/shared/comment".to_owned(), Some(Bytes::from("x")))];
    let refused = ada.set_metadata(None, &other).await.unwrap_err();
    assert_eq!(refused.why(), Why::Policy);
    // What is delivered makes none run, and whoever has none has none.
    world.deliver(&["ada"], LETTER).await.unwrap();
    let eve = world.account("eve").await;
    put(&eve, "INBOX", &[]).await;
    assert_eq!(flagged(&eve, "INBOX").await, [""]);
    assert_eq!(flagged(&ada, "INBOX").await.last().unwrap(), "");
}

#[tokio::test]
async fn flags_copies_and_moves_make_scripts_run_and_scripts_do_not() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    // It would go on for ever if what it does made it run.
    let script = format!(
        "{REQUIRE}if environment :matches \"imap.cause\" \"*\" {{ set \"cause\" \"${{1}}\"; }}\n\
         if environment :matches \"imap.changedflags\" \"*\" {{ set \"what\" \"${{1}}\"; }}\n\
         addflag \"${{cause}}\"; if hasflag \"one\" {{ addflag \"two\"; }}\n\
         if string :is \"${{what}}\" \"\\\\Flagged one\" {{ fileinto :copy \"Archive\"; }}"
    );
    watches(&ada, None, &script).await;
    let first = put(&ada, "INBOX", &[]).await;
    assert_eq!(flagged(&ada, "INBOX").await, ["APPEND"]);
    flag(&ada, "INBOX", first, FlagAction::Add, &["one", "\\Flagged"]).await;
    assert_eq!(
        flagged(&ada, "INBOX").await,
        ["\\Flagged APPEND one FLAG two"]
    );
    assert_eq!(
        flagged(&ada, "Archive").await,
        ["\\Flagged APPEND one FLAG two"]
    );
    // Nothing has changed.
    flag(&ada, "INBOX", first, FlagAction::Remove, &["FLAG"]).await;
    flag(&ada, "INBOX", first, FlagAction::Add, &["one"]).await;
    assert_eq!(held(&ada).await.len(), 2);
    let inbox = id(&ada, "INBOX").await;
    let copied = ada.copy(inbox, &uids(&[1]), "Drafts").await.unwrap();
    let targets = copied.pairs.iter().map(|(_, target)| *target);
    ada.copied(copied.mailbox, targets).await;
    assert!(flagged(&ada, "Drafts").await[0].ends_with("COPY"));
    let moved = ada.relocate(inbox, &uids(&[1]), "Trash").await.unwrap();
    let targets = moved.pairs.iter().map(|(_, target)| *target);
    ada.copied(moved.mailbox, targets).await;
    assert!(flagged(&ada, "Trash").await[0].ends_with("COPY"));
    audited(&world.post).await;
}

#[tokio::test]
async fn a_message_is_sent_on_in_the_owners_name() {
    let world = World::with(&["ada", "eve"], relaying()).await;
    let (ada, eve) = (world.account("ada").await, world.account("eve").await);
    runs(&eve, "require \"fileinto\"; fileinto \"Archive\";").await;
    let script = "require [\"imapsieve\", \"copy\", \"editheader\", \"enotify\"]; \
        addheader \"X-A\" \"1\"; redirect :copy \"x@a.example\"; redirect \"eve@example.org\"; \
        notify \"mailto:eve@example.org\";";
    watches(&ada, Some("INBOX"), script).await;
    put(&ada, "INBOX", &[]).await;
    let letter = claim_one(&world, "a.example").await;
    assert_eq!(letter.entry.reverse_path.to_string(), "<ada@example.org>");
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(
        text.starts_with("X-A: 1\r\n") && text.ends_with(LETTER),
        "{text}"
    );
    assert_eq!(
        held(&eve).await,
        [("Archive".to_owned(), 1), ("INBOX".to_owned(), 1)]
    );
    assert_eq!(whole(&ada, "INBOX", 1).await, LETTER);
    assert_eq!(flagged(&ada, "INBOX").await, ["\\Deleted"]);
    // What cannot be sent on is left as it is.
    let script = "require \"imapsieve\"; redirect \"ada@example.org\";";
    watches(&ada, Some("INBOX"), script).await;
    put(&ada, "INBOX", &[]).await;
    assert_eq!(flagged(&ada, "INBOX").await, ["\\Deleted", ""]);
    audited(&world.post).await;
    recounted(&world).await;
}

#[tokio::test]
async fn large_messages_and_many_of_them() {
    let rules = Rules {
        body_memory_octets_max: 1000,
        ..relaying()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    let large = format!("{LETTER}{}the end\r\n", "x".repeat(76).repeat(5000));
    let script = format!(
        "{REQUIRE}if allof (size :over 300K, body :contains \"five\", \
         not body :contains \"the end\") {{ fileinto :copy \"Archive\"; redirect :copy \
         \"x@a.example\"; }}"
    );
    watches(&ada, Some("INBOX"), &script).await;
    put_text(&ada, "INBOX", &[], &large).await;
    assert_eq!(whole(&ada, "Archive", 1).await, large);
    let letter = claim_one(&world, "a.example").await;
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    assert_eq!(octets, large.as_bytes());
    assert_eq!(queue(&world).await.len(), 1);
    // For many it is done beside.
    watches(&ada, Some("Drafts"), "require \"imapsieve\"; discard;").await;
    let mut all = Vec::new();
    for _ in 0..60 {
        all.push((append(&ada, "Drafts", &[], LETTER).await, FlagSet::new()));
    }
    let drafts = id(&ada, "Drafts").await;
    ada.happened(drafts, EventCause::Append, all).await;
    while flagged(&ada, "Drafts").await.iter().any(String::is_empty) {
        tokio::task::yield_now().await;
    }
    audited(&world.post).await;
}

#[tokio::test]
async fn a_message_that_has_gone_and_an_account_that_is_full() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    watches(
        &ada,
        Some("INBOX"),
        &format!("{REQUIRE}fileinto \"Archive\";"),
    )
    .await;
    let inbox = id(&ada, "INBOX").await;
    let gone = vec![(uid(7), FlagSet::new())];
    ada.happened(inbox, EventCause::Append, gone).await;
    assert_eq!(held(&ada).await, Vec::new());
    let put = append(&ada, "INBOX", &[], LETTER).await;
    let full = post::Quota {
        messages_max: Some(1),
        ..post::Quota::default()
    };
    let world = world
        .again_with(Rules {
            quota: full,
            ..rules()
        })
        .await;
    let ada = world.account("ada").await;
    ada.happened(inbox, EventCause::Append, vec![(put, FlagSet::new())])
        .await;
    assert_eq!(held(&ada).await, one("INBOX"));
    assert_eq!(flagged(&ada, "INBOX").await, [""]);
    // The commit is refused: nothing was done, and nothing is lost.
    assert!(told(ada.copy(inbox, &uids(&[1]), "Archive").await).contains("4.2.2"));
}
