//! Which room may lean on which: the complete list, and nothing else.

use std::path::Path;

use anyhow::{Context as _, Result};

/// Each room with the rooms it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("mail", &[]),
    ("wire", &["mail"]),
    ("message", &["mail"]),
    ("trust", &["message", "mail"]),
    ("index", &[]),
    ("spam", &["message"]),
    ("sieve", &["message", "mail"]),
    ("smtp", &["wire", "mail"]),
    ("pop3", &["wire", "mail"]),
    ("managesieve", &["wire", "mail"]),
    ("milter", &["message"]),
    ("imap", &["wire", "message", "mail"]),
    ("store", &["mail"]),
    (
        "post",
        &[
            "store", "trust", "sieve", "spam", "message", "index", "mail",
        ],
    ),
    ("backup", &["post", "store", "mail"]),
    ("net", &["wire", "mail"]),
    (
        "server",
        &[
            "post",
            "net",
            "trust",
            "smtp",
            "imap",
            "pop3",
            "managesieve",
            "milter",
            "message",
            "wire",
            "mail",
            "store",
        ],
    ),
    (
        "caramel",
        &[
            "server", "backup", "post", "store", "net", "imap", "sieve", "trust", "message",
            "wire", "mail",
        ],
    ),
    ("interop", &[]),
    ("sim", &["server", "post", "store", "net", "mail"]),
    ("xtask", &["interop"]),
];

/// Rooms that may neither look at a clock nor touch a socket or a disk.
pub(crate) const PURE: &[&str] = &[
    "mail",
    "wire",
    "message",
    "trust",
    "index",
    "spam",
    "sieve",
    "smtp",
    "imap",
    "pop3",
    "managesieve",
    "milter",
];

/// Libraries a pure room may use: those that only compute.
const COMPUTE: &[&str] = &[
    "aws-lc-rs",
    "base64",
    "base64-turbo",
    "bytes",
    "crc32fast",
    "encoding_rs",
    "hmac",
    "html5gum",
    "idna",
    "memchr",
    "quick-xml",
    "regex",
    "regex-syntax",
    "rustls-pki-types",
    "rustls-webpki",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "subtle",
    "thiserror",
    "unicode-normalization",
    "x509-parser",
];

/// Adds a complaint for every arrow that is not on the list.
pub(crate) fn check(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(root.join("crates")).context("reading crates/")? {
        let folder = entry?.path();
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let manifest = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest)
            .with_context(|| format!("reading {}", manifest.display()))?;
        let manifest: toml::Table = text.parse().with_context(|| format!("{name}'s manifest"))?;
        let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| *room == name) else {
            complaints.push(format!("{name}: no such room in the picture"));
            continue;
        };
        let used = manifest.get("dependencies").and_then(toml::Value::as_table);
        for dependency in used.into_iter().flat_map(toml::Table::keys) {
            let room = ARROWS.iter().any(|(room, _)| room == dependency);
            if room && !allowed.contains(&dependency.as_str()) {
                complaints.push(format!("{name} → {dependency}: no such arrow"));
            }
            let computes = COMPUTE.contains(&dependency.as_str());
            if !room && PURE.contains(&name.as_str()) && !computes {
                complaints.push(format!("{name}: a pure room may not use {dependency}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_no_circle() {
        for (room, _) in ARROWS {
            let mut reached = vec![*room];
            let mut at = 0;
            while let Some(here) = reached.get(at).copied() {
                let (_, next) = ARROWS.iter().find(|(name, _)| *name == here).unwrap();
                assert!(!next.contains(room), "{room} reaches itself through {here}");
                reached.extend(
                    next.iter()
                        .filter(|name| !reached.contains(name))
                        .copied()
                        .collect::<Vec<_>>(),
                );
                at += 1;
            }
        }
    }
}
