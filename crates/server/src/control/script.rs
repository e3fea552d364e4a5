//! What the command line asks about filter scripts.

use mail::{ScriptName, Uid};
use post::{Account, Apply, Post, ScriptVerdict};
use serde_json::{Value, json};

use super::{Arguments, answered, error, refused, unknown};

/// Carries out one method of `Script`.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    let address = arguments.address("account")?;
    let account = post.account_at(&address).await.map_err(refused)?;
    match method {
        "Script/list" => list(&account).await,
        "Script/get" => {
            let text = account.script(&arguments.script("name")?).await;
            let text = text.map_err(refused)?;
            Ok(json!({ "text": String::from_utf8_lossy(&text) }))
        }
        "Script/put" => {
            let (name, text) = (arguments.script("name")?, arguments.text("text")?);
            let verdict = account.put_script(&name, &text.to_owned().into()).await;
            match verdict.map_err(refused)? {
                ScriptVerdict::Right(warnings) => Ok(json!({ "warnings": warnings })),
                ScriptVerdict::Wrong(faults) => Err(error("invalidScript", faults.join("\n"))),
            }
        }
        "Script/activate" => {
            let name = match arguments.0.get("name") {
                None | Some(Value::Null) => None,
                Some(_) => Some(arguments.script("name")?),
            };
            answered(account.activate_script(name.as_ref()).await)
        }
        "Script/remove" => answered(account.remove_script(&arguments.script("name")?).await),
        "Script/rename" => {
            let (name, new) = (arguments.script("name")?, arguments.script("newName")?);
            answered(account.rename_script(&name, &new).await)
        }
        "Script/apply" => apply(&account, arguments).await,
        _ => Err(unknown(method)),
    }
}

/// One step of applying a script to a mailbox.
async fn apply(account: &Account, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let name = arguments.script("name")?;
    let uid = |name: &str| {
        let number = arguments.0.get(name).and_then(Value::as_u64);
        number.and_then(|number| Uid::new(u32::try_from(number).ok()?))
    };
    let asked = Apply {
        mailbox: arguments.text("mailbox")?,
        script: &name,
        after: uid("after"),
        until: uid("until"),
        dry_run: arguments.flag("dryRun"),
    };
    let applied = account.apply_script(&asked).await.map_err(refused)?;
    let done = applied.done.iter().map(|((what, mailbox), messages)| {
        let mailbox = (!mailbox.is_empty()).then_some(mailbox);
        json!({ "what": what, "mailbox": mailbox, "messages": messages })
    });
    Ok(json!({
        "messages": applied.messages,
        "total": applied.total,
        "until": applied.until.map(Uid::value),
        "next": applied.next.map(Uid::value),
        "done": done.collect::<Vec<_>>(),
        "notDone": applied.not_done,
        "failed": applied.failed,
    }))
}

async fn list(account: &Account) -> Result<Value, Value> {
    let scripts = account.scripts().await.map_err(refused)?;
    let list = scripts.iter().map(|script| {
        json!({
            "name": script.name.as_str(),
            "octets": script.octets,
            "active": script.is_active,
        })
    });
    Ok(json!({ "list": list.collect::<Vec<_>>() }))
}

impl Arguments<'_> {
    fn script(&self, name: &str) -> Result<ScriptName, Value> {
        let text = self.text(name)?;
        let not = || {
            error(
                "invalidArguments",
                format!("{text:?} is no name of a script"),
            )
        };
        ScriptName::parse(text).ok_or_else(not)
    }
}
