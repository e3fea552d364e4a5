//! Refusals, answers of who is away, notices.

use std::sync::Arc;

use sieve::Deed;

use crate::made::{address, circumstances, now};
use crate::{LETTER, all_want, house};

// RFC 5429
#[test]
fn refusals() {
    all_want(&[
        ("require \"reject\"; reject \"no\";", &["reject no"]),
        ("require \"ereject\"; ereject \"no\";", &["ereject no"]),
        (
            "require \"reject\"; reject \"no\"; discard;",
            &["reject no", "discard"],
        ),
        (
            "require \"reject\"; reject \"a\"; keep;",
            &["error: 'keep' does not go with a refusal"],
        ),
        (
            "require \"reject\"; keep; reject \"a\";",
            &["error: a refusal does not go with 'keep'"],
        ),
        (
            "require \"reject\"; reject \"a\"; reject \"b\";",
            &["error: a refusal does not go with 'reject'"],
        ),
    ]);
}

// RFC 5230, RFC 6131, RFC 8580
#[test]
fn answers_of_who_is_away() {
    let vacation = "require \"vacation\"; vacation \"I'm away\";";
    let about = "vacation ada@example.org Auto: Grüße [acme] version 1.0";
    all_want(&[
        (vacation, &[about, "keep"]),
        (
            "require \"vacation\"; vacation \"a\"; vacation \"b\";",
            &["error: a script answers a message once"],
        ),
        (
            "require \"vacation\"; vacation :subject \"S\" :days 3 :from \"me@example.net\" \"x\"; \
             discard;",
            &["vacation ada@example.org S", "discard"],
        ),
    ]);
    let silent = [
        "From: ada@example.org\nTo: grace@example.net\nList-Id: <x.example>\n\nx",
        "From: ada@example.org\nTo: grace@example.net\nAuto-Submitted: auto-replied\n\nx",
        "From: ada@example.org\nTo: grace@example.net\nPrecedence: bulk\n\nx",
        "From: ada@example.org\nTo: somebody@example.net\n\nx",
    ];
    for letter in silent {
        assert_eq!(
            house().lines(vacation, circumstances(letter)),
            ["keep"],
            "{letter}"
        );
    }
    for sender in [
        "owner-list@example.org",
        "MAILER-DAEMON@example.org",
        "grace@example.net",
    ] {
        let mut world = circumstances(LETTER);
        let path = mail::ReversePath::Address(address(sender));
        Arc::make_mut(world.envelope.as_mut().unwrap()).reverse_path = path;
        assert_eq!(house().lines(vacation, world), ["keep"], "{sender}");
    }
    let mut world = circumstances(LETTER);
    Arc::make_mut(world.envelope.as_mut().unwrap()).reverse_path = mail::ReversePath::Null;
    assert_eq!(house().lines(vacation, world), ["keep"]);
}

#[test]
fn why_there_is_no_answer() {
    for (letter, why) in [
        ("From: a@b\nTo: x@y\n\n", "it is not addressed to the owner"),
        (
            "From: a@b\nTo: grace@example.net\nList-Id: x\n\n",
            "a program or a list has sent it",
        ),
    ] {
        let outcome = house().run(
            "require \"vacation\";\nvacation \"x\";",
            circumstances(letter),
        );
        let notes: Vec<String> = outcome.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, [format!("main:2: no answer is due: {why}")]);
    }
}

// RFC 5230 §4.2, §5
#[test]
fn how_an_answer_is_written_and_told_from_others() {
    let reply = |text: &str| {
        let outcome = house().run(text, circumstances(LETTER));
        outcome
            .actions
            .into_iter()
            .find_map(|action| match action.deed {
                Deed::Vacation(reply) => Some(reply),
                _ => None,
            })
    };
    let one = reply(
        "require [\"vacation\", \"fcc\", \"mailbox\", \"imap4flags\"]; vacation \
        :fcc \"Sent\" :create :flags \"\\\\Seen\" \"Grüße\";",
    )
    .unwrap();
    let copy = one.copy.clone().unwrap();
    assert_eq!((copy.mailbox.as_str(), copy.create), ("Sent", true));
    assert_eq!(copy.flags.to_string(), "\\Seen");
    let written = one.message(now(), "2@example.net");
    let outline = message::Outline::parse(&written);
    assert_eq!(
        outline.digest.subject_text(),
        "Auto: Grüße [acme] version 1.0"
    );
    assert_eq!(outline.digest.in_reply_to.unwrap(), b"<1@example.org>");
    let auto = message::Header::first(&written, "Auto-Submitted").unwrap();
    assert!(auto.unfolded().starts_with(b"auto-replied"));
    // What is put into a text makes no other answer of it.
    let variable = |name: &str| {
        let text = format!(
            "require [\"vacation\", \"variables\"]; set \"n\" \"{name}\"; vacation \"a ${{n}}\";"
        );
        reply(&text).unwrap().handle
    };
    assert_eq!(variable("x"), variable("y"));
    assert_ne!(variable("x"), one.handle);
    let seconds = |tags: &str| {
        let text = format!("require \"vacation-seconds\"; vacation {tags} \"x\";");
        reply(&text).unwrap().seconds
    };
    assert_eq!(seconds(""), 7 * 86_400);
    assert_eq!(seconds(":days 0"), 86_400);
    assert_eq!(seconds(":days 3000"), 365 * 86_400);
    assert_eq!(seconds(":seconds 0"), 0);
    assert_eq!(seconds(":seconds 1800"), 1800);
}

// RFC 5435, RFC 5436
#[test]
fn notices() {
    all_want(&[
        (
            "require \"enotify\"; notify :message \"Hi\" \"mailto:a@b.example?cc=c@d.example\";",
            &["notify 2 Hi", "keep"],
        ),
        (
            "require \"enotify\"; notify \"mailto:a@b.example?subject=S%20T\"; \
             notify \"mailto:a@b.example?subject=S%20T\";",
            &["notify 1 S T", "keep"],
        ),
        (
            "require \"enotify\"; notify \"tel:+1\";",
            &["error: notices go by 'mailto:', not by 'tel:'"],
        ),
        (
            "require \"enotify\"; if allof(valid_notify_method \"mailto:a@b.example\", \
             not valid_notify_method [\"mailto:a@b.example\", \"xmpp:x\"], \
             notify_method_capability \"mailto:a@b.example\" \"Online\" \"maybe\") { discard; }",
            &["discard"],
        ),
    ]);
    let answer = LETTER.replacen("Date", "Auto-Submitted: auto-replied\nDate", 1);
    let text = "require \"enotify\"; notify \"mailto:a@b.example\";";
    assert_eq!(house().lines(text, circumstances(&answer)), ["keep"]);
    let outcome = house().run(text, circumstances(LETTER));
    let Deed::Notify(notice) = &outcome.actions[0].deed else {
        panic!("a notice is due");
    };
    let written = notice.message(now(), "2@example.net");
    let names: Vec<String> = message::Header::parse(&written)
        .map(|field| String::from_utf8_lossy(field.name).into_owned())
        .collect();
    assert_eq!(names[..2], ["Auto-Submitted", "Received"]);
    assert_eq!(notice.subject, "Grüße [acme] version 1.0");
}
