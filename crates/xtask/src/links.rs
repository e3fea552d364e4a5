//! Files that the documents name are there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Adds a complaint for every file a document names and the tree does not have.
pub(crate) fn check(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for document in documents(root)? {
        let text = std::fs::read_to_string(&document)
            .with_context(|| format!("reading {}", document.display()))?;
        let shown = document.strip_prefix(root).unwrap_or(&document).display();
        for name in names(&text).filter(|name| !root.join(name).exists()) {
            complaints.push(format!("{shown}: names {name}, which is not there"));
        }
    }
    Ok(())
}

fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("docs"), root.join("crates")];
    for entry in std::fs::read_dir(root).context("reading the root")? {
        found.push(entry?.path());
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).context("reading a folder")? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    Ok(found)
}

/// The paths between backquotes that begin at the root.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let whole = !name.contains([' ', '*', '{', '<', '\n']) && !name.contains("NNN");
        whole && (name.starts_with("crates/") || name.starts_with("docs/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_between_backquotes() {
        let text = "See `crates/pop3`, `docs/diagrams/`, `crates/*/x`, crates/no and `cargo test`.";
        assert_eq!(
            names(text).collect::<Vec<_>>(),
            ["crates/pop3", "docs/diagrams/"]
        );
    }
}
