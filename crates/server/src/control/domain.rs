//! What the command line asks about domains, and about who is at relayed ones.
//!
//! A list comes in pieces, since a call has an end. They are gathered for as long as the connection
//! lasts, and the last one puts the whole list in the place of the one before.

use mail::{Host, LocalPart};
use post::{Post, RecipientsGathered};
use serde_json::{Value, json};

use super::{Arguments, answered, error, refused, unknown};

/// Local parts that one answer lists.
const PAGE_RECIPIENTS: usize = 10_000;

/// A list that is on its way.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    gathered: Option<(Host, RecipientsGathered)>,
}

impl Recipients {
    /// True if it knows what is to be done.
    pub(super) fn knows(method: &str) -> bool {
        method == "Domain/putRecipients"
    }

    /// Takes a piece of a list: `begin` forgets what came before, `end` puts it in force.
    pub(super) async fn carry_out(
        &mut self,
        post: &Post,
        arguments: &Arguments<'_>,
    ) -> Result<Value, Value> {
        let name = arguments.domain("name")?;
        // What was refused in part is not gone on with.
        let gathered = self.gathered.take();
        let gathered = gathered.filter(|(domain, _)| *domain == name);
        let mut gathered = match (arguments.flag("begin"), gathered) {
            (true, _) => RecipientsGathered::default(),
            (false, Some((_, gathered))) => gathered,
            (false, None) => return Err(error("invalidArguments", "Nothing has been begun")),
        };
        let locals = arguments.0.get("recipients").and_then(Value::as_array);
        for local in locals.into_iter().flatten() {
            let local = local.as_str().and_then(LocalPart::new);
            let local = local.ok_or_else(|| {
                let text = "recipients has what is no local part";
                error("invalidArguments", text)
            })?;
            gathered.push(&local).map_err(refused)?;
        }
        if !arguments.flag("end") {
            self.gathered = Some((name, gathered));
            return Ok(json!({}));
        }
        let set = post.set_recipients(&name, Some(gathered.finish())).await;
        let count = set.map_err(refused)?;
        tracing::info!(domain = %name, count, "has another list of recipients");
        Ok(json!({ "recipients": count }))
    }
}

/// Carries out one method of `Domain`.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    if method == "Domain/list" {
        return Ok(list(post));
    }
    let name = arguments.domain("name")?;
    match method {
        "Domain/add" if arguments.flag("relay") => answered(post.add_relayed_domain(&name).await),
        "Domain/add" => answered(post.add_domain(&name).await),
        "Domain/remove" => answered(post.remove_domain(&name).await),
        "Domain/recipients" => {
            let after = arguments.text("after").ok();
            let page = post.recipients(&name, after, PAGE_RECIPIENTS);
            Ok(match page.map_err(refused)? {
                Some(page) => json!({ "list": page.locals, "more": page.more }),
                None => json!({ "list": null }),
            })
        }
        "Domain/anyRecipient" => answered(post.set_recipients(&name, None).await.map(drop)),
        _ => Err(unknown(method)),
    }
}

/// All domains by their names.
fn list(post: &Post) -> Value {
    let local = post.domains().into_iter();
    let local = local.map(|name| (name.to_string(), "local", None));
    let relayed = post.relayed_domains().into_iter();
    let relayed = relayed.map(|one| (one.name.to_string(), "relayed", one.recipients));
    let mut all: Vec<_> = local.chain(relayed).collect();
    all.sort();
    let list = all.into_iter().map(|(name, kind, recipients)| match kind {
        "local" => json!({ "name": name, "kind": kind }),
        _ => json!({ "name": name, "kind": kind, "recipients": recipients }),
    });
    json!({ "list": list.collect::<Vec<_>>() })
}
