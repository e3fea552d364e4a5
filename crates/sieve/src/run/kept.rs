//! Scripts of which nothing is true: seen without running them, as most are of most messages.

use std::sync::Arc;

use super::Outcome;
use crate::action::{Action, Cause, Deed};
use crate::circumstances::Circumstances;
use crate::glance::Seen;
use crate::limits::Limits;
use crate::script::Script;

impl Outcome {
    /// How scripts end that run one behind the other, where it is seen at a glance that each of
    /// them keeps the message, as none of its tests is true of it; `None` where it takes more. It
    /// is what [`Run::chain`](super::Run::chain) would come to.
    #[must_use]
    pub fn at_a_glance(
        scripts: &[Arc<Script>],
        world: &Circumstances,
        limits: &Limits,
    ) -> Option<Self> {
        let fields = world.letter.fields_of(world.letter.root());
        let (size, envelope) = (world.letter.size(), world.envelope.as_deref());
        let seen = Seen::new(&fields, size, envelope, &world.separators);
        let is_passed = |script: &Arc<Script>| {
            let (at, _) = script.glances.pass_over(0, limits.steps_max, &seen);
            let missing = script.required.missing_in(limits.abilities.all());
            at >= script.ops.len() && missing.is_none()
        };
        scripts.iter().all(is_passed).then(|| Self {
            actions: vec![Action {
                deed: Deed::Keep {
                    flags: world.flags.clone(),
                },
                cause: Cause::Implicit,
                changed: None,
            }],
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Letter, Run, Step};

    /// What scripts come to at a glance, and when they run.
    fn outcomes(scripts: &[&str], limits: Limits) -> (Option<Outcome>, Outcome) {
        let compile = |text: &&str| {
            let script = Script::compile("x", text.as_bytes(), &Limits::HOUSE).unwrap();
            Arc::new(script)
        };
        let scripts: Vec<Arc<Script>> = scripts.iter().map(compile).collect();
        let world = || {
            let letter = Letter::parse(Bytes::from_static(b"Subject: Tea\r\nTo: a@b\r\n\r\nx"));
            Circumstances {
                flags: mail::FlagSet::from_iter([mail::Flag::parse("$old").unwrap()]),
                ..Circumstances::new(letter)
            }
        };
        let glanced = Outcome::at_a_glance(&scripts, &world(), &limits);
        match Run::chain(scripts, world(), limits).step() {
            Step::Done(outcome) => (glanced, outcome),
            Step::Ask(ask) => unreachable!("{ask:?}"),
        }
    }

    #[test]
    fn what_is_seen_is_what_comes_of_running_them() {
        let tea = r#"if header "subject" "tea" { discard; }"#;
        let wine = r#"if header :contains "subject" "wine" { discard; }"#;
        let many = r#"if address "to" "c@d" { discard; } elsif exists "cc" { keep; }"#;
        for (scripts, is_seen) in [
            (&[][..], true),
            (&[""][..], true),
            (&[wine], true),
            (&[many], true),
            (&[wine, many, ""], true),
            (&[tea], false),
            (&[wine, tea], false),
            (&["keep;"], false),
            (&["stop;"], false),
            (&[wine, "if not exists \"cc\" { stop; }"], false),
        ] {
            let (glanced, run) = outcomes(scripts, Limits::HOUSE);
            assert_eq!(glanced.is_some(), is_seen, "{scripts:?}");
            assert!(glanced.is_none_or(|glanced| glanced == run), "{scripts:?}");
        }
    }

    #[test]
    fn what_a_house_does_not_carry_out_is_no_affair_of_a_glance() {
        let few = Limits {
            steps_max: 3,
            ..Limits::HOUSE
        };
        let wine = r#"if header "subject" "wine" { discard; }"#;
        let (glanced, run) = outcomes(&[&wine.repeat(20)], few);
        assert!(glanced.is_none() && run.fault.is_some());
        let none = Limits {
            abilities: crate::Abilities::ALL.without(&["fileinto"]),
            ..Limits::HOUSE
        };
        let (glanced, run) = outcomes(&["require \"fileinto\";"], none);
        assert!(glanced.is_none() && run.fault.is_some());
    }
}
