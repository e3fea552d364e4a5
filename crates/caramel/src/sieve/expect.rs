//! Files of tests: messages, and what is to become of them.
//!
//! ```text
//! script rules.sieve
//!
//! test letters of the list go to its mailbox
//! envelope-from ada@example.org
//! envelope-to grace@example.org
//! message
//! List-Id: <sieve.example.org>
//!
//! text
//! .
//! expect fileinto "Lists"
//! ```

use std::path::Path;

use mail::{ForwardPath, ReversePath};

use super::{forward_path, outcome, read, reverse_path, show};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::input;

/// One test.
#[derive(Debug, Default)]
struct Case {
    name: String,
    script: String,
    from: Option<ReversePath>,
    to: Option<ForwardPath>,
    message: Vec<u8>,
    expected: Vec<String>,
}

/// Runs all tests of a file.
pub(super) fn run(path: &Path) -> Result<(), Complaint> {
    let text = input::message(path)?;
    let text = String::from_utf8_lossy(&text);
    let cases = cases(&text).map_err(|(line, why)| {
        let place = format!("{}, line {line}", path.display());
        Complaint::usage(format!("{place} is no test")).because(why)
    })?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut failed = 0_usize;
    for case in cases {
        let script = folder.join(&case.script);
        let compiled = read(&script)?;
        let outcome = outcome(compiled, &script, case.message, case.from, case.to);
        let mut found: Vec<String> = outcome.actions.iter().map(show::words).collect();
        found.extend(
            outcome
                .fault
                .map(|trouble| format!("error {}", trouble.text)),
        );
        if found == case.expected {
            say(&format!("ok      {}", case.name))?;
            continue;
        }
        failed += 1;
        say(&format!("FAILED  {}", case.name))?;
        for line in &case.expected {
            say(&format!("        expected  {line}"))?;
        }
        for line in &found {
            say(&format!("        found     {line}"))?;
        }
    }
    match failed {
        0 => Ok(()),
        1 => Err(Complaint::new("a test fails")),
        many => Err(Complaint::new(format!("{many} tests fail"))),
    }
}

/// Reads the tests; or the line that is wrong, and why.
fn cases(text: &str) -> Result<Vec<Case>, (usize, String)> {
    let mut script = String::new();
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let line = line.trim();
        let at = at + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "script" => rest.clone_into(&mut script),
            "test" => cases.push(Case {
                name: rest.to_owned(),
                script: script.clone(),
                ..Case::default()
            }),
            _ => {
                let Some(case) = cases.last_mut() else {
                    return Err((at, format!("'{word}' stands before the first 'test'")));
                };
                match word {
                    "envelope-from" => {
                        case.from =
                            Some(reverse_path(rest).map_err(|error| (at, error.to_string()))?);
                    }
                    "envelope-to" => {
                        case.to =
                            Some(forward_path(rest).map_err(|error| (at, error.to_string()))?);
                    }
                    "expect" => case.expected.push(rest.to_owned()),
                    "message" => {
                        let body = lines
                            .by_ref()
                            .map(|(_, line)| line)
                            .take_while(|line| *line != ".");
                        for line in body {
                            case.message.extend_from_slice(line.as_bytes());
                            case.message.extend_from_slice(b"\r\n");
                        }
                    }
                    _ => return Err((at, format!("unknown word '{word}'"))),
                }
            }
        }
    }
    match cases
        .iter()
        .find(|case| case.expected.is_empty() || case.script.is_empty())
    {
        Some(case) => Err((
            0,
            format!("'{}' has no script, or expects nothing", case.name),
        )),
        None if cases.is_empty() => Err((0, "there is no 'test'".to_owned())),
        None => Ok(cases),
    }
}
