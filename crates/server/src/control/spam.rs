//! What the command line asks of what was learned about junk.

use mail::{Address, Uid};
use post::{Account, Clues, Explained, Post, SpamClass, SpamWish};
use serde_json::{Value, json};

use super::{Arguments, answered, error, refused, unknown};

/// Clues that one call names.
const CLUES_MAX: usize = 10_000;

/// Carries out one method of `Spam`.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    let address = account(post, arguments)?;
    let account = post.account_at(&address).await.map_err(refused)?;
    match method {
        "Spam/status" => status(post, &account).await,
        "Spam/train" => {
            let class = arguments.class()?;
            let learned = account.train(arguments.clues()?, class).await;
            Ok(json!({ "learned": learned.map_err(refused)? }))
        }
        "Spam/trainMailbox" => {
            let (mailbox, class) = (arguments.text("mailbox")?, arguments.class()?);
            let trained = account.train_mailbox(mailbox, class, arguments.uid("after"));
            let trained = trained.await.map_err(refused)?;
            Ok(json!({
                "letters": trained.letters,
                "learned": trained.learned,
                "next": trained.next.map(Uid::value),
            }))
        }
        "Spam/explain" => {
            let explained = match arguments.uid("uid") {
                Some(uid) => {
                    account
                        .explain_message(arguments.text("mailbox")?, uid)
                        .await
                }
                None => account.explain(&arguments.clues()?).await,
            };
            Ok(told(&explained.map_err(refused)?))
        }
        "Spam/wish" => answered(account.set_spam_wish(arguments.wish()?).await),
        "Spam/forget" => {
            let forgotten = account.forget_training().await.map_err(refused)?;
            Ok(json!({ "forgotten": forgotten }))
        }
        _ => Err(unknown(method)),
    }
}

/// Whose counts are meant: the site's, where nobody is named.
fn account(post: &Post, arguments: &Arguments<'_>) -> Result<Address, Value> {
    match arguments.0.get("account") {
        None | Some(Value::Null) => post.rules().spam.site.clone().ok_or_else(|| {
            let text = "Say whose counts are meant: --account, or [spam] site for all";
            error("invalidArguments", text)
        }),
        Some(_) => arguments.address("account"),
    }
}

async fn status(post: &Post, account: &Account) -> Result<Value, Value> {
    let status = account.spam_status().await.map_err(refused)?;
    let wish = account.spam_wish().await.map_err(refused)?;
    let rules = &post.rules().spam;
    let needed = rules.letters_min;
    Ok(json!({
        "account": account.address().to_string(),
        "good": status.good,
        "junk": status.junk,
        "clues": status.clues,
        "notes": status.notes,
        "lettersMin": needed,
        "trained": status.good >= needed && status.junk >= needed,
        "filter": format!("{:?}", rules.measure).to_lowercase(),
        "threshold": match wish {
            SpamWish::Off => Value::Null,
            SpamWish::House => json!(rules.threshold_percent),
            SpamWish::From(percent) => json!(percent),
        },
        "own": wish != SpamWish::House,
        "site": rules.site.as_ref().map(Address::to_string),
    }))
}

fn told(explained: &Explained) -> Value {
    let evidence = explained.verdict.evidence.iter().map(|one| {
        json!({
            "clue": one.clue,
            "percent": one.percent,
            "good": one.tally.good,
            "junk": one.tally.junk,
        })
    });
    let asked = explained.asked.iter().map(Address::to_string);
    json!({
        "percent": explained.verdict.percent,
        "threshold": explained.threshold_percent,
        "asked": asked.collect::<Vec<_>>(),
        "evidence": evidence.collect::<Vec<_>>(),
    })
}

impl Arguments<'_> {
    fn clues(&self) -> Result<Clues, Value> {
        let clues = self.0.get("clues").and_then(Value::as_array);
        let clues = clues.ok_or_else(|| error("invalidArguments", "clues are missing"))?;
        if clues.len() > CLUES_MAX {
            return Err(error("limit", "These are too many clues"));
        }
        Ok(Clues::of(clues.iter().filter_map(Value::as_str)))
    }

    /// What a letter is; none for nothing any more.
    fn class(&self) -> Result<Option<SpamClass>, Value> {
        match self.0.get("class") {
            Some(Value::Null) => Ok(None),
            Some(Value::String(name)) if name == "junk" => Ok(Some(SpamClass::Junk)),
            Some(Value::String(name)) if name == "good" => Ok(Some(SpamClass::Good)),
            _ => Err(error("invalidArguments", "class is junk, good, or null")),
        }
    }

    fn wish(&self) -> Result<SpamWish, Value> {
        let text = self.text("wish")?;
        let not = || {
            let text = format!("{text} is not off, house, or a number from 1 to 100");
            error("invalidArguments", text)
        };
        match text {
            "house" => Ok(SpamWish::House),
            _ => SpamWish::parse(text).ok_or_else(not),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_or_named() {
        let given = json!({
            "class": "junk", "wish": "90", "uid": 7, "clues": ["tea", "pills", 3],
        });
        let arguments = Arguments(&given);
        assert_eq!(arguments.class(), Ok(Some(SpamClass::Junk)));
        assert_eq!(arguments.wish(), Ok(SpamWish::From(90)));
        assert_eq!(arguments.uid("uid").map(Uid::value), Some(7));
        assert_eq!(arguments.clues().map(|clues| clues.len()), Ok(2));
        let given = json!({ "class": null, "wish": "0" });
        let arguments = Arguments(&given);
        assert_eq!(arguments.class(), Ok(None));
        assert!(arguments.wish().is_err() && arguments.clues().is_err());
        assert!(Arguments(&json!({})).class().is_err());
    }
}
