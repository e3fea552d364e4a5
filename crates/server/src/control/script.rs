//! What the command line asks about filter scripts.

use mail::ScriptName;
use post::{Account, Post, ScriptVerdict};
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
        _ => Err(unknown(method)),
    }
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
