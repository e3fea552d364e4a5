//! Conversations as text. `UPDATE=1` writes them anew: review the difference.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::path::{Path, PathBuf};

use wire::dialogue::{Cut, cuts, misrecorded, play};
use wire::recording::Manner;

#[path = "made/house.rs"]
mod house;

use house::{Made, session};

fn dialogues() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn dialogues_go_as_written_however_they_are_cut() {
    let mut different = Vec::new();
    for path in dialogues() {
        let written = std::fs::read_to_string(&path).unwrap();
        let went = play(
            &mut session(&written),
            &mut Made::new(),
            &written,
            Cut::Lines,
        );
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &went).unwrap();
        } else if went != written {
            different.push(format!("{}:\n{went}", path.display()));
        }
        for cut in cuts(&written) {
            let again = play(&mut session(&written), &mut Made::new(), &written, cut);
            assert_eq!(again, went, "{} cut {cut:?}", path.display());
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Whoever looks on sees no password, and what is put down runs again.
#[test]
fn recordings_tell_no_secret_and_run() {
    for path in dialogues() {
        let script = std::fs::read_to_string(&path).unwrap();
        let stage = |script: &str| (session(script), Made::new());
        let runs = !["[AUTH]", "+ r="].iter().any(|part| script.contains(part));
        let wrong = misrecorded(&script, stage, &Manner::default(), &["secret"], runs);
        if let Some(wrong) = wrong {
            panic!("{}: {wrong}", path.display());
        }
    }
}

/// RFC 1939 §11: octets as they are sent, but for dots before dots.
#[test]
fn retr_sends_the_octets_it_announces() {
    let mut seen = 0;
    for path in dialogues() {
        let written = std::fs::read_to_string(&path).unwrap();
        let mut lines = written.lines().peekable();
        while let Some(line) = lines.next() {
            if !line.starts_with("C: RETR ") {
                continue;
            }
            let Some(announced) = lines.peek().and_then(|line| line.strip_prefix("S: +OK ")) else {
                continue;
            };
            let announced: usize = announced.strip_suffix(" octets").unwrap().parse().unwrap();
            let message = lines.by_ref().skip(1).take_while(|line| *line != "S: .");
            let sent = message.map(|line| {
                let line = line.strip_prefix("S: ").unwrap_or_default();
                line.strip_prefix('.').unwrap_or(line).len() + 2
            });
            assert_eq!(sent.sum::<usize>(), announced, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 2, "{seen} messages");
}
