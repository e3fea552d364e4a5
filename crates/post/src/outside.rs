//! What the post needs from the world: time, chance, names, and somebody to do heavy work.

use std::fmt;

use mail::{Instant, Timestamp};
use store::Boxed;
use trust::{Answer, Proven, Question};

/// The world outside: the server implements it over the real one, tests over a made-up one.
pub trait Outside: Send + Sync + fmt::Debug {
    /// What the calendar and the clock on the wall say.
    fn now(&self) -> Timestamp;

    /// A clock that never goes back.
    fn instant(&self) -> Instant;

    /// Fills `octets` with octets nobody can foresee.
    fn fill(&self, octets: &mut [u8]);

    /// Finds out what DNS says. It always comes to an answer, and soon: nothing in time is
    /// [`Answer::Failed`]. A world without names, as here, knows that none exists.
    fn ask<'a>(&'a self, question: &'a Question) -> Boxed<'a, Answer> {
        let _nobody = question;
        Box::pin(async { Answer::NoSuchName })
    }

    /// Finds out the same, and whether DNSSEC proves it. A world that cannot tell proves nothing.
    fn ask_proven<'a>(&'a self, question: &'a Question) -> Boxed<'a, Proven> {
        Box::pin(async move {
            Proven {
                answer: self.ask(question).await,
                is_proven: false,
                name: question.name().to_owned(),
            }
        })
    }

    /// Runs work that takes milliseconds of a processor (a password's check) on a bounded pool.
    ///
    /// Work that cannot be run is dropped: whoever waits for it notices.
    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>);

    /// Runs work that may take seconds of a processor (a million messages put in order) where it
    /// is in nobody's way: not in that of a connection, nor of a login.
    ///
    /// Work that cannot be run is dropped: whoever waits for it notices. A world that makes no
    /// difference treats it as heavy work.
    fn run_long(&self, work: Box<dyn FnOnce() + Send>) {
        self.run_heavy(work);
    }

    /// Carries on work that nobody waits for any longer, such as the end of a commit whose
    /// connection has gone.
    fn detach(&self, work: Boxed<'static, ()>);
}
