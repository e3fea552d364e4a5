//! Letters that scripts make: answers of who is away, and notices.

use mail::{Notify, ReversePath};
use message::{Header, Outline};
use post::{Account, FetchPlan, Outcome, Rules};

use crate::filter::{held, one, runs};
use crate::queue::{claim_one, pass, queue, relaying};
use crate::world::{World, audited, origin, recipient, recounted, sender, uids, whole};

const LETTER: &str = "From: Bob <bob@elsewhere.example>\r\nTo: ada@example.org\r\nSubject: Tea\r\n\
    Message-ID: <1@x>\r\n\r\nAt five?\r\n";

async fn town() -> World {
    World::with(&["ada", "eve"], relaying()).await
}

async fn away(script: &str) -> World {
    let world = town().await;
    runs(
        &world.account("ada").await,
        &format!("require \"vacation\"; {script}"),
    )
    .await;
    world
}

async fn deliver_from(world: &World, path: &str, to: &[&str], text: &str) -> Outcome<()> {
    let mut incoming = world.post.begin(origin(None), sender(path))?;
    for name in to {
        incoming.recipient(recipient(name)).await?;
    }
    incoming.chunk(text.to_owned().into()).await?;
    incoming.commit().await.map(|_| ())
}

/// What waits to leave: from whom, to whom, and its octets.
async fn sent(world: &World, destination: &str) -> (ReversePath, String, String) {
    let letter = claim_one(world, destination).await;
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    let to = letter.entry.recipients[0]
        .recipient
        .forward_path
        .to_string();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    (letter.entry.reverse_path.clone(), to, text)
}

fn field(letter: &str, name: &str) -> String {
    let found = Header::first(letter.as_bytes(), name);
    let value = found.map(|field| field.unfolded().trim_ascii().to_vec());
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

async fn flags_of(account: &Account, mailbox: &str) -> String {
    let id = account.open(mailbox).await.unwrap().id;
    let plan = FetchPlan::default();
    let page = account.fetch(id, &uids(&[1]), None, &plan).await.unwrap();
    page.rows[0].flags.to_string()
}

#[tokio::test]
async fn who_writes_is_answered_once_in_the_step_that_files_the_letter() {
    let world = away("vacation :days 3 :subject \"Away\" \"Until Monday.\";").await;
    let before = world.store.done().len();
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(world.store.done().len(), before + 1);
    let (from, to, answer) = sent(&world, "elsewhere.example").await;
    assert_eq!(
        (from, to.as_str()),
        (ReversePath::Null, "<bob@elsewhere.example>")
    );
    for (name, expected) in [
        ("From", "ada@example.org"),
        ("To", "bob@elsewhere.example"),
        ("Subject", "Away"),
        ("Auto-Submitted", "auto-replied (vacation)"),
        ("In-Reply-To", "<1@x>"),
        ("References", "<1@x>"),
        ("Precedence", "bulk"),
        ("Return-Path", ""),
    ] {
        assert_eq!(field(&answer, name), expected, "{answer}");
    }
    assert!(answer.ends_with("\r\n\r\nUntil Monday.\r\n"), "{answer}");
    // RFC 5230 §5.1
    let letter = claim_one(&world, "elsewhere.example").await;
    assert_eq!(
        letter.entry.recipients[0].recipient.notify,
        Some(Notify::Never)
    );
    drop(letter);
    // Not again within the time, whatever the sender's letters.
    world.deliver(&["ada"], LETTER).await.unwrap();
    deliver_from(&world, "<BOB@Elsewhere.example>", &["ada"], LETTER)
        .await
        .unwrap();
    assert_eq!(queue(&world).await.len(), 1);
    // After a restart as well; another sender is answered.
    let world = world.again().await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(queue(&world).await.len(), 1);
    deliver_from(&world, "<carl@elsewhere.example>", &["ada"], LETTER)
        .await
        .unwrap();
    assert_eq!(queue(&world).await.len(), 2);
    pass(&world, 3 * 86_400);
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(queue(&world).await.len(), 3);
    // Another answer is another.
    let ada = world.account("ada").await;
    runs(&ada, "require \"vacation\"; vacation \"Gone for good.\";").await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(queue(&world).await.len(), 4);
    assert_eq!(held(&ada).await, [("INBOX".to_owned(), 7)]);
    audited(&world.post).await;
    recounted(&world).await;
}

#[tokio::test]
async fn every_letter_is_answered_if_that_is_wanted() {
    let world = town().await;
    let text = "require \"vacation-seconds\"; vacation :seconds 0 \"Away\";";
    runs(&world.account("ada").await, text).await;
    for _ in 0..3 {
        world.deliver(&["ada"], LETTER).await.unwrap();
    }
    assert_eq!(queue(&world).await.len(), 3);
}

// tidy: table
#[tokio::test]
async fn who_gets_no_answer() {
    let with = |line: &str| format!("{line}\r\n{LETTER}");
    let bob = "<bob@elsewhere.example>";
    for (path, letter, answers) in [
        (bob, LETTER.to_owned(), 1),
        ("<>", LETTER.to_owned(), 0),
        ("<ada@example.org>", LETTER.to_owned(), 0),
        ("<ada+x@example.org>", LETTER.to_owned(), 0),
        ("<nobody@example.org>", LETTER.to_owned(), 0),
        ("<noreply@elsewhere.example>", LETTER.to_owned(), 0),
        ("<mailer-daemon@elsewhere.example>", LETTER.to_owned(), 0),
        ("<owner-tea@elsewhere.example>", LETTER.to_owned(), 0),
        ("<tea-request@elsewhere.example>", LETTER.to_owned(), 0),
        (bob, with("Auto-Submitted: auto-replied"), 0),
        (bob, with("Auto-Submitted: no"), 1),
        (bob, with("Precedence: bulk"), 0),
        (bob, with("List-Id: <tea.example>"), 0),
        (bob, with("List-Unsubscribe: <mailto:x@y.example>"), 0),
        (bob, LETTER.replace("To: ada", "To: tea"), 0),
        (bob, LETTER.replace("To: ada", "Resent-To: ada"), 1),
    ] {
        let world = away("vacation \"Away\";").await;
        deliver_from(&world, path, &["ada"], &letter).await.unwrap();
        assert_eq!(queue(&world).await.len(), answers, "{path}\n{letter}");
        assert_eq!(held(&world.account("ada").await).await, one("INBOX"));
    }
}

#[tokio::test]
async fn an_answer_to_somebody_here_is_in_the_inbox_and_answers_nothing() {
    let world = away("vacation \"Away\";").await;
    let eve = world.account("eve").await;
    runs(&eve, "require \"vacation\"; vacation \"I too\";").await;
    let before = world.store.done().len();
    deliver_from(&world, "<eve@example.org>", &["ada"], LETTER)
        .await
        .unwrap();
    assert_eq!(world.store.done().len(), before + 1);
    let answer = whole(&eve, "INBOX", 1).await;
    assert!(answer.starts_with("Return-Path: <>\r\n"), "{answer}");
    assert_eq!(field(&answer, "Auto-Submitted"), "auto-replied (vacation)");
    assert!(queue(&world).await.is_empty());
    assert_eq!(held(&eve).await, one("INBOX"));
    audited(&world.post).await;
}

#[tokio::test]
async fn a_copy_of_what_is_sent_is_filed() {
    let world = town().await;
    let ada = world.account("ada").await;
    let text = "require [\"vacation\", \"fcc\", \"mailbox\", \"imap4flags\", \"enotify\"]; \
        vacation :fcc \"Answers\" :create :flags \"\\\\Seen\" \"Away\"; \
        notify :fcc \"INBOX\" \"mailto:sms@a.example\"; discard;";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    // One answer, two notices.
    let expected = [("Answers".to_owned(), 1), ("INBOX".to_owned(), 2)];
    assert_eq!(held(&ada).await, expected);
    assert_eq!(flags_of(&ada, "Answers").await, "\\Seen");
    assert_eq!(flags_of(&ada, "INBOX").await, "");
    let (_, _, answer) = sent(&world, "elsewhere.example").await;
    assert_eq!(whole(&ada, "Answers", 1).await, answer);
    audited(&world.post).await;
    recounted(&world).await;
}

#[tokio::test]
async fn somebody_is_told() {
    let world = town().await;
    let ada = world.account("ada").await;
    let text = "require \"enotify\"; notify :message \"A letter\" \
        \"mailto:sms@a.example?cc=eve@example.org&body=Look%20there&x-tea=yes\"; \
        notify :from \"eve@example.org\" \"mailto:fax@b.example\";";
    runs(&ada, text).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    let (from, to, notice) = sent(&world, "a.example").await;
    assert_eq!(from, sender("<ada@example.org>").reverse_path);
    assert_eq!(to, "<sms@a.example>");
    for (name, expected) in [
        ("From", "ada@example.org"),
        ("To", "sms@a.example"),
        ("Cc", "eve@example.org"),
        ("Subject", "A letter"),
        (
            "Auto-Submitted",
            "auto-notified; owner-email=\"ada@example.org\"",
        ),
        ("X-tea", "yes"),
    ] {
        assert_eq!(field(&notice, name), expected, "{notice}");
    }
    assert!(notice.ends_with("Look there\r\n"), "{notice}");
    let here = whole(&world.account("eve").await, "INBOX", 1).await;
    assert_eq!(here, format!("Return-Path: <ada@example.org>\r\n{notice}"));
    // Nobody writes in another's name.
    let (from, _, notice) = sent(&world, "b.example").await;
    assert_eq!(from, sender("<ada@example.org>").reverse_path);
    assert_eq!(field(&notice, "From"), "ada@example.org");
    assert_eq!(field(&notice, "Subject"), "Tea");
    // RFC 5436 §2.7
    deliver_from(&world, "<>", &["ada"], LETTER).await.unwrap();
    let claimed = world.post.claim("a.example", 10).await.unwrap();
    let paths: Vec<String> = claimed
        .iter()
        .map(|one| one.entry.reverse_path.to_string())
        .collect();
    assert_eq!(paths, ["<ada@example.org>", "<>"]);
    drop(claimed);
    // What a program has sent is told to nobody.
    let automatic = format!("Auto-Submitted: auto-notified\r\n{LETTER}");
    world.deliver(&["ada"], &automatic).await.unwrap();
    assert_eq!(queue(&world).await.len(), 4);
}

#[tokio::test]
async fn somebody_is_told_of_what_is_refused() {
    let world = town().await;
    let text =
        "require [\"enotify\", \"ereject\"]; notify \"mailto:sms@a.example\"; ereject \"No\";";
    runs(&world.account("ada").await, text).await;
    let refused = world.deliver(&["ada"], LETTER).await.unwrap_err();
    assert_eq!(refused.refusal().to_string(), "550 5.7.1 No");
    assert_eq!(queue(&world).await.len(), 1);
    assert!(held(&world.account("ada").await).await.is_empty());
    audited(&world.post).await;
}

#[tokio::test]
async fn an_answer_names_its_owner_and_nobody_else() {
    for (script, expected) in [
        (
            "vacation :from \"Ada <ada@example.org>\" \"Away\";",
            "Ada <ada@example.org>",
        ),
        (
            "vacation :from \"ada+x@example.org\" \"Away\";",
            "ada+x@example.org",
        ),
        (
            "vacation :from \"eve@example.org\" \"Away\";",
            "ada@example.org",
        ),
        (
            "vacation :from \"x@elsewhere.example\" \"Away\";",
            "ada@example.org",
        ),
    ] {
        let world = away(script).await;
        world.deliver(&["ada"], LETTER).await.unwrap();
        let (_, _, answer) = sent(&world, "elsewhere.example").await;
        assert_eq!(field(&answer, "From"), expected, "{script}");
    }
    // Who was written to under a name of another house does not answer in it.
    let world = away("vacation :addresses \"ada@old.example\" \"Away\";").await;
    let letter = LETTER.replace("ada@example.org", "ada@old.example");
    world.deliver(&["ada"], &letter).await.unwrap();
    let (_, _, answer) = sent(&world, "elsewhere.example").await;
    assert_eq!(field(&answer, "From"), "ada@example.org");
}

#[tokio::test]
async fn parts_are_sent_as_they_are_written() {
    let script = "vacation :mime text:\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\n\r\nAway\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>Away</b>\r\n--b--\r\n.\r\n;";
    let world = away(script).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    let (_, _, answer) = sent(&world, "elsewhere.example").await;
    let outline = Outline::parse(answer.as_bytes());
    assert!(outline.part(&[2]).unwrap().is("text", "html"), "{answer}");
}

/// Two letters of one sender at the same moment: neither sees that the other is answered when its
/// script runs.
#[tokio::test]
async fn of_two_letters_at_once_one_is_answered() {
    let world = away("vacation \"Away\"; keep;").await;
    world.deliver(&["eve"], LETTER).await.unwrap();
    world.store.hold();
    let tasks = (0..4).map(|_| {
        let post = world.post.clone();
        tokio::spawn(async move { crate::world::deliver(&post, &["ada", "eve"], LETTER).await })
    });
    let tasks: Vec<_> = tasks.collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    world.store.release();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(queue(&world).await.len(), 1);
    assert_eq!(
        held(&world.account("ada").await).await,
        [("INBOX".to_owned(), 4)]
    );
    assert_eq!(
        held(&world.account("eve").await).await,
        [("INBOX".to_owned(), 5)]
    );
    audited(&world.post).await;
    recounted(&world).await;
}

#[tokio::test]
async fn a_thousand_senders_are_remembered() {
    let roomy = Rules {
        queue: post::queue::QueueRules::default(),
        ..relaying()
    };
    let world = World::with(&["ada"], roomy).await;
    runs(
        &world.account("ada").await,
        "require \"vacation\"; vacation \"Away\"; discard;",
    )
    .await;
    for number in (0..1000).chain([0, 500, 999]) {
        let path = format!("<b{number}@elsewhere.example>");
        deliver_from(&world, &path, &["ada"], LETTER).await.unwrap();
    }
    assert_eq!(world.post.queue(None, 1).await.unwrap().total, 1000);
}

#[tokio::test]
async fn what_was_not_committed_was_not_answered() {
    let world = away("vacation \"Away\";").await;
    for error in [
        store::CommitError::Full,
        store::CommitError::Failed("no".into()),
    ] {
        world.store.fail(0, error);
        world.deliver(&["ada"], LETTER).await.unwrap_err();
        assert!(queue(&world).await.is_empty());
        pass(&world, 10);
    }
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(queue(&world).await.len(), 1);
}

#[tokio::test]
async fn who_has_sent_too_much_answers_nobody_until_later() {
    let limited = Rules {
        sends_per_hour_max: 1,
        ..relaying()
    };
    let world = World::with(&["ada"], limited).await;
    runs(
        &world.account("ada").await,
        "require \"vacation\"; vacation \"Away\";",
    )
    .await;
    for name in ["bob", "carl", "carl"] {
        let path = format!("<{name}@elsewhere.example>");
        deliver_from(&world, &path, &["ada"], LETTER).await.unwrap();
    }
    assert_eq!(queue(&world).await.len(), 1);
    pass(&world, 3600);
    deliver_from(&world, "<carl@elsewhere.example>", &["ada"], LETTER)
        .await
        .unwrap();
    assert_eq!(queue(&world).await.len(), 2);
    assert_eq!(
        held(&world.account("ada").await).await,
        [("INBOX".to_owned(), 4)]
    );
}
