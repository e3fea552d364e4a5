//! One conversation with one filter.
//!
//! A filter is told one thing after the other, and each thing that it answers waits for its answer.
//! What it does not want is not told, and what it does not answer counts as answered.

use std::collections::HashMap;

use crate::answer::{Answer, Change, Verdict};
use crate::event::{Event, Stage, text};
use crate::packet::{Error, Frames, Offer, action, packet, step};

/// What came of a filter's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is ready to be told.
    Ready,
    /// It is at work: its time begins anew.
    Progress,
    /// This is to be done.
    Verdict(Verdict),
    /// At a letter's end: these changes, and then this.
    Changed(Vec<Change>, Verdict),
}

/// One conversation with one filter.
#[derive(Debug)]
pub struct Talk {
    frames: Frames,
    state: State,
    offer: Offer,
    /// Which macros it wants at a stage; where it does not say, it is told all.
    wanted: HashMap<Stage, Vec<String>>,
    changes: Vec<Change>,
    /// Octets of all changes so far, and how many they may be.
    octets: usize,
    octets_max: usize,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its offer.
    Beginning,
    /// Nothing.
    Idle,
    /// An answer.
    Asked,
    /// What it makes of a letter.
    AtEnd,
}

impl Talk {
    /// A conversation with a filter that may make a letter so large.
    #[must_use]
    pub fn new(octets_max: usize) -> Self {
        Self {
            frames: Frames::default(),
            state: State::Beginning,
            offer: Offer::default(),
            wanted: HashMap::new(),
            changes: Vec::new(),
            octets: 0,
            octets_max,
        }
    }

    /// What is said first.
    #[must_use]
    pub fn begin(&self) -> Vec<u8> {
        let offer = Offer {
            actions: action::ALL,
            steps: step::ALL,
        };
        offer.packet()
    }

    /// The packets of an event: nothing if the filter does not want it. Where [`Talk::waits`] is
    /// true behind it, its answer has to come before the next.
    pub fn say(&mut self, event: &Event<'_>) -> Option<Vec<u8>> {
        let (unwanted, unanswered) = event.steps();
        if self.offer.steps & unwanted != 0 {
            return None;
        }
        self.state = match event {
            Event::End => State::AtEnd,
            _ if self.offer.steps & unanswered != 0 => State::Idle,
            _ => State::Asked,
        };
        let leading_space = self.offer.steps & step::LEADING_SPACE != 0;
        Some(event.packet(leading_space))
    }

    /// The packet with macros that goes before an event's; nothing where it wants none of them.
    #[must_use]
    pub fn macros(&self, event: &Event<'_>, known: &[(&str, String)]) -> Option<Vec<u8>> {
        let stage = event.stage()?;
        if self.offer.steps & event.steps().0 != 0 {
            return None;
        }
        let wanted = self.wanted.get(&stage);
        let mut all = vec![event.kind()];
        for (name, value) in known {
            let is_wanted = |wanted: &Vec<String>| wanted.iter().any(|one| one == name);
            if wanted.is_none_or(is_wanted) {
                all.extend(text(name));
                all.extend(text(value));
            }
        }
        (all.len() > 1).then(|| packet(b'D', &[&all]))
    }

    /// True while an answer is due.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.state != State::Idle
    }

    /// What is said where a letter does not come to its end.
    pub fn abort(&mut self) -> Vec<u8> {
        self.changes.clear();
        self.octets = 0;
        packet(b'A', &[])
    }

    /// What is said last.
    #[must_use]
    pub fn quit() -> Vec<u8> {
        packet(b'Q', &[])
    }

    /// Takes octets of the filter.
    pub fn feed(&mut self, octets: &[u8]) {
        self.frames.feed(octets);
    }

    /// What came of them; nothing if more are needed.
    ///
    /// # Errors
    /// Where it is no answer to what was asked: then the conversation is over.
    pub fn heard(&mut self) -> Result<Option<Heard>, Error> {
        loop {
            let Some((kind, about)) = self.frames.next()? else {
                return Ok(None);
            };
            let answer = Answer::read(kind, &about)?;
            match (self.state, answer) {
                (State::Beginning, Answer::Offer(offer, macros)) => {
                    self.agree(offer, macros)?;
                    return Ok(Some(Heard::Ready));
                }
                (State::Asked | State::AtEnd, Answer::Progress) => {
                    return Ok(Some(Heard::Progress));
                }
                (State::Asked, Answer::Verdict(verdict)) => {
                    self.state = State::Idle;
                    return Ok(Some(Heard::Verdict(verdict)));
                }
                (State::AtEnd, Answer::Verdict(verdict)) => {
                    self.state = State::Idle;
                    self.octets = 0;
                    let changes = std::mem::take(&mut self.changes);
                    return Ok(Some(Heard::Changed(changes, verdict)));
                }
                (State::AtEnd, Answer::Change(change)) => self.note(change)?,
                _ => return Err(Error::OutOfPlace(kind)),
            }
        }
    }

    fn agree(&mut self, offer: Offer, macros: Vec<(u32, String)>) -> Result<(), Error> {
        if offer.steps & !step::ALL != 0 {
            return Err(Error::Greedy);
        }
        self.offer = offer;
        for (stage, names) in macros {
            let names = names.split_whitespace().map(str::to_owned).collect();
            if let Some(stage) = Stage::of(stage) {
                self.wanted.insert(stage, names);
            }
        }
        self.state = State::Idle;
        Ok(())
    }

    fn note(&mut self, change: Change) -> Result<(), Error> {
        if self.offer.actions & change.action() == 0 {
            return Err(Error::Greedy);
        }
        // A change without octets takes room as well.
        self.octets = self.octets.saturating_add(change.octets() + 64);
        if self.octets > self.octets_max {
            return Err(Error::TooLarge(self.octets_max));
        }
        self.changes.push(change);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter that has agreed to this.
    fn agreed(actions: u32, steps: u32) -> Talk {
        let mut talk = Talk::new(10_000);
        talk.feed(&Offer { actions, steps }.packet());
        assert_eq!(talk.heard(), Ok(Some(Heard::Ready)));
        talk
    }

    #[test]
    fn a_letter_from_its_beginning_to_its_end() {
        let mut talk = agreed(
            action::ADD_FIELDS | action::QUARANTINE,
            step::FIELD_NOT_ANSWERED,
        );
        assert!(!talk.waits());
        assert!(talk.say(&Event::Sender("<a@b>", &[])).is_some() && talk.waits());
        assert_eq!(talk.heard(), Ok(None));
        talk.feed(&packet(b'c', &[]));
        assert_eq!(talk.heard(), Ok(Some(Heard::Verdict(Verdict::Continue))));
        // A field is told and not answered.
        assert!(talk.say(&Event::Field(b"X", b"y")).is_some() && !talk.waits());
        assert!(talk.say(&Event::End).is_some() && talk.waits());
        talk.feed(&packet(b'p', &[]));
        assert_eq!(talk.heard(), Ok(Some(Heard::Progress)));
        talk.feed(&packet(b'q', &[b"why\0"]));
        assert_eq!(talk.heard(), Ok(None));
        talk.feed(&packet(b'h', &[b"X\0y\0"]));
        talk.feed(&packet(b'a', &[]));
        let changes = vec![
            Change::Quarantine("why".into()),
            Change::AddField {
                name: b"X".to_vec(),
                value: b"y".to_vec(),
            },
        ];
        assert_eq!(
            talk.heard(),
            Ok(Some(Heard::Changed(changes, Verdict::Accept)))
        );
        assert!(!talk.waits());
    }

    #[test]
    fn a_filter_that_says_what_nobody_asked_is_as_good_as_away() {
        let add = packet(b'h', &[b"X\0y\0"]);
        let tells = |talk: &mut Talk, octets: &[u8]| {
            talk.feed(octets);
            talk.heard()
        };
        let mut talk = agreed(0, 0);
        assert_eq!(
            tells(&mut talk, &packet(b'c', &[])),
            Err(Error::OutOfPlace(b'c'))
        );
        let mut talk = agreed(action::ADD_FIELDS, 0);
        talk.say(&Event::Data);
        assert_eq!(tells(&mut talk, &add), Err(Error::OutOfPlace(b'h')));
        let mut talk = agreed(0, 0);
        talk.say(&Event::End);
        assert_eq!(tells(&mut talk, &add), Err(Error::Greedy));
        let mut talk = agreed(action::CHANGE_BODY, 0);
        talk.say(&Event::End);
        let much = packet(b'b', &[&[b'x'; 9000]]);
        assert_eq!(tells(&mut talk, &much), Ok(None));
        assert_eq!(tells(&mut talk, &much), Err(Error::TooLarge(10_000)));
        let mut talk = Talk::new(10);
        let steps = 0x1000_0000;
        let offer = Offer { actions: 0, steps };
        assert_eq!(tells(&mut talk, &offer.packet()), Err(Error::Greedy));
        let mut talk = Talk::new(10);
        assert_eq!(
            tells(&mut talk, &packet(b'c', &[])),
            Err(Error::OutOfPlace(b'c'))
        );
    }

    #[test]
    fn macros_are_told_as_they_are_wanted() {
        let known = [("j", "mx.example".to_owned()), ("i", "7".to_owned())];
        let mut talk = agreed(0, step::NO_HELO);
        let sender = Event::Sender("<>", &[]);
        let all = packet(b'D', &[b"Mj\0mx.example\0i\x007\0"]);
        assert_eq!(talk.macros(&sender, &known), Some(all));
        assert_eq!(talk.macros(&Event::Helo("x"), &known), None);
        assert_eq!(talk.macros(&Event::Body(b"x"), &known), None);
        assert_eq!(talk.macros(&sender, &[]), None);
        talk.wanted
            .insert(Stage::Sender, vec!["i".into(), "_".into()]);
        let one = packet(b'D', &[b"Mi\x007\0"]);
        assert_eq!(talk.macros(&sender, &known), Some(one));
    }
}
