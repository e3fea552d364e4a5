//! The first words of texts (RFC 8970): made at delivery, or at the first look, and kept.

use post::{Account, FetchPlan, Preview, Rules};
use store::CommitError;

use crate::world::{World, append, rules, uids};

const LETTER: &str = "Subject: x\r\n\r\n> What you said\r\n\r\nWhat I say\r\n-- \r\nBob\r\n";
const SAID: &str = "What I say";

async fn previews(account: &Account, mode: Preview) -> Vec<Option<String>> {
    let inbox = account.open("INBOX").await.unwrap();
    let plan = FetchPlan {
        preview: Some(mode),
        ..FetchPlan::default()
    };
    let page = account.fetch(inbox.id, &inbox.uids, None, &plan).await;
    let rows = page.unwrap().rows.into_iter();
    rows.map(|row| row.preview).collect()
}

/// A house that streams each letter into its store: of none more than the beginning is in memory.
fn streaming() -> Rules {
    Rules {
        body_memory_octets_max: 100,
        ..rules()
    }
}

/// A large letter with a file, and behind it a text without words and HTML.
fn large() -> String {
    let file = "QUFBQUFB\r\n".repeat(14_000);
    format!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}\
         --b\r\nContent-Type: text/plain\r\n\r\n\r\n\
         --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         <p>Gr=FC=DFe<p>an Ada\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn a_letter_has_one_from_its_delivery_on() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    append(&ada, "INBOX", &[], &large()).await;
    append(&ada, "INBOX", &[], "Content-Type: image/png\r\n\r\nx\r\n").await;
    let commits = world.store.done().len();
    let expected = [SAID, "Gr\u{fc}\u{df}e an Ada", ""].map(|text| Some(text.to_owned()));
    assert_eq!(previews(&ada, Preview::Kept).await, expected);
    assert_eq!(previews(&ada, Preview::Made).await, expected);
    assert_eq!(world.store.done().len(), commits);
    // Nobody asked for it.
    let inbox = ada.open("INBOX").await.unwrap();
    let plan = FetchPlan {
        outline: message::Wanted::ALL,
        ..FetchPlan::default()
    };
    let page = ada.fetch(inbox.id, &inbox.uids, None, &plan).await.unwrap();
    assert!(page.rows.iter().all(|row| row.preview.is_none()));
}

#[tokio::test]
async fn that_of_a_text_far_behind_is_made_at_the_first_look_and_kept() {
    let world = World::with(&["ada"], streaming()).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &[], &large()).await;
    append(&ada, "INBOX", &[], &large().replace("an Ada", "an alle")).await;
    append(&ada, "INBOX", &[], &LETTER.repeat(9)).await;
    let kept = [None, None, Some(SAID.to_owned())];
    assert_eq!(previews(&ada, Preview::Kept).await, kept);
    let commits = world.store.done().len();
    let made = previews(&ada, Preview::Made).await;
    assert_eq!(made[0].as_deref(), Some("Gr\u{fc}\u{df}e an Ada"));
    assert_eq!(made[1].as_deref(), Some("Gr\u{fc}\u{df}e an alle"));
    assert_eq!(made[2], kept[2]);
    // One commit for both.
    assert_eq!(world.store.done().len(), commits + 1);
    assert_eq!(previews(&ada, Preview::Kept).await, made);
    let again = world.again().await;
    let ada = again.account("ada").await;
    assert_eq!(previews(&ada, Preview::Kept).await, made);
    // What else the row holds is as it was.
    let inbox = ada.open("INBOX").await.unwrap();
    let plan = FetchPlan {
        outline: message::Wanted::ALL,
        ..FetchPlan::default()
    };
    let page = ada.fetch(inbox.id, &uids(&[1]), None, &plan).await.unwrap();
    let outline = page.rows[0].outline.clone().unwrap();
    let outline = outline.to_outline().unwrap();
    assert_eq!(outline.root.walk().count(), 4);
    assert_eq!(world.store.done().len(), commits + 1);
}

#[tokio::test]
async fn where_the_house_is_crowded_it_is_made_at_the_first_look() {
    let crowded = Rules {
        bodies_memory_octets_max: 0,
        ..streaming()
    };
    let world = World::with(&["ada"], crowded).await;
    let ada = world.account("ada").await;
    // More than is kept at hand of its beginning.
    append(&ada, "INBOX", &[], &LETTER.repeat(900)).await;
    assert_eq!(previews(&ada, Preview::Kept).await, [None]);
    let made = [Some(SAID.to_owned())];
    assert_eq!(previews(&ada, Preview::Made).await, made);
    assert_eq!(previews(&ada, Preview::Kept).await, made);
}

#[tokio::test]
async fn it_is_the_same_whether_made_early_or_late() {
    let letters = [
        LETTER.to_owned(),
        large(),
        "\r\n".to_owned(),
        LETTER.repeat(30),
    ];
    let mut told = Vec::new();
    for rules in [rules(), streaming()] {
        let world = World::with(&["ada"], rules).await;
        let ada = world.account("ada").await;
        for letter in &letters {
            append(&ada, "INBOX", &[], letter).await;
        }
        told.push(previews(&ada, Preview::Made).await);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].len(), letters.len());
}

#[tokio::test]
async fn it_is_shown_even_where_it_cannot_be_kept() {
    let world = World::with(&["ada"], streaming()).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &[], &large()).await;
    world.store.fail(0, CommitError::Full);
    let made = previews(&ada, Preview::Made).await;
    assert_eq!(made, [Some("Gr\u{fc}\u{df}e an Ada".to_owned())]);
    assert_eq!(previews(&ada, Preview::Kept).await, [None]);
    assert_eq!(previews(&ada, Preview::Made).await, made);
    assert_eq!(previews(&ada, Preview::Kept).await, made);
}
