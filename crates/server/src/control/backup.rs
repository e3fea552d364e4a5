//! What a backup is made of: all rows as they were at one instant, and bodies, as octets beside
//! the JSON. Who asks decides what of it is needed; a snapshot lasts as long as the connection,
//! or until another is taken.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use mail::{BlobId, BlobRange};
use post::Post;
use serde_json::{Value, json};
use store::{Hint, Snapshot, Sought};

use super::transfer::Told;
use super::{Arguments, error, refused, unknown};

/// Octets that one answer has at most, but for a single row that is longer.
const ANSWER_OCTETS_MAX: u64 = 4 << 20;

/// What one connection backs up.
#[derive(Debug, Default)]
pub(super) struct Backup {
    snapshot: Option<Arc<dyn Snapshot>>,
}

impl Backup {
    /// True if it knows what is to be done.
    pub(super) fn knows(method: &str) -> bool {
        method.starts_with("Backup/")
    }

    /// Carries out one method.
    pub(super) async fn carry_out(
        &mut self,
        post: &Post,
        method: &str,
        arguments: &Arguments<'_>,
    ) -> Result<Told, Value> {
        match method {
            "Backup/begin" => {
                let moment = post.outside().now();
                let snapshot = post.snapshot().await.map_err(refused)?;
                let sequence = snapshot.sequence();
                tracing::info!(sequence, "a backup begins");
                self.snapshot = Some(snapshot);
                Ok(json!({ "sequence": sequence, "seconds": moment.seconds }).into())
            }
            "Backup/rows" => self.rows(arguments).await,
            "Backup/bodies" => bodies(post, arguments).await,
            "Backup/end" => {
                self.snapshot = None;
                Ok(json!({}).into())
            }
            _ => Err(unknown(method)),
        }
    }

    async fn rows(&self, arguments: &Arguments<'_>) -> Result<Told, Value> {
        let wrong = |what: &str| error("invalidArguments", what);
        let snapshot = self.snapshot.as_ref();
        let snapshot = snapshot.ok_or_else(|| wrong("No backup has been begun"))?;
        let from = STANDARD.decode(arguments.text("from")?);
        let from = from.map_err(|_| wrong("from is not base64"))?;
        let octets = arguments.number("octets").unwrap_or(ANSWER_OCTETS_MAX);
        let octets = usize::try_from(octets.min(ANSWER_OCTETS_MAX)).unwrap_or(0);
        let page = snapshot.rows(from.into(), octets).await;
        let page = page.map_err(|fault| error("serverFail", fault.to_string()))?;
        let next = page.next.map(|next| STANDARD.encode(next));
        Ok(Told {
            value: json!({ "octets": page.octets.len(), "next": next }),
            behind: page.octets,
            ..Told::default()
        })
    }
}

/// Pieces of bodies, one behind the other.
async fn bodies(post: &Post, arguments: &Arguments<'_>) -> Result<Told, Value> {
    let wrong = || {
        error(
            "invalidArguments",
            "The list is not one of pieces of bodies",
        )
    };
    let list = arguments.0.get("list").and_then(Value::as_array);
    let sought = list.into_iter().flatten().map(sought);
    let sought: Vec<Sought> = sought.collect::<Option<_>>().ok_or_else(wrong)?;
    let sum = |sum: u64, one: &Sought| sum.checked_add(one.range.len);
    let octets = sought.iter().try_fold(0, sum);
    if octets.is_none_or(|octets| octets > ANSWER_OCTETS_MAX) {
        return Err(error("limit", "These are too many octets at once"));
    }
    let read = post.read_sought(sought).await.map_err(refused)?;
    let behind = match read.as_slice() {
        [one] => one.clone(),
        many => {
            let mut behind = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            many.iter().for_each(|one| behind.extend_from_slice(one));
            behind.freeze()
        }
    };
    Ok(Told {
        value: json!({ "octets": behind.len() }),
        behind,
        ..Told::default()
    })
}

/// `[name, offset, octets, octets of the whole body, hint]`.
fn sought(piece: &Value) -> Option<Sought> {
    let number = |at: usize| piece.get(at)?.as_u64();
    let name = blake3::Hash::from_hex(piece.get(0)?.as_str()?).ok()?;
    Some(Sought {
        range: BlobRange {
            blob: BlobId(*name.as_bytes()),
            offset: number(1)?,
            len: number(2)?,
        },
        len: number(3)?,
        hint: Hint(number(4)?.to_be_bytes()),
    })
}
