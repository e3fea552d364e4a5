//! What SMTP, Submission and LMTP ask, answered by the post.

use std::sync::Arc;

use smtp::Policy;

use crate::settings::Protocol;
use crate::visit::{Hall, Visit};

/// What a session behind this door may do; made once for each door.
pub(crate) fn policy(hall: &Hall) -> Arc<Policy> {
    let host = hall.settings.host.to_string();
    let policy = match hall.door.protocol {
        Protocol::Submission => Policy::submission(host),
        Protocol::Lmtp => Policy::lmtp(host),
        _ => Policy::relay(host),
    };
    Arc::new(Policy {
        tls_offered: hall.offers_starttls(),
        cleartext_passwords: hall.settings.clear_passwords,
        message_octets_max: hall.post.rules().message_octets_max,
        recipients_max: u32::try_from(hall.post.rules().recipients_max).unwrap_or(u32::MAX),
        ..policy
    })
}

/// Talks with one peer until it has gone.
pub(crate) fn converse(
    visit: Visit,
    policy: &Arc<Policy>,
) -> impl Future<Output = ()> + Send + use<> {
    drop(Arc::clone(policy));
    // Nobody answers here yet: the door is shut again.
    drop(visit.into_stream());
    async {}
}
