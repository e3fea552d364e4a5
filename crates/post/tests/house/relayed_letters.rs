//! Letters for relayed domains: what is asked before they are taken, and how they go on.

use std::sync::Arc;
use std::time::Duration;

use ::trust::{Answer, Record};
use mail::{Notify, Recipient, Ret, ReversePath, TlsWish};
use post::queue::{Fate, QueueRules};
use post::{
    Clues, CopyRule, DmarcMeasure, Elsewhere, Event, GreyRules, Pattern, RewriteRules, Rules,
    Sender, Sought, SpamClass, SpamMeasure, SpamRules, TrustRules,
};

use crate::filter::runs;
use crate::queue::{claim_one, is_empty, mail, pass, queue, relaying, said, settle};
use crate::relayed::{CUSTOMER, LETTER, list, send, town, with_aliases};
use crate::world::{World, address, origin, recipient, sender, told};

#[tokio::test]
async fn a_letter_goes_on_as_it_came_with_all_that_was_asked_for() {
    let rules = Rules {
        rewrites_senders: true,
        ..relaying()
    };
    let world = town(rules).await;
    let notify = Some(Notify::On {
        success: true,
        failure: true,
        delay: false,
    });
    let to = Recipient {
        notify,
        orcpt: Some("rfc822;b+2Bob@customer.example".into()),
        ..recipient("Bob@customer.example")
    };
    let from = Sender {
        ret: Some(Ret::Headers),
        envid: Some("A+B".into()),
        tls: TlsWish::Required,
        ..sender("<bob@elsewhere.example>")
    };
    let mut incoming = world.post.begin(origin(None), from).unwrap();
    incoming.recipient(to.clone()).await.unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    incoming.chunk(LETTER.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let entry = &letter.entry;
    assert_eq!(entry.reverse_path.to_string(), "<bob@elsewhere.example>");
    assert_eq!(entry.recipients[0].recipient, to);
    assert_eq!(entry.ret, Some(Ret::Headers));
    assert_eq!(entry.envid.as_deref(), Some("A+B"));
    assert_eq!(entry.tls, TlsWish::Required);
    assert!(entry.front.is_empty());
    let octets = world.post.read(entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(text.starts_with("Received: from client.example "), "{text}");
    assert!(
        !text.contains("Authentication-Results: mx.example.org"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\nAt five?\r\n"), "{text}");
    drop(letter);
    assert!(mail(&world, "ada", 1).await.contains("Subject: Tea"));
    // It is told so.
    let sought = Sought::Named("Bob@customer.example".into());
    let steps = world.post.journeys(&sought, mail::Timestamp::utc(0), None);
    let steps = steps.await.unwrap();
    let lines = steps.iter().flat_map(|told| &told.step.events);
    let mut lines = lines.filter_map(|event| match event {
        Event::Checked(line) => Some(line.as_str()),
        _ => None,
    });
    let expected = "taken for <Bob@customer.example>, which is relayed";
    assert!(lines.any(|line| line == expected), "{steps:?}");
}

#[tokio::test]
async fn whoever_names_it_twice_or_by_an_alias_does_not_make_it_anothers_letter() {
    let rules = Rules {
        rewrites_senders: true,
        ..relaying()
    };
    for to in [
        ["desk", "Bob@customer.example"],
        ["Bob@customer.example", "desk"],
        ["Both@customer.example", "eve"],
    ] {
        let world = with_aliases(rules.clone()).await;
        send(&world, &to).await.unwrap();
        let letter = claim_one(&world, CUSTOMER).await;
        assert_eq!(letter.entry.recipients.len(), 1, "{to:?}");
        let from = letter.entry.reverse_path.to_string();
        assert_eq!(from, "<bob@elsewhere.example>", "{to:?}");
    }
    // By an alias of ours alone it is one that is sent on.
    let world = with_aliases(rules).await;
    send(&world, &["desk"]).await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let from = letter.entry.reverse_path.to_string();
    assert!(from.starts_with("<SRS0="), "{from}");
}

// tidy: table
#[tokio::test]
async fn strangers_get_no_further_than_to_that_domain() {
    let world = town(relaying()).await;
    for (to, expected) in [
        ("bob@customer.example", ""),
        ("bob+tea@customer.example", ""),
        ("postmaster@customer.example", ""),
        (
            "x%far.example@customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        (
            "far.example!x@customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        (
            "\"x@far.example\"@customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        (
            "bob@sub.customer.example",
            "550 5.7.1 We do not relay for you",
        ),
        ("bob@[192.0.2.1]", "550 5.7.1 We do not relay for you"),
    ] {
        let sent = send(&world, &[to]).await;
        match expected {
            "" => sent.unwrap(),
            expected => assert_eq!(told(sent), expected, "{to}"),
        }
    }
    // Our own people send there as to everybody else.
    let ada = world.account("ada").await;
    let from = sender("<ada@example.org>");
    let mut incoming = world.post.begin(origin(Some(ada)), from).unwrap();
    let odd = recipient("x%far.example@customer.example");
    incoming.recipient(odd).await.unwrap();
    list(&world, CUSTOMER, &["bob"]).await.unwrap();
    let refused = incoming.recipient(recipient("joe@customer.example")).await;
    assert_eq!(told(refused), "550 5.1.1 There is no such user here");
    let refused = send(&world, &["joe@customer.example"]).await;
    assert_eq!(told(refused), "550 5.1.1 There is no such user here");
    // While nothing is sent, nothing is lost.
    let off = Rules {
        elsewhere: Elsewhere::Refuse,
        ..relaying()
    };
    let world = world.again_with(off).await;
    let later = told(send(&world, &["bob@customer.example"]).await);
    assert_eq!(
        later,
        "451 4.3.5 Mail for this domain cannot be sent on for now"
    );
}

#[tokio::test]
async fn what_the_domains_host_refuses_is_told_to_the_sender() {
    let kept = Rules {
        queue: QueueRules {
            suppress: Duration::from_secs(1_000_000),
            ..relaying().queue
        },
        ..relaying()
    };
    let world = town(kept).await;
    let to = ["gone@customer.example", "abuse@customer.example"];
    send(&world, &to).await.unwrap();
    settle(&world, CUSTOMER, &Fate::Failed(said(550, "No such user"))).await;
    let report = claim_one(&world, "elsewhere.example").await;
    assert_eq!(report.entry.reverse_path, ReversePath::Null);
    assert_eq!(queue(&world).await.len(), 1);
    // The next one need not be taken; but whoever has trouble is heard.
    let again = told(send(&world, &["gone@customer.example"]).await);
    assert!(
        again.starts_with("550 5.1.1 Mail to this address failed at "),
        "{again}"
    );
    send(&world, &["abuse@customer.example"]).await.unwrap();
    // A report for somebody there goes there.
    let world = town(relaying()).await;
    let from = sender("<bob@customer.example>");
    let mut incoming = world.post.begin(origin(None), from).unwrap();
    let to = Recipient {
        notify: Some(Notify::On {
            success: true,
            failure: false,
            delay: false,
        }),
        ..recipient("ada")
    };
    incoming.recipient(to).await.unwrap();
    incoming.chunk(LETTER.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let report = claim_one(&world, CUSTOMER).await;
    assert_eq!(report.entry.reverse_path, ReversePath::Null);
}

#[tokio::test]
async fn it_is_checked_as_what_stays_here() {
    let rules = |dmarc| Rules {
        trust: TrustRules {
            check: true,
            dmarc,
            ..TrustRules::default()
        },
        ..relaying()
    };
    let strict = |world: &World, policy: &str| {
        let text = format!("v=DMARC1; p={policy}");
        world.made.publish("_dmarc.elsewhere.example", &text);
        let spf = "v=spf1 -all";
        world.made.publish("elsewhere.example", spf);
        world.made.say("elsewhere.example MX", Answer::NoData);
        let own = Record::A([192, 0, 2, 9].into());
        world
            .made
            .say("elsewhere.example A", Answer::Records(vec![own]));
    };
    let world = town(rules(DmarcMeasure::Reject)).await;
    strict(&world, "reject");
    let refused = told(send(&world, &["bob@customer.example"]).await);
    assert!(refused.starts_with("550 5.7.26 "), "{refused}");
    assert!(queue(&world).await.is_empty());
    // What would be filed as junk here says so there.
    let world = town(rules(DmarcMeasure::Reject)).await;
    strict(&world, "quarantine");
    send(&world, &["bob@customer.example"]).await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(
        text.starts_with("Authentication-Results: mx.example.org;"),
        "{text}"
    );
    assert!(text.contains("dmarc=fail"), "{text}");
    assert_eq!(text.matches("Authentication-Results:").count(), 1, "{text}");
    assert!(is_empty(&world, "ada").await && is_empty(&world, "eve").await);
}

#[tokio::test]
async fn what_a_reader_here_has_taught_is_not_told_there() {
    let judging = Rules {
        spam: SpamRules {
            measure: SpamMeasure::Mark,
            letters_min: 1,
            ..SpamRules::default()
        },
        ..relaying()
    };
    let world = town(judging).await;
    let ada = world.account("ada").await;
    let good = b"Subject: Choir\r\n\r\nThe garden is full of roses\r\n";
    for (octets, class) in [
        (LETTER.as_bytes(), SpamClass::Junk),
        (&good[..], SpamClass::Good),
    ] {
        let clues = Clues::of_message(octets);
        assert!(ada.train(clues, Some(class)).await.unwrap());
    }
    send(&world, &["ada"]).await.unwrap();
    assert!(
        mail(&world, "ada", 1)
            .await
            .contains("\r\nX-Caramel-Spam: ")
    );
    send(&world, &["ada", "bob@customer.example"])
        .await
        .unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(!text.contains("X-Caramel-Spam"), "{text}");
}

#[tokio::test]
async fn strangers_wait_as_in_front_of_those_who_are_here() {
    let waiting = Rules {
        trust: TrustRules {
            check: true,
            greylist: GreyRules {
                delay: Duration::from_secs(300),
                ..GreyRules::default()
            },
            ..TrustRules::default()
        },
        ..relaying()
    };
    let world = town(waiting).await;
    let later = "450 4.7.1 We do not know you yet; please try again in 300 seconds";
    for to in ["bob@customer.example", "ada"] {
        assert_eq!(told(send(&world, &[to]).await), later, "{to}");
    }
    send(&world, &["abuse@customer.example"]).await.unwrap();
    pass(&world, 301);
    send(&world, &["bob@customer.example"]).await.unwrap();
    assert_eq!(queue(&world).await.len(), 2);
}

#[tokio::test]
async fn scripts_and_copies_send_there_as_elsewhere() {
    let copying = Rules {
        rewriting: Arc::new(RewriteRules {
            copies: vec![CopyRule {
                sender: None,
                recipient: Pattern::parse("eve@example.org"),
                to: address("bob@customer.example"),
            }],
            ..RewriteRules::default()
        }),
        ..relaying()
    };
    let world = town(copying).await;
    list(&world, CUSTOMER, &["bob"]).await.unwrap();
    let ada = world.account("ada").await;
    runs(&ada, "redirect \"bob@customer.example\";").await;
    send(&world, &["ada"]).await.unwrap();
    let letter = claim_one(&world, CUSTOMER).await;
    let path = &letter.entry.recipients[0].recipient.forward_path;
    assert_eq!(path.to_string(), "<bob@customer.example>");
    drop(letter);
    assert!(is_empty(&world, "ada").await);
    send(&world, &["eve"]).await.unwrap();
    assert_eq!(queue(&world).await.len(), 2);
    // To nobody there a letter is not sent on: it is kept.
    runs(&ada, "redirect \"joe@customer.example\";").await;
    send(&world, &["ada"]).await.unwrap();
    assert!(mail(&world, "ada", 1).await.contains("Subject: Tea"));
}
