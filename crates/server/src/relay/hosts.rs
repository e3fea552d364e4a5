//! Which hosts take a destination's mail, in which order, and at which addresses.
//!
//! Not here: asking DNS (the world), reaching hosts (`talk`).
//!
//! RFC 5321 §5.1 (preference, implicit exchangers, loops), RFC 7505 (domains that take no mail),
//! RFC 7672 §2.2 (what is proven of all that).

use std::net::IpAddr;

use mail::Enhanced;
use post::Outside;
use post::queue::Said;
use trust::{Answer, Kind, Proven, Question, Record};

use super::dice;
use super::routes::literal;

/// Exchangers of one destination that are looked at.
const EXCHANGERS_MAX: usize = 10;
/// Addresses of one destination that are called, one after the other.
const TARGETS_MAX: usize = 20;

/// A host with one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    /// This machine's own where it answers at a socket in the file system.
    pub(super) ip: IpAddr,
    pub(super) proof: Proof,
}

/// What DNSSEC proves of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// That it takes the destination's mail.
    pub(super) is_exchanger: bool,
    /// That its address is this one; then the name that the address is under, which is another
    /// where the host's is an alias.
    pub(super) of_address: Option<String>,
}

/// Why there is no host to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Nobody knows for now.
    Now(Said),
    /// There is none.
    Ever(Said),
}

/// The hosts that take a destination's mail, in the order in which they are called. `own` is what
/// we are called ourselves.
pub(super) async fn targets(
    outside: &dyn Outside,
    destination: &str,
    own: &str,
) -> Result<Vec<Target>, Obstacle> {
    if let Some(ip) = literal(destination) {
        let name = destination.to_owned();
        let proof = Proof::default();
        return Ok(vec![Target { name, ip, proof }]);
    }
    let (names, is_proven) = exchangers(outside, destination, own).await?;
    let mut targets = addresses(outside, &names).await?;
    for target in &mut targets {
        target.proof.is_exchanger = is_proven;
    }
    Ok(targets)
}

/// The names of a destination's exchangers, those to be called first first, and whether DNSSEC
/// proves them.
async fn exchangers(
    outside: &dyn Outside,
    destination: &str,
    own: &str,
) -> Result<(Vec<String>, bool), Obstacle> {
    let question = Question::new(destination, Kind::Mx);
    let question = question.ok_or_else(|| ever(1, 2, "That is no name a domain can have"))?;
    let Proven {
        answer, is_proven, ..
    } = outside.ask_proven(&question).await;
    let names = match answer {
        Answer::Failed => return Err(now("The domain's hosts cannot be found out for now")),
        Answer::NoSuchName => return Err(ever(1, 2, "There is no such domain")),
        // RFC 5321 §5.1
        Answer::NoData => vec![destination.to_owned()],
        Answer::Records(records) => {
            let found = records.into_iter().filter_map(|record| match record {
                Record::Mx {
                    preference,
                    exchange,
                } => Some((preference, exchange.trim_end_matches('.').to_lowercase())),
                _ => None,
            });
            let mut found: Vec<(u16, String)> = found.collect();
            // RFC 7505 §3
            if matches!(found.as_slice(), [(_, only)] if only.is_empty()) {
                return Err(ever(1, 10, "The domain takes no mail"));
            }
            found.retain(|(_, name)| !name.is_empty());
            ordered(found, own, || dice(outside))?
        }
    };
    Ok((names, is_proven))
}

/// Exchangers in the order of their preference, equal ones by chance; without those that are not
/// nearer to the destination than we are.
// RFC 5321 §5.1
fn ordered(
    mut found: Vec<(u16, String)>,
    own: &str,
    mut dice: impl FnMut() -> u64,
) -> Result<Vec<String>, Obstacle> {
    if found.is_empty() {
        return Err(ever(4, 4, "The domain names no host for its mail"));
    }
    let ours = found.iter().filter(|(_, name)| name == own);
    if let Some(ours) = ours.map(|(preference, _)| *preference).min() {
        found.retain(|(preference, _)| *preference < ours);
        if found.is_empty() {
            let text =
                "The domain names no host nearer than this one, and its mail is not kept here";
            return Err(ever(4, 6, text));
        }
    }
    let mut thrown: Vec<(u16, u64, String)> = found
        .into_iter()
        .map(|(preference, name)| (preference, dice(), name))
        .collect();
    thrown.sort();
    let mut names: Vec<String> = thrown.into_iter().map(|(_, _, name)| name).collect();
    names.dedup();
    names.truncate(EXCHANGERS_MAX);
    Ok(names)
}

/// The addresses of hosts, in the hosts' order; of each the IPv6 ones first.
pub(super) async fn addresses(
    outside: &dyn Outside,
    names: &[String],
) -> Result<Vec<Target>, Obstacle> {
    let (mut targets, mut failed) = (Vec::new(), false);
    for name in names {
        for kind in [Kind::Aaaa, Kind::A] {
            let Some(question) = Question::new(name, kind) else {
                continue;
            };
            let proven = outside.ask_proven(&question).await;
            failed |= proven.answer == Answer::Failed;
            let proof = Proof {
                is_exchanger: false,
                of_address: proven.is_proven.then_some(proven.name),
            };
            targets.extend(proven.answer.addresses().map(|ip| Target {
                name: name.clone(),
                ip,
                proof: proof.clone(),
            }));
        }
    }
    targets.truncate(TARGETS_MAX);
    match targets.is_empty() {
        false => Ok(targets),
        true if failed => Err(now("The host's address cannot be found out for now")),
        true => Err(ever(4, 4, "None of the domain's hosts has an address")),
    }
}

/// RFC 3463 §3.5: X.4.3, the directory server failed.
fn now(text: &str) -> Obstacle {
    Obstacle::Now(said(Enhanced::new(4, 4, 3), text))
}

fn ever(subject: u16, detail: u16, text: &str) -> Obstacle {
    Obstacle::Ever(said(Enhanced::new(5, subject, detail), text))
}

fn said(status: Enhanced, text: &str) -> Said {
    Said {
        host: None,
        code: None,
        status,
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use mail::{Instant, Timestamp};
    use store::Boxed;

    use super::*;

    /// A world whose names are a table.
    #[derive(Debug, Default)]
    struct Names(HashMap<String, Answer>);

    impl Outside for Names {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn instant(&self) -> Instant {
            Instant::default()
        }

        fn fill(&self, octets: &mut [u8]) {
            octets.fill(0);
        }

        fn ask<'a>(&'a self, question: &'a Question) -> Boxed<'a, Answer> {
            let answer = self.0.get(&question.to_string()).cloned();
            Box::pin(async move { answer.unwrap_or(Answer::NoData) })
        }

        fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
            work();
        }

        fn detach(&self, work: Boxed<'static, ()>) {
            drop(work);
        }
    }

    fn names(table: &[(&str, Answer)]) -> Names {
        let table = table.iter();
        Names(
            table
                .map(|(asked, answer)| ((*asked).to_owned(), answer.clone()))
                .collect(),
        )
    }

    fn exchange(list: &[(u16, &str)]) -> Answer {
        let records = list.iter().map(|(preference, exchange)| Record::Mx {
            preference: *preference,
            exchange: (*exchange).to_owned(),
        });
        Answer::Records(records.collect())
    }

    fn v4(last: u8) -> Answer {
        Answer::Records(vec![Record::A([192, 0, 2, last].into())])
    }

    async fn found(names: &Names, destination: &str) -> String {
        match targets(names, destination, "mx.own.example").await {
            Ok(targets) => {
                let told = targets.iter().map(|one| format!("{} {}", one.name, one.ip));
                told.collect::<Vec<_>>().join(", ")
            }
            Err(Obstacle::Now(said)) => format!("now: {}", said.status),
            Err(Obstacle::Ever(said)) => format!("ever: {}", said.status),
        }
    }

    #[tokio::test]
    async fn exchangers_are_found_as_the_standard_says() {
        let v6 = Answer::Records(vec![Record::Aaaa("2001:db8::1".parse().unwrap())]);
        let names = names(&[
            (
                "two.example MX",
                exchange(&[(20, "b.example"), (10, "A.example.")]),
            ),
            ("a.example A", v4(1)),
            ("a.example AAAA", v6),
            ("b.example A", v4(2)),
            ("implicit.example A", v4(3)),
            ("null.example MX", exchange(&[(0, "")])),
            ("null.example A", v4(4)),
            ("gone.example MX", Answer::NoSuchName),
            ("dark.example MX", Answer::Failed),
            (
                "ours.example MX",
                exchange(&[(10, "mx.own.example"), (20, "b.example")]),
            ),
            (
                "backup.example MX",
                exchange(&[(10, "a.example"), (20, "mx.own.example"), (20, "b.example")]),
            ),
            ("empty.example MX", exchange(&[(10, "nowhere.example")])),
            ("lost.example MX", exchange(&[(10, "failing.example")])),
            ("failing.example A", Answer::Failed),
        ]);
        let cases = [
            (
                "two.example",
                "a.example 2001:db8::1, a.example 192.0.2.1, b.example 192.0.2.2",
            ),
            ("implicit.example", "implicit.example 192.0.2.3"),
            ("null.example", "ever: 5.1.10"),
            ("gone.example", "ever: 5.1.2"),
            ("dark.example", "now: 4.4.3"),
            ("ours.example", "ever: 5.4.6"),
            (
                "backup.example",
                "a.example 2001:db8::1, a.example 192.0.2.1",
            ),
            ("empty.example", "ever: 5.4.4"),
            ("lost.example", "now: 4.4.3"),
            ("void.example", "ever: 5.4.4"),
            ("[192.0.2.9]", "[192.0.2.9] 192.0.2.9"),
            ("[IPv6:2001:db8::9]", "[IPv6:2001:db8::9] 2001:db8::9"),
            ("no..name", "ever: 5.1.2"),
        ];
        for (destination, expected) in cases {
            assert_eq!(found(&names, destination).await, expected, "{destination}");
        }
    }

    #[test]
    fn equal_exchangers_are_called_in_an_order_of_chance() {
        let found = || {
            ["a", "b", "c"]
                .map(|name| (10, name.to_owned()))
                .into_iter()
                .chain([(5, "first".to_owned())])
                .collect::<Vec<_>>()
        };
        let order = |throws: [u64; 4]| {
            let mut throws = throws.into_iter();
            ordered(found(), "own", || throws.next().unwrap()).unwrap()
        };
        assert_eq!(order([1, 2, 3, 9]), ["first", "a", "b", "c"]);
        assert_eq!(order([3, 1, 2, 9]), ["first", "b", "c", "a"]);
        let many = (0..50).map(|number| (10, format!("{number}"))).collect();
        assert_eq!(ordered(many, "own", || 0).unwrap().len(), EXCHANGERS_MAX);
    }
}
