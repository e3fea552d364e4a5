//! Other projects' sample messages: each has an outline whose ranges lie inside the message.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use mail::Timestamp;
use message::{
    Correspondent, Leniency, Outline, Part, Span, decode_words, message_ids, parse_addresses,
    parse_date, search_text, unfold,
};
use serde_json::Value;

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

/// The header fields of one kind, each with what it means, and how many there are.
fn header_vectors(kind: &str) -> Vec<Value> {
    let Some(root) = vectors() else {
        return Vec::new();
    };
    let path = root.join("mail-parser").join(kind).with_extension("json");
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

fn number(value: &Value, name: &str) -> i32 {
    i32::try_from(value[name].as_i64().unwrap()).unwrap()
}

fn small(value: &Value, name: &str) -> u8 {
    u8::try_from(number(value, name)).unwrap()
}

#[test]
fn sample_dates() {
    // Months as numbers we read as no date; a comment that is never closed we let end.
    let others = [
        "20 11 ",
        " 4 8 15",
        "Tue, 1 Jul 2003 ((invalid)",
        "some garbage",
    ];
    for vector in header_vectors("date") {
        let value = vector["header"].as_str().unwrap();
        let meant = &vector["expected"];
        if others.iter().any(|other| value.starts_with(other)) {
            continue;
        }
        let date = (!meant.is_null()).then(|| {
            let zone = number(meant, "tz_hour") * 60 + number(meant, "tz_minute");
            let zone = if meant["tz_before_gmt"] == true {
                -zone
            } else {
                zone
            };
            Timestamp::from_civil(
                (
                    number(meant, "year"),
                    small(meant, "month"),
                    small(meant, "day"),
                ),
                (
                    small(meant, "hour"),
                    small(meant, "minute"),
                    small(meant, "second"),
                ),
                i16::try_from(zone).unwrap(),
            )
            .unwrap()
        });
        assert_eq!(parse_date(value.as_bytes()), date, "{value:?}");
    }
}

#[test]
fn sample_identifiers_and_texts() {
    for vector in header_vectors("unstructured") {
        let value = vector["header"].as_str().unwrap();
        if value.contains("X-Mailer") || value.contains("From:") {
            continue;
        }
        // White space is theirs to fold, ours to keep.
        let words = |text: &str| text.split_whitespace().collect::<String>();
        let unfolded = unfold(value.as_bytes());
        let text = decode_words(&unfolded);
        let meant = vector["expected"].as_str().unwrap();
        assert_eq!(words(&text), words(meant), "{value:?}");
    }
    for vector in header_vectors("id") {
        let value = vector["header"].as_str().unwrap();
        // Without brackets, with comments, or behind the header's end.
        if !value.contains('<') || value.contains('(') || value.contains("\n\n") {
            continue;
        }
        let ids = message_ids(value.as_bytes());
        let ids: Vec<String> = ids
            .iter()
            .map(|id| String::from_utf8_lossy(id).into_owned())
            .collect();
        let meant: Vec<&str> = vector["expected"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(ids, meant, "{value:?}");
    }
}

#[test]
fn sample_addresses() {
    // Comments, which we take for names only where there is none, and what is no address list.
    let others = ["(", "body@content", "\ninvalid", "<@node.test"];
    for vector in header_vectors("address") {
        let value = vector["header"].as_str().unwrap();
        let Some(meant) = vector["expected"]["List"].as_array() else {
            continue;
        };
        if others.iter().any(|other| value.contains(other)) {
            continue;
        }
        let list = parse_addresses(value.as_bytes(), 100);
        let texts: Vec<String> = list.iter().map(Correspondent::text).collect();
        let meant: Vec<String> = meant
            .iter()
            .map(
                |one| match (one["name"].as_str(), one["address"].as_str()) {
                    (Some(name), Some(address)) => format!("{name} <{address}>"),
                    (None, Some(address)) => address.to_owned(),
                    (name, None) => name.unwrap_or_default().to_owned(),
                },
            )
            .collect();
        assert_eq!(texts, meant, "{value:?}");
    }
}

#[test]
fn sample_content_types() {
    // Pieces that repeat the charset, numbers left out, spaces between quoted encoded words.
    for vector in header_vectors("content_type") {
        let value = vector["header"].as_str().unwrap();
        let meant = &vector["expected"];
        let odd = [
            "filename*0*=iso",
            "9999",
            "plain/format",
            "name=\"=?iso-8859-1?B?4Q",
        ]
        .iter()
        .any(|other| value.contains(other));
        let (Some(media), Some(subtype)) = (meant["c_type"].as_str(), meant["c_subtype"].as_str())
        else {
            continue;
        };
        if odd || !media.is_ascii() {
            continue;
        }
        let root = Outline::parse(format!("Content-Type: {value}").as_bytes()).root;
        if root.content == message::Content::Leaf && !root.leniencies.has(Leniency::Unopened) {
            assert!(root.is(media, subtype), "{value:?}");
        }
        for pair in meant["attributes"].as_array().into_iter().flatten() {
            let (name, text) = (pair[0].as_str().unwrap(), pair[1].as_str());
            if !name.ends_with("-language") {
                assert_eq!(root.parameter(name).as_deref(), text, "{value:?}");
            }
        }
    }
}
