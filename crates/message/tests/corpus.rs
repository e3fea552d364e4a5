//! Other projects' sample messages: each has an outline whose ranges lie inside the message.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use message::{Outline, Part, Span, search_text};

fn vectors() -> Option<PathBuf> {
    let root = std::env::var_os("CARAMEL_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    println!("no test vectors: skipped");
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path
            .extension()
            .is_none_or(|end| end != "json" && end != "md")
        {
            found.push(path);
        }
    }
}

fn inside(inner: Span, outer: Span) -> bool {
    inner.offset >= outer.offset && inner.end() <= outer.end()
}

fn nested(part: &Part, outer: Span) {
    assert!(inside(part.header, outer), "{:?} in {outer:?}", part.header);
    assert!(inside(part.body, outer), "{:?} in {outer:?}", part.body);
    assert_eq!(part.header.end(), part.body.offset);
    let mut before = part.body.offset;
    for child in part.children() {
        assert!(child.header.offset >= before);
        before = child.body.end();
        nested(child, part.body);
    }
}

#[test]
fn every_sample_has_a_sound_outline() {
    let Some(root) = vectors() else {
        return;
    };
    let mut samples = Vec::new();
    for folder in ["mail-parser", "python-email", "ruby-mail-fixtures"] {
        files(&root.join(folder), &mut samples);
    }
    assert!(samples.len() > 100, "{} samples", samples.len());
    for path in samples {
        let message = fs::read(&path).unwrap();
        let outline = Outline::parse(&message);
        let whole = Span::between(0, message.len());
        nested(&outline.root, whole);
        assert_eq!(outline.span(), whole, "{}", path.display());
        assert_eq!(Outline::decode(&outline.encode()).as_ref(), Ok(&outline));
        let mut octets = 0;
        search_text(&outline, &message, &mut |text| {
            octets += text.len();
            false
        });
        assert!(octets <= message.len() * 4, "{}", path.display());
    }
}
