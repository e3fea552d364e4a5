//! Every file of `dialogues/`, played as written and cut at every octet.
//!
//! A comment says the policy: `# policy: submission tls verify size=100`. `H:` lines at the
//! end say what the house heard. `UPDATE=1` rewrites the files.

#![expect(clippy::expect_used, reason = "a test")]

#[path = "scene/house.rs"]
mod scene;

use std::path::{Path, PathBuf};

use scene::Scene;
use wire::dialogue::{Cut, cuts, misrecorded, play};
use wire::recording::Manner;

fn stage(script: &str, cut: Cut) -> String {
    let lines: Vec<&str> = script.lines().filter(|line| !is_heard(line)).collect();
    let mut scene = Scene::new(policy(script));
    let mut session = scene.session();
    let mut transcript = play(&mut session, &mut scene, &lines.join("\n"), cut);
    assert!(!session.tripped(), "the drawing was broken:\n{transcript}");
    for line in scene.heard() {
        transcript.push_str("H: ");
        transcript.push_str(&line);
        transcript.push('\n');
    }
    transcript
}

fn policy(script: &str) -> &str {
    let mut lines = script.lines();
    let policy = lines.find(|line| line.starts_with("# policy:"));
    policy.unwrap_or_default()
}

/// True for what the house heard.
fn is_heard(line: &str) -> bool {
    line.starts_with("H:")
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 25, "dialogues are missing");
    files
}

/// Whoever looks on sees no password, and what is put down runs again.
#[test]
fn recordings_tell_no_secret_and_run() {
    let stage = |script: &str| {
        let scene = Scene::new(policy(script));
        (scene.session(), scene)
    };
    for file in files() {
        let script = std::fs::read_to_string(&file).expect("readable");
        let played: String = script
            .split_inclusive('\n')
            .filter(|line| !is_heard(line))
            .collect();
        // Of what is no command only its length is put down, so nobody sees that it was the web's.
        let runs = !["S: 535 ", "not for the web"]
            .iter()
            .any(|one| script.contains(one));
        let wrong = misrecorded(&played, stage, &Manner::default(), &["secret"], runs);
        if let Some(wrong) = wrong {
            panic!("{}: {wrong}", file.display());
        }
    }
}

#[test]
fn dialogues() {
    let files = files();
    let update = std::env::var_os("UPDATE").is_some();
    for file in files {
        let script = std::fs::read_to_string(&file).expect("readable");
        let transcript = stage(&script, Cut::Lines);
        let name = file.display();
        if update {
            std::fs::write(&file, &transcript).expect("writable");
        } else {
            assert_eq!(transcript, script, "{name}");
        }
        for cut in cuts(&script) {
            let went = stage(&script, cut);
            if went != transcript {
                panic!("{name} cut {cut:?}:\n{went}\ninstead of\n{transcript}");
            }
        }
    }
}
