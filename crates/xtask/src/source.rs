//! The tree's own Rust files, read as lines.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root.
    pub(crate) path: PathBuf,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// The room it belongs to.
    pub(crate) fn room(&self) -> &str {
        let mut parts = self.path.iter().filter_map(|part| part.to_str());
        match (parts.next(), parts.next()) {
            (Some("crates"), Some(room)) => room,
            _ => "",
        }
    }

    /// True for what only the tests compile.
    pub(crate) fn is_test(&self) -> bool {
        self.path
            .iter()
            .any(|part| part == "tests" || part == "benches")
            || self.room() == "interop"
    }

    /// The lines of the product: those above the tests at the bottom.
    pub(crate) fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        lines.take_while(|(_, line)| *line != "#[cfg(test)]")
    }
}

/// Every Rust file below `crates`.
pub(crate) fn all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("reading {}", path.display()))?;
                let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}
