//! One account out of a backup, or one message.
//!
//! The account is restored into a store that is thrown away, and goes from there to the server that
//! runs, or to the store at rest, as imports do: so it can be broken off, and goes on.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use backup::{Digest, Manifest, Repository};
use mail::{Address, Flag, Role, Timestamp, Uid, UidValidity};
use serde_json::{Value, json};
use store::Partition;
use tokio::runtime::Runtime;

use super::restore::{self, Restore};
use super::{complaint, tell_flaws};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk;
use crate::line::Line;
use crate::progress::Progress;
use crate::transfer::sink::{Facts, Opening, Sink};

/// Writes one message, whose digest is known.
pub(super) fn message(
    repository: &Repository,
    digest: Digest,
    output: Option<&Path>,
) -> Result<(), Complaint> {
    let mut output: Box<dyn io::Write> = match output {
        Some(path) => {
            let file = File::create_new(path);
            Box::new(file.with_context(|| format!("making {}", path.display()))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    let read = backup::message(repository, digest, &mut |piece| output.write_all(piece));
    read.map_err(|error| complaint(&error))?;
    Ok(output.flush().context("writing the message")?)
}

/// Restores an account into one that is there.
pub(super) fn run(
    config: &Config,
    restore: &Restore,
    (repository, manifest): (&Repository, &Manifest),
    address: &str,
) -> Result<(), Complaint> {
    let parsed = Address::parse(address);
    let parsed = parsed.map_err(|_| Complaint::usage(format!("{address} is not an address")))?;
    let thrown_away = restore.place.scratch(restore.scratch.clone())?;
    let scratch = restore::config_of(&thrown_away.0)?;
    fill(repository, manifest, &scratch, &parsed)?;
    let mut from = Line::open(&scratch)?;
    let mut to = Line::open(config)?;
    let into = restore.into.as_deref().unwrap_or(address);
    let there = to.call("Export/mailboxes", &json!({ "account": into }));
    let there = there.map_err(|error| {
        error.next("caramel account add: an account that is gone is made again first")
    })?;
    // A mailbox that has had messages never gives their UIDs again.
    let is_new = |one: &Value| number(one, "uidNext").is_none_or(|next| next == 1);
    let is_empty = list(&there).all(is_new);
    let day = manifest.made().to_rfc3339().to_string();
    let below = match is_empty {
        true => String::new(),
        false => format!(
            "Restored/{}/",
            day.replace(':', "").get(..17).unwrap_or_default()
        ),
    };
    let told = from.call("Export/mailboxes", &json!({ "account": address }))?;
    let mut sink = Sink::new(Some(to), into, Progress::new(false));
    sink.progress.total = list(&told).filter_map(|one| number(one, "octets")).sum();
    let wanted =
        |name: &str| restore.mailbox.is_empty() || restore.mailbox.iter().any(|one| one == name);
    let mut mailboxes = Vec::new();
    for one in list(&told) {
        let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
        if one.get("selectable") == Some(&Value::Bool(true)) && wanted(name) {
            let opening = opening(one, name, (manifest, address, into), &below);
            mailbox(
                &mut from,
                &mut sink,
                restore,
                (address, name),
                &opening,
                one,
            )?;
            mailboxes.push(opening.source);
        }
    }
    sink.progress.clear();
    for source in mailboxes {
        // It is whole; given again, it is done again.
        if let Some(line) = sink.line() {
            line.call(
                "Import/forget",
                &json!({ "account": into, "source": source }),
            )?;
        }
    }
    let place = match below.trim_end_matches('/') {
        "" => "where they were".to_owned(),
        below => format!("in {below}"),
    };
    say(&format!("{}, {place}.", sink.progress.sum()))
}

/// Restores one account into a scratch store: the directory first, which says which one it is.
fn fill(
    repository: &Repository,
    manifest: &Manifest,
    scratch: &Config,
    address: &Address,
) -> Result<(), Complaint> {
    let directory = [Partition::DIRECTORY];
    restore::store(repository, manifest, scratch, Some(&directory))?;
    let runtime = Runtime::new().context("starting")?;
    runtime.block_on(async {
        let (store, post) = desk::open(scratch).await?;
        // It cannot be opened yet: its rows are not there.
        let accounts = post.accounts();
        let account = accounts.iter().find(|one| one.address == *address);
        let account = account.ok_or_else(|| {
            let what = format!("the backup has no account {address}");
            Complaint::new(what).next("caramel backup list: another backup may have it")
        })?;
        let own = [Partition(account.id.0)];
        drop(post);
        let mut progress = Progress::new(false);
        let mut passed = |messages, octets| progress.add(messages, octets);
        let found = backup::restore(repository, manifest, &store, Some(&own), &mut passed).await;
        progress.clear();
        let found = found.map_err(|error| complaint(&error))?;
        store.close();
        drop(store);
        let (store, post) = desk::open(scratch).await?;
        tell_flaws(&found, &post)?;
        drop(post);
        store.close();
        Ok(())
    })
}

fn list(told: &Value) -> impl Iterator<Item = &Value> {
    told.get("list")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn number(told: &Value, name: &str) -> Option<u64> {
    told.get(name)?.as_u64()
}

fn small(told: &Value, name: &str) -> Option<u32> {
    u32::try_from(number(told, name)?).ok()
}

/// Where a mailbox goes: as it was where nothing is yet, else below another.
fn opening(
    told: &Value,
    name: &str,
    (manifest, address, into): (&Manifest, &str, &str),
    below: &str,
) -> Opening {
    let mut hash = blake3::Hasher::new();
    for word in [manifest.name(), address, into, below, name] {
        hash.update(word.as_bytes());
        hash.update(&[0]);
    }
    let source = hash.finalize().to_hex();
    let is_own = below.is_empty();
    let role = told
        .get("role")
        .and_then(Value::as_str)
        .and_then(Role::parse);
    let uidvalidity = small(told, "uidValidity").and_then(UidValidity::new);
    Opening {
        old: name.to_owned(),
        new: format!("{below}{name}"),
        source: source.get(..32).unwrap_or_default().to_owned(),
        role: role.filter(|_| is_own),
        subscribed: is_own && told.get("subscribed") == Some(&Value::Bool(true)),
        uidvalidity: uidvalidity.filter(|_| is_own),
    }
}

fn mailbox(
    from: &mut Line,
    sink: &mut Sink,
    restore: &Restore,
    (address, name): (&str, &str),
    opening: &Opening,
    told: &Value,
) -> Result<(), Complaint> {
    let mark = sink.open(opening)?;
    let mut after = mark.as_ref().and_then(Value::as_u64);
    loop {
        let arguments = json!({ "account": address, "mailbox": name, "after": after });
        let page = from.call("Export/messages", &arguments)?;
        for row in list(&page) {
            let uid = small(row, "uid").and_then(Uid::new);
            let octets = number(row, "octets").unwrap_or_default();
            let Some(uid) = uid else {
                return Err(Complaint::new("the store's answer cannot be read"));
            };
            after = Some(uid.value().into());
            if !restore.uid.is_empty() && !restore.uid.contains(&uid.value()) {
                from.octets(octets, |_| Ok(()))?;
                continue;
            }
            sink.begin(&format!("{name};UID={}", uid.value()));
            let mut sent = Ok(());
            from.octets(octets, |piece| {
                if sent.is_ok() {
                    sent = sink.octets(piece);
                }
                Ok(())
            })?;
            sent?;
            let keeps = opening.uidvalidity.is_some();
            sink.end(
                &facts(row, Some(uid).filter(|_| keeps)),
                &json!(uid.value()),
            )?;
        }
        if page.get("more").is_none_or(Value::is_null) {
            break;
        }
    }
    let uidnext = small(told, "uidNext").and_then(Uid::new);
    sink.close(uidnext.filter(|_| opening.uidvalidity.is_some()))
}

fn facts(row: &Value, uid: Option<Uid>) -> Facts {
    let flags = row.get("flags").and_then(Value::as_array);
    let flags = flags.into_iter().flatten().filter_map(Value::as_str);
    let zone = row.get("zone").and_then(Value::as_i64).unwrap_or_default();
    let date = row.get("date").and_then(Value::as_i64);
    Facts {
        flags: flags.filter_map(Flag::parse).collect(),
        date: date.map(|seconds| Timestamp {
            seconds,
            zone_minutes: i16::try_from(zone).unwrap_or_default(),
        }),
        uid,
    }
}
