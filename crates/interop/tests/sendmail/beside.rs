//! Invocations as programs make them, given to Postfix's own command and to ours: the same
//! recipients, the same envelope, the same end.

use std::collections::{BTreeMap, BTreeSet};

use interop::Postfix;
use serde_json::Value;

use super::machine::{Machine, feed};
use super::sink::{Sink, wait};
use super::table::CASES;

/// What became of one case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fate {
    from: BTreeSet<String>,
    to: BTreeSet<String>,
    /// ENVID, RET, NOTIFY.
    wishes: BTreeSet<String>,
    has_bcc: bool,
    subject: String,
    last_line: String,
}

/// The fates of all cases, as a host took them.
fn fates(taken: &[Value]) -> BTreeMap<usize, Fate> {
    let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
    for letter in taken {
        let body = letter["body"].as_str().unwrap();
        let Some(number) = body.split("case ").nth(1) else {
            panic!("no case: {body}");
        };
        let number = number.split('.').next().unwrap().parse().unwrap();
        let fate = fates.entry(number).or_default();
        let mut put = |line: &str, set: fn(&mut Fate) -> &mut BTreeSet<String>| {
            let mut words = line.split(' ');
            set(fate).insert(words.next().unwrap().to_lowercase());
            let wishes = ["ENVID=", "RET=", "NOTIFY="];
            let wished = words.filter(|word| wishes.iter().any(|name| word.starts_with(name)));
            // In any order.
            fate.wishes.extend(wished.map(|word| {
                let (name, list) = word.split_once('=').unwrap();
                let mut list: Vec<&str> = list.split(',').collect();
                list.sort_unstable();
                format!("{name}={}", list.join(","))
            }));
        };
        put(letter["from"].as_str().unwrap(), |fate| &mut fate.from);
        for to in letter["to"].as_array().unwrap() {
            put(to.as_str().unwrap(), |fate| &mut fate.to);
        }
        let (header, text) = body.split_once("\r\n\r\n").unwrap_or((body, ""));
        let mut fields = header.lines();
        fate.has_bcc |= header
            .lines()
            .any(|line| line.to_lowercase().starts_with("bcc:"));
        let subject = fields.find(|line| line.starts_with("Subject: "));
        fate.subject = subject.unwrap_or_default().to_owned();
        fate.last_line = text
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
    }
    fates
}

#[test]
fn programs_find_what_postfix_would_do() {
    let (ours, theirs) = (
        Sink::start("127.0.0.2", 0, None),
        Sink::start("127.0.0.3", 0, None),
    );
    ours.switch("dsn", true);
    theirs.switch("dsn", true);
    let machine = Machine::start(&format!(
        "[local]\ndomain = \"far.example\"\n[relay]\nhost = \"[127.0.0.2]:{}\"\ntls = \"none\"",
        ours.port
    ));
    let postfix =
        Postfix::sending_to(format!("127.0.0.3:{}", theirs.port).parse().unwrap()).unwrap();
    let mut accepted = BTreeSet::new();
    for (number, case) in CASES.iter().enumerate() {
        let input = case.input.replace('%', &number.to_string());
        let (well, said) = feed(&mut machine.called("sendmail", case.words), &input);
        let (their_well, they_said) = feed(&mut postfix.sendmail(case.words), &input);
        let ends = (well == Some(0), their_well == Some(0));
        let right = (!case.is_refused, !case.is_refused);
        assert_eq!(ends, right, "{}: {said}\n{they_said}", case.caller);
        if case.is_refused {
            // It is for good: Postfix says 75, which is not what it means.
            assert!(matches!(well, Some(64 | 65)), "{}: {well:?}", case.caller);
        } else {
            accepted.insert(number);
        }
    }
    assert!(accepted.len() >= 40, "{}", accepted.len());
    let all = |sink: &Sink| {
        let fates = fates(&sink.taken());
        fates.keys().copied().collect::<BTreeSet<usize>>() == accepted
    };
    wait(|| (all(&ours) && machine.is_done()).then_some(()));
    wait(|| (all(&theirs) && postfix.waiting().is_empty()).then_some(()));
    let (our_fates, their_fates) = (fates(&ours.taken()), fates(&theirs.taken()));
    let mut different = Vec::new();
    for number in accepted {
        let (here, there) = (&our_fates[&number], &their_fates[&number]);
        if here != there || here.has_bcc {
            different.push(format!("{}:\n{here:?}\n{there:?}", CASES[number].caller));
        }
    }
    assert!(
        different.is_empty(),
        "here, by Postfix\n{}",
        different.join("\n")
    );
}
