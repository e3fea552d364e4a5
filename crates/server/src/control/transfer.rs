//! Messages in and out in numbers: `Import/…` and `Export/…`.
//!
//! Octets travel beside the JSON: behind a call whose arguments say how many `octets` follow it,
//! and behind an answer that says the same. What comes in is acknowledged once it is committed.

use bytes::Bytes;
use mail::{Address, BlobRange, Flag, FlagSet, Role, Timestamp, Uid, UidSet, UidValidity};
use post::{Account, Arrival, Data, Destination, FetchPlan, Form, Import, Item, Post, SourceId};
use serde_json::{Value, json};

use super::{Arguments, error, refused, unknown};

/// A call that octets follow.
pub(super) const PUT: &str = "Import/put";
/// Octets that may follow one call.
pub(super) const PUT_OCTETS_MAX: usize = 1024 * 1024;

/// What is told, and the octets behind it: some that are here, and stored ones.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) value: Value,
    pub(super) behind: Bytes,
    pub(super) octets: Vec<BlobRange>,
}

impl From<Value> for Told {
    fn from(value: Value) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }
}

/// What one connection imports or exports.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    import: Option<Import>,
    account: Option<(Address, Account)>,
}

impl Transfer {
    /// True if it knows what is to be done.
    pub(super) fn knows(method: &str) -> bool {
        method.starts_with("Import/") || method.starts_with("Export/")
    }

    /// Carries out one method.
    pub(super) async fn carry_out(
        &mut self,
        post: &Post,
        method: &str,
        arguments: &Arguments<'_>,
        octets: Bytes,
    ) -> Result<Told, Value> {
        if method == PUT {
            // What was refused in part is not gone on with.
            let import = self.import.take();
            let mut import =
                import.ok_or_else(|| error("invalidArguments", "Nothing has been begun"))?;
            let told = put(&mut import, arguments, octets).await?;
            self.import = Some(import);
            return Ok(told.into());
        }
        if method == "Import/end" {
            if let (Some(mut import), Some(uid)) = (self.import.take(), arguments.uid("uidNext")) {
                import.keep_uidnext(uid).await.map_err(refused)?;
            }
            return Ok(json!({}).into());
        }
        let account = self.account(post, arguments).await?;
        match method {
            "Import/begin" => {
                self.import = None;
                let (import, told) = begin(&account, arguments).await?;
                self.import = Some(import);
                Ok(told.into())
            }
            "Import/notes" => notes(&account, arguments).await.map(Told::from),
            "Import/forget" => {
                let source = arguments.source_id()?;
                let done = match arguments.number("to") {
                    Some(to) => account.forget_import_notes(source, to).await,
                    None => account.forget_import(source).await,
                };
                done.map_err(refused)?;
                Ok(json!({}).into())
            }
            "Import/subscribe" => {
                let name = arguments.text("mailbox")?;
                account.subscribe(name).await.map_err(refused)?;
                Ok(json!({}).into())
            }
            "Export/mailboxes" => mailboxes(&account).await.map(Told::from),
            "Export/messages" => messages(&account, arguments).await,
            _ => Err(unknown(method)),
        }
    }

    /// The account, which is remembered: most calls are about the same.
    async fn account(&mut self, post: &Post, arguments: &Arguments<'_>) -> Result<Account, Value> {
        let address = arguments.address("account")?;
        if let Some((known, account)) = &self.account
            && *known == address
        {
            return Ok(account.clone());
        }
        let account = post.account_at(&address).await.map_err(refused)?;
        self.account = Some((address, account.clone()));
        Ok(account)
    }
}

async fn begin(account: &Account, arguments: &Arguments<'_>) -> Result<(Import, Value), Value> {
    let role = arguments.text("role").ok().and_then(Role::parse);
    let uidvalidity = arguments.small("uidValidity").and_then(UidValidity::new);
    let destination = Destination {
        mailbox: arguments.text("mailbox")?,
        role,
        subscribed: arguments.flag("subscribed"),
        uidvalidity,
    };
    let source = arguments.source_id()?;
    let import = account.import(source, destination).await.map_err(refused)?;
    let mark = import
        .mark()
        .map(|mark| String::from_utf8_lossy(mark).into_owned());
    let told = json!({
        "uidValidity": import.uidvalidity().value(),
        "mark": mark,
        "octetsMax": account.house().rules().message_octets_max,
    });
    Ok((import, told))
}

/// Takes pieces of messages; commits them if there is a mark.
async fn put(
    import: &mut Import,
    arguments: &Arguments<'_>,
    mut octets: Bytes,
) -> Result<Value, Value> {
    let wrong = || error("invalidArguments", "The pieces are not what follows");
    let pieces = arguments.0.get("pieces").and_then(Value::as_array);
    for piece in pieces.into_iter().flatten() {
        let piece = Arguments(piece);
        let len = piece
            .number("octets")
            .and_then(|len| usize::try_from(len).ok());
        let len = len.filter(|len| *len <= octets.len()).ok_or_else(wrong)?;
        let here = octets.split_to(len);
        if piece.flag("drop") {
            import.forget();
            continue;
        }
        if !here.is_empty() {
            import.chunk(here).await.map_err(refused)?;
        }
        if let Some(end) = piece.0.get("end") {
            let arrival = arrival(&Arguments(end)).ok_or_else(wrong)?;
            import.end(arrival).await.map_err(refused)?;
        }
    }
    let Ok(mark) = arguments.text("mark") else {
        return Ok(json!({}));
    };
    let mark = Bytes::copy_from_slice(mark.as_bytes());
    let imported = import.commit(mark).await.map_err(refused)?;
    Ok(json!({ "uids": runs(&imported.uids), "fewerKeywords": imported.fewer_keywords }))
}

fn arrival(end: &Arguments<'_>) -> Option<Arrival> {
    let flags = end.0.get("flags").and_then(Value::as_array);
    let flags = flags.into_iter().flatten().filter_map(Value::as_str);
    let zone = end
        .0
        .get("zone")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    Some(Arrival {
        flags: flags.filter_map(Flag::parse).collect(),
        date: Timestamp {
            seconds: end.0.get("date")?.as_i64()?,
            zone_minutes: i16::try_from(zone).ok()?,
        },
        uid: end.uid("uid"),
        note: Bytes::copy_from_slice(end.text("note").unwrap_or_default().as_bytes()),
    })
}

/// Runs of UIDs: `[[1, 5], [7, 7]]`.
fn runs(uids: &UidSet) -> Value {
    let runs = uids.ranges();
    let runs = runs.map(|run| json!([run.start().value(), run.end().value()]));
    Value::Array(runs.collect())
}

async fn notes(account: &Account, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let from = arguments.number("from").unwrap_or_default();
    let notes = account.import_notes(arguments.source_id()?, from).await;
    let list = notes.map_err(refused)?.into_iter().map(|note| {
        let text = String::from_utf8_lossy(&note.note);
        json!([note.number, note.uid.value(), text])
    });
    Ok(json!({ "list": list.collect::<Vec<_>>() }))
}

async fn mailboxes(account: &Account) -> Result<Value, Value> {
    let mut list = Vec::new();
    for mailbox in account.mailboxes().await.map_err(refused)? {
        let status = match mailbox.selectable {
            true => Some(account.status(&mailbox.name).await.map_err(refused)?),
            false => None,
        };
        list.push(json!({
            "name": mailbox.name,
            "role": mailbox.role.map(Role::name),
            "subscribed": mailbox.subscribed,
            "selectable": mailbox.selectable,
            "messages": status.map(|status| status.messages),
            "octets": status.map(|status| status.size),
            "uidValidity": status.map(|status| status.uidvalidity.value()),
            "uidNext": status.map(|status| status.uidnext.value()),
        }));
    }
    let subscriptions = account.subscriptions().await.map_err(refused)?;
    Ok(json!({ "list": list, "subscriptions": subscriptions }))
}

/// A page of messages, and their octets behind it.
async fn messages(account: &Account, arguments: &Arguments<'_>) -> Result<Told, Value> {
    let snapshot = account
        .open(arguments.text("mailbox")?)
        .await
        .map_err(refused)?;
    let plan = FetchPlan {
        items: vec![Item {
            section: message::Section::default(),
            form: Form::Stored,
            range: None,
        }],
        in_place: true,
        ..FetchPlan::default()
    };
    let after = arguments.uid("after");
    let page = account
        .fetch(snapshot.id, &snapshot.uids, after, &plan)
        .await;
    let page = page.map_err(refused)?;
    let mut told = Told::default();
    let mut list = Vec::new();
    for row in page.rows {
        let range = match row.data.first() {
            Some(Data::Stored(range)) => Some(*range),
            Some(Data::Damaged) => None,
            _ => return Err(error("serverFail", "A message is not stored")),
        };
        list.push(json!({
            "uid": row.uid.value(),
            "octets": range.map_or(0, |range| range.len),
            "damaged": range.is_none(),
            "flags": words(&row.flags),
            "date": row.date.seconds,
            "zone": row.date.zone_minutes,
        }));
        told.octets.extend(range);
    }
    told.value = json!({
        "list": list,
        "uidValidity": snapshot.uidvalidity.value(),
        "more": page.more_after.map(Uid::value),
        "octets": told.octets.iter().map(|range| range.len).sum::<u64>(),
    });
    Ok(told)
}

fn words(flags: &FlagSet) -> Vec<String> {
    flags.iter().map(|flag| flag.to_string()).collect()
}

impl Arguments<'_> {
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    fn small(&self, name: &str) -> Option<u32> {
        self.number(name)
            .and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn uid(&self, name: &str) -> Option<Uid> {
        self.small(name).and_then(Uid::new)
    }

    /// The name of a source: 32 hexadecimal digits.
    fn source_id(&self) -> Result<SourceId, Value> {
        let text = self.text("source")?;
        let number = u128::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 32);
        let number = number.ok_or_else(|| error("invalidArguments", "source is not a name"))?;
        Ok(number.to_be_bytes())
    }
}
