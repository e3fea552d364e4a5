//! Conversations as text. `UPDATE=1` writes them anew: review the difference.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use mail::Instant;
use wire::dialogue::{Cut, cuts, misrecorded, play};
use wire::recording::Manner;
use wire::{Session as _, Step};

#[path = "made/house.rs"]
mod house;

fn dialogues() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn went(script: &str, cut: Cut) -> String {
    let (mut session, mut house) = house::stage(script);
    play(&mut session, &mut house, script, cut)
}

#[test]
fn dialogues_go_as_written_however_they_are_cut() {
    let mut different = Vec::new();
    for path in dialogues() {
        let written = std::fs::read_to_string(&path).unwrap();
        let whole = went(&written, Cut::Lines);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &whole).unwrap();
        } else if whole != written {
            different.push(format!("{}:\n{whole}", path.display()));
        }
        for cut in cuts(&written) {
            let went = went(&written, cut);
            assert_eq!(went, whole, "{} cut {cut:?}", path.display());
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Whoever looks on sees no password, and what is put down runs again.
#[test]
fn recordings_tell_no_secret_and_run() {
    let manner = Manner {
        literals: true,
        ..Manner::default()
    };
    for path in dialogues() {
        let script = std::fs::read_to_string(&path).unwrap();
        // What is put down of a slow house is not slow when it runs again.
        let parts = ["IONFAILED]", "BAD Expected", "\nW: "];
        let runs = !parts.iter().any(|part| script.contains(part));
        let wrong = misrecorded(&script, house::stage, &manner, &["secret"], runs);
        if let Some(wrong) = wrong {
            panic!("{}: {wrong}", path.display());
        }
    }
}

#[test]
fn a_conversation_may_begin_at_any_time() {
    let (mut session, _) = house::stage("");
    let late = Instant(Duration::from_secs(1_000_000));
    session.elapse(late);
    assert!(matches!(session.step(), Step::Write(greeting) if greeting.starts_with(b"* OK")));
    assert!(matches!(session.step(), Step::Read));
    session.elapse(late.after(Duration::from_secs(59)));
    assert!(matches!(session.step(), Step::Read));
    assert_eq!(
        session.deadline(),
        Some(late.after(Duration::from_secs(60)))
    );
}
