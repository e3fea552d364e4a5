//! What the command line asks about accounts.

use mail::Rights;
use post::{Account, Outcome, Post, Quota, RightsChange};
use serde_json::{Value, json};

use super::{Arguments, answered, error, refused, unknown};

/// Carries out one method of `Account`.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    if method == "Account/list" {
        return Ok(list(post));
    }
    let address = arguments.address("address")?;
    answered(match method {
        "Account/add" if arguments.flag("shared") => {
            post.add_shared_account(&address).await.map(drop)
        }
        "Account/add" => {
            let password = arguments.password()?;
            post.add_account(&address, password).await.map(drop)
        }
        "Account/password" => post.set_password(&address, arguments.password()?).await,
        "Account/quota" => {
            return match post.account_quota(&address).await {
                Ok((used, quota)) => Ok(json!({
                    "octets": used.octets,
                    "octetsMax": quota.octets_max,
                    "messages": used.messages,
                    "messagesMax": quota.messages_max,
                })),
                Err(error) => Err(refused(error)),
            };
        }
        "Account/setQuota" => post.set_quota(&address, arguments.quota()?).await,
        "Account/rights" => {
            let account = post.account_at(&address).await.map_err(refused)?;
            return rights(&account, arguments.text("mailbox")?).await;
        }
        "Account/setRights" => {
            let (mailbox, identifier) = (arguments.text("mailbox")?, arguments.text("identifier")?);
            let change = arguments.rights()?;
            let account = post.account_at(&address).await.map_err(refused)?;
            account.set_rights(mailbox, identifier, change).await
        }
        "Account/remove" => post.remove_account(&address).await,
        _ => return Err(unknown(method)),
    })
}

fn list(post: &Post) -> Value {
    let accounts = post.accounts();
    let list = accounts.iter().map(|account| {
        json!({
            "address": account.address.to_string(),
            "created": account.created.seconds,
            "shared": account.shared,
        })
    });
    json!({ "list": list.collect::<Vec<_>>() })
}

/// Who may do what with a mailbox.
async fn rights(account: &Account, mailbox: &str) -> Result<Value, Value> {
    let acl: Outcome<Vec<(String, Rights)>> = account.acl(mailbox).await;
    let list = acl.map_err(refused)?.into_iter().map(
        |(identifier, rights)| json!({ "identifier": identifier, "rights": rights.to_string() }),
    );
    Ok(json!({ "list": list.collect::<Vec<_>>() }))
}

impl Arguments<'_> {
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Letters of rights: these and no others, or behind `+` and `-` these as well and not these.
    // RFC 4314 §3.1
    fn rights(&self) -> Result<RightsChange, Value> {
        let text = self.text("rights")?;
        let (change, letters): (fn(Rights) -> RightsChange, &str) =
            if let Some(letters) = text.strip_prefix('+') {
                (RightsChange::Add, letters)
            } else if let Some(letters) = text.strip_prefix('-') {
                (RightsChange::Remove, letters)
            } else {
                (RightsChange::Replace, text)
            };
        let rights = Rights::parse(letters);
        let not = || {
            let known = Rights::ALL;
            let text = format!("{text} is not rights: letters of {known}, + and - before them");
            error("invalidArguments", text)
        };
        rights.map(change).ok_or_else(not)
    }

    fn password(&self) -> Result<&str, Value> {
        let password = self.text("password")?;
        if password.is_empty() {
            return Err(error("invalidArguments", "The password is empty"));
        }
        Ok(password)
    }

    /// An account's own quota; none for `null`.
    fn quota(&self) -> Result<Option<Quota>, Value> {
        let quota = match self.0.get("quota") {
            Some(Value::Null) => return Ok(None),
            Some(Value::Object(quota)) => quota,
            Some(_) | None => return Err(error("invalidArguments", "quota is missing")),
        };
        let limit = |name: &str| match quota.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => match number.as_u64() {
                None => Err(error("invalidArguments", format!("{name} is not a number"))),
                number => Ok(number),
            },
        };
        Ok(Some(Quota {
            octets_max: limit("octetsMax")?,
            messages_max: limit("messagesMax")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_accounts_are_read_or_named() {
        let given = json!({ "shared": true, "rights": "+lr" });
        let arguments = Arguments(&given);
        assert!(arguments.flag("shared") && !arguments.flag("rights"));
        assert!(arguments.quota().is_err());
        for (given, read) in [
            (json!(null), Some(None)),
            (json!({}), Some(Some(Quota::default()))),
            (
                json!({ "octetsMax": 7, "messagesMax": null }),
                Some(Some(Quota {
                    octets_max: Some(7),
                    messages_max: None,
                })),
            ),
            (json!({ "octetsMax": "7" }), None),
            (json!(7), None),
        ] {
            let given = json!({ "quota": given });
            assert_eq!(Arguments(&given).quota().ok(), read);
        }
        let missing = arguments.password().unwrap_err().to_string();
        assert!(missing.contains("password is missing"));
        let lr = Rights::LOOKUP | Rights::READ;
        for (given, read) in [
            ("lr", Some(RightsChange::Replace(lr))),
            ("", Some(RightsChange::Replace(Rights::NONE))),
            ("+lr", Some(RightsChange::Add(lr))),
            ("-lr", Some(RightsChange::Remove(lr))),
            ("--lr", None),
            ("LR", None),
            ("every", None),
        ] {
            let given = json!({ "rights": given });
            assert_eq!(Arguments(&given).rights().ok(), read);
        }
    }
}
