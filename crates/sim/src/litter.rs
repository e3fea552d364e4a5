//! Whoever frees what is dead, in the middle of everything else.

use std::time::Duration;

use post::{Outcome, Pace, Purge, Reclaimed};
use store::Boxed;

use crate::Dice;
use crate::house::House;

/// At a walk, so that others come in between.
#[derive(Debug)]
struct Walk(Dice);

impl Pace for Walk {
    fn spend(&self, _octets: u64) -> Boxed<'_, ()> {
        Box::pin(tokio::time::sleep(self.0.millis(500)))
    }
}

/// Letters that are read while they die can be read for so long.
const GRACE: Duration = Duration::from_secs(120);

impl House {
    /// Frees what is dead, beside whatever goes on.
    pub(crate) async fn reclaim(&self) -> Outcome<Reclaimed> {
        let walk = Walk(self.dice.clone());
        let grace = match self.dice.percent(50) {
            true => GRACE,
            false => Duration::ZERO,
        };
        let done = self.post.reclaim(&walk, grace).await?;
        self.trace.event(format!("freed: {done:?}"));
        Ok(done)
    }

    /// Forgets what could be undone: what it removed is dead then.
    pub(crate) async fn purge(&self) -> Outcome<()> {
        let mut accounts = self.post.accounts();
        accounts.sort_unstable_by_key(|account| account.id);
        for account in accounts {
            self.post
                .account(account.id)
                .await?
                .purge(Purge::All)
                .await?;
        }
        Ok(())
    }

    /// True once its store takes no more commits, though nobody may have tried one since.
    pub(crate) async fn store_has_stopped(&self) -> bool {
        let stopped = tokio::time::timeout(Duration::ZERO, self.store.stopped()).await;
        stopped.is_ok()
    }

    /// Frees what is dead, again and again; it may fail only where the disk does.
    pub(crate) async fn tidy(&self, times: u64) -> Result<(), String> {
        for _ in 0..times {
            tokio::time::sleep(self.dice.millis(20_000)).await;
            let freed = self.reclaim().await;
            if let Err(error) = freed
                && !self.store_has_stopped().await
                && !self.disk.is_in_trouble()
            {
                return Err(format!("freeing what is dead: {error}"));
            }
        }
        Ok(())
    }

    /// With nobody there, all that is dead goes.
    pub(crate) async fn empty_the_bins(&self) -> Result<(), String> {
        let walk = Walk(self.dice.clone());
        let text = |error: post::Error| format!("freeing what is dead: {error}");
        self.post
            .reclaim(&walk, Duration::ZERO)
            .await
            .map_err(text)?;
        let survey = self.post.survey(&walk).await.map_err(text)?;
        match survey.blobs.dead {
            0 => Ok(()),
            dead => Err(format!("{dead} letters are dead and not freed")),
        }
    }
}
