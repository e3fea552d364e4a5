//! Whole rc files, and the scripts they become.

use ::sieve::{Limits, Script};

use super::convert::{Converted, Settings, convert};
use super::script::write;

fn converted(text: &str) -> Converted {
    let settings = Settings {
        home: "/home/ada".to_owned(),
        user: "ada".to_owned(),
        file: "rc".to_owned(),
        read: &|path| match path {
            "/home/ada/lists.rc" => Some(":0\n* ^List-Id:.*tea\ntea/\n".to_owned()),
            "/home/ada/loop.rc" => Some("INCLUDERC=loop.rc\n".to_owned()),
            _ => None,
        },
    };
    convert(text, &settings)
}

/// The script, without what it requires, and the lines that are not carried.
fn script(text: &str) -> (String, Vec<usize>) {
    let converted = converted(text);
    let script = write(&converted.steps);
    if let Err(faults) = Script::compile("rc", script.as_bytes(), &Limits::HOUSE) {
        panic!("{script}\n{faults:?}");
    }
    let script = match script.split_once(";\n\n") {
        Some((require, rest)) if require.starts_with("require") => rest.to_owned(),
        _ => script,
    };
    let lines = converted.report.lost.iter().map(|remark| remark.line);
    (script, lines.collect())
}

fn says(text: &str, expected: &str) {
    let (script, lost) = script(text);
    assert_eq!(script.trim(), expected.trim(), "{text}");
    assert_eq!(lost, Vec::<usize>::new(), "{text}");
}

#[test]
fn recipes_are_commands() {
    says(
        "MAILDIR=$HOME/Mail\n# Rust\n:0:\n* ^List-Id:.*rust-lang\n* ! ^Subject:.*spam\n\
         lists/rust/\n\n\
         :0 c\n! grace@example.net\n\n:0\n* > 100000\n/dev/null\n",
        r#"
# Rust
if allof(header :contains "List-Id" "rust-lang",
    not header :contains "Subject" "spam") {
    fileinto :create "lists/rust";
    stop;
}

redirect :copy "grace@example.net";

if size :over 100000 {
    discard;
    stop;
}
"#,
    );
}

#[test]
fn chains_are_branches() {
    says(
        ":0\n* ^Subject:.*a\n{\n :0 c\n x\n}\n:0 E\n* ^Subject:.*b\ny\n:0 E\nz\n",
        r#"
if header :contains "Subject" "a" {
    fileinto :copy :create "x";
}
elsif header :contains "Subject" "b" {
    fileinto :create "y";
    stop;
}
else {
    fileinto :create "z";
    stop;
}
"#,
    );
    says(
        ":0 c\n* ^Subject:.*a\nx\n:0 A\n* ^To:.*b\ny\n:0 a\nz\n",
        r#"
if header :contains "Subject" "a" {
    fileinto :copy :create "x";
    if header :contains "To" "b" {
        fileinto :create "y";
        stop;
    }
    fileinto :create "z";
    stop;
}
"#,
    );
    let (mixed, lost) = script(":0 c\n* ^A:\nx\n:0 Ac\n* ^B:\ny\n:0 E\nz\n");
    assert!(
        mixed.contains("allof(string :is \"${last_0}\" \"yes\",\n    exists \"B\")"),
        "{mixed}"
    );
    assert!(
        mixed.contains("if string :is \"${ran_0}\" \"\" {"),
        "{mixed}"
    );
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn variables_are_put_in_or_kept() {
    says(
        "MAILDIR=$HOME/Mail\nLISTS=lists\n:0\n* ^List-Id:.*<\\/[^.>]+\n$LISTS/$MATCH/\n",
        r#"
if header :regex "List-Id" "^.*?<([^.>]+)" {
    set "MATCH" "${1}";
    fileinto :create "lists/${MATCH}";
    stop;
}
"#,
    );
    says(
        "WHO=grace\n:0\n* $ ^From:.*$WHO@\ngrace\n",
        "if header :contains \"From\" \"grace@\" {\n    fileinto :create \"grace\";\n    stop;\n}",
    );
    says(
        ":0\n* ^Subject:.*urgent\n{ TO=urgent }\n:0\n* TO ?? ^^urgent^^\n$TO\n",
        r#"
if header :contains "Subject" "urgent" {
    set "TO" "urgent";
}

if string :is "${TO}" "urgent" {
    fileinto :create "${TO}";
    stop;
}
"#,
    );
}

#[test]
fn copies_of_blocks_end_with_them() {
    says(
        ":0 c\n* ^To:.*ada\n{\n :0\n * ^Subject:.*x\n x\n :0\n ! ada@example.net\n}\n:0\nrest\n",
        r#"
if header :contains "To" "ada" {
    if header :contains "Subject" "x" {
        fileinto :copy :create "x";
    }
    else {
        redirect :copy "ada@example.net";
    }
}

fileinto :create "rest";
stop;
"#,
    );
    assert_eq!(script(":0 c\n{\n :0\n * ^A:\n x\n}\n").1, [1, 3]);
}

#[test]
fn duplicates_are_remembered() {
    says(
        ":0 Wh: msgid.lock\n| formail -D 8192 msgid.cache\n",
        "if duplicate {\n    discard;\n    stop;\n}",
    );
    says(
        ":0 Whc: msgid.lock\n| formail -D 8192 msgid.cache\n:0 a:\nduplicates\n",
        "if duplicate {\n    fileinto :create \"duplicates\";\n    stop;\n}",
    );
}

#[test]
fn the_end_is_where_default_says() {
    says(
        "DEFAULT=$HOME/Maildir/\n:0\n* ^A:\n.x.y/\n",
        "if exists \"A\" {\n    fileinto :create \"x/y\";\n    stop;\n}",
    );
    says(
        ":0\n* ^A:\n$DEFAULT\nDEFAULT=rest/\n",
        "if exists \"A\" {\n    keep;\n    stop;\n}\n\nfileinto :create \"rest\";",
    );
    says(
        "DEFAULT=/dev/null\n:0\n* ^A:\nx",
        "if exists \"A\" {\n    fileinto :create \"x\";\n    stop;\n}\n\ndiscard;",
    );
}

#[test]
fn files_are_put_in() {
    let tea = "# What lists.rc has:\n\nif header :contains \"List-Id\" \"tea\" {\n    \
               fileinto :create \"tea\";\n    stop;\n}";
    says("INCLUDERC=lists.rc", tea);
    says(
        "SWITCHRC=$HOME/lists.rc\n:0\nnever\n",
        &tea.replace("lists.rc", "$HOME/lists.rc")
            .replace("$HOME", "/home/ada"),
    );
    assert_eq!(script("INCLUDERC=none.rc").1, [1]);
    assert_eq!(converted("INCLUDERC=loop.rc").report.lost.len(), 1);
    says(
        ":0\n* ^A:\n{ SWITCHRC }\n:0\nx\n",
        "if exists \"A\" {\n    stop;\n}\n\nfileinto :create \"x\";\nstop;",
    );
}

#[test]
fn every_line_that_is_not_carried_is_told() {
    for (text, lost) in [
        (":0fw\n| spamassassin\n", vec![2]),
        (":0\n* ? test -f x\nx\n", vec![2]),
        (":0\n* -100^0\n* 1^1 ^A:\nx\n", vec![2]),
        ("X=`date`\n:0\n$X/y\n", vec![1, 3]),
        (":0\n* viagra\nspam\n", vec![2]),
        (":0\n* ^A:\n* viagra\n{\n :0\n x\n Y=1\n}\n", vec![3, 5, 7]),
        (
            ":0 c\n* viagra\nx\n:0 A\ny\n:0 a\nz\n:0\nw\n",
            vec![2, 4, 6],
        ),
        (":0\n* viagra\nx\n:0 E\ny\n", vec![2, 4]),
        (":0 c\n* ^A:\n| prog\n:0 A\ny\n", vec![3]),
        (":0 c\n* ^A:\n| prog\n:0 a\ny\n", vec![3, 4]),
        (":0 c\nx\n:0 e\ny\n", vec![3]),
        (":0 b\nx\n", vec![2]),
        (":0\n! ada\n", vec![2]),
        (":0\n/etc/x\n", vec![2]),
        (":0\n* ^A:\n{ MAILDIR=/tmp }\n:0\nx\n", vec![5]),
        ("TRAP=x\nEXITCODE=67\n=nonsense\n}", vec![1, 2, 3, 4]),
        (":0\n* ^A:\n", vec![1]),
    ] {
        let (script, mut found) = script(text);
        found.sort_unstable();
        assert_eq!(found, lost, "{text}\n{script}");
        for line in found {
            let told = format!("rc:{line}: not carried: ");
            let inside = script.contains("# rc:") && lost.len() > 1;
            assert!(script.contains(&told) || inside, "{text}\n{script}");
        }
    }
}

#[test]
fn no_file_is_too_much() {
    for text in [
        ":0\n* ^(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b): x\nx\n".to_owned(),
        format!(":0\n* ^A:{}\nx\n", "(|)".repeat(200)),
        ":0\n{\n".repeat(2000),
        "X=$X$X\n".repeat(2000),
        format!("A=xxxxxxxx\n{}", "A=\"$A$A\"\n".repeat(64)),
        format!(":0\n* {}^A:\nx\n", "! ".repeat(9999)),
    ] {
        converted(&text);
    }
}
