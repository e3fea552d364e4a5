//! Accounts and aliases: asked in words, answered in words.
//!
//! Not here: domains (`domains`).

use serde_json::{Value, json};

use crate::cli::{Listing, PasswordSource, QuotaChange, RightsChange, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::ask;
use crate::told::text;

pub(crate) fn add_account(
    config: &Config,
    address: &str,
    source: &PasswordSource,
) -> Result<(), Complaint> {
    set_password(config, "Account/add", address, source, "has an account")
}

pub(crate) fn add_shared_account(config: &Config, address: &str) -> Result<(), Complaint> {
    let arguments = json!({ "address": address, "shared": true });
    ask(config, "Account/add", &arguments)?;
    say(&format!(
        "{address} has an account that is shared; caramel account rights says who may use it."
    ))
}

pub(crate) fn list_accounts(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let answer = ask(config, "Account/list", &json!({}))?;
    show(&answer, listing, |account| {
        let shared = account.get("shared").and_then(Value::as_bool);
        let shared = if shared == Some(true) {
            " (shared)"
        } else {
            ""
        };
        format!("{}{shared}", text(account, "address"))
    })
}

pub(crate) fn change_password(
    config: &Config,
    address: &str,
    source: &PasswordSource,
) -> Result<(), Complaint> {
    set_password(
        config,
        "Account/password",
        address,
        source,
        "has another password",
    )
}

/// Asks what brings an account a password, and shows one that was made up.
fn set_password(
    config: &Config,
    method: &str,
    address: &str,
    source: &PasswordSource,
    done: &str,
) -> Result<(), Complaint> {
    let password = source.password()?;
    let arguments = json!({ "address": address, "password": password });
    ask(config, method, &arguments)?;
    say(&format!("{address} {done}."))?;
    source.tell(&password)
}

/// Changes a quota if so much is said; shows what it comes to.
pub(crate) fn quota(config: &Config, address: &str, change: &QuotaChange) -> Result<(), Complaint> {
    let own = change.octets.is_some() || change.messages.is_some() || change.none;
    if own || change.default {
        let quota =
            own.then(|| json!({ "octetsMax": change.octets, "messagesMax": change.messages }));
        let arguments = json!({ "address": address, "quota": quota });
        ask(config, "Account/setQuota", &arguments)?;
    }
    let answer = ask(config, "Account/quota", &json!({ "address": address }))?;
    for what in ["octets", "messages"] {
        let number = |name: &str| answer.get(name).and_then(Value::as_u64);
        let used = number(what).unwrap_or(0);
        let max = number(&format!("{what}Max"));
        let max = max.map_or_else(|| "any number".to_owned(), |max| max.to_string());
        say(&format!("{address} holds {used} {what} of {max}."))?;
    }
    Ok(())
}

/// Changes rights if so much is said; shows who has which.
pub(crate) fn rights(
    config: &Config,
    address: &str,
    mailbox: &str,
    change: &RightsChange,
) -> Result<(), Complaint> {
    let arguments = json!({ "address": address, "mailbox": mailbox });
    if let (Some(identifier), Some(rights)) = (&change.identifier, &change.rights) {
        let rights = match rights.as_str() {
            "none" => "",
            // It would be read as two letters of rights.
            "all" => "lrswipkxtea",
            letters => letters,
        };
        let change = json!({
            "address": address, "mailbox": mailbox, "identifier": identifier, "rights": rights,
        });
        ask(config, "Account/setRights", &change)?;
    }
    let answer = ask(config, "Account/rights", &arguments)?;
    show(&answer, &Listing { json: false }, |entry| {
        format!("{} {}", text(entry, "identifier"), text(entry, "rights"))
    })
}

pub(crate) fn remove_account(config: &Config, address: &str) -> Result<(), Complaint> {
    ask(config, "Account/remove", &json!({ "address": address }))?;
    say(&format!("{address} has no account any more."))
}

pub(crate) fn add_alias(
    config: &Config,
    source: &str,
    targets: &[String],
) -> Result<(), Complaint> {
    ask(
        config,
        "Alias/add",
        &json!({ "source": source, "targets": targets }),
    )?;
    say(&format!("{source} leads to {}.", targets.join(", ")))
}

pub(crate) fn list_aliases(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let answer = ask(config, "Alias/list", &json!({}))?;
    show(&answer, listing, |alias| {
        let targets = alias.get("targets").and_then(Value::as_array);
        let targets = targets.map(Vec::as_slice).unwrap_or_default();
        let targets = targets.iter().filter_map(Value::as_str).map(str::to_owned);
        let programs = match alias.get("programs").and_then(Value::as_u64) {
            None | Some(0) => None,
            Some(1) => Some("a program".to_owned()),
            Some(count) => Some(format!("{count} programs")),
        };
        let targets: Vec<String> = targets.chain(programs).collect();
        format!("{} -> {}", text(alias, "source"), targets.join(", "))
    })
}

pub(crate) fn remove_alias(config: &Config, source: &str) -> Result<(), Complaint> {
    ask(config, "Alias/remove", &json!({ "source": source }))?;
    say(&format!("{source} leads nowhere any more."))
}

/// A line for each, or JSON.
pub(crate) fn show(
    answer: &Value,
    listing: &Listing,
    line: fn(&Value) -> String,
) -> Result<(), Complaint> {
    let list = answer.get("list").cloned().unwrap_or_default();
    if listing.json {
        return say(&list.to_string());
    }
    for entry in list.as_array().map(Vec::as_slice).unwrap_or_default() {
        say(&line(entry))?;
    }
    Ok(())
}
