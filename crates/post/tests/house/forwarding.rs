//! Senders of letters that are sent on, and the way back to them.

use mail::{Address, ForwardPath, Recipient, ReversePath};
use post::queue::Fate;
use post::{Alias, AliasSource, Outcome, Rules};

use crate::filter::runs;
use crate::queue::{claim_one, pass, queue, relaying, said, settle};
use crate::world::{World, address, origin, recipient, sender, told};

const LETTER: &str = "From: bob@elsewhere.example\r\nTo: ada@example.org\r\nSubject: Tea\r\n\
    Message-ID: <1@x>\r\n\r\nAt five?\r\n";

fn rewriting() -> Rules {
    Rules {
        rewrites_senders: true,
        ..relaying()
    }
}

/// A house where what is for ada goes to another host by a script, and what is for team by an
/// alias.
async fn town(rules: Rules) -> World {
    let world = World::with(&["ada", "eve"], rules).await;
    runs(&world.account("ada").await, "redirect \"x@a.example\";").await;
    let alias = Alias {
        source: AliasSource::Address(address("team")),
        targets: vec![address("y@b.example")],
    };
    world.post.add_alias(alias).await.unwrap();
    world
}

async fn send(world: &World, from: &str, to: &str) -> Outcome<()> {
    let mut incoming = world.post.begin(origin(None), sender(from))?;
    incoming.recipient(recipient(to)).await?;
    incoming.chunk(LETTER.into()).await?;
    incoming.commit().await.map(|_| ())
}

/// The sender under which the one letter for a destination leaves.
async fn leaves_as(world: &World, destination: &str) -> String {
    let letter = claim_one(world, destination).await;
    letter.entry.reverse_path.to_string()
}

#[tokio::test]
async fn who_sends_on_is_the_sender_where_that_is_wanted() {
    for (to, destination) in [("ada", "a.example"), ("team", "b.example")] {
        let world = town(rewriting()).await;
        send(&world, "<bob@elsewhere.example>", to).await.unwrap();
        let path = leaves_as(&world, destination).await;
        assert!(path.starts_with("<SRS0="), "{path}");
        assert!(
            path.ends_with("=elsewhere.example=bob@mx.example.org>"),
            "{path}"
        );
        // Who may be named by this host anyway, who is nobody, and for whom there is no room.
        let long = format!("<{}@elsewhere.example>", "b".repeat(60));
        for from in ["<eve@example.org>", "<>", &long] {
            let world = town(rewriting()).await;
            send(&world, from, to).await.unwrap();
            assert_eq!(leaves_as(&world, destination).await, from);
        }
        let world = town(relaying()).await;
        send(&world, "<bob@elsewhere.example>", to).await.unwrap();
        let path = leaves_as(&world, destination).await;
        assert_eq!(path, "<bob@elsewhere.example>");
    }
}

#[tokio::test]
async fn what_comes_back_goes_on_to_the_sender() {
    let world = town(rewriting()).await;
    send(&world, "<bob@elsewhere.example>", "ada")
        .await
        .unwrap();
    let path = leaves_as(&world, "a.example").await;
    let back = path.trim_matches(['<', '>']).to_owned();
    send(&world, "<>", &back).await.unwrap();
    let letter = claim_one(&world, "elsewhere.example").await;
    assert_eq!(letter.entry.reverse_path, ReversePath::Null);
    let to = &letter.entry.recipients[0].recipient.forward_path;
    assert_eq!(to.to_string(), "<bob@elsewhere.example>");
    drop(letter);
    // After a restart too, and in any letters.
    let world = world.again().await;
    send(&world, "<>", &back.to_uppercase()).await.unwrap();
    let forged = back.replace("=bob@", "=eve@");
    for (from, to, expected) in [
        (
            "<bob@elsewhere.example>",
            back.as_str(),
            "550 5.7.1 This address takes reports only",
        ),
        ("<>", &forged, "550 5.1.1 There is no such user here"),
        (
            "<>",
            "SRS0=x@mx.example.org",
            "550 5.1.1 There is no such user here",
        ),
        (
            "<>",
            "SRS1=a=b==c@mx.example.org",
            "550 5.1.1 There is no such user here",
        ),
        (
            "<>",
            "bob@mx.example.org",
            "550 5.7.1 We do not relay for you",
        ),
    ] {
        assert_eq!(told(send(&world, from, to).await), expected, "{from} {to}");
    }
    pass(&world, 22 * 86_400);
    let late = told(send(&world, "<>", &back).await);
    assert_eq!(late, "550 5.1.1 This address has expired");
    // Where nothing is rewritten, nothing leads back.
    let world = world.again_with(relaying()).await;
    let refused = told(send(&world, "<>", &back).await);
    assert_eq!(refused, "550 5.7.1 We do not relay for you");
}

#[tokio::test]
async fn a_report_of_our_own_goes_straight_to_the_sender() {
    let world = town(rewriting()).await;
    send(&world, "<bob@elsewhere.example>", "team")
        .await
        .unwrap();
    settle(&world, "b.example", &Fate::Failed(said(550, "no"))).await;
    assert_eq!(queue(&world).await.len(), 1);
    let letter = claim_one(&world, "elsewhere.example").await;
    assert_eq!(letter.entry.reverse_path, ReversePath::Null);
    let octets = world.post.read(letter.entry.range()).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(text.contains("\r\nTo: bob@elsewhere.example\r\n"), "{text}");
}

#[tokio::test]
async fn a_sender_who_is_here_by_now_gets_it_here() {
    let world = town(rewriting()).await;
    send(&world, "<eve@later.example>", "ada").await.unwrap();
    let path = leaves_as(&world, "a.example").await;
    let back = Recipient {
        forward_path: ForwardPath::parse(&path).unwrap(),
        notify: None,
        orcpt: None,
    };
    world
        .post
        .add_domain(&mail::Host::parse("later.example").unwrap())
        .await
        .unwrap();
    let later = Address::parse("eve@later.example").unwrap();
    world.post.add_account(&later, "eve").await.unwrap();
    let mut incoming = world.post.begin(origin(None), sender("<>")).unwrap();
    incoming.recipient(back).await.unwrap();
    incoming.chunk(LETTER.into()).await.unwrap();
    incoming.commit().await.unwrap();
    let eve = world.post.account_at(&later).await.unwrap();
    assert_eq!(eve.open("INBOX").await.unwrap().uids.len(), 1);
}
