//! Seeded worlds, and the defects planted to see that they would be found.
//!
//! A planted defect is a file in `crates/sim/planted`: what it is, and texts of the tree with what
//! stands in their place.
//!
//! ```text
//! What it is, in words.
//! file: crates/store/src/embedded/log.rs
//! <<<<
//! text that occurs once
//! ====
//! what stands in its place
//! >>>>
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::tools;

/// Worlds in which a planted defect is looked for where nothing is said.
const SEEDS: u64 = 500;

/// A defect.
struct Planted {
    name: String,
    title: String,
    edits: Vec<Edit>,
}

/// One text in place of another.
struct Edit {
    file: PathBuf,
    old: String,
    new: String,
}

/// How a defect was found.
struct Found {
    /// So many worlds it took, or the paths.
    after: String,
    /// What was wrong there.
    what: String,
}

/// Runs worlds, or looks for the planted defects.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    match words {
        ["--planted", "--seeds", seeds, names @ ..] => planted(root, seeds.parse()?, names),
        ["--planted", names @ ..] => planted(root, SEEDS, names),
        _ => {
            let mut all = vec!["run", "--quiet", "--release", "--package", "sim", "--"];
            all.extend(words);
            tools::cargo(root, &all, &[])
        }
    }
}

/// Complains of each planted text that does not occur exactly once.
pub(crate) fn check(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for defect in all(root)? {
        defect.check(root, complaints)?;
    }
    Ok(())
}

/// Plants each defect in a copy of the tree and runs worlds until one is broken by it.
fn planted(root: &Path, seeds: u64, names: &[&str]) -> Result<()> {
    let (mut defects, mut missed) = (all(root)?, Vec::new());
    for name in names {
        let known = defects.iter().any(|defect| defect.name == *name);
        ensure!(known, "crates/sim/planted has no {name}");
    }
    defects.retain(|defect| names.is_empty() || names.contains(&defect.name.as_str()));
    let mut complaints = Vec::new();
    for defect in &defects {
        defect.check(root, &mut complaints)?;
    }
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    let tree = root.join("target/planted/tree");
    // Never where the tree itself is built: cargo would take the copy's libraries for its own.
    let build = root.join("target/planted/build");
    copy_tree(root, &tree)?;
    row(
        "defect",
        "found after",
        "seconds",
        "what it is, and what was seen of it",
    );
    for defect in &defects {
        defect.plant(&tree)?;
        let begun = Instant::now();
        let found = find(&tree, &build, seeds).with_context(|| defect.name.clone())?;
        let took = format!("{:.0}", begun.elapsed().as_secs_f64());
        let after = found.as_ref().map_or("NOT FOUND", |found| &found.after);
        row(&defect.name, after, &took, &defect.title);
        match found {
            Some(found) => row("", "", "", &found.what),
            None => missed.push(defect.name.as_str()),
        }
        for edit in &defect.edits {
            std::fs::copy(root.join(&edit.file), tree.join(&edit.file))?;
        }
    }
    ensure!(missed.is_empty(), "not found: {}", missed.join(", "));
    println!("{} defects, each found", defects.len());
    Ok(())
}

fn row(name: &str, after: &str, seconds: &str, what: &str) {
    println!("{name:<26}{after:>10}{seconds:>9}  {what}");
}

/// Runs worlds, and then each way to fail, until something is wrong.
fn find(tree: &Path, build: &Path, seeds: u64) -> Result<Option<Found>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |words: &[&str]| {
        let output = Command::new(&cargo)
            .args(["run", "--quiet", "--package", "sim", "--target-dir"])
            .arg(build)
            .arg("--")
            .args(words)
            .current_dir(tree)
            .output();
        output.context("starting cargo")
    };
    for words in [&["--seeds", &seeds.to_string()][..], &["--paths"]] {
        let output = run(words)?;
        match output.status.code() {
            Some(0) => {}
            Some(1) => return Ok(Some(found(&String::from_utf8_lossy(&output.stdout)))),
            _ => bail!("{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    Ok(None)
}

/// Reads what `sim` said of a world that is broken, or of a path.
fn found(said: &str) -> Found {
    let begins = |line: &&str| line.starts_with("seed ");
    let last = said.trim_end().lines().last().unwrap_or_default();
    match (said.lines().rfind(begins), last.split_once(" seeds, ")) {
        (Some(what), Some((worlds, _))) => Found {
            after: worlds.to_owned(),
            what: what.to_owned(),
        },
        _ => Found {
            after: "--paths".to_owned(),
            what: last.to_owned(),
        },
    }
}

fn all(root: &Path) -> Result<Vec<Planted>> {
    let folder = root.join("crates/sim/planted");
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).context("reading the planted defects")? {
        paths.push(entry?.path());
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default();
        Planted::read(&name.to_string_lossy(), &std::fs::read_to_string(path)?)
    };
    paths.iter().map(read).collect()
}

impl Planted {
    fn read(name: &str, text: &str) -> Result<Self> {
        let (title, mut rest) = text.split_once('\n').context("a title is missing")?;
        let mut edits = Vec::new();
        while let Some((_, behind)) = rest.split_once("file: ") {
            let part = || -> Option<(Edit, &str)> {
                let (file, behind) = behind.split_once("\n<<<<\n")?;
                let (old, behind) = behind.split_once("\n====\n")?;
                let (new, behind) = behind.split_once(">>>>\n")?;
                let edit = Edit {
                    file: file.into(),
                    old: format!("{old}\n"),
                    new: new.to_owned(),
                };
                Some((edit, behind))
            };
            let (edit, behind) = part().with_context(|| format!("{name}: an edit is not whole"))?;
            edits.push(edit);
            rest = behind;
        }
        ensure!(!edits.is_empty(), "{name}: nothing is planted");
        Ok(Self {
            name: name.to_owned(),
            title: title.to_owned(),
            edits,
        })
    }

    /// Complains of each of its texts that does not occur exactly once.
    fn check(&self, root: &Path, complaints: &mut Vec<String>) -> Result<()> {
        for edit in &self.edits {
            let path = root.join(&edit.file);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: reading {}", self.name, path.display()))?;
            let count = text.matches(&edit.old).count();
            if count != 1 {
                let (name, file) = (&self.name, edit.file.display());
                complaints.push(format!(
                    "planted/{name}: its text is {count} times in {file}"
                ));
            }
        }
        Ok(())
    }

    fn plant(&self, tree: &Path) -> Result<()> {
        for edit in &self.edits {
            let path = tree.join(&edit.file);
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(&path, text.replacen(&edit.old, &edit.new, 1))?;
        }
        Ok(())
    }
}

/// The tree as it is, but for what is built.
fn copy_tree(root: &Path, tree: &Path) -> Result<()> {
    if tree.exists() {
        std::fs::remove_dir_all(tree)?;
    }
    std::fs::create_dir_all(tree)?;
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "clippy.toml",
        ".cargo",
        "crates",
    ] {
        let from = root.join(name);
        if from.exists() {
            copy(&from, &tree.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        std::fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() != "target" {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_defect_has_its_place() {
        let root = crate::root().unwrap();
        let mut complaints = Vec::new();
        check(&root, &mut complaints).unwrap();
        assert_eq!(complaints, Vec::<String>::new());
        assert!(all(&root).unwrap().len() >= 10);
    }

    const TWO: &str = "Two at once.\nfile: one.rs\n<<<<\nold\nlines\n====\nnew\n>>>>\n\
                       file: two.rs\n<<<<\ngone\n====\n>>>>\n";

    #[test]
    fn a_text_that_is_missing_or_twice_is_complained_of() {
        let folder = tempfile::tempdir().unwrap();
        let defect = Planted::read("two", TWO).unwrap();
        let told = |one: &str, two: &str| {
            std::fs::write(folder.path().join("one.rs"), one).unwrap();
            std::fs::write(folder.path().join("two.rs"), two).unwrap();
            let mut complaints = Vec::new();
            defect.check(folder.path(), &mut complaints).unwrap();
            complaints
        };
        assert_eq!(told("a\nold\nlines\nb\n", "gone\n"), Vec::<String>::new());
        defect.plant(folder.path()).unwrap();
        let planted = ["one.rs", "two.rs"].map(|name| std::fs::read(folder.path().join(name)));
        assert_eq!(
            planted.map(Result::unwrap),
            [b"a\nnew\nb\n".to_vec(), Vec::new()]
        );
        let complaint = |count, file| format!("planted/two: its text is {count} times in {file}");
        let one = complaint(0, "one.rs");
        assert_eq!(
            told("old lines\n", "gone\ngone\n"),
            [one, complaint(2, "two.rs")]
        );
    }

    #[test]
    fn a_defect_that_is_not_whole_is_refused() {
        for text in ["", "A title.\n", &TWO.replace("====\n>>>>", ">>>>")] {
            assert!(Planted::read("made", text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_broken_world_says_is_read() {
        let said = "  day 1\nseed 3: UID 4 is lost\nagain: …\n4 seeds, 1.5 s\n";
        let (world, path) = (
            found(said),
            found("append: 3 operations\nmove: operation 2: no\n"),
        );
        assert_eq!(
            (&*world.after, &*world.what),
            ("4", "seed 3: UID 4 is lost")
        );
        assert_eq!(
            (&*path.after, &*path.what),
            ("--paths", "move: operation 2: no")
        );
    }
}
