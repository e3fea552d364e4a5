//! The drawing: the life of a letter in the queue, and what a crash does to it at each step.
//!
//! Hold [`Stage::after`] beside RFC 5321 §4.5.4.1 and §6.1: what was accepted is delivered, or its
//! sender hears why not. Not here: the rows (`entry`), who walks the arrows (`desk`, `settle`).

use std::fmt::Write as _;

/// Where a letter for one destination stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Its octets are arriving; nobody has promised anything.
    Spooling,
    /// It is on the disk, and whoever handed it in is being told so.
    Accepted,
    /// It waits for its time.
    Due,
    /// Somebody is handing it on.
    Attempting,
    /// The operator keeps it back.
    Held,
    /// Somebody else has taken it over.
    Delivered,
    /// It was refused for good; its sender has been told.
    Bounced,
    /// It waited for too long; its sender has been told.
    Expired,
    /// The operator threw it away.
    Dropped,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The step of the store that takes it.
    Commit,
    /// Whoever handed it in was told, or has gone.
    Answer,
    /// The relay takes a lease on it.
    Claim,
    /// The other end says "not now", or cannot be reached.
    Defer,
    /// The other end has taken it.
    Deliver,
    /// The other end says "never".
    Refuse,
    /// "Not now" once too often.
    Expire,
    /// The operator says when it is tried next: now, or then.
    Retry,
    /// The operator keeps it back.
    Hold,
    /// The operator lets it go on.
    Release,
    /// The operator throws it away.
    Drop,
    /// The process ends, and begins anew.
    Crash,
}

impl Stage {
    /// All stages, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Spooling,
        Self::Accepted,
        Self::Due,
        Self::Attempting,
        Self::Held,
        Self::Delivered,
        Self::Bounced,
        Self::Expired,
        Self::Dropped,
    ];

    /// The stage after `step`; `None` where there is no such arrow.
    #[must_use]
    pub const fn after(self, step: Step) -> Option<Self> {
        use Stage::{
            Accepted, Attempting, Bounced, Delivered, Dropped, Due, Expired, Held, Spooling,
        };
        Some(match (self, step) {
            (Delivered | Bounced | Expired | Dropped, _) => return None,

            (Spooling, Step::Commit) => Accepted,
            (Accepted, Step::Answer) => Due,
            (Due, Step::Claim) => Attempting,
            (Attempting, Step::Defer) => Due,
            (Attempting, Step::Deliver) => Delivered,
            (Attempting, Step::Refuse) => Bounced,
            (Attempting, Step::Expire) => Expired,

            (Due, Step::Retry) => Due,
            (Due, Step::Hold) => Held,
            (Held, Step::Release) => Due,
            (Due | Held, Step::Drop) => Dropped,

            // A lease is in memory only.
            (Accepted | Due | Attempting, Step::Crash) => Due,
            (Held, Step::Crash) => Held,
            _ => return None,
        })
    }

    /// True if its row is on the disk: it is somebody's promise.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Due | Self::Attempting | Self::Held
        )
    }
}

/// What a crash in the middle of an arrow does.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// From where.
    pub from: Stage,
    /// Which arrow.
    pub step: Step,
    /// What is on the disk before it.
    pub before: &'static str,
    /// What is on the disk after it.
    pub after: &'static str,
    /// What the next start does if the process ends between the two.
    pub recovery: &'static str,
}

const fn argument(
    (from, step): (Stage, Step),
    before: &'static str,
    after: &'static str,
    recovery: &'static str,
) -> Argument {
    Argument {
        from,
        step,
        before,
        after,
        recovery,
    }
}

const OCTETS: &str = "octets that nothing mentions";
const DUE: &str = "entry, due now";
const LATER: &str = "entry, due later, with what was said";
const MOVED: &str = "entry, due at the time that was said";
const HELD: &str = "entry without a time";
const GONE: &str = "no entry";
const REPORT: &str = "no entry; the report in a mailbox or an entry of its own";

/// The crash argument of every arrow. Each is one step of the store, or none.
pub const CRASHES: [Argument; 12] = [
    argument(
        (Stage::Spooling, Step::Commit),
        OCTETS,
        DUE,
        "nothing was promised: whoever hands it in tries again; the octets are freed",
    ),
    argument(
        (Stage::Accepted, Step::Answer),
        DUE,
        DUE,
        "it is due; whoever did not hear that it was taken hands it in a second time",
    ),
    argument(
        (Stage::Due, Step::Claim),
        DUE,
        DUE,
        "a lease is in memory only: it is due again",
    ),
    argument(
        (Stage::Attempting, Step::Defer),
        DUE,
        LATER,
        "it is due again, at once: nobody had taken it",
    ),
    argument(
        (Stage::Attempting, Step::Deliver),
        DUE,
        GONE,
        "it is due again, and is sent a second time: the other end's last answer was lost with us",
    ),
    argument(
        (Stage::Attempting, Step::Refuse),
        DUE,
        REPORT,
        "it is due again, and is refused again; the report is made then, once",
    ),
    argument(
        (Stage::Attempting, Step::Expire),
        DUE,
        REPORT,
        "it is due again, and has one attempt more before its sender is told, once",
    ),
    argument(
        (Stage::Due, Step::Retry),
        DUE,
        MOVED,
        "it is tried when it was to be; the operator has not been told of another time",
    ),
    argument(
        (Stage::Due, Step::Hold),
        DUE,
        HELD,
        "it is as it was; the operator has not been told that it is held",
    ),
    argument(
        (Stage::Held, Step::Release),
        HELD,
        DUE,
        "it is still held; the operator has not been told that it goes on",
    ),
    argument(
        (Stage::Due, Step::Drop),
        DUE,
        GONE,
        "it is as it was; the operator has not been told that it is gone",
    ),
    argument(
        (Stage::Held, Step::Drop),
        HELD,
        GONE,
        "it is as it was; the operator has not been told that it is gone",
    ),
];

/// All steps.
const STEPS: [Step; 12] = [
    Step::Commit,
    Step::Answer,
    Step::Claim,
    Step::Defer,
    Step::Deliver,
    Step::Refuse,
    Step::Expire,
    Step::Retry,
    Step::Hold,
    Step::Release,
    Step::Drop,
    Step::Crash,
];

/// The whole drawing in Markdown: a Mermaid state diagram, and the crash arguments.
#[must_use]
pub fn render() -> String {
    let mut page = String::from(
        "# The queue: the life of a letter\n\n\
         Made from `crates/post/src/queue/diagram.rs`; not to be edited. One entry is one letter \
         for one\ndestination.\n\n```mermaid\nstateDiagram-v2\n    [*] --> Spooling\n",
    );
    for here in Stage::ALL {
        for there in Stage::ALL {
            let leads = |step: &&Step| here.after(**step) == Some(there) && **step != Step::Crash;
            let steps: Vec<String> = STEPS
                .iter()
                .filter(leads)
                .map(|step| format!("{step:?}").to_lowercase())
                .collect();
            if !steps.is_empty() {
                let _written = writeln!(page, "    {here:?} --> {there:?}: {}", steps.join(", "));
            }
        }
        if STEPS.iter().all(|step| here.after(*step).is_none()) {
            let _written = writeln!(page, "    {here:?} --> [*]");
        }
    }
    page.push_str("```\n\nWhat a crash in the middle of each arrow does:\n\n");
    page.push_str("| arrow | on the disk before | on the disk after | if it is cut off |\n");
    page.push_str("|---|---|---|---|\n");
    for one in &CRASHES {
        let step = format!("{:?}", one.step).to_lowercase();
        let Argument {
            before,
            after,
            recovery,
            from,
            ..
        } = one;
        let _written = writeln!(
            page,
            "| {from:?}, {step} | {before} | {after} | {recovery} |"
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1` draws it anew.
    #[test]
    fn the_drawing_is_not_stale() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagrams/queue.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, render()).unwrap();
        }
        let drawn = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(drawn, render(), "run `cargo xtask diagrams`");
    }

    #[test]
    fn every_arrow_has_its_argument_and_no_promise_is_lost() {
        for here in Stage::ALL {
            for step in STEPS {
                let argued = CRASHES
                    .iter()
                    .any(|one| (one.from, one.step) == (here, step));
                let arrow = here.after(step).is_some() && step != Step::Crash;
                assert_eq!(argued, arrow, "{here:?} {step:?}");
            }
            // What is on the disk is there after a crash, and nothing else is.
            let recovered = here.after(Step::Crash);
            assert_eq!(recovered.is_some(), here.is_kept(), "{here:?}");
            assert!(recovered.is_none_or(Stage::is_kept));
        }
    }
}
