//! Filter scripts of an account: kept, listed, made active, and what is refused.

use bytes::Bytes;
use mail::{Rights, ScriptName};
use post::{KeptScript, Outcome, RightsChange, Rules, ScriptVerdict, Why};

use crate::world::{World, audited, rules, told};

pub(crate) fn name(name: &str) -> ScriptName {
    ScriptName::parse(name).unwrap()
}

const RIGHT: ScriptVerdict = ScriptVerdict::Right(Vec::new());

fn shown(scripts: &[KeptScript]) -> Vec<String> {
    let one = |script: &KeptScript| {
        let active = if script.is_active { " active" } else { "" };
        format!("{} {}{active}", script.name, script.octets)
    };
    scripts.iter().map(one).collect()
}

fn why<T>(outcome: Outcome<T>) -> Why {
    match outcome {
        Err(error) => error.why(),
        Ok(_) => panic!("it was done"),
    }
}

async fn put(account: &post::Account, script: &str, text: &'static str) -> ScriptVerdict {
    let text = Bytes::from_static(text.as_bytes());
    account.put_script(&name(script), &text).await.unwrap()
}

#[tokio::test]
async fn scripts_are_kept_renamed_made_active_and_removed() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    assert_eq!(put(&ada, "work", "keep;").await, RIGHT);
    assert_eq!(put(&ada, "Räume", "discard;").await, RIGHT);
    ada.activate_script(Some(&name("work"))).await.unwrap();
    let listed = ada.scripts().await.unwrap();
    assert_eq!(shown(&listed), ["Räume 8", "work 5 active"]);
    assert_eq!(ada.script(&name("work")).await.unwrap(), "keep;");

    // Put anew, and renamed, it stays the active one.
    assert_eq!(put(&ada, "work", "keep; stop;").await, RIGHT);
    ada.rename_script(&name("work"), &name("holidays"))
        .await
        .unwrap();
    for world in [&world, &world.again().await] {
        let ada = world.account("ada").await;
        let listed = ada.scripts().await.unwrap();
        assert_eq!(shown(&listed), ["Räume 8", "holidays 11 active"]);
        assert_eq!(ada.script(&name("holidays")).await.unwrap(), "keep; stop;");
        audited(&world.post).await;
    }

    ada.activate_script(Some(&name("Räume"))).await.unwrap();
    ada.remove_script(&name("holidays")).await.unwrap();
    ada.activate_script(None).await.unwrap();
    ada.activate_script(None).await.unwrap();
    ada.remove_script(&name("Räume")).await.unwrap();
    assert_eq!(ada.scripts().await.unwrap(), []);
    audited(&world.post).await;
    audited(&world.again().await.post).await;
}

#[tokio::test]
async fn what_cannot_be_done_with_scripts_is_refused() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    put(&ada, "a", "keep;").await;
    put(&ada, "b", "keep;").await;
    ada.activate_script(Some(&name("a"))).await.unwrap();
    let (a, b, c) = (name("a"), name("b"), name("c"));
    assert_eq!(why(ada.remove_script(&a).await), Why::InUse);
    assert_eq!(why(ada.remove_script(&c).await), Why::Nonexistent);
    assert_eq!(why(ada.script(&c).await), Why::Nonexistent);
    assert_eq!(why(ada.activate_script(Some(&c)).await), Why::Nonexistent);
    assert_eq!(
        why(ada.rename_script(&c, &name("d")).await),
        Why::Nonexistent
    );
    assert_eq!(why(ada.rename_script(&a, &b).await), Why::AlreadyExists);
    let listed = ada.scripts().await.unwrap();
    assert_eq!(shown(&listed), ["a 5 active", "b 5"]);
}

#[tokio::test]
async fn a_text_that_is_no_script_is_not_kept() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    put(&ada, "a", "keep;").await;
    for (text, fault) in [
        (
            "keep;\nkep;",
            "line 2, column 1: unknown command 'kep' (did you mean 'keep'?)",
        ),
        (
            "require \"vacation\"; vacation \"away\";",
            "line 1, column 9: \"vacation\" is not carried out here",
        ),
        (
            "redirect \"eve@example.net\";",
            "line 1, column 1: no message is sent on from here",
        ),
    ] {
        let wrong = ScriptVerdict::Wrong(vec![fault.to_owned()]);
        assert_eq!(ada.check_script(text.as_bytes()).await.unwrap(), wrong);
        assert_eq!(put(&ada, "a", text).await, wrong);
        assert_eq!(put(&ada, "b", text).await, wrong);
    }
    assert_eq!(shown(&ada.scripts().await.unwrap()), ["a 5"]);
    assert_eq!(ada.script(&name("a")).await.unwrap(), "keep;");

    let text = "require \"include\";\ninclude \"a\";\ninclude :optional \"b\";";
    let warned = vec!["line 3: there is no script \"b\" to include".to_owned()];
    assert_eq!(put(&ada, "c", text).await, ScriptVerdict::Right(warned));
}

#[tokio::test]
async fn scripts_have_limits() {
    let rules = Rules {
        scripts_max: 3,
        script_octets_max: 20,
        scripts_octets_max: 30,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    put(&ada, "a", "keep; keep;").await;
    put(&ada, "b", "keep;").await;
    let (b, d) = (name("b"), name("d"));
    let too_large = told(ada.has_script_room(&d, 21).await);
    assert_eq!(too_large, "552 5.3.4 A script has at most 20 octets");
    let text = Bytes::from_static(b"keep; keep; keep; keep;");
    assert_eq!(why(ada.put_script(&d, &text).await), Why::TooBig);
    let over = told(ada.has_script_room(&d, 15).await);
    assert_eq!(
        over,
        "552 5.2.2 All scripts together have at most 30 octets"
    );
    // In the place of another it fits.
    ada.has_script_room(&b, 19).await.unwrap();
    put(&ada, "c", "keep;").await;
    assert_eq!(why(ada.has_script_room(&d, 1).await), Why::Limit);
    assert_eq!(
        why(ada.put_script(&d, &Bytes::from_static(b"stop;")).await),
        Why::Limit
    );
    ada.has_script_room(&b, 5).await.unwrap();
    // What is not enough to keep a script is enough to check one.
    assert_eq!(ada.check_script(b"keep;").await.unwrap(), RIGHT);
}

#[tokio::test]
async fn nobody_sees_the_scripts_of_others() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let (ada, eve) = (world.account("ada").await, world.account("eve").await);
    put(&ada, "a", "keep;").await;
    let change = RightsChange::Replace(Rights::ALL);
    ada.set_rights("INBOX", "eve@example.org", change)
        .await
        .unwrap();
    assert_eq!(eve.scripts().await.unwrap(), []);
    let name_there = "Other Users/ada@example.org/INBOX";
    let (visited, _) = eve.place(name_there).await.unwrap();
    assert_eq!(why(visited.scripts().await), Why::Policy);
    assert_eq!(why(visited.script(&name("a")).await), Why::Policy);
    assert_eq!(why(visited.activate_script(None).await), Why::Policy);
    assert_eq!(
        why(visited.has_script_room(&name("a"), 1).await),
        Why::Policy
    );
    assert_eq!(why(visited.check_script(b"keep;").await), Why::Policy);
}
