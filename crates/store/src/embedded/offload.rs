//! Takes work that may wait for the disk off the threads that serve connections.
//!
//! Not here: the committer, which has a thread of its own.

use crate::backend::Error;

/// Runs work where it may block; without a runtime, here and now.
pub(super) async fn offload<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return Ok(work());
    };
    runtime
        .spawn_blocking(work)
        .await
        .map_err(|error| Error::Engine {
            doing: "waiting for the disk",
            cause: error.to_string(),
        })
}
