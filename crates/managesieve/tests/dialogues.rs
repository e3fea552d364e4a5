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
        // What was wrong, too long, or is a script is something else where it is put down.
        let other = ["Wrong name", "S: \"cj1", "# contents", "The token is"];
        let runs = !other.iter().any(|part| script.contains(part));
        let manner = Manner {
            literals: true,
            ..Manner::default()
        };
        let wrong = misrecorded(&script, stage, &manner, &["secret"], runs);
        if let Some(wrong) = wrong {
            panic!("{}: {wrong}", path.display());
        }
    }
}
