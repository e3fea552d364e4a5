//! What SMTP, Submission and LMTP asks, answered by the post.

use crate::visit::Visit;

/// Talks with one peer until it has gone.
pub(crate) fn converse(visit: Visit) -> impl Future<Output = ()> + Send + 'static {
    // Nobody answers here yet: the door is shut again.
    drop(visit.into_stream());
    async {}
}
