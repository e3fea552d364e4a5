//! TLS with other domains, as the command line asks about it: what they want, and what came of it.
//!
//! Not here: what follows from it (`relay`).

use post::Post;
use serde_json::{Value, json};
use trust::mta_sts::Mode;

use super::{Arguments, refused, unknown};

/// Carries out one method.
pub(super) async fn administer(
    post: &Post,
    method: &str,
    _arguments: &Arguments<'_>,
) -> Result<Value, Value> {
    match method {
        "Tls/policies" => {
            let kept = post.kept_policies().await.map_err(refused)?;
            let list = kept.iter().map(|one| {
                let policy = &one.kept.policy;
                let mode = match policy.mode {
                    Mode::Enforce => "enforce",
                    Mode::Testing => "testing",
                    Mode::None => "none",
                };
                json!({
                    "domain": one.domain,
                    "id": one.kept.id,
                    "mode": mode,
                    "mx": policy.patterns,
                    "fetched": one.fetched,
                    "until": one.end(),
                    "used": one.used,
                    "next": one.next,
                    "failure": one.failure.as_ref().map(|failure| {
                        json!({ "when": failure.when, "why": failure.why })
                    }),
                })
            });
            Ok(json!({ "list": list.collect::<Vec<_>>() }))
        }
        "Tls/results" => {
            let results = post.tls_results().await.map_err(refused)?;
            let list = results.iter().map(
                |one| json!({ "day": one.day, "domain": one.domain, "policies": one.policies }),
            );
            Ok(json!({ "list": list.collect::<Vec<_>>() }))
        }
        "Tls/refresh" => {
            post.urge_policies();
            Ok(json!({}))
        }
        "Tls/report" => {
            post.urge_tls_reports();
            Ok(json!({}))
        }
        _ => Err(unknown(method)),
    }
}
