//! Who gets in.

use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use post::{Rules, ScramHash, Why};

use crate::world::{PEER, World, address, rules};

#[tokio::test]
async fn the_right_password_opens() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let post = &world.post;
    for (user, as_user, password, expected) in [
        ("ada@example.org", None, "ada", Ok(())),
        ("ADA@EXAMPLE.ORG", Some(""), "ada", Ok(())),
        ("ada", Some("ada@example.org"), "ada", Ok(())),
        ("ada", Some("eve"), "ada", Err(Why::AuthorizationFailed)),
        ("ada", None, "Ada", Err(Why::AuthenticationFailed)),
        ("ada", None, "", Err(Why::AuthenticationFailed)),
        ("nobody", None, "ada", Err(Why::AuthenticationFailed)),
        ("", None, "ada", Err(Why::AuthenticationFailed)),
        ("a@b@c", None, "ada", Err(Why::AuthenticationFailed)),
    ] {
        let came = post.login_password(PEER, user, as_user, password).await;
        let came = came.map(|_| ()).map_err(|error| error.why());
        assert_eq!(came, expected, "{user} {password}");
    }
    // An accent is the same on its letter and behind it.
    post.set_password(&address("eve"), "caf\u{e9}")
        .await
        .unwrap();
    let behind = post.login_password(PEER, "eve", None, "cafe\u{301}").await;
    assert!(behind.is_ok());
    post.set_password(&address("ada"), "better").await.unwrap();
    assert!(post.login_password(PEER, "ada", None, "ada").await.is_err());
    assert!(
        post.login_password(PEER, "ada", None, "better")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn another_password_ends_what_is_open() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let (ada, eve) = (world.account("ada").await, world.account("eve").await);
    let post = &world.post;
    let mut stirred = ada.modseq_watch();
    stirred.take();
    assert!(ada.is_welcome());
    // The same word again is another password: whoever changes it wants to be alone.
    post.set_password(&address("ada"), "ada").await.unwrap();
    assert!(!ada.is_welcome() && stirred.has_moved());
    assert!(world.account("ada").await.is_welcome());
    let mut stirred = eve.modseq_watch();
    stirred.take();
    assert!(eve.is_welcome());
    post.remove_account(&address("eve")).await.unwrap();
    assert!(!eve.is_welcome() && stirred.has_moved());
}

#[tokio::test]
async fn a_check_is_remembered_and_a_failure_costs_the_same() {
    let world = World::with(&["ada"], rules()).await;
    let checks = || world.made.heavy.swap(0, Ordering::Relaxed);
    checks();
    for _ in 0..5 {
        world.account("ada").await;
    }
    assert_eq!(checks(), 1);
    world.made.seconds.fetch_add(61, Ordering::Relaxed);
    world.account("ada").await;
    assert_eq!(checks(), 1);
    for user in ["ada", "nobody"] {
        let came = world.post.login_password(PEER, user, None, "wrong").await;
        assert!(came.is_err());
        assert_eq!(checks(), 1);
    }
}

#[tokio::test]
async fn too_many_failures_make_all_wait() {
    let strict = Rules {
        account_failures_max: 3,
        network_failures_max: 6,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], strict).await;
    let post = &world.post;
    let other = "2001:db8::1".parse().unwrap();
    for _ in 0..3 {
        post.login_failed(PEER, "ada");
    }
    let why = |came: post::Outcome<post::Account>| came.err().map(|error| error.why());
    let ada = || post.login_password(other, "ADA", None, "ada");
    assert_eq!(why(ada().await), Some(Why::Unavailable));
    assert!(post.login_keys(other, "ada", ScramHash::Sha256).is_err());
    let eve = || post.login_password(PEER, "eve", None, "eve");
    assert_eq!(why(eve().await), None);
    for number in 0..3 {
        post.login_failed(PEER, &format!("guess{number}"));
    }
    assert_eq!(why(eve().await), Some(Why::Unavailable));
    let refusal = eve().await.unwrap_err().refusal();
    assert!(refusal.to_string().starts_with("454 4.7.0"));
    world.made.seconds.fetch_add(300, Ordering::Relaxed);
    assert_eq!(why(eve().await), None);
    assert_eq!(why(ada().await), None);
}

#[tokio::test]
async fn strangers_lock_nobody_out_where_she_was_right() {
    let strict = Rules {
        account_failures_max: 3,
        network_failures_max: 100,
        ..rules()
    };
    let world = World::with(&["ada"], strict).await;
    let post = &world.post;
    let stranger = "2001:db8::1".parse().unwrap();
    let elsewhere = "2001:db8:1::1".parse().unwrap();
    world.account("ada").await;
    for _ in 0..3 {
        let wrong = post.login_password(stranger, "ada", None, "guess").await;
        assert_eq!(wrong.unwrap_err().why(), Why::AuthenticationFailed);
    }
    let why = |came: post::Outcome<post::Account>| came.err().map(|error| error.why());
    for place in [stranger, elsewhere] {
        let came = post.login_password(place, "ada", None, "ada").await;
        assert_eq!(why(came), Some(Why::Unavailable));
    }
    // At home she gets in, and her own guesses count there.
    assert_eq!(
        why(post.login_password(PEER, "ada", None, "ada").await),
        None
    );
    for _ in 0..3 {
        post.login_failed(PEER, "ada");
    }
    let came = post.login_password(PEER, "ada", None, "ada").await;
    assert_eq!(why(came), Some(Why::Unavailable));
}

#[tokio::test]
async fn whoever_does_not_wait_for_the_answer_has_guessed() {
    let strict = Rules {
        account_failures_max: 3,
        ..rules()
    };
    let world = World::with(&["ada"], strict).await;
    let post = &world.post;
    world.made.stalls.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let mut came = Box::pin(post.login_password(PEER, "ada", None, "guess"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(came.as_mut().poll(&mut context).is_pending());
    }
    world.made.stalls.store(false, Ordering::Relaxed);
    let came = post.login_password(PEER, "ada", None, "ada").await;
    assert_eq!(came.unwrap_err().why(), Why::Unavailable);
    world.made.seconds.fetch_add(300, Ordering::Relaxed);
    // However often she is right, nothing is counted.
    for _ in 0..10 {
        world.account("ada").await;
        world.made.seconds.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_writing_of_a_name_does_not_tell_who_exists() {
    let strict = Rules {
        account_failures_max: 3,
        ..rules()
    };
    let world = World::with(&["ada"], strict).await;
    for name in ["ada", "nobody"] {
        let writings = [
            name.to_owned(),
            format!("{name}@example.org"),
            format!("{}@EXAMPLE.org", name.to_uppercase()),
            format!("\"{name}\"@example.org"),
        ];
        let salts = writings.each_ref().map(|user| {
            world
                .post
                .login_keys(PEER, user, ScramHash::Sha256)
                .unwrap()
                .salt
        });
        assert!(salts.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
        for user in &writings[..3] {
            world.post.login_failed(PEER, user);
        }
        assert!(
            world
                .post
                .login_keys(PEER, &writings[3], ScramHash::Sha256)
                .is_err(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn unknown_users_have_keys_as_well() {
    let world = World::with(&["ada"], rules()).await;
    let keys = |world: &World, user: &str| {
        world
            .post
            .login_keys(PEER, user, ScramHash::Sha256)
            .unwrap()
    };
    let (ada, first) = (keys(&world, "ada"), keys(&world, "nobody"));
    let second = keys(&world.again().await, "nobody");
    assert_eq!(first.salt.len(), ada.salt.len());
    assert_eq!(first.iterations, ada.iterations);
    assert_ne!(first.nonce, second.nonce);
    assert_eq!(
        (&first.salt, &first.stored_key, &first.server_key),
        (&second.salt, &second.stored_key, &second.server_key)
    );
    assert_ne!(first.salt, keys(&world, "somebody").salt);
    let proved = world.post.login_proved(PEER, "ada", None).await;
    assert_eq!(*proved.unwrap().address(), address("ada"));
    assert!(world.post.login_proved(PEER, "nobody", None).await.is_err());
}

#[tokio::test]
async fn a_burst_of_guesses_does_not_slip_past_the_count() {
    let strict = Rules {
        account_failures_max: 3,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], strict).await;
    let post = &world.post;
    world.made.stalls.store(true, Ordering::Relaxed);
    world.made.heavy.store(0, Ordering::Relaxed);
    let mut under_way = Vec::new();
    for guess in ["one", "two", "three", "three", "four", "five"] {
        let mut came = Box::pin(post.login_password(PEER, "ada", None, guess));
        let told = came.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let refused = matches!(guess, "four" | "five");
        assert_eq!(told.is_ready(), refused, "{guess}");
        under_way.push(came);
    }
    assert_eq!(world.made.heavy.load(Ordering::Relaxed), 4);
    // Who goes before the answer has guessed; who is let in leaves nothing behind.
    under_way.truncate(1);
    world.made.stalls.store(false, Ordering::Relaxed);
    let eve = post.login_password(PEER, "eve", None, "eve").await;
    assert!(eve.is_ok());
    let ada = post.login_password(PEER, "ada", None, "ada").await;
    assert_eq!(ada.err().map(|error| error.why()), Some(Why::Unavailable));
    drop(under_way);
    world.made.seconds.fetch_add(3600, Ordering::Relaxed);
    for _ in 0..5 {
        assert!(post.login_password(PEER, "ada", None, "ada").await.is_ok());
    }
}

#[tokio::test]
async fn keys_for_scram_sha_1_are_made_where_they_are_wanted() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let keys = |world: &World, user: &str| {
        let keys = world.post.login_keys(PEER, user, ScramHash::Sha1).unwrap();
        assert_eq!((keys.stored_key.len(), keys.server_key.len()), (20, 20));
        (keys.salt, keys.stored_key, keys.server_key)
    };
    let login = |world: &World, password: &'static str| {
        let post = world.post.clone();
        async move { post.login_password(PEER, "ada", None, password).await }
    };
    // Not wanted: nothing is kept, and it looks as if there were no such user.
    let invented = keys(&world, "ada");
    login(&world, "ada").await.unwrap();
    assert_eq!(keys(&world, "ada"), invented);

    let wanted = Rules {
        scram_sha1: true,
        ..rules()
    };
    let world = world.again_with(wanted).await;
    assert_eq!(keys(&world, "ada"), invented);
    assert!(login(&world, "wrong").await.is_err());
    assert_eq!(keys(&world, "ada"), invented);
    let ada = login(&world, "ada").await.unwrap();
    let made = keys(&world, "ada");
    assert_ne!(made, invented);
    assert!(ada.is_welcome());
    login(&world, "ada").await.unwrap();
    assert_eq!(keys(&world, "ada"), made);
    // They outlive a restart, and a new password has its own from the start.
    let world = world.again().await;
    assert_eq!(keys(&world, "ada"), made);
    world
        .post
        .set_password(&address("ada"), "new")
        .await
        .unwrap();
    assert_ne!(keys(&world, "ada"), made);
    assert_ne!(keys(&world, "ada"), invented);
    assert_ne!(keys(&world, "ada"), keys(&world, "eve"));
}

#[tokio::test]
async fn a_certificate_opens_the_accounts_it_names() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let none = Err(Why::AuthenticationFailed);
    let other = Err(Why::AuthorizationFailed);
    for (addresses, as_user, expected) in [
        (&["ada@example.org"][..], None, Ok("ada")),
        (&["ADA@EXAMPLE.ORG"], Some("ada"), Ok("ada")),
        (&["bob@else.example", "eve@example.org"], None, Ok("eve")),
        (
            &["ada@example.org", "eve@example.org"],
            Some("eve"),
            Ok("eve"),
        ),
        (&["ada@example.org"], Some("eve"), other),
        (&["ada@example.org"], Some("nobody"), other),
        (&["nobody@example.org"], Some("ada"), none),
        // Only an address is one: a name alone is not completed.
        (&["ada"], None, none),
        (&[], Some("ada"), none),
    ] {
        let addresses: Vec<String> = addresses.iter().map(|text| (*text).to_owned()).collect();
        let came = world.post.login_certified(&addresses, as_user).await;
        let came = came.map(|account| account.address().clone());
        let expected = expected.map(address);
        assert_eq!(
            came.map_err(|error| error.why()),
            expected,
            "{addresses:?} {as_user:?}"
        );
    }
}
