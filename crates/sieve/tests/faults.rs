//! What is said of texts that are no scripts.

use sieve::{Limits, Script};

/// The faults of a text, one a line.
fn faults(text: &str) -> String {
    match Script::compile("x", text.as_bytes(), &Limits::HOUSE) {
        Ok(_) => String::new(),
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    }
}

// tidy: table
#[test]
fn each_fault_is_named_where_it_is() {
    for (text, expected) in [
        (
            "keep",
            "line 1, column 5: expected ';', found the end of the script",
        ),
        (
            "keep;\n  kep;",
            "line 2, column 3: unknown command 'kep' (did you mean 'keep'?)",
        ),
        (
            "if keep {}",
            "line 1, column 4: 'keep' is a command: it tests nothing",
        ),
        (
            "header \"a\" \"b\";",
            "line 1, column 1: 'header' is a test: it stands behind 'if'",
        ),
        ("else {}", "line 1, column 1: 'else' stands behind no 'if'"),
        (
            "if true { keep; ",
            "line 1, column 17: expected '}', found the end of the script",
        ),
        ("keep; }", "line 1, column 7: expected a command, found '}'"),
        (
            "keep; require \"fileinto\";",
            "line 1, column 7: 'require' stands before all other commands",
        ),
        (
            "fileinto \"x\";",
            "line 1, column 1: 'fileinto' needs the extension \"fileinto\" \
             (begin the script with: require \"fileinto\";)",
        ),
        (
            "require \"fileinot\";",
            "line 1, column 9: unknown extension \"fileinot\" (did you mean \"fileinto\"?)",
        ),
        ("keep 3;", "line 1, column 1: 'keep' takes no argument"),
        (
            "redirect;",
            "line 1, column 1: 'redirect' takes one argument, not 0",
        ),
        (
            "redirect [\"a@b\"];",
            "line 1, column 10: 'redirect' takes a string, not a list of strings",
        ),
        (
            "redirect \"a b\";",
            "line 1, column 1: \"a b\" is no address",
        ),
        (
            "if header :contain \"a\" \"b\" {}",
            "line 1, column 11: unknown tag ':contain' of 'header' (did you mean ':contains'?)",
        ),
        (
            "if header :is :contains \"a\" \"b\" {}",
            "line 1, column 15: ':contains' does not go with ':is'",
        ),
        (
            "require [\"fileinto\", \"mailboxid\", \"special-use\"]; \
             fileinto :mailboxid \"F1\" :specialuse \"\\\\Junk\" \"x\";",
            "line 1, column 51: ':mailboxid' does not go with ':specialuse'",
        ),
        (
            "require \"extlists\"; if header :list :comparator \"i;octet\" \"a\" \"b\" {}",
            "line 1, column 24: ':list' does not go with ':comparator'",
        ),
        (
            "if header :is :is \"a\" \"b\" {}",
            "line 1, column 15: ':is' is given twice",
        ),
        (
            "if header 1 \"b\" {}",
            "line 1, column 11: argument 1 of 'header' takes a list of strings, not a number",
        ),
        ("if size 3 {}", "line 1, column 4: 'size' takes no argument"),
        (
            "if size {}",
            "line 1, column 4: 'size' takes ':over' or ':under' and a number",
        ),
        ("if not {}", "line 1, column 4: 'not' takes a test"),
        (
            "if true, false {}",
            "line 1, column 8: expected ';', found ','",
        ),
        (
            "if true keep;",
            "line 1, column 1: 'if' takes a block\nline 1, column 4: 'true' takes no test",
        ),
        (
            "if address \"subject\" \"a\" {}",
            "line 1, column 4: the field 'subject' holds no addresses \
             (the test 'header' compares it as text)",
        ),
        (
            "if header :comparator \"i;x\" \"a\" \"b\" {}",
            "line 1, column 4: unknown comparator \"i;x\"",
        ),
        (
            "require \"variables\"; set \"a b\" \"c\";",
            "line 1, column 22: 'a b' is no name of a variable",
        ),
        (
            "require \"variables\"; keep; redirect \"${33}\";",
            "line 1, column 37: there is no match variable beyond ${31}",
        ),
        (
            "require \"foreverypart\"; break;",
            "line 1, column 25: there is no loop around this",
        ),
        (
            "require \"regex\"; if header :regex \"a\" \"(\" {}",
            "line 1, column 21: this is no regular expression: unclosed group",
        ),
    ] {
        assert_eq!(faults(text), expected, "{text}");
    }
}

#[test]
fn all_faults_are_told_up_to_a_limit() {
    let found = faults("kep;\nif true { discrad; }\nfoo \"x\" { keep; }\nstop;\nbar;");
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 4, "{found}");
    assert!(
        lines
            .iter()
            .zip(["line 1", "line 2", "line 3", "line 5"])
            .all(|(one, at)| one.starts_with(at))
    );
    let many = faults(&"kep;".repeat(100));
    assert_eq!(many.lines().count(), Limits::HOUSE.faults_max);
}

#[test]
fn what_is_too_large_or_no_text() {
    let deep = format!("{}{}", "if true {".repeat(100), "}".repeat(100));
    assert!(faults(&deep).contains("nested too deeply"));
    let tests = format!("if {} true {{}}", "not ".repeat(100));
    assert!(faults(&tests).contains("nested too deeply"));
    let large = format!("# {}", "x".repeat(Limits::HOUSE.script_octets_max));
    assert!(faults(&large).contains("larger than"));
    let found = Script::compile("x", b"keep;\n# \xff", &Limits::HOUSE);
    let found = found
        .map(drop)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect());
    assert_eq!(
        found,
        Err(vec!["line 2, column 3: this is no UTF-8".to_owned()])
    );
}
