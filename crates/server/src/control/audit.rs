//! What the command line asks about the audit, and about what is kept and what is dead.

use post::{AtOnce, Audit, AuditStatus, Difference, Findings, Post};
use serde_json::{Map, Value, json};

use super::{Arguments, refused, unknown};
use crate::audit::EVERY;
use crate::reclaim;

/// Carries out one method of `Audit` or `Store`.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    let is = |name: &str| arguments.0.get(name).and_then(Value::as_bool);
    let audit = Audit {
        every: match is("deep") {
            Some(true) => 1,
            _ => EVERY,
        },
        turn: 0,
        repairs: is("repair").unwrap_or(true),
        pace: &AtOnce,
    };
    let found = match method {
        "Audit/status" => return Ok(status(&post.audit_status())),
        "Store/stats" => return stats(post).await,
        "Store/reclaim" => {
            let is_alone = is("isAlone").unwrap_or(false);
            return reclaim::now(post, is_alone).await.map_err(refused);
        }
        "Audit/directory" => post.audit_directory(&audit).await,
        "Audit/account" => {
            let address = arguments.address("address")?;
            let accounts = post.accounts();
            let id = accounts.iter().find(|listed| listed.address == address);
            match id {
                Some(listed) => post.audit_account(listed.id, &audit).await,
                // It tells what is wrong with the name, or finds it in other case.
                None => match post.account_at(&address).await {
                    Ok(account) => post.audit_account(account.id(), &audit).await,
                    Err(error) => Err(error),
                },
            }
        }
        _ => return Err(unknown(method)),
    };
    found.map(|found| findings(&found)).map_err(refused)
}

fn findings(found: &Findings) -> Value {
    let differences = found.differences.iter().map(difference);
    json!({
        "accounts": found.accounts,
        "mailboxes": found.mailboxes,
        "messages": found.messages,
        "bodies": found.bodies,
        "bodiesRead": found.read,
        "octets": found.octets,
        "postponed": found.postponed,
        "found": found.found,
        "repaired": found.repaired,
        "differences": differences.collect::<Vec<_>>(),
    })
}

fn difference(difference: &Difference) -> Value {
    json!({
        "kind": difference.kind.name(),
        "account": difference.account,
        "mailbox": difference.mailbox,
        "uid": difference.uid.map(mail::Uid::value),
        "what": difference.what,
        "repaired": difference.repaired,
        "text": difference.to_string(),
    })
}

fn status(status: &AuditStatus) -> Value {
    let kinds = status.kinds.iter().map(|(kind, (found, repaired))| {
        let told = json!({ "found": found, "repaired": repaired });
        ((*kind).to_owned(), told)
    });
    json!({
        "rounds": status.rounds,
        "lastRound": status.last_round.map(|moment| moment.seconds),
        "accounts": status.accounts,
        "octets": status.octets,
        "postponed": status.postponed,
        "found": status.found,
        "repaired": status.repaired,
        "kinds": kinds.collect::<Map<_, _>>(),
    })
}

async fn stats(post: &Post) -> Result<Value, Value> {
    let stats = post.stats().await.map_err(refused)?;
    let survey = post.survey(&AtOnce).await.map_err(refused)?;
    let tables = stats
        .tables
        .iter()
        .map(|table| json!({ "name": table.name, "rows": table.rows, "octets": table.octets }));
    Ok(json!({
        "domains": stats.domains,
        "accounts": stats.accounts,
        "aliases": stats.aliases,
        "messages": stats.usage.messages,
        "messagesOctets": stats.usage.octets,
        "tables": tables.collect::<Vec<_>>(),
        "audit": status(&post.audit_status()),
        "use": reclaim::survey(&survey),
        "reclaimed": reclaim::reclaimed(&post.reclaimed()),
    }))
}
