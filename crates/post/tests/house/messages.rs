//! Messages in mailboxes: flags, copies, removals, pieces of text, searches.

use bytes::Bytes;
use mail::{FlagSet, MailboxId, ModSeq, Timestamp};
use message::{Section, Specifier};
use post::{Account, Data, FetchPlan, FlagAction, FlagChange, Form, Item, Query, Why};

use crate::world::{World, append, flags, rules, rules_without_undo, text, uid, uids, whole};

const MIXED: &str = "From: Bob <bob@elsewhere.example>\r\nTo: ada@example.org\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Sat, 1 Jan 2022 23:30:00 -0500\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\nCaf=C3=A9 =\r\nau lait\r\n\
    --b\r\nContent-Type: application/octet-stream\r\n\
    Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n\
    --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n--b--\r\n";

async fn ada(world: &World) -> (Account, MailboxId) {
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    (ada, inbox)
}

fn change(action: FlagAction, names: &[&str]) -> FlagChange {
    FlagChange {
        action,
        flags: flags(names),
        unchanged_since: None,
    }
}

#[tokio::test]
async fn flags_change_and_say_so() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    for _ in 0..3 {
        append(&ada, "INBOX", &["\\Seen"], MIXED).await;
    }
    let opened = ada.open("INBOX").await.unwrap();
    let stored = ada
        .store(
            inbox,
            &uids(&[1, 3, 9]),
            &change(FlagAction::Add, &["\\Flagged", "$Work"]),
        )
        .await
        .unwrap();
    let shown: Vec<_> = stored
        .rows
        .iter()
        .map(|row| row.flags.to_string())
        .collect();
    assert_eq!(shown, ["\\Seen \\Flagged $Work"; 2]);

    let changes = ada
        .changes(inbox, opened.modseq, opened.uidnext)
        .await
        .unwrap();
    let changed: Vec<_> = changes.changed.iter().map(|row| row.uid).collect();
    assert_eq!(changed, [uid(1), uid(3)]);
    assert!(changes.added.is_empty() && changes.vanished.is_empty());
    assert_eq!(changes.keywords.len(), 1);

    // What changes nothing is no change.
    ada.store(
        inbox,
        &uids(&[1]),
        &change(FlagAction::Add, &["\\seen", "$WORK"]),
    )
    .await
    .unwrap();
    ada.store(inbox, &uids(&[1]), &change(FlagAction::Remove, &["$Never"]))
        .await
        .unwrap();
    assert_eq!(ada.modseq().await.unwrap(), changes.modseq);

    let late = FlagChange {
        unchanged_since: Some(opened.modseq),
        ..change(FlagAction::Replace, &["\\Deleted"])
    };
    let stored = ada.store(inbox, &uids(&[1, 2, 3]), &late).await.unwrap();
    assert_eq!(stored.modified, uids(&[1, 3]));
    assert_eq!(stored.rows[0].flags, flags(&["\\Deleted"]));
    let status = ada.status("INBOX").await.unwrap();
    assert_eq!((status.messages, status.unseen, status.deleted), (3, 1, 1));
    assert_eq!(status.deleted_storage * 3, status.size);
}

#[tokio::test]
async fn a_mailbox_has_room_for_some_keywords() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    append(&ada, "INBOX", &[], MIXED).await;
    for number in 0..64 {
        let name = format!("k{number}");
        ada.store(
            inbox,
            &uids(&[1]),
            &change(FlagAction::Add, &[name.as_str()]),
        )
        .await
        .unwrap();
    }
    let one_more = change(FlagAction::Add, &["one-more"]);
    let refused = ada.store(inbox, &uids(&[1]), &one_more).await;
    assert_eq!(refused.unwrap_err().why(), Why::Limit);
    let (again, _) = self::ada(&world.again().await).await;
    let last = Query::Flag(mail::Flag::parse("K63").unwrap());
    let found = again.search(inbox, &last).await;
    assert_eq!(found.unwrap().uids, uids(&[1]));
    assert_eq!(again.open("INBOX").await.unwrap().keywords.len(), 64);
}

#[tokio::test]
async fn copies_share_what_is_stored() {
    let world = World::with(&["ada"], rules_without_undo()).await;
    let (ada, inbox) = ada(&world).await;
    for number in 0..3 {
        append(
            &ada,
            "INBOX",
            &["\\Seen", "$Work"],
            &format!("n: {number}\r\n\r\n"),
        )
        .await;
    }
    let refused = ada.copy(inbox, &uids(&[1]), "nowhere").await;
    assert_eq!(refused.unwrap_err().why(), Why::TryCreate);
    let copied = ada.copy(inbox, &uids(&[1, 3, 7]), "Archive").await.unwrap();
    assert_eq!(copied.pairs, [(uid(1), uid(1)), (uid(3), uid(2))]);
    let moved = ada
        .relocate(inbox, &uids(&[2, 3]), "Archive")
        .await
        .unwrap();
    assert_eq!(moved.pairs, [(uid(2), uid(3)), (uid(3), uid(4))]);
    let own = ada.relocate(inbox, &uids(&[1]), "INBOX").await.unwrap();
    assert_eq!(own.pairs, [(uid(1), uid(4))]);
    let archive = ada.open("Archive").await.unwrap().id;
    ada.store(
        archive,
        &uids(&[1, 2]),
        &change(FlagAction::Add, &["\\Deleted"]),
    )
    .await
    .unwrap();
    let gone = ada.expunge(archive, Some(&uids(&[2, 3]))).await.unwrap();
    assert_eq!(gone.uids, uids(&[2]));
    for world in [&world, &world.again().await] {
        let ada = world.account("ada").await;
        assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[4]));
        assert_eq!(ada.open("Archive").await.unwrap().uids, uids(&[1, 3, 4]));
        assert_eq!(whole(&ada, "INBOX", 4).await, "n: 0\r\n\r\n");
        assert_eq!(whole(&ada, "Archive", 4).await, "n: 2\r\n\r\n");
    }
    // The last entry takes the message's rows along.
    ada.store(
        archive,
        &uids(&[4]),
        &change(FlagAction::Add, &["\\Deleted"]),
    )
    .await
    .unwrap();
    ada.expunge(archive, None).await.unwrap();
    let emails = world.store.done();
    let deleted = emails.last().unwrap().parts[0].writes.iter();
    let of_messages = [store::Table(5), store::Table(8)];
    let deleted = deleted.filter(|write| match write {
        store::Write::Delete { table, .. } => of_messages.contains(table),
        _ => false,
    });
    assert_eq!(deleted.count(), 2);
}

#[tokio::test]
async fn what_vanished_is_told_even_when_it_is_forgotten() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    let mut at = Vec::new();
    for _ in 0..1030 {
        append(&ada, "INBOX", &["\\Deleted"], "x: y\r\n\r\n").await;
    }
    append(&ada, "INBOX", &[], "x: y\r\n\r\n").await;
    for number in 1..=1030 {
        at.push(
            ada.expunge(inbox, Some(&uids(&[number])))
                .await
                .unwrap()
                .modseq,
        );
    }
    for world in [&world, &world.again().await] {
        let (ada, inbox) = self::ada(world).await;
        let since = |modseq: ModSeq| ada.changes(inbox, modseq, uid(1032));
        let recent = since(at[1027]).await.unwrap();
        assert_eq!(recent.vanished, uids(&[1029, 1030]));
        let old = since(ModSeq(0)).await.unwrap();
        assert_eq!(old.vanished.len(), 1030);
        assert!(!old.vanished.contains(uid(1031)));
        assert_eq!(old.highest_modseq, at[1029]);
    }
}

#[tokio::test]
async fn pieces_are_found() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    append(&ada, "INBOX", &[], MIXED).await;
    let item = |parts: &[u32], specifier: Specifier, form: Form, range| Item {
        section: Section {
            parts: parts.to_vec(),
            specifier,
        },
        form,
        range,
    };
    let all = Specifier::All;
    let all_octets = format!("Size({})", MIXED.len());
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (item, expected) in [
        (item(&[], all.clone(), Form::Stored, None), MIXED),
        (item(&[], all.clone(), Form::Decoded, Some((0, 4))), "From"),
        (item(&[], all.clone(), Form::Stored, Some((6, 3))), "Bob"),
        (item(&[], all.clone(), Form::Stored, Some((9999, 3))), ""),
        (
            item(
                &[],
                Specifier::HeaderFields(fields(&["TO", "x"])),
                Form::Stored,
                None,
            ),
            "To: ada@example.org\r\n\r\n",
        ),
        (
            item(
                &[],
                Specifier::HeaderFields(fields(&["to"])),
                Form::Stored,
                Some((4, 3)),
            ),
            "ada",
        ),
        (
            item(
                &[],
                Specifier::HeaderFieldsNot(fields(&[
                    "from",
                    "subject",
                    "date",
                    "mime-version",
                    "content-type",
                ])),
                Form::Stored,
                None,
            ),
            "To: ada@example.org\r\n\r\n",
        ),
        (item(&[2], all.clone(), Form::Stored, None), "aGVsbG8="),
        (item(&[2], all.clone(), Form::Decoded, None), "hello"),
        (item(&[2], all.clone(), Form::Decoded, Some((1, 2))), "el"),
        (item(&[2], all.clone(), Form::DecodedSize, None), "Size(5)"),
        (item(&[], all.clone(), Form::DecodedSize, None), &all_octets),
        (item(&[1], all.clone(), Form::Decoded, None), "Café au lait"),
        (
            item(&[3], all.clone(), Form::Decoded, None),
            "UnknownEncoding",
        ),
        (item(&[4], all.clone(), Form::Decoded, None), "Nothing"),
        (item(&[4], all, Form::Stored, None), "Nothing"),
    ] {
        let shown = format!("{item:?}");
        assert_eq!(text(&ada, inbox, 1, item).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn each_letter_gets_its_own_fields() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    // Some fit together, some only alone.
    let sizes = [0, 30_000, 10, 70_000, 20_000, 0, 40_000, 1];
    for (number, size) in sizes.into_iter().enumerate() {
        let filling = "y".repeat(size);
        let letter = format!("Subject: {number}\r\nX: {filling}\r\nTo: t{number}\r\n\r\ntext");
        append(&ada, "INBOX", &[], &letter).await;
    }
    let item = |name: &str, range| Item {
        section: Section {
            parts: Vec::new(),
            specifier: Specifier::HeaderFields(vec![name.to_owned()]),
        },
        form: Form::Stored,
        range,
    };
    let of_a_part = Item {
        section: Section {
            parts: vec![9],
            specifier: Specifier::HeaderFields(vec!["TO".to_owned()]),
        },
        ..item("TO", None)
    };
    let plan = FetchPlan {
        items: vec![item("TO", None), of_a_part, item("SUBJECT", Some((9, 1)))],
        ..FetchPlan::default()
    };
    let letters = uids(&[8, 7, 6, 5, 4, 3, 2, 1]);
    let page = ada.fetch(inbox, &letters, None, &plan).await.unwrap();
    let told: Vec<_> = page.rows.into_iter().map(|row| row.data).collect();
    let expected = (0..sizes.len()).map(|number| {
        vec![
            Data::Octets(format!("To: t{number}\r\n\r\n").into()),
            Data::Nothing,
            Data::Octets(number.to_string().into()),
        ]
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn neighbours_are_told_apart_in_any_order() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    for number in 1..=12 {
        let letter = format!("Subject: {number}\r\n\r\n");
        append(&ada, "INBOX", &[], &letter).await;
    }
    // The later ones first, then the earlier ones from both ends.
    for number in [10, 11, 12, 1, 2, 9, 3, 8, 7] {
        ada.copy(inbox, &uids(&[number]), "Archive").await.unwrap();
    }
    let archive = ada.open("Archive").await.unwrap();
    let plan = FetchPlan {
        outline: message::Wanted::ALL,
        ..FetchPlan::default()
    };
    let page = ada.fetch(archive.id, &archive.uids, None, &plan).await;
    let subject = |row: &post::FetchRow| {
        let outline = row.outline.as_ref().unwrap();
        outline.to_outline().unwrap().digest.subject_text()
    };
    let subjects: Vec<_> = page.unwrap().rows.iter().map(subject).collect();
    let expected = ["10", "11", "12", "1", "2", "9", "3", "8", "7"];
    assert_eq!(subjects, expected);
}

#[tokio::test]
async fn a_fetch_comes_in_pages_and_marks_what_it_read() {
    let world = World::with(
        &["ada"],
        post::Rules {
            fetch_rows_max: 2,
            ..rules()
        },
    )
    .await;
    let (ada, inbox) = ada(&world).await;
    for number in 0..5 {
        append(
            &ada,
            "INBOX",
            if number == 1 { &["\\Seen"] } else { &[] },
            MIXED,
        )
        .await;
    }
    let before = ada.modseq().await.unwrap();
    let plan = FetchPlan {
        outline: message::Wanted::ALL,
        mark_seen: true,
        items: vec![Item {
            section: Section::default(),
            form: Form::Stored,
            range: Some((0, 4)),
        }],
        ..FetchPlan::default()
    };
    let (mut after, mut rows) = (None, Vec::new());
    loop {
        let page = ada
            .fetch(inbox, &uids(&[1, 2, 4, 5, 6]), after, &plan)
            .await
            .unwrap();
        assert!(page.rows.len() <= 2);
        rows.extend(page.rows);
        after = page.more_after;
        if after.is_none() {
            break;
        }
    }
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.uid.value(), row.seen_now))
        .collect();
    assert_eq!(seen, [(1, true), (2, false), (4, true), (5, true)]);
    assert!(
        rows.iter()
            .all(|row| row.flags == flags(&["\\Seen"]) && row.outline.is_some())
    );
    assert!(
        rows.iter()
            .all(|row| matches!(&row.data[0], Data::Octets(text) if text.len() == 4))
    );
    assert_eq!(ada.status("INBOX").await.unwrap().unseen, 1);
    let changed = FetchPlan {
        changed_since: Some(before),
        ..FetchPlan::default()
    };
    let page = ada
        .fetch(inbox, &uids(&[1, 2, 3]), None, &changed)
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1);
}

#[tokio::test]
async fn searches_find_what_is_there() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    append(&ada, "INBOX", &["\\Seen", "$Work"], MIXED).await;
    let date = Timestamp::from_civil((2024, 2, 29), (23, 0, 0), -300);
    let mut dated = ada
        .append("INBOX", FlagSet::new(), date, None)
        .await
        .unwrap();
    let plain = "Subject: tea\r\nX-Empty:\r\n\r\nGREEN tea, sencha\r\n";
    dated
        .chunk(Bytes::from_static(plain.as_bytes()))
        .await
        .unwrap();
    dated.commit().await.unwrap();
    let not = |query: Query| Query::Not(Box::new(query));
    let header = |name: &str, text: &str| Query::Header(name.into(), text.into());
    let flag = |name: &str| Query::Flag(mail::Flag::parse(name).unwrap());
    let body = |text: &str| Query::Body(text.into());
    let whole = |text: &str| Query::Text(text.into());
    for (query, expected) in [
        (Query::All, &[1, 2][..]),
        (Query::Uids(uids(&[2, 3]).into()), &[2]),
        (flag("\\Seen"), &[1]),
        (flag("$work"), &[1]),
        (not(flag("$none")), &[1, 2]),
        (header("subject", "GRÜ"), &[1]),
        // RFC 5051 §2: what is written with two letters is another word.
        (header("subject", "GRÜSSE"), &[]),
        (header("Subject", "E"), &[1, 2]),
        (header("X-Empty", ""), &[2]),
        (header("X-None", ""), &[]),
        (header("From", "bob@ELSEWHERE"), &[1]),
        (body("café au"), &[1]),
        (body("tea, SEN"), &[2]),
        (body("subject"), &[]),
        (whole("subject"), &[1, 2]),
        (whole("au LAIT"), &[1]),
        (Query::On((2024, 2, 29)), &[2]),
        (Query::Before((2024, 2, 29)), &[1]),
        (Query::Since((2024, 2, 29)), &[2]),
        (Query::SentOn((2022, 1, 1)), &[1]),
        (Query::SentBefore((2022, 1, 1)), &[]),
        (Query::SentSince((2022, 1, 1)), &[1]),
        (Query::Larger(100), &[1]),
        (Query::Smaller(100), &[2]),
        (Query::Or(vec![flag("\\Seen"), body("green")]), &[1, 2]),
        (Query::And(vec![flag("\\Seen"), body("green")]), &[]),
        (
            not(Query::And(vec![flag("\\Seen"), body("green")])),
            &[1, 2],
        ),
        (not(body("green")), &[1]),
        (Query::And(Vec::new()), &[1, 2]),
        (Query::Or(Vec::new()), &[]),
        (Query::ModSeq(ModSeq(u64::MAX >> 1)), &[]),
    ] {
        let found = ada.search(inbox, &query).await.unwrap();
        assert_eq!(found.uids, uids(expected), "{query:?}");
        assert_eq!(found.modseq.is_some(), !expected.is_empty());
    }
}

#[tokio::test]
async fn an_append_may_be_refused() {
    let small = post::Rules {
        message_octets_max: 10,
        mailbox_messages_max: 2,
        ..rules()
    };
    let world = World::with(&["ada"], small).await;
    let (ada, _) = ada(&world).await;
    let none = FlagSet::new;
    let why = |outcome: post::Outcome<post::Append>| outcome.map(|_| ()).unwrap_err().why();
    assert_eq!(
        why(ada.append("no", none(), None, None).await),
        Why::TryCreate
    );
    assert_eq!(
        why(ada.append("INBOX", none(), None, Some(11)).await),
        Why::TooBig
    );
    let mut long = ada.append("INBOX", none(), None, None).await.unwrap();
    assert!(
        long.chunk(Bytes::from_static(b"12345678901"))
            .await
            .is_err()
    );
    assert_eq!(long.commit().await.unwrap_err().why(), Why::TooBig);
    append(&ada, "INBOX", &[], "a: b\r\n").await;
    append(&ada, "INBOX", &[], "a: b\r\n").await;
    let third = ada.append("INBOX", none(), None, None).await.unwrap();
    assert_eq!(third.commit().await.unwrap_err().why(), Why::Limit);
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1, 2]));
}

#[tokio::test]
async fn several_messages_are_appended_in_one_step_or_not_at_all() {
    let small = post::Rules {
        mailbox_messages_max: 3,
        ..rules()
    };
    let world = World::with(&["ada"], small).await;
    let (ada, _) = ada(&world).await;
    let both = async |second: &'static str, third: Option<&'static str>| {
        let mut append = ada.append("INBOX", flags(&["\\Seen"]), None, None).await?;
        append.chunk(Bytes::from_static(b"a: b\r\n\r\n")).await?;
        for text in std::iter::once(second).chain(third) {
            append.next(FlagSet::new(), None, None).await?;
            append.chunk(Bytes::from_static(text.as_bytes())).await?;
        }
        append.commit().await
    };
    let before = ada.status("INBOX").await.unwrap().highest_modseq;
    // The same octets twice, too.
    let appended = both("a: b\r\n\r\n", None).await.unwrap();
    assert_eq!(appended.uids, uids(&[1, 2]));
    let status = ada.status("INBOX").await.unwrap();
    assert_eq!(status.highest_modseq, before.next());
    assert_eq!((status.messages, status.unseen), (2, 1));
    assert_eq!(both("c: d\r\n", None).await.unwrap_err().why(), Why::Limit);
    let after = ada.status("INBOX").await.unwrap();
    assert_eq!(after, status);
    ada.store(
        status.id,
        &uids(&[1, 2]),
        &change(FlagAction::Add, &["\\Deleted"]),
    )
    .await
    .unwrap();
    ada.expunge(status.id, None).await.unwrap();
    let appended = both("e: f\r\n", Some("g: h\r\n")).await.unwrap();
    assert_eq!(appended.uids, uids(&[3, 4, 5]));
}

#[tokio::test]
async fn messages_that_wait_for_others_are_bounded() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, _) = ada(&world).await;
    let mut append = ada
        .append("INBOX", FlagSet::new(), None, None)
        .await
        .unwrap();
    let mut refused = None;
    for _ in 0..100 {
        append
            .chunk(Bytes::from(vec![b'x'; 250 * 1024]))
            .await
            .unwrap();
        if let Err(error) = append.next(FlagSet::new(), None, None).await {
            refused = Some(error.why());
            break;
        }
    }
    assert_eq!(refused, Some(Why::Limit));
    drop(append);
    assert_eq!(ada.status("INBOX").await.unwrap().messages, 0);
}
