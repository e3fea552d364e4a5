//! Answers to what a script asks, where there is no server: from its folder and the clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::sieve::{Answer, Ask, Circumstances, Limits, Location, Outcome, Run, Script, Step};
use mail::Timestamp;
use net::Clock;

/// The folder scripts lie in.
pub(super) struct House {
    folder: PathBuf,
    now: Timestamp,
}

impl House {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            now: Clock::today(),
        }
    }

    /// Runs a script to its end.
    pub(super) fn run(&self, script: Arc<Script>, circumstances: Circumstances) -> Outcome {
        let mut run = Run::new(script, circumstances, Limits::HOUSE);
        loop {
            match run.step() {
                Step::Ask(ask) => run.answer(self.answer(ask)),
                Step::Done(outcome) => return outcome,
            }
        }
    }

    fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Now => Answer::Now(self.now),
            Ask::Script {
                location: Location::Personal,
                name,
            } => Answer::Script(self.included(&name)),
            Ask::Mailbox(_) | Ask::MailboxId(_) | Ask::SpecialUse { .. } => Answer::Flag(true),
            _ => Answer::Flag(false),
        }
    }

    /// `name` or `name.sieve`; one that is not right is as none.
    fn included(&self, name: &str) -> Option<Arc<Script>> {
        let paths = [
            self.folder.join(format!("{name}.sieve")),
            self.folder.join(name),
        ];
        let text = paths.iter().find_map(|path| std::fs::read(path).ok())?;
        Script::compile(name, &text, &Limits::HOUSE)
            .ok()
            .map(Arc::new)
    }
}
