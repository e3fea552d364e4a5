//! Letters for programs of the file of aliases: they wait for a destination of their own.

use ::mail::{LocalPart, Notify};
use bytes::Bytes;
use post::queue::{Attempt, Fate, PROGRAMS};
use post::{AliasFile, AliasName, Rules};

use crate::queue::{LETTER, claim_one, mail, queue, relaying, said, send, send_simply, town};
use crate::world::{World, origin, recipient, sender, told};

/// A file in which names lead to names here, and to so many programs.
fn file(world: &World, lines: &[(&str, &str, usize)]) {
    let name = |text: &str| AliasName::Local(LocalPart::new(text).unwrap());
    let names = lines.iter().map(|(from, to, _)| {
        let targets = to.split_whitespace().map(name).collect();
        (name(from), targets)
    });
    let counts = lines.iter().map(|(from, _, count)| (name(from), *count));
    let file = AliasFile::new(None, names).with_programs(counts);
    world.post.set_alias_file(file);
}

#[tokio::test]
async fn letters_for_programs_wait_for_a_destination_of_their_own() {
    let world = town().await;
    let lines = [
        ("Support", "eve", 2),
        ("bot", "", 1),
        ("team", "support bot", 0),
    ];
    file(&world, &lines);
    send_simply(&world, &["team", "support+rt", "x@a.example"]).await;
    assert_eq!(
        queue(&world).await,
        [
            "1 a.example +0 0: <x@a.example>",
            "2 |programs +0 0: <bot@example.org>",
            "3 |programs +0 0: <support@example.org>",
            "4 |programs +0 0: <support+rt@example.org>",
        ]
    );
    // What stands there is gone meanwhile: the letter goes where it was to go all the same.
    file(&world, &[]);
    let refused = send(
        &world,
        sender("<ada@example.org>"),
        &[recipient("bot")],
        LETTER,
    )
    .await;
    assert!(told(refused).contains("no such user"));
    assert_eq!(world.post.claim(PROGRAMS, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn who_asked_hears_that_a_program_got_it() {
    let rules = Rules {
        rewrites_senders: true,
        ..relaying()
    };
    let world = World::with(&["ada", "eve"], rules).await;
    file(&world, &[("bot", "", 1)]);
    let success = Notify::On {
        success: true,
        failure: true,
        delay: false,
    };
    let mut to = recipient("bot");
    to.notify = Some(success);
    let sent = send(&world, sender("<ada@example.org>"), &[to], LETTER).await;
    sent.unwrap();
    let claimed = claim_one(&world, PROGRAMS).await;
    let attempt = Attempt::all(
        &claimed.entry,
        &Fate::Taken(said(250, "Handed to a program")),
    );
    world
        .post
        .settle_queued(&[(claimed, attempt)])
        .await
        .unwrap();
    let report = mail(&world, "ada", 1).await;
    assert!(report.contains("Action: delivered\r\n"), "{report}");
    // Programs hear who wrote, as mailboxes do.
    let stranger = sender("<x@far.example>");
    let mut incoming = world.post.begin(origin(None), stranger).unwrap();
    incoming.recipient(recipient("bot")).await.unwrap();
    let text = Bytes::from_static(LETTER.as_bytes());
    incoming.chunk(text).await.unwrap();
    incoming.commit().await.unwrap();
    let claimed = claim_one(&world, PROGRAMS).await;
    let path = &claimed.entry.reverse_path;
    assert_eq!(path.to_string(), "<x@far.example>");
}
