//! Letters signed and sealed here, and what is left of it when somebody changes them.
#![expect(clippy::unwrap_used, reason = "a test")]

use trust::dkim::{KeyError, Outcome, Signing, SigningKey, Verify, sign};
use trust::{Answer, Answers, Canonicalization, Check as _, Letter, Question, Record, arc, tlsrpt};

#[path = "made/keys.rs"]
mod keys;

use keys::{both, publishing};

const LETTER: &str = "Received: from a by b\r\nFrom: Ada <ada@example.org>\r\n\
    To: bob@example.net\r\n\
    Subject: Tea\r\n  at five\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n\
    Message-ID: <2@example.org>\r\n\r\nAt  five?\t\r\n\r\nAda\r\n\r\n";

fn outcome(letter: &str, key: &SigningKey, now: i64) -> Vec<Outcome> {
    let letter = Letter::read(letter.as_bytes(), &[]).unwrap();
    let verify = Verify::new(&letter, now);
    let verdicts = verify.settle(&mut Answers::default(), publishing(key));
    verdicts.iter().map(|verdict| verdict.outcome).collect()
}

fn signed(letter: &str, key: &SigningKey, signing: &Signing) -> String {
    let read = Letter::read(letter.as_bytes(), &[signing.body_form()]).unwrap();
    let field = sign(&read, key, signing).unwrap();
    for line in field.lines() {
        assert!(line.len() <= 78, "{line}");
    }
    field + letter
}

// RFC 6376 §5, RFC 8463 §3.
#[test]
fn what_is_signed_holds() {
    use Canonicalization::{Relaxed, Simple};
    let [_, other] = both();
    for key in both() {
        for (header, body) in [
            (Relaxed, Relaxed),
            (Relaxed, Simple),
            (Simple, Relaxed),
            (Simple, Simple),
        ] {
            let signing = Signing {
                header,
                body,
                identity: Some("ada=x@mail.example.org".to_owned()),
                time: Some(100),
                expires: Some(200),
                ..Signing::new("example.org", "a")
            };
            let letter = signed(LETTER, &key, &signing);
            assert_eq!(outcome(&letter, &key, 200), [Outcome::Pass], "{letter}");
            assert_eq!(outcome(&letter, &key, 201), [Outcome::Policy], "{letter}");
            let twice = signed(&letter, &key, &signing);
            assert_eq!(outcome(&twice, &key, 200), [Outcome::Pass, Outcome::Pass]);
            assert_ne!(outcome(&letter, &other, 200), [Outcome::Pass]);
            assert_eq!(
                outcome(&format!("X-New: 1\r\n{letter}"), &key, 0),
                [Outcome::Pass]
            );
        }
    }
}

// RFC 8460 §3.
#[test]
fn reports_about_tls_are_signed_by_whom_they_are_from() {
    let [_, key] = both();
    let record = key.record().unwrap();
    let found = |letter: &str, services: &str, author: &str| {
        let letter = Letter::read(letter.as_bytes(), &[]).unwrap();
        let text = format!("{record}{services}").into_bytes();
        let answer = move |_: &Question| Answer::Records(vec![Record::Txt(text.clone())]);
        let verify = Verify::of_tls_report(&letter, 150);
        let verdicts = verify.settle(&mut Answers::default(), answer);
        tlsrpt::signature(&verdicts, author).map(|one| one.domain.clone())
    };
    let signing = Signing::new("example.org", "a");
    let letter = signed(LETTER, &key, &signing);
    for author in ["example.org", "Mail.Example.org"] {
        for services in ["", "; s=tlsrpt", "; s=email"] {
            let domain = found(&letter, services, author);
            assert_eq!(domain.as_deref(), Ok("example.org"), "{services}");
        }
    }
    // One that does not count is no obstacle for one that does.
    let other = Signing::new("example.com", "a");
    let both = signed(&letter, &key, &other);
    assert!(found(&both, "", "example.org").is_ok());
    let late = Signing {
        expires: Some(149),
        ..Signing::new("example.org", "a")
    };
    for (letter, services, why) in [
        (LETTER.to_owned(), "", "it has no signature"),
        (
            signed(LETTER, &key, &other),
            "",
            "says nothing of example.org",
        ),
        (letter.replace("five?", "six?"), "", "the body was changed"),
        (letter.clone(), "; s=web", "its key is not for mail"),
        (letter.clone(), "; t=y", "only tries out"),
        (signed(LETTER, &key, &late), "", "it has expired"),
    ] {
        let said = found(&letter, services, "example.org").unwrap_err();
        assert!(said.contains(why), "{said} {why}");
    }
    // What stands behind its end would be anybody's.
    let read = Letter::read(letter.as_bytes(), &[]).unwrap();
    let verify = Verify::of_tls_report(&read, 150);
    let mut verdicts = verify.settle(&mut Answers::default(), publishing(&key));
    verdicts[0].signature.as_mut().unwrap().octets = Some(10);
    let said = tlsrpt::signature(&verdicts, "example.org").unwrap_err();
    assert!(said.contains("(l=)"), "{said}");
}

// RFC 6376 §3.4, §5.4, §8.15.
#[test]
fn what_is_changed_is_noticed() {
    let [_, key] = both();
    let letter = signed(LETTER, &key, &Signing::new("example.org", "a"));
    let strict = Signing {
        header: Canonicalization::Simple,
        body: Canonicalization::Simple,
        ..Signing::new("example.org", "a")
    };
    let strict = signed(LETTER, &key, &strict);
    for (from, to, relaxed, simple) in [
        ("five?", "six?", Outcome::Fail, Outcome::Fail),
        ("Tea", "Coffee", Outcome::Fail, Outcome::Fail),
        (
            "From: Ada",
            "From: Eve <e@x.example>\r\nFrom: Ada",
            Outcome::Fail,
            Outcome::Fail,
        ),
        (
            "\r\nSubject:",
            "\r\nReply-To: <e@x.example>\r\nSubject:",
            Outcome::Fail,
            Outcome::Fail,
        ),
        (
            "Message-ID: <2@example.org>\r\n",
            "",
            Outcome::Fail,
            Outcome::Fail,
        ),
        (
            "d=example.org",
            "d=example.com",
            Outcome::Fail,
            Outcome::Fail,
        ),
        ("At  five?\t", "At five?", Outcome::Pass, Outcome::Fail),
        (
            "Subject: Tea\r\n  at",
            "SUBJECT:  Tea at",
            Outcome::Pass,
            Outcome::Fail,
        ),
        (
            "Ada\r\n\r\n",
            "Ada\r\n\r\n\r\n",
            Outcome::Pass,
            Outcome::Pass,
        ),
        (
            "Received: from a",
            "Received: from c",
            Outcome::Pass,
            Outcome::Pass,
        ),
    ] {
        for (letter, expected) in [(&letter, relaxed), (&strict, simple)] {
            let changed = letter.replace(from, to);
            assert_ne!(&changed, letter, "{from}");
            assert_eq!(outcome(&changed, &key, 0), [expected], "{from:?} {to:?}");
        }
    }
}

// RFC 6376 §6.1.2, RFC 8301 §3.
#[test]
fn keys_that_do_not_do() {
    let [rsa, key] = both();
    let letter = signed(LETTER, &key, &Signing::new("example.org", "a"));
    let record = key.record().unwrap();
    let judged = |letter: &str, answer: Answer| {
        let letter = Letter::read(letter.as_bytes(), &[]).unwrap();
        let verify = Verify::new(&letter, 0);
        let verdicts = verify.settle(&mut Answers::default(), |question| {
            assert_eq!(question.to_string(), "a._domainkey.example.org TXT");
            answer.clone()
        });
        let verdict = verdicts.first().unwrap().clone();
        (verdict.outcome, verdict.problem.unwrap_or_default())
    };
    let text = |text: &str| Answer::Records(vec![Record::Txt(text.as_bytes().to_vec())]);
    let rsa = rsa.record().unwrap();
    for (answer, expected, why) in [
        (text(&record), Outcome::Pass, ""),
        (
            Answer::Failed,
            Outcome::TempError,
            "no answer about its key",
        ),
        (Answer::NoSuchName, Outcome::PermError, "there is no key"),
        (
            text("v=DKIM1; p="),
            Outcome::PermError,
            "its key was revoked",
        ),
        (
            text(&rsa),
            Outcome::PermError,
            "its key is for another algorithm",
        ),
        (
            text(&format!("{record}; h=sha1")),
            Outcome::PermError,
            "its key is for other hashes",
        ),
    ] {
        assert_eq!(judged(&letter, answer), (expected, why.to_owned()));
    }
    let old = letter.replace("ed25519-sha256", "rsa-sha1");
    let (outcome, _) = judged(&old, text(&record));
    assert_eq!(outcome, Outcome::Policy);
    let short = letter.replace("ed25519-sha256", "rsa-sha256");
    let (outcome, why) = judged(&short, text(&rsa));
    assert_eq!((outcome, &*why), (Outcome::Policy, "its key is too short"));
    let (outcome, _) = judged(&letter.replace("v=1", "v=2"), text(&record));
    assert_eq!(outcome, Outcome::Neutral);
    for (pem, expected) in [
        ("no key", KeyError::NoPem),
        (
            "-----BEGIN PRIVATE KEY-----\naGk=\n-----END PRIVATE KEY-----",
            KeyError::NoKey,
        ),
    ] {
        assert_eq!(SigningKey::from_pem(pem).unwrap_err(), expected);
    }
}

fn chain(letter: &str, key: &SigningKey) -> arc::Verdict {
    let letter = Letter::read(letter.as_bytes(), &[]).unwrap();
    arc::Verify::new(&letter).settle(&mut Answers::default(), publishing(key))
}

fn sealed(letter: &str, key: &SigningKey, domain: &str) -> Result<String, arc::SealError> {
    let signing = Signing::new(domain, "seal");
    let outcome = chain(letter, key).outcome;
    let read = Letter::read(letter.as_bytes(), &[signing.body_form()]).unwrap();
    Ok(arc::seal(
        &read,
        key,
        &signing,
        &format!("{domain}; spf=pass"),
        outcome,
    )? + letter)
}

// RFC 8617 §5.1, §5.2.
#[test]
fn chains_hold_until_somebody_breaks_them() {
    for key in both() {
        assert_eq!(chain(LETTER, &key).outcome, arc::Outcome::None);
        let once = sealed(LETTER, &key, "one.example").unwrap();
        assert_eq!(chain(&once, &key).outcome, arc::Outcome::Pass, "{once}");
        // A list changes the letter, and says so.
        let listed = once.replace("Tea", "[list] Tea").replace("five?", "six?");
        let broken = chain(&listed, &key);
        assert_eq!(
            broken.problem.as_deref(),
            Some("set 1: its signature: the body was changed")
        );
        let twice = sealed(&format!("List-Id: <x>\r\n{once}"), &key, "two.example").unwrap();
        let verdict = chain(&twice, &key);
        assert_eq!(verdict.outcome, arc::Outcome::Pass, "{verdict:?} {twice}");
        let sealers: Vec<&str> = verdict.sealers.iter().map(|one| &*one.domain).collect();
        assert_eq!(sealers, ["one.example", "two.example"]);
        assert_eq!(
            verdict.sealers.first().unwrap().results,
            "one.example; spf=pass"
        );
        for (from, to) in [
            ("one.example; spf=pass", "one.example; spf=fail"),
            ("ARC-Seal: i=1", "X-ARC-Seal: i=1"),
            ("i=2", "i=3"),
            ("cv=pass", "cv=none"),
            ("cv=none", "cv=pass"),
            ("Tea", "Coffee"),
        ] {
            let changed = twice.replace(from, to);
            assert_ne!(changed, twice, "{from}");
            assert_eq!(chain(&changed, &key).outcome, arc::Outcome::Fail, "{from}");
        }
        // A broken chain is sealed once more, as broken, and then no more.
        let last = sealed(&listed, &key, "two.example").unwrap();
        assert!(last.contains("cv=fail"));
        assert_eq!(chain(&last, &key).outcome, arc::Outcome::Fail);
        assert_eq!(
            sealed(&last, &key, "three.example"),
            Err(arc::SealError::Broken)
        );
    }
}

#[test]
fn a_chain_that_is_too_long() {
    let [_, key] = both();
    let mut letter = LETTER.to_owned();
    for at in 0..arc::SETS_MAX {
        letter = sealed(&letter, &key, &format!("n{at}.example")).unwrap();
    }
    assert_eq!(chain(&letter, &key).outcome, arc::Outcome::Pass);
    assert_eq!(
        sealed(&letter, &key, "last.example"),
        Err(arc::SealError::Full)
    );
}
