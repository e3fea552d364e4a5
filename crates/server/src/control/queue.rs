//! The queue, as the command line asks about it.
//!
//! Not here: what a letter's life is (`post::queue`).

use mail::{QueueId, TlsWish};
use post::Post;
use post::queue::{Entry, QueueDeed, QueueTopLine, Rank, Said, Waiting};
use serde_json::{Value, json};

use super::{Arguments, error, refused, unknown};

/// Letters of one page.
const PAGE_LETTERS_MAX: usize = 500;
/// Destinations that one glance shows.
const LINES_MAX: usize = 1000;
/// Letters that one call names by their ids.
const IDS_MAX: usize = 10_000;

/// Carries out one method.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    let deed = match method {
        "Queue/list" => return list(post, arguments).await,
        "Queue/get" => {
            let id = id(arguments.text("id")?)?;
            let (entry, attempting) = post.queued(id).await.map_err(refused)?;
            return Ok(letter(id, &entry, attempting));
        }
        "Queue/top" => return top(post, arguments).await,
        "Queue/suppressed" => return suppressed(post, arguments).await,
        "Queue/unsuppress" => return unsuppress(post, arguments).await,
        "Queue/retry" => retry(post, arguments)?,
        "Queue/hold" => QueueDeed::Hold,
        "Queue/release" => QueueDeed::Release,
        "Queue/drop" => QueueDeed::Drop,
        _ => return Err(unknown(method)),
    };
    let ids = arguments.0.get("ids").and_then(Value::as_array);
    let ids = ids.map(Vec::as_slice).unwrap_or_default();
    if ids.len() > IDS_MAX {
        return Err(error("limit", "These are too many letters at once"));
    }
    let ids: Result<Vec<QueueId>, Value> = ids
        .iter()
        .map(|text| id(text.as_str().unwrap_or_default()))
        .collect();
    let done = post.change_queue(&ids?, deed).await.map_err(refused)?;
    Ok(json!({
        "changed": done.changed,
        "unfit": done.unfit,
        "busy": done.busy,
        "missing": done.missing,
        "late": done.late,
        "ends": done.ends,
        "at": match deed {
            QueueDeed::RetryAt(then) => Some(then),
            _ => None,
        },
    }))
}

/// Now, `at` a time or `in` so many seconds.
fn retry(post: &Post, arguments: &Arguments<'_>) -> Result<QueueDeed, Value> {
    let number = |name| arguments.0.get(name).and_then(Value::as_i64);
    let now = post.outside().now().seconds;
    let then = match (number("at"), number("in")) {
        (Some(at), _) => at,
        (None, Some(seconds)) => now.saturating_add(seconds),
        (None, None) => return Ok(QueueDeed::Retry),
    };
    match then > now {
        true => Ok(QueueDeed::RetryAt(then)),
        false => Err(error("invalidArguments", "That time has passed")),
    }
}

async fn list(post: &Post, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let after = arguments.0.get("after").and_then(Value::as_str);
    let after = after.map(id).transpose()?;
    let page = post.queue(after, PAGE_LETTERS_MAX).await;
    let page = page.map_err(refused)?;
    let letters = page.letters.iter();
    let letters = letters.map(|(id, entry, attempting)| letter(*id, entry, *attempting));
    Ok(json!({
        "list": letters.collect::<Vec<_>>(),
        "more": page.more,
        "total": page.total,
    }))
}

async fn top(post: &Post, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let lines = arguments.0.get("lines").and_then(Value::as_u64);
    let lines = usize::try_from(lines.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let top = post
        .queue_top(lines.min(LINES_MAX))
        .await
        .map_err(refused)?;
    let line = |line: &QueueTopLine| {
        json!({
            "destination": line.destination,
            "attempting": line.attempting,
            "due": line.due,
            "waiting": line.waiting,
            "next": line.next,
            "taken": line.taken,
            "said": line.said.as_ref().map(said),
        })
    };
    Ok(json!({
        "now": post.outside().now().seconds,
        "total": top.letters,
        "destinations": top.destinations,
        "attempting": top.attempting,
        "due": top.due,
        "waiting": top.waiting,
        "partial": top.is_partial,
        "list": top.lines.iter().map(line).collect::<Vec<_>>(),
    }))
}

async fn suppressed(post: &Post, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let after = arguments.0.get("after").and_then(Value::as_str);
    let (known, more) = post.suppressed(after).await.map_err(refused)?;
    let list = known.iter().map(|one| {
        json!({
            "address": one.address,
            "since": one.since.seconds,
            "until": one.until.seconds,
            "said": one.said,
        })
    });
    Ok(json!({ "list": list.collect::<Vec<_>>(), "more": more }))
}

async fn unsuppress(post: &Post, arguments: &Arguments<'_>) -> Result<Value, Value> {
    let named = arguments.0.get("addresses").and_then(Value::as_array);
    let named = named.map(Vec::as_slice).unwrap_or_default();
    if named.len() > IDS_MAX {
        return Err(error("limit", "These are too many addresses at once"));
    }
    let named = named.iter().filter_map(Value::as_str);
    let named: Vec<String> = named.map(str::to_owned).collect();
    let freed = post.unsuppress(&named).await.map_err(refused)?;
    Ok(json!({ "freed": freed }))
}

fn id(text: &str) -> Result<QueueId, Value> {
    let id = QueueId::parse(text);
    id.ok_or_else(|| {
        error(
            "invalidArguments",
            format!("{text} is not the id of a letter"),
        )
    })
}

fn letter(id: QueueId, entry: &Entry, attempting: bool) -> Value {
    let state = match (attempting, entry.due) {
        (true, _) => "attempting",
        (false, Some(_)) => "due",
        (false, None) => "held",
    };
    let mut told = json!({
        "id": id.to_string(),
        "journey": entry.journey.to_string(),
        "state": state,
        "from": entry.reverse_path.to_string(),
        "destination": entry.destination,
        "arrived": entry.arrived.seconds,
        "due": entry.due,
        "attempts": entry.attempts,
        "warned": entry.warned,
        "size": entry.travelling_octets(),
        "later": entry.rank == Rank::Later,
        "recipients": entry.recipients.iter().map(recipient).collect::<Vec<_>>(),
    });
    let wish = match entry.tls {
        TlsWish::Usual => return told,
        TlsWish::Required => "required",
        TlsWish::Waived => "waived",
    };
    if let Some(told) = told.as_object_mut() {
        told.insert("tls".to_owned(), json!(wish));
    }
    told
}

fn recipient(waiting: &Waiting) -> Value {
    json!({
        "to": waiting.recipient.forward_path.to_string(),
        "said": waiting.said.as_ref().map(said),
    })
}

fn said(said: &Said) -> Value {
    json!({
        "host": said.host,
        "code": said.code.map(mail::ReplyCode::value),
        "status": said.status.to_string(),
        "text": said.text,
    })
}
