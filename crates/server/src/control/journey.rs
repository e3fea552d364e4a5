//! Journeys of letters, as the command line asks about them.
//!
//! Not here: what is remembered of a letter (`post::journey`), words for people (`caramel`).

use mail::{Address, JourneyId, QueueId, Timestamp};
use post::{Event, JourneyTold, Post, Sought};
use serde_json::{Value, json};

use super::{Arguments, error, refused};

/// Carries out `Journey/query`: `journey`, `queue`, `name` or `words`, and `since`.
pub(super) async fn administer(post: &Post, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let sought = sought(arguments)?;
    let since = arguments.0.get("since").and_then(Value::as_i64);
    let since = Timestamp::utc(since.unwrap_or_default());
    let accounts = post.accounts();
    let only = match arguments.0.get("account") {
        None | Some(Value::Null) => None,
        Some(_) => {
            let address = arguments.address("account")?;
            let mut known = accounts.iter();
            let found = known.find(|one| one.address == address);
            let unknown = || error("notFound", format!("There is no account {address}"));
            Some(found.ok_or_else(unknown)?.id)
        }
    };
    let told = post.journeys(&sought, since, only).await;
    let told = told.map_err(refused)?;
    let steps = told.iter().map(|one| {
        let account = one.account.and_then(|id| {
            let mut known = accounts.iter();
            known.find(|account| account.id == id)
        });
        step(one, account.map(|account| &account.address))
    });
    Ok(json!({ "list": steps.collect::<Vec<_>>() }))
}

fn sought(arguments: &Arguments<'_>) -> Result<Sought, Value> {
    let text = |name: &str| arguments.0.get(name).and_then(Value::as_str);
    let wrong = |text: &str| error("invalidArguments", format!("{text} is no name of a letter"));
    if let Some(text) = text("journey") {
        let id = JourneyId::parse(text).ok_or_else(|| wrong(text))?;
        return Ok(Sought::Journey(id));
    }
    if let Some(text) = text("queue") {
        let id = QueueId::parse(text).ok_or_else(|| wrong(text))?;
        return Ok(Sought::Queued(id));
    }
    if let Some(text) = text("name") {
        return Ok(Sought::Named(text.trim_matches(['<', '>']).to_owned()));
    }
    let words = arguments.text("words")?.to_lowercase();
    Ok(Sought::Words(
        words.split_whitespace().map(str::to_owned).collect(),
    ))
}

fn step(told: &JourneyTold, account: Option<&Address>) -> Value {
    json!({
        "journey": told.step.journey.to_string(),
        "when": told.step.when.seconds,
        "account": account.map(Address::to_string),
        "events": told.step.events.iter().map(event).collect::<Vec<_>>(),
    })
}

fn event(event: &Event) -> Value {
    match event {
        Event::Arrived(arrival) => json!({
            "event": "arrived",
            "from": arrival.from,
            "to": arrival.to,
            "peer": arrival.peer,
            "helo": arrival.helo,
            "protocol": arrival.protocol,
            "tls": arrival.tls,
            "account": arrival.account,
            "size": arrival.octets,
            "messageId": arrival.message_id,
            "subject": arrival.subject,
        }),
        Event::Checked(results) => json!({ "event": "checked", "results": results }),
        Event::Judged {
            percent,
            is_junk,
            clues,
        } => json!({
            "event": "judged",
            "percent": percent,
            "junk": is_junk,
            "clues": clues,
        }),
        Event::Filtered { deed, cause } => {
            json!({ "event": "filtered", "deed": deed, "cause": cause })
        }
        Event::ScriptFailed(trouble) => json!({ "event": "scriptFailed", "trouble": trouble }),
        Event::Filed { mailbox, uid } => {
            json!({ "event": "filed", "mailbox": mailbox, "uid": uid.value() })
        }
        Event::Unfiled => json!({ "event": "unfiled" }),
        Event::Queued {
            id,
            destination,
            recipients,
        } => json!({
            "event": "queued",
            "id": id.to_string(),
            "destination": destination,
            "to": recipients,
        }),
        Event::Attempted {
            id,
            recipient,
            result,
            said,
            tls,
        } => json!({
            "event": result.name(),
            "id": id.to_string(),
            "to": recipient,
            "said": said,
            "tls": tls,
        }),
        Event::Waits { id, until } => {
            json!({ "event": "waits", "id": id.to_string(), "until": until })
        }
        Event::Handled { id, deed } => {
            json!({ "event": "handled", "id": id.to_string(), "deed": deed })
        }
    }
}
