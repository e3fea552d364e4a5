//! The rules with numbers, kept by a program.

use std::path::Path;

use anyhow::{Result, bail};

use crate::source::{self, Source};
use crate::{arrows, links, sim, spec};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// A comment with these words above a function says that it is one table and may be long.
const TABLE: &str = "// tidy: table";

/// What a pure room never says.
const IMPURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "TcpStream",
    "UdpSocket",
    "Instant::now",
    "SystemTime::now",
];

/// What nobody says: each with the reason. Spelled in halves, so that this file passes.
const NEVER: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "say what is missing in an issue"),
    (concat!("FIX", "ME"), "mend it"),
    (
        concat!("#[", "ignore"),
        "a test that does not run is no test",
    ),
    (
        concat!("#[", "allow("),
        "#[expect(…, reason)] says when it is no longer needed",
    ),
    (
        concat!("#![", "allow("),
        "#![expect(…, reason)] says when it is no longer needed",
    ),
];

/// File names that hide a cellar.
const CELLARS: &[&str] = &[
    "mod.rs",
    "common.rs",
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "misc.rs",
];

/// Checks the whole tree and fails with all complaints at once.
pub(crate) fn run(root: &Path) -> Result<()> {
    let sources = source::all(root)?;
    let mut complaints = Vec::new();
    arrows::check(root, &mut complaints)?;
    sim::check(root, &mut complaints)?;
    for source in &sources {
        check_source(source, &mut complaints);
    }
    spec::check(root, &sources, &mut complaints)?;
    links::check(root, &mut complaints)?;
    if complaints.is_empty() {
        return Ok(());
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    bail!("{} rules of the house are broken", complaints.len())
}

fn check_source(source: &Source, complaints: &mut Vec<String>) {
    let path = source.path.display();
    let name = source
        .path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if CELLARS.contains(&name) {
        complaints.push(format!("{path}: a file with this name hides a cellar"));
    }
    if !source.text.starts_with("//!") && !source.is_test() {
        complaints.push(format!("{path}: begins without saying what it is (//!)"));
    }
    // Of a product's file, the tests at its bottom do not count; a file of tests does whole.
    let lines = if source.is_test() {
        source.text.lines().count()
    } else {
        source.product().count()
    };
    if lines > FILE_LINES_MAX {
        complaints.push(format!(
            "{path}: {lines} lines of code, at most {FILE_LINES_MAX}"
        ));
    }
    for (number, line) in source
        .text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
    {
        if line.chars().count() > LINE_COLUMNS_MAX && !line.contains("http") {
            complaints.push(format!(
                "{path}:{number}: wider than {LINE_COLUMNS_MAX} columns"
            ));
        }
        for (word, why) in NEVER.iter().filter(|(word, _)| line.contains(word)) {
            complaints.push(format!("{path}:{number}: {word}: {why}"));
        }
    }
    if arrows::PURE.contains(&source.room()) && !source.is_test() {
        for (number, line) in source.product() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = IMPURE.iter().find(|word| code.contains(**word)) {
                complaints.push(format!("{path}:{number}: a pure room says {word}"));
            }
        }
    }
    check_functions(source, complaints);
}

/// Measures functions by the shape rustfmt gives them: the closing brace stands under the `fn`.
fn check_functions(source: &Source, complaints: &mut Vec<String>) {
    let mut open: Option<(usize, String, String)> = None;
    let mut table = false;
    for (number, line) in source.product() {
        let indent = line.len() - line.trim_start().len();
        let indent = line.get(..indent).unwrap_or_default();
        match &open {
            Some((start, closing, name)) if line == closing => {
                let lines = number - start + 1;
                if lines > FUNCTION_LINES_MAX {
                    let path = source.path.display();
                    complaints.push(format!(
                        "{path}:{start}: fn {name}: {lines} lines, at most {FUNCTION_LINES_MAX}"
                    ));
                }
                open = None;
                table = false;
            }
            None if !line.ends_with(';') => {
                if line.contains(TABLE) {
                    table = true;
                } else if let Some(name) = function(line)
                    && !line.ends_with('}')
                    && !std::mem::take(&mut table)
                {
                    open = Some((number, format!("{indent}}}"), name.to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        rest = match public.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => public,
        };
    }
    loop {
        rest = rest.trim_start();
        if let Some(named) = rest.strip_prefix("fn ") {
            return named.split(['(', '<']).next();
        }
        let next = ["const ", "async ", "default "]
            .iter()
            .find_map(|word| rest.strip_prefix(word));
        rest = next?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints_about(text: &str) -> Vec<String> {
        complaints_at("crates/wire/src/made.rs", text)
    }

    fn complaints_at(path: &str, text: &str) -> Vec<String> {
        let path = path.into();
        let mut complaints = Vec::new();
        check_source(
            &Source {
                path,
                text: text.to_owned(),
            },
            &mut complaints,
        );
        complaints
    }

    #[test]
    fn a_long_function_is_found_and_a_table_is_not() {
        let body = "    call();\n".repeat(70);
        let long = format!("//! Words.\npub(crate) const fn long(\n) {{\n{body}}}\n");
        assert_eq!(
            complaints_about(&long).len(),
            1,
            "{:?}",
            complaints_about(&long)
        );
        let table = long.replace("pub(crate)", "// tidy: table\npub(crate)");
        assert_eq!(complaints_about(&table), Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_found_and_so_is_one_of_tests() {
        let lines = |count| format!("//! Words.\n{}", "use self::words;\n".repeat(count));
        let tests = format!("{}#[cfg(test)]\n{}", lines(599), lines(20));
        let complaints = |path, text: &str| complaints_at(path, text).len();
        for (path, with_tests) in [
            ("crates/wire/src/made.rs", 0),
            ("crates/wire/tests/made.rs", 1),
            ("crates/interop/src/made.rs", 1),
        ] {
            assert_eq!(complaints(path, &lines(599)), 0, "{path}");
            assert_eq!(complaints(path, &lines(600)), 1, "{path}");
            assert_eq!(complaints(path, &tests), with_tests, "{path}");
        }
    }

    #[test]
    fn a_pure_room_is_kept_pure() {
        assert_eq!(complaints_about("//! Words.\nuse std::fs;\n").len(), 1);
        assert_eq!(
            complaints_about("//! Words.\n// std::fs is not for us\n").len(),
            0
        );
        assert_eq!(
            complaints_about("//! Words.\n#[cfg(test)]\nuse std::fs;\n").len(),
            0
        );
    }
}
