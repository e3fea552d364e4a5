//! What the command line asks about operations: which there were, and that they be undone.

use mail::{AccountId, Address, ModSeq, Timestamp};
use post::{
    Account, Operation, OperationState, PastMessage, Post, Purge, Purged, RemovedAccount, Revert,
    Reverted,
};
use serde_json::{Value, json};

use super::{Arguments, address, error, refused, unknown};

/// Messages of the past told at once.
const PAST_PAGE: usize = 10_000;

/// Carries out one method of `Undo`.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    let address = arguments.address("address")?;
    match method {
        "Undo/list" => list(post, &address, arguments).await,
        "Undo/revert" => {
            let account = post.account_at(&address).await.map_err(refused)?;
            let revert = Revert {
                into: arguments.text("into").ok(),
                over_quota: arguments.flag("overQuota"),
                dry_run: arguments.flag("dryRun"),
            };
            let number = arguments.operation()?;
            let done = account.revert(number, &revert).await;
            done.map(|done| reverted(&done)).map_err(refused)
        }
        "Undo/asOf" => as_of(post, &address, arguments).await,
        "Undo/restoreAccount" => restore_account(post, &address, arguments).await,
        "Undo/purge" => {
            let account = post.account_at(&address).await.map_err(refused)?;
            let which = arguments.which()?;
            let done = account.purge(which).await.map_err(refused)?;
            Ok(purged(&account, &done))
        }
        "Undo/purgeAccount" => purge_account(post, &address).await,
        _ => Err(unknown(method)),
    }
}

async fn list(post: &Post, address: &Address, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let removed = post
        .removed_accounts(Some(address))
        .await
        .map_err(refused)?;
    let operations = match post.account_at(address).await {
        Ok(account) => account.operations().await.map_err(refused)?,
        Err(_) if !removed.is_empty() => Vec::new(),
        Err(error) => return Err(refused(error)),
    };
    let since = arguments.moment("since").unwrap_or(i64::MIN);
    let operations = operations.iter().filter(|one| one.when.seconds >= since);
    let removed = removed.iter().filter(|one| one.when.seconds >= since);
    Ok(json!({
        "list": operations.map(operation).collect::<Vec<_>>(),
        "removedAccounts": removed.map(removed_account).collect::<Vec<_>>(),
    }))
}

fn operation(operation: &Operation) -> Value {
    let (state, by) = match operation.state {
        OperationState::Done => ("done", None),
        OperationState::Undone(by) => ("undone", Some(by.0)),
        OperationState::Final => ("final", None),
    };
    json!({
        "operation": operation.number.0,
        "kind": operation.kind.name(),
        "state": state,
        "undoneBy": by,
        "undoes": operation.undoes.map(|line| line.0),
        "when": operation.when.seconds,
        "who": operation.who,
        "client": {
            "protocol": operation.client.protocol,
            "address": operation.client.address.map(|address| address.to_string()),
            "name": operation.client.name,
            "text": operation.client.to_string(),
        },
        "messages": operation.messages,
        "octets": operation.octets,
        "mailbox": operation.mailbox,
        "target": operation.target,
        "proof": operation.proof.as_ref().map(|proof| hex(proof)),
    })
}

fn removed_account(removed: &RemovedAccount) -> Value {
    json!({
        "id": removed.id.0,
        "address": removed.address.to_string(),
        "when": removed.when.seconds,
        "messages": removed.usage.messages,
        "octets": removed.usage.octets,
    })
}

fn reverted(done: &Reverted) -> Value {
    json!({
        "operation": done.number.map(|line| line.0),
        "messages": done.messages,
        "missing": done.missing,
        "mailbox": done.mailbox,
    })
}

/// What a mailbox held at a moment; or puts that into another.
async fn as_of(post: &Post, address: &Address, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let account = post.account_at(address).await.map_err(refused)?;
    let moment = arguments.moment("moment").map(Timestamp::utc);
    let moment = moment.ok_or_else(|| error("invalidArguments", "moment is missing"))?;
    let mailbox = arguments.text("mailbox")?;
    if let Ok(into) = arguments.text("into") {
        let over_quota = arguments.flag("overQuota");
        let done = account
            .restore_past(moment, mailbox, into, over_quota)
            .await;
        return done.map(|done| reverted(&done)).map_err(refused);
    }
    let past = account.past(moment, mailbox).await.map_err(refused)?;
    let after = arguments.number("after").unwrap_or_default();
    let behind = |one: &&PastMessage| u64::from(one.uid.value()) > after;
    let some: Vec<PastMessage> = past
        .messages
        .iter()
        .filter(behind)
        .take(PAST_PAGE)
        .cloned()
        .collect();
    let subjects = account.subjects(&some).await.map_err(refused)?;
    let list = some.iter().zip(subjects).map(|(one, subject)| {
        json!({
            "uid": one.uid.value(),
            "emailId": one.email.0,
            "date": one.date.seconds,
            "size": one.size,
            "flags": one.flags.to_string(),
            "subject": subject,
        })
    });
    Ok(json!({
        "total": past.messages.len(),
        "lost": past.lost,
        "list": list.collect::<Vec<_>>(),
    }))
}

/// Brings back the account that had this address and was removed last, or the one with an id.
async fn restore_account(
    post: &Post,
    given: &Address,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    let removed = post.removed_accounts(Some(given)).await.map_err(refused)?;
    let id = arguments.number("id").map(AccountId);
    let found = removed.iter().find(|one| id.is_none_or(|id| one.id == id));
    let not = || error("Nonexistent", "No account with this address was removed");
    let found = found.ok_or_else(not)?;
    let name = arguments.text("into").ok().map(address).transpose()?;
    if !arguments.flag("dryRun") {
        let done = post.restore_account(found.id, name.as_ref()).await;
        done.map_err(refused)?;
    }
    Ok(json!({
        "address": name.as_ref().unwrap_or(&found.address).to_string(),
        "messages": found.usage.messages,
    }))
}

/// Erases all accounts that had this address and were removed.
async fn purge_account(post: &Post, address: &Address) -> Result<Value, Value> {
    let removed = post
        .removed_accounts(Some(address))
        .await
        .map_err(refused)?;
    if removed.is_empty() {
        let text = "No account with this address was removed";
        return Err(error("Nonexistent", text));
    }
    let mut messages = 0;
    for one in &removed {
        post.purge_account(one.id).await.map_err(refused)?;
        messages += one.usage.messages;
        let (account, address) = (one.id.0, one.address.to_string());
        tracing::info!(account, address, "a removed account was erased for good");
    }
    Ok(json!({ "accounts": removed.len(), "messages": messages }))
}

fn purged(account: &Account, done: &Purged) -> Value {
    let address = account.address().to_string();
    let proof = hex(&done.proof);
    let (operations, bodies) = (done.operations.len(), done.bodies.len());
    tracing::info!(address, operations, bodies, proof, "operations were purged");
    json!({
        "operation": done.number.map(|line| line.0),
        "operations": done.operations.iter().map(|line| line.0).collect::<Vec<_>>(),
        "bodies": done.bodies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "statement": done.statement(&address),
        "proof": proof,
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Arguments<'_> {
    fn moment(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    fn operation(&self) -> Result<ModSeq, Value> {
        let number = self.number("operation").map(ModSeq);
        number.ok_or_else(|| error("invalidArguments", "operation is missing"))
    }

    fn which(&self) -> Result<Purge, Value> {
        if let Some(number) = self.number("operation") {
            return Ok(Purge::One(ModSeq(number)));
        }
        if let Some(seconds) = self.moment("before") {
            return Ok(Purge::Before(Timestamp::utc(seconds)));
        }
        match self.flag("all") {
            true => Ok(Purge::All),
            false => Err(error("invalidArguments", "It is not said what to purge")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_purge_has_to_be_said() {
        for (given, read) in [
            (
                json!({ "operation": 7, "all": true }),
                Some(Purge::One(ModSeq(7))),
            ),
            (
                json!({ "before": -5 }),
                Some(Purge::Before(Timestamp::utc(-5))),
            ),
            (json!({ "all": true }), Some(Purge::All)),
            (json!({ "all": false }), None),
            (json!({ "operation": "7" }), None),
        ] {
            assert_eq!(Arguments(&given).which().ok(), read);
        }
    }
}
