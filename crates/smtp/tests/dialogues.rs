//! Every file of `dialogues/`, played as written and cut at every octet.
//!
//! A comment says the policy: `# policy: submission tls verify size=100`. `H:` lines at the
//! end say what the house heard. `UPDATE=1` rewrites the files.

#[path = "scene/house.rs"]
mod scene;

use std::path::Path;

use scene::Scene;
use wire::dialogue::{Cut, cuts, play};

fn stage(script: &str, cut: Cut) -> String {
    let lines: Vec<&str> = script
        .lines()
        .filter(|line| !line.starts_with("H:"))
        .collect();
    let policy = lines.iter().find(|line| line.starts_with("# policy:"));
    let mut scene = Scene::new(policy.copied().unwrap_or_default());
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

#[test]
fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 25, "dialogues are missing");
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
