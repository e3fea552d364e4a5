//! A whole session with an IMAP source: its mailboxes one after the other, and then, where that is
//! wanted, waiting for more.

use imap::Command;
use imap::client::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Talk;
use super::folder::fetch;
use super::listing::{Folder, folders};
use crate::fetch::Errand;
use crate::fetch::trouble::Trouble;

/// Fetches what is new, once.
pub(in crate::fetch) async fn once(errand: &Errand<'_>) -> Result<(), Trouble> {
    let mut talk = Talk::begin(errand.source).await?;
    all(errand, &mut talk).await?;
    leave(errand, &mut talk).await;
    Ok(())
}

/// Fetches what is new, and what comes from then on.
///
/// Ends only with trouble, or where the server knows no IDLE.
pub(in crate::fetch) async fn on(errand: &Errand<'_>) -> Result<(), Trouble> {
    let source = errand.source;
    let mut talk = Talk::begin(source).await?;
    let mut folders = all(errand, &mut talk).await?;
    if !talk.can("IDLE") {
        leave(errand, &mut talk).await;
        return Ok(());
    }
    let mut looked = Instant::now();
    let mut is_first = folders.len() == 1;
    loop {
        // The first is the inbox where that is wanted, and it is what is waited at.
        if let Some(first) = folders.first().filter(|_| !is_first) {
            fetch(errand, &mut talk, first).await?;
        }
        if !talk.has_more {
            errand.rest().await;
            talk.idle(source, |_| {}).await?;
            errand.go_on().await;
        }
        is_first = false;
        if looked.elapsed() >= talk.idle_max {
            folders = all(errand, &mut talk).await?;
            looked = Instant::now();
            is_first = folders.len() == 1;
        }
    }
}

async fn all(errand: &Errand<'_>, talk: &mut Talk) -> Result<Vec<Folder>, Trouble> {
    let folders = folders(talk, errand.source).await?;
    for folder in &folders {
        fetch(errand, talk, folder).await?;
    }
    Ok(folders)
}

async fn leave(errand: &Errand<'_>, talk: &mut Talk) {
    let logout = Request::Command(Command::Logout);
    // All is done: how it ends does not matter.
    drop(talk.request(errand.source, logout, |_| {}).await);
}

/// What there is at the source, without fetching any of it.
pub(in crate::fetch) async fn look(errand: &Errand<'_>) -> Result<Value, Trouble> {
    let source = errand.source;
    let mut talk = Talk::begin(source).await?;
    let mut list = Vec::new();
    for folder in folders(&mut talk, source).await? {
        let (messages, new) = super::folder::look(errand, &mut talk, &folder).await?;
        list.push(json!({
            "name": folder.levels.join("/"),
            "messages": messages,
            "new": new,
        }));
    }
    let told = json!({ "folders": list, "idle": talk.can("IDLE") });
    leave(errand, &mut talk).await;
    Ok(told)
}
