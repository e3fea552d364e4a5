//! Signed and sealed letters from elsewhere, where they are there (`CARAMEL_VECTORS`).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::collections::HashMap;
use std::path::Path;

use trust::dkim::Outcome;
use trust::{Answer, Answers, Check as _, Letter, Question, Record, arc, dkim};

#[path = "made/vectors.rs"]
mod vectors;

/// A letter with the keys it was published with.
struct Sample {
    keys: HashMap<String, Vec<u8>>,
    octets: Vec<u8>,
}

impl Sample {
    /// Lines of name and record, a blank line, the letter with bare LF.
    fn read(path: &Path) -> Self {
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        let (keys, letter) = text.split_once("\n\n").unwrap();
        let keys = keys.lines().map(|line| {
            let (name, record) = line.split_once(' ').unwrap();
            (name.to_ascii_lowercase(), record.as_bytes().to_vec())
        });
        Self {
            keys: keys.collect(),
            octets: letter
                .replace("\r\n", "\n")
                .replace('\n', "\r\n")
                .into_bytes(),
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        match self.keys.get(question.name()) {
            Some(record) => Answer::Records(vec![Record::Txt(record.clone())]),
            None => Answer::NoSuchName,
        }
    }

    fn letter(&self) -> Letter {
        Letter::read(&self.octets, &[]).unwrap()
    }
}

fn samples(folder: &str) -> Vec<(String, Sample)> {
    let Some(folder) = vectors::folder(folder) else {
        return Vec::new();
    };
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, Sample::read(&path))
        })
        .collect();
    samples.sort_by(|one, other| one.0.cmp(&other.0));
    samples
}

#[test]
fn signed_letters() {
    for (name, sample) in samples("dkim-dmarc-tlsrpt/dkim") {
        let letter = sample.letter();
        let verify = dkim::Verify::new(&letter, 0);
        let verdicts = verify.settle(&mut Answers::default(), |question| sample.answer(question));
        assert!(!verdicts.is_empty(), "{name}");
        for verdict in verdicts {
            assert_eq!(verdict.outcome, Outcome::Pass, "{name}: {verdict:?}");
        }
    }
}

#[test]
fn sealed_letters() {
    for (name, sample) in samples("dkim-dmarc-tlsrpt/arc") {
        let letter = sample.letter();
        let verify = arc::Verify::new(&letter);
        let verdict = verify.settle(&mut Answers::default(), |question| sample.answer(question));
        assert_eq!(verdict.outcome, arc::Outcome::Pass, "{name}: {verdict:?}");
    }
}
