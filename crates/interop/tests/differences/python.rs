//! Python's email, with its newest policy, beside `caramel parse --json`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use interop::{Server, program};
use serde_json::{Map, Value, json};

use crate::judged;

#[test]
fn every_difference_to_python_is_judged() {
    let samples = judged::samples();
    if samples.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let messages = folder.path().join("messages");
    std::fs::create_dir(&messages).unwrap();
    for (number, (_, message)) in samples.iter().enumerate() {
        std::fs::write(messages.join(format!("{number:04}")), message).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/email_read.py");
    let words = [script, messages.to_str().unwrap()];
    let ended = program("python3", &words, folder.path(), "").unwrap();
    assert!(ended.well, "{}", ended.err);
    assert_eq!(ended.out.lines().count(), samples.len());
    let mut found = BTreeMap::new();
    for ((name, message), theirs) in samples.iter().zip(ended.out.lines()) {
        let theirs: Value = serde_json::from_str(theirs).unwrap();
        let ours = ours(message);
        for (aspect, ours) in &ours {
            let theirs = &theirs[aspect];
            let unknown = aspect == "sizes" && sizes_agree(ours, theirs);
            // Where the trees differ, there are other leaves.
            let other = (aspect == "sizes" || aspect == "names")
                && found.contains_key(&("python".into(), "tree".into(), name.clone()));
            if ours != theirs && !unknown && !other {
                let place = ("python".to_owned(), aspect.clone(), name.clone());
                found.insert(place, format!("  ours   {ours}\n  theirs {theirs}"));
            }
        }
    }
    judged::compare("python.md", &found);
}

fn sizes_agree(ours: &Value, theirs: &Value) -> bool {
    let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
    let same = |(one, other): (&Value, &Value)| one == other || other.is_null();
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
}

/// What the program says, in the script's form; the tree comes first.
fn ours(message: &[u8]) -> Vec<(String, Value)> {
    let mut child = Command::new(Server::binary())
        .args(["parse", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let digest = &said["digest"];
    let mut reading = (String::new(), Vec::new(), Vec::new());
    part(&said["part"], &mut reading);
    let (tree, sizes, names) = reading;
    let read = [
        ("tree", Value::from(tree)),
        ("sizes", Value::from(sizes)),
        ("names", Value::from(names)),
        ("subject", digest["subject"].clone()),
        ("from", addresses(&digest["from"])),
        ("to", addresses(&digest["to"])),
        ("date", json!(digest["date"].as_str().map(seconds))),
        ("id", digest["messageId"].clone()),
    ];
    read.map(|(aspect, value)| (aspect.to_owned(), value))
        .into()
}

fn part(part: &Value, reading: &mut (String, Vec<Value>, Vec<Value>)) {
    let (tree, sizes, names) = reading;
    tree.push_str(part["type"].as_str().unwrap());
    if !part["filename"].is_null() {
        names.push(part["filename"].clone());
    }
    let children = part["children"].as_array().unwrap();
    if children.is_empty() {
        return sizes.push(part["decodedSize"].clone());
    }
    tree.push('(');
    for (index, child) in children.iter().enumerate() {
        if index > 0 {
            reading.0.push(' ');
        }
        self::part(child, reading);
    }
    reading.0.push(')');
}

fn addresses(list: &Value) -> Value {
    let one = |one: &Map<String, Value>| {
        let address = one.get("address").and_then(Value::as_str)?;
        Some(match one.get("name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => format!("{name} <{address}>"),
            _ => address.to_owned(),
        })
    };
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|value| one(value.as_object()?))
        .collect::<Vec<_>>()
        .into()
}

/// Seconds since 1970 of RFC 3339's `2026-11-23T20:15:00+01:00`, by the calendar of civil days.
fn seconds(moment: &str) -> i64 {
    let number = |from: usize, to: usize| moment[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    let zone = match &moment[19..20] {
        "Z" => 0,
        sign => (number(20, 22) * 60 + number(23, 25)) * if sign == "-" { -60 } else { 60 },
    };
    days * 86_400 + number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19) - zone
}
