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

use anyhow::{Context as _, Result, bail};

use crate::tools;

/// Worlds in which a planted defect is looked for.
const SEEDS: &str = "60";

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

/// Runs worlds, or looks for the planted defects.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    match words {
        ["--planted", names @ ..] => planted(root, names),
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
        for edit in &defect.edits {
            let path = root.join(&edit.file);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: reading {}", defect.name, path.display()))?;
            let found = text.matches(&edit.old).count();
            if found != 1 {
                let (name, file) = (&defect.name, edit.file.display());
                complaints.push(format!(
                    "planted/{name}: its text is {found} times in {file}"
                ));
            }
        }
    }
    Ok(())
}

/// Plants each defect in a copy of the tree and runs worlds until one is broken by it.
fn planted(root: &Path, names: &[&str]) -> Result<()> {
    let tree = root.join("target/planted/tree");
    // Never where the tree itself is built: cargo would take the copy's libraries for its own.
    let build = root.join("target/planted/build");
    copy_tree(root, &tree)?;
    let mut missed = Vec::new();
    for defect in all(root)? {
        if !names.is_empty() && !names.contains(&defect.name.as_str()) {
            continue;
        }
        for edit in &defect.edits {
            let text = std::fs::read_to_string(tree.join(&edit.file))?;
            let planted = text.replacen(&edit.old, &edit.new, 1);
            std::fs::write(tree.join(&edit.file), planted)?;
        }
        let begun = Instant::now();
        let found = find(&tree, &build)?;
        println!(
            "{}: {} ({}; {:.0} s)",
            defect.name,
            defect.title,
            found.as_deref().unwrap_or("NOT FOUND"),
            begun.elapsed().as_secs_f64()
        );
        if found.is_none() {
            missed.push(defect.name);
        }
        for edit in &defect.edits {
            let text = std::fs::read_to_string(root.join(&edit.file))?;
            std::fs::write(tree.join(&edit.file), text)?;
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    bail!("not found: {}", missed.join(", "))
}

/// What was found, and after how many worlds.
fn find(tree: &Path, build: &Path) -> Result<Option<String>> {
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
    for words in [&["--seeds", SEEDS][..], &["--paths"]] {
        let output = run(words)?;
        if output.status.success() {
            continue;
        }
        if output.status.code() != Some(1) {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<&str> = said.trim_end().lines().collect();
        return Ok(said.last().map(|line| (*line).to_owned()));
    }
    Ok(None)
}

fn all(root: &Path) -> Result<Vec<Planted>> {
    let folder = root.join("crates/sim/planted");
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).context("reading the planted defects")? {
        paths.push(entry?.path());
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Planted> {
    let text = std::fs::read_to_string(path)?;
    let name = path.file_stem().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
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
    Ok(Planted {
        name,
        title: title.to_owned(),
        edits,
    })
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
