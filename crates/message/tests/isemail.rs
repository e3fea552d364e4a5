//! The vectors of `is_email`: each address gets a verdict, and each difference is judged in
//! `docs/differences/addresses.md`.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use message::{AddressVerdict, judge_address};

/// The judged differences: the table's first column names tests, `id` or `id id …`.
const JUDGED: &str = include_str!("../../../docs/differences/addresses.md");

fn vectors() -> Option<String> {
    let root = std::env::var_os("CARAMEL_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let text = fs::read_to_string(root.join("isemail/tests.xml")).ok();
    if text.is_none() {
        println!("no test vectors: skipped");
    }
    text
}

/// The text between two marks, where both are there.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// XML's escapes, and the pictures that stand for control characters.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let (name, behind) = behind.split_once(';').unwrap();
        rest = behind;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let code = name.strip_prefix("#x").unwrap();
                char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap()
            }
        });
    }
    out.push_str(rest);
    out.chars()
        .map(|letter| match u32::from(letter) {
            picture @ 0x2400..=0x241f => char::from_u32(picture - 0x2400).unwrap(),
            _ => letter,
        })
        .collect()
}

/// What their category says of an address without asking the DNS.
fn theirs(category: &str) -> Option<AddressVerdict> {
    Some(match category {
        "ISEMAIL_VALID_CATEGORY" | "ISEMAIL_DNSWARN" | "ISEMAIL_RFC5321" => {
            AddressVerdict::Envelope
        }
        "ISEMAIL_CFWS" | "ISEMAIL_DEPREC" | "ISEMAIL_RFC5322" => AddressVerdict::Header,
        "ISEMAIL_ERR" => AddressVerdict::Nothing,
        _ => return None,
    })
}

#[test]
fn every_address_has_its_verdict() {
    let Some(xml) = vectors() else {
        return;
    };
    let mut differences = BTreeMap::new();
    let mut count = 0;
    for test in xml.split("<test ").skip(1) {
        let id: u32 = between(test, "id=\"", "\"").unwrap().parse().unwrap();
        let address = unescaped(between(test, "<address>", "</address>").unwrap_or_default());
        let category = between(test, "<category>", "</category>").unwrap();
        let diagnosis = between(test, "<diagnosis>", "</diagnosis>").unwrap();
        let (ours, theirs) = (judge_address(address.as_bytes()), theirs(category).unwrap());
        count += 1;
        if ours != theirs {
            differences.insert(
                id,
                format!("{address:?} {ours:?}, they {theirs:?}: {diagnosis}"),
            );
        }
    }
    assert!(count >= 164, "{count} addresses");
    let rows = JUDGED.lines().filter_map(|line| line.strip_prefix("| "));
    let ids = rows.flat_map(|row| row.split('|').next().unwrap().split_whitespace());
    for id in ids.filter_map(|id| id.parse::<u32>().ok()) {
        assert!(differences.remove(&id).is_some(), "{id} is no difference");
    }
    assert!(differences.is_empty(), "not judged: {differences:#?}");
}
