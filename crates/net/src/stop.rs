//! How a door is closed: first politely, then for good.

use std::time::Duration;

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Closing,
    Over,
}

/// The side that decides to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Phase>);

/// The side that listens for it; whoever holds one is waited for.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Phase>);

impl Default for Stopper {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Open))
    }
}

impl Stopper {
    /// A new listener for the decision.
    #[must_use]
    pub fn listen(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Asks everyone to come to an end without waiting for it.
    pub fn ask(&self) {
        self.0.send_if_modified(|phase| {
            let news = *phase == Phase::Open;
            *phase = Phase::Closing.max(*phase);
            news
        });
    }

    /// Asks everyone to come to an end, waits up to `grace` for them, then cuts them off.
    pub async fn stop(&self, grace: Duration) {
        self.ask();
        if tokio::time::timeout(grace, self.0.closed()).await.is_err() {
            self.0.send_replace(Phase::Over);
            self.0.closed().await;
        }
    }
}

impl Stop {
    /// One that never happens.
    #[must_use]
    pub fn never() -> Self {
        Stopper::default().listen()
    }

    /// True once everyone was asked to come to an end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() != Phase::Open
    }

    /// Waits to be asked to come to an end.
    pub async fn asked(&mut self) {
        self.reaches(Phase::Closing).await;
    }

    /// Waits until the grace is over.
    pub async fn over(&mut self) {
        self.reaches(Phase::Over).await;
    }

    async fn reaches(&mut self, wanted: Phase) {
        // A stopper that is gone will never ask.
        if self.0.wait_for(|phase| *phase >= wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
