//! Lines that imaptest sends.

use std::path::PathBuf;

use imap::Command;

/// The command lines of imaptest's scripts, where they are within what we speak.
#[test]
fn imaptest_lines_are_commands() {
    let vectors = std::env::var("CARAMEL_VECTORS").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(vectors.join("imaptest-scripts/tests")) else {
        println!("no imaptest scripts: passed over");
        return;
    };
    let mut read = 0;
    for entry in folder {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let foreign = ["catenate", "multiappend"];
        if name.ends_with(".mbox") || foreign.iter().any(|word| name.starts_with(word)) {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for line in text.lines() {
            let line = line
                .trim_start_matches(|letter: char| letter.is_ascii_digit())
                .trim_start();
            let Some(("ok", command)) = line.split_once(' ') else {
                continue;
            };
            // What is in brackets is a response code that the command before it is to have.
            let response = command.starts_with('[');
            if response || command.contains("{{{") || command.starts_with("append") {
                continue;
            }
            let command = command
                .replace("$mailbox", "box")
                .replace("${mailbox}", "box")
                .replace("${sep}", "/")
                .replace("$$", "$")
                .replace("$box/", "box/");
            let frame = format!("t {command}");
            let parsed = Command::parse(frame.as_bytes());
            let variables = frame.contains("$n") || frame.contains("$u") || frame.contains("${");
            assert!(parsed.is_ok() || variables, "{name}: {frame}: {parsed:?}");
            read += 1;
        }
    }
    assert!(read > 100, "{read} lines");
}
