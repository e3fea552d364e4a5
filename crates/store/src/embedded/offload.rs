//! Takes work that may wait for the disk off the threads that serve connections.
//!
//! Not here: the committer, which has a thread of its own.

use crate::backend::Error;

/// Where work is done that may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// On a thread for such work; without a runtime, here and now.
    Aside,
    /// Here and now.
    Here,
}

impl Work {
    /// Does it.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = match self {
            Self::Aside => tokio::runtime::Handle::try_current().ok(),
            Self::Here => None,
        };
        let Some(runtime) = runtime else {
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
}
