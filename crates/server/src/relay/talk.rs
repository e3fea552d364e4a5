//! One conversation with one destination: its hosts are called one after the other until one takes
//! the letters.
//!
//! Not here: which letters are due (`post`), how many conversations there are (`relay`), what is
//! said in them (`postman`).
//!
//! RFC 5321 §5.1 (the next host if one cannot be reached).

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mail::{Enhanced, Host, TlsWish};
use post::queue::{Attempt, Claimed, Fate, Runner, Said};
use tokio::time::sleep;
use trust::mta_sts::Policy;
use trust::tlsrpt;

use super::contact::Contact;
use super::guard::{Guard, Refused, Trouble};
use super::hosts::{Obstacle, Proof, Target, addresses, targets};
use super::pace::Mood;
use super::postman::{Missed, Postman, not_sent};
use super::results::{Failed, day};
use super::routes::{Course, Reach, literal, same};
use super::{Relay, SETTLE_PAUSE};

/// Letters that share the fate of one that found nobody, settled in one step.
const SHARED_FATES: usize = 30;

/// Hands letters of one destination on, and says how it went. If it `lingers`, it waits a moment
/// for more before it ends.
pub(super) async fn talk(
    relay: &Relay,
    destination: &str,
    letters: Vec<Claimed>,
    (contact, lingers): (&Contact, bool),
) -> Mood {
    let mut by_way: Vec<(Course, VecDeque<Claimed>)> = Vec::new();
    for letter in letters {
        let course = relay.course(&letter.entry);
        match by_way.iter_mut().find(|(known, _)| same(known, &course)) {
            Some((_, letters)) => letters.push_back(letter),
            None => by_way.push((course, [letter].into())),
        }
    }
    let mut mood = Mood::Willing;
    // Letters that take another way do not wait for that.
    let lingers = lingers && by_way.len() == 1;
    for (course, letters) in by_way {
        let way = Way {
            relay,
            destination,
            course,
            contact,
            lingers,
        };
        match way.hand_on(letters).await {
            Mood::Willing => {}
            worse => mood = worse,
        }
    }
    mood
}

/// One way to one destination.
pub(super) struct Way<'a> {
    pub(super) relay: &'a Relay,
    pub(super) destination: &'a str,
    pub(super) course: Course,
    pub(super) contact: &'a Contact,
    pub(super) lingers: bool,
}

impl Way<'_> {
    async fn hand_on(&self, letters: VecDeque<Claimed>) -> Mood {
        let targets = match self.targets().await {
            Ok(targets) => targets,
            Err(Obstacle::Ever(said)) => {
                self.settle_all(letters, &Fate::Failed(said), "").await;
                return Mood::Willing;
            }
            Err(Obstacle::Now(said)) => {
                self.nobody(letters, said, "").await;
                return Mood::Away;
            }
        };
        let mut postman = Postman::new(self, letters);
        let (last, hopeless) = self.call_all(&mut postman, targets).await;
        let Postman {
            waiting,
            taken,
            busy,
            ..
        } = postman;
        let mood = if busy { Mood::Busy } else { Mood::Willing };
        // Whoever is asked to stop leaves what waits as it is.
        if waiting.is_empty() || self.relay.stop.is_asked() {
            return mood;
        }
        // It takes a few at a time: the others are due for the next conversation.
        if taken > 0 {
            return mood;
        }
        let Missed { said, tls, .. } = last.unwrap_or_else(|| Missed {
            said: ours("It did not take all that it was to be given"),
            tls: String::new(),
            trouble: None,
        });
        if hopeless && self.course.wish == TlsWish::Required {
            let status = Enhanced {
                class: 5,
                ..said.status
            };
            let fate = Fate::Failed(Said { status, ..said });
            self.settle_all(waiting, &fate, &tls).await;
            return Mood::Willing;
        }
        // A host that takes no mail at all.
        // RFC 7504 §3
        if said.code.is_some_and(|code| code.value() == 521) {
            let status = Enhanced::new(5, 3, 2);
            let fate = Fate::Failed(Said { status, ..said });
            self.settle_all(waiting, &fate, &tls).await;
            return Mood::Willing;
        }
        self.nobody(waiting, said, &tls).await;
        Mood::Away
    }

    /// Calls one host after the other until nothing waits: why the last took nothing, and whether
    /// all have a TLS that no time mends.
    async fn call_all(
        &self,
        postman: &mut Postman<'_>,
        targets: Vec<Target>,
    ) -> (Option<Missed>, bool) {
        let policy = self.policy().await;
        let (mut last, mut hopeless) = (None, true);
        for target in targets {
            let missed = match self.guard(policy.as_ref(), &target).await {
                Ok(guard) => {
                    let missed = postman.call(&target, guard).await.err();
                    if let Some((guard, trouble)) = postman.session(missed.as_ref()) {
                        self.count(&guard.policy, trouble.as_ref(), &target);
                    }
                    missed
                }
                Err(refused) => Some(self.refused(refused, &target)),
            };
            // RFC 8689 §4.2.1
            hopeless &= missed.as_ref().is_some_and(Missed::is_for_good);
            last = missed.or(last);
            if postman.waiting.is_empty() || self.relay.stop.is_asked() {
                break;
            }
        }
        (last, hopeless)
    }

    /// What the destination wants of TLS; a host that we have chosen is asked for what we say.
    async fn policy(&self) -> Option<Policy> {
        match self.course.via.is_some() || literal(self.destination).is_some() {
            true => None,
            false => self.relay.policy(self.destination).await,
        }
    }

    async fn guard(
        &self,
        policy: Option<&Policy>,
        target: &Target,
    ) -> Result<Option<Guard>, Refused> {
        if self.course.via.is_some() {
            return Ok(None);
        }
        let wanted = (policy, self.course.wish);
        let guard = self.relay.guard(self.destination, wanted, target).await;
        guard.map(Some)
    }

    fn refused(&self, refused: Refused, target: &Target) -> Missed {
        let Refused {
            counts,
            trouble,
            policy,
        } = refused;
        self.count(&policy, Some(&trouble), target);
        Missed {
            said: not_sent(&target.name, &counts, &trouble),
            tls: counts,
            trouble: Some(trouble),
        }
    }

    /// Counts what came of a host's TLS, for who wants to hear of it. Letters that go whatever is
    /// wrong with it, such as reports, say nothing about it.
    // RFC 8460 §3
    fn count(&self, policy: &tlsrpt::Policy, trouble: Option<&Trouble>, target: &Target) {
        if self.course.wish == TlsWish::Waived || literal(self.destination).is_some() {
            return;
        }
        let failed = trouble.map(|trouble| Failed::Session(trouble, &target.name, target.ip));
        self.relay.count(self.destination, policy, failed);
    }

    async fn targets(&self) -> Result<Vec<Target>, Obstacle> {
        let outside = self.relay.post.outside().as_ref();
        let one = |name: String, ip| {
            Ok(vec![Target {
                name,
                ip,
                proof: Proof::default(),
            }])
        };
        match self.course.via.as_deref().map(|via| &via.reach) {
            None => match Runner::at(self.destination) {
                Some(runner) => Err(Obstacle::Now(nobody_runs(&runner))),
                None => targets(outside, self.destination, &self.relay.own).await,
            },
            Some(reach @ Reach::Socket(_)) => {
                one(reach.to_string(), IpAddr::V4(Ipv4Addr::LOCALHOST))
            }
            Some(Reach::Host(Host::Ip(ip), _)) => one(ip.to_string(), *ip),
            Some(Reach::Host(host, _)) => match addresses(outside, &[host.to_ascii()]).await {
                // That host is ours to choose: a mistake there is no letter's fault.
                Err(Obstacle::Ever(said) | Obstacle::Now(said)) => Err(Obstacle::Now(Said {
                    status: Enhanced::new(4, 4, 3),
                    ..said
                })),
                found => found,
            },
        }
    }

    /// Nobody was there: all letters of the destination whose time has come share that fate.
    async fn nobody(&self, letters: VecDeque<Claimed>, said: Said, tls: &str) {
        let fate = Fate::Deferred(said);
        self.settle_all(letters, &fate, tls).await;
        // Those that take another way are not asked for again as long as they are held.
        let mut others = Vec::new();
        loop {
            let claimed = self.relay.post.claim(self.destination, SHARED_FATES).await;
            let claimed = claimed.unwrap_or_else(|error| {
                tracing::error!(%error, "the queue cannot be read");
                Vec::new()
            });
            if claimed.is_empty() || others.len() > SHARED_FATES {
                return;
            }
            let is_ours = |one: &Claimed| same(&self.relay.course(&one.entry), &self.course);
            let (ours, theirs): (VecDeque<_>, Vec<_>) = partition(claimed, is_ours);
            others.extend(theirs);
            self.settle_all(ours, &fate, tls).await;
        }
    }

    async fn settle_all(&self, letters: VecDeque<Claimed>, fate: &Fate, tls: &str) {
        let attempts: Vec<(Claimed, Attempt)> = letters
            .into_iter()
            .map(|letter| {
                let attempt = Attempt {
                    tls: tls.to_owned(),
                    ..Attempt::all(&letter.entry, fate)
                };
                (letter, attempt)
            })
            .collect();
        self.relay.settle(&attempts).await;
    }
}

pub(super) fn partition(
    claimed: Vec<Claimed>,
    is_ours: impl Fn(&Claimed) -> bool,
) -> (VecDeque<Claimed>, Vec<Claimed>) {
    let (mut ours, mut theirs) = (VecDeque::new(), Vec::new());
    for one in claimed {
        match is_ours(&one) {
            true => ours.push_back(one),
            false => theirs.push(one),
        }
    }
    (ours, theirs)
}

/// Letters for programs wait for somebody to run them again.
fn nobody_runs(runner: &Runner) -> Said {
    let setting = match runner {
        Runner::Aliases => "programs",
        Runner::User(_) => "forward_programs",
    };
    let text = format!("It is for programs, and `[local] {setting}` names nobody who runs them");
    Said {
        status: Enhanced::new(4, 3, 5),
        ..ours(&text)
    }
}

/// What we said ourselves.
fn ours(text: &str) -> Said {
    Said {
        host: None,
        code: None,
        status: Enhanced::new(4, 4, 2),
        text: text.to_owned(),
    }
}

impl Relay {
    /// Counts what came of TLS with a domain, where anybody is told.
    pub(super) fn count(&self, domain: &str, policy: &tlsrpt::Policy, failed: Option<Failed<'_>>) {
        if self.settings.tls.reports.is_some() {
            let day = day(self.post.outside().now().seconds);
            self.results.count(day, domain, policy, failed);
        }
    }

    /// Writes down what came of attempts. What cannot be written is tried until it can: to forget
    /// that a letter was taken is to send it twice.
    pub(super) async fn settle(&self, attempts: &[(Claimed, Attempt)]) {
        let mut pause = SETTLE_PAUSE;
        while let Err(error) = self.post.settle_queued(attempts).await {
            tracing::error!(%error, "what came of a letter cannot be written down yet");
            if *self.post.stopped().borrow() {
                return;
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(60));
        }
    }
}
