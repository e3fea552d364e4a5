//! Accounts that are nobody's own: their mailboxes under `Shared`.

use mail::{ForwardPath, Rights};
use post::{Account, RightsChange, Route, ScramHash, Why};

use crate::sharing::{grant, rights, why};
use crate::world::{PEER, World, address, append, recounted, rules, told, whole};

const LETTER: &str = "Subject: plans\r\n\r\nTea\r\n";
const INBOX: &str = "Shared/team@example.org/INBOX";

/// Ada and Bob, and an account of a team.
async fn team() -> (World, Account) {
    let world = World::with(&["ada", "bob"], rules()).await;
    world
        .post
        .add_shared_account(&address("team"))
        .await
        .unwrap();
    let team = world.post.account_at(&address("team")).await.unwrap();
    (world, team)
}

/// The names under which somebody finds what others share.
async fn names(guest: &Account) -> Vec<String> {
    let shared = guest.shared_mailboxes().await.unwrap();
    shared
        .into_iter()
        .map(|(_, mailbox)| mailbox.name)
        .collect()
}

#[tokio::test]
async fn nobody_logs_in_to_a_shared_account() {
    let (world, _) = team().await;
    let post = &world.post;
    for password in ["", "team", "Team@example.org"] {
        let came = post.login_password(PEER, "team", None, password).await;
        assert_eq!(why(came), Some(Why::AuthenticationFailed), "{password}");
    }
    for hash in [ScramHash::Sha256, ScramHash::Sha1] {
        // As of a user who is not there.
        let keys = post.login_keys(PEER, "team", hash).unwrap();
        assert!(!keys.salt.is_empty());
        assert_eq!(keys.salt, post.login_keys(PEER, "team", hash).unwrap().salt);
    }
    let proved = post.login_proved(PEER, "team", None).await;
    assert_eq!(why(proved), Some(Why::AuthenticationFailed));
    let shown = ["team@example.org".to_owned()];
    let shown = post.login_certified(&shown, None).await;
    assert_eq!(why(shown), Some(Why::AuthenticationFailed));
    let acting = post.login_password(PEER, "ada", Some("team"), "ada").await;
    assert_eq!(why(acting), Some(Why::AuthorizationFailed));
    // Not even after somebody tried to give it a password.
    let given = post.set_password(&address("team"), "x").await;
    assert_eq!(why(given), Some(Why::Cannot));
    let came = post.login_password(PEER, "team", None, "x").await;
    assert_eq!(why(came), Some(Why::AuthenticationFailed));
    // It is one after a restart.
    let again = world.again().await;
    let listed = again.post.accounts();
    let shared = |listed: &post::Listed| (listed.address.to_string(), listed.shared);
    let listed: Vec<_> = listed.iter().map(shared).collect();
    assert_eq!(
        listed[1..],
        [
            ("bob@example.org".to_owned(), false),
            ("team@example.org".to_owned(), true),
        ]
    );
}

#[tokio::test]
async fn mail_to_it_is_read_by_those_who_may() {
    let (world, team) = team().await;
    world.deliver(&["team", "ada"], LETTER).await.unwrap();
    world.deliver(&["team+lists"], LETTER).await.unwrap();
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    assert!(names(&ada).await.is_empty());
    assert_eq!(why(ada.place(INBOX).await), Some(Why::Nonexistent));
    grant(&team, "INBOX", "ada", "lrs").await;
    assert_eq!(names(&ada).await, [INBOX]);
    let (there, name) = ada.place(INBOX).await.unwrap();
    assert_eq!((name.as_str(), there.visited()), ("INBOX", Some(team.id())));
    assert!(whole(&there, "INBOX", 2).await.contains("Tea"));
    assert_eq!(there.my_rights("INBOX").await.unwrap(), rights("lrs"));
    let refused = there
        .set_rights("INBOX", "bob", RightsChange::Add(rights("l")))
        .await;
    assert_eq!(why(refused), Some(Why::Policy));
    assert!(names(&bob).await.is_empty());
    // It is in one of the two places only, and so is what a person shares.
    grant(&ada, "INBOX", "bob", "lr").await;
    for name in [
        "Other Users/team@example.org/INBOX",
        "Shared/ada@example.org/INBOX",
    ] {
        assert_eq!(why(ada.place(name).await), Some(Why::Nonexistent), "{name}");
        assert_eq!(why(bob.place(name).await), Some(Why::Nonexistent), "{name}");
    }
    // Who gets the right to administer it gives others rights, and takes them.
    grant(&team, "INBOX", "ada", "lra").await;
    grant(&there, "INBOX", "bob", "lr").await;
    assert_eq!(
        names(&bob).await,
        ["Other Users/ada@example.org/INBOX", INBOX]
    );
    let acl: Vec<_> = there.acl("INBOX").await.unwrap();
    let acl: Vec<_> = acl
        .iter()
        .map(|(who, may)| format!("{who} {may}"))
        .collect();
    let owner = format!("team@example.org {}", Rights::ALL);
    assert_eq!(acl, [&*owner, "ada@example.org lra", "bob@example.org lr"]);
    grant(&there, "INBOX", "bob", "").await;
    assert_eq!(names(&bob).await, ["Other Users/ada@example.org/INBOX"]);
    recounted(&world).await;
}

#[tokio::test]
async fn its_inbox_stands_above_its_other_mailboxes() {
    let (world, team) = team().await;
    let ada = world.account("ada").await;
    let at = |name: &str| format!("Shared/team@example.org/{name}");
    assert_eq!(why(ada.place_new(&at("Plans")).await), Some(Why::Policy));
    grant(&team, "INBOX", "ada", "lrix").await;
    grant(&team, "INBOX", "-bob", "r").await;
    let (there, _) = ada.place_new(&at("Plans")).await.unwrap();
    assert_eq!(why(there.create("Plans", None).await), Some(Why::Policy));
    assert_eq!(why(there.create("A/Plans", None).await), Some(Why::Policy));
    grant(&team, "INBOX", "ada", "lrixk").await;
    there.create("Plans/Old", None).await.unwrap();
    let all = ["INBOX", "Plans", "Plans/Old"].map(at);
    assert_eq!(names(&ada).await, all);
    for name in ["Plans", "Plans/Old"] {
        assert_eq!(
            team.acl(name).await.unwrap(),
            team.acl("INBOX").await.unwrap()
        );
    }
    append(&there, "Plans/Old", &[], LETTER).await;
    there.rename("Plans/Old", "Done/New").await.unwrap();
    let all = ["INBOX", "Done", "Done/New", "Plans"].map(at);
    assert_eq!(names(&ada).await, all);
    assert_eq!(
        why(there.rename("INBOX", "Plans/x").await),
        Some(Why::Cannot)
    );
    // With a list of its own, a mailbox says itself who may make others below it.
    grant(&team, "Plans", "ada", "lr").await;
    assert_eq!(why(there.create("Plans/x", None).await), Some(Why::Policy));
    there.delete("Done/New").await.unwrap();
    assert_eq!(why(there.delete("Plans").await), Some(Why::Policy));
    recounted(&world).await;
    // A person's mailboxes stand for themselves.
    let bob = world.account("bob").await;
    grant(&ada, "INBOX", "bob", "lrk").await;
    ada.create("Mine", None).await.unwrap();
    assert_eq!(ada.acl("Mine").await.unwrap().len(), 1);
    let (there, _) = bob.place("Other Users/ada@example.org/x").await.unwrap();
    assert_eq!(why(there.create("x", None).await), Some(Why::Policy));
}

#[tokio::test]
async fn what_is_taken_for_shared_accounts() {
    let (world, team) = team().await;
    let ada = world.account("ada").await;
    for name in ["Shared", "Shared/x", INBOX] {
        assert_eq!(
            why(ada.create(name, None).await),
            Some(Why::Cannot),
            "{name}"
        );
        assert_eq!(
            why(ada.rename("Sent", name).await),
            Some(Why::Cannot),
            "{name}"
        );
    }
    ada.create("Shared with me", None).await.unwrap();
    // Rights given to it would be nobody's.
    let given = ada
        .set_rights("INBOX", "team", RightsChange::Replace(rights("lr")))
        .await;
    assert_eq!(why(given), Some(Why::Cannot));
    // Its address is taken, and it goes with all its mail.
    let post = &world.post;
    let twice = post.add_account(&address("team"), "x").await;
    assert_eq!(told(twice.map(drop)), "550 5.2.0 team@example.org is taken");
    let elsewhere = mail::Address::parse("team@elsewhere.example").unwrap();
    let elsewhere = post.add_shared_account(&elsewhere).await;
    assert_eq!(why(elsewhere), Some(Why::Nonexistent));
    grant(&team, "INBOX", "anyone", "lr").await;
    assert_eq!(names(&ada).await, [INBOX]);
    post.remove_account(&address("team")).await.unwrap();
    assert!(names(&ada).await.is_empty());
    let gone = post.account_at(&address("team")).await;
    assert_eq!(why(gone), Some(Why::Nonexistent));
}

#[tokio::test]
async fn mail_for_the_owner_of_the_house_goes_to_a_person() {
    let world = World::with(&[], rules()).await;
    let post = &world.post;
    post.add_shared_account(&address("team")).await.unwrap();
    let nobody = post.route(&ForwardPath::Postmaster);
    assert!(matches!(nobody, Route::Nowhere(_)), "{nobody:?}");
    let ada = post.add_account(&address("ada"), "ada").await.unwrap();
    assert_eq!(
        post.route(&ForwardPath::Postmaster),
        Route::Local(vec![ada])
    );
}
