//! The language of RFC 5228 and what compares: variables, relations, flags, bodies.

use sieve::Cause;

use crate::made::{circumstances, line};
use crate::{LETTER, all_hold, all_want, house, wants};

// RFC 5228 §2.7, §5
#[test]
fn the_tests_of_the_base() {
    all_hold(
        ", \"envelope\", \"comparator-i;ascii-numeric\"",
        &[
            ("true", true),
            ("not false", true),
            ("allof(true, false)", false),
            ("anyof(false, true)", true),
            ("header \"subject\" \"grüße [acme] version 1.0\"", true),
            ("header :contains \"subject\" \"GRüßE\"", true),
            (
                "header :comparator \"i;octet\" :contains \"subject\" \"ACME\"",
                false,
            ),
            ("header :matches \"subject\" \"*[acme]*\"", true),
            ("header :is [\"x-no\", \"x-twice\"] [\"no\", \"two\"]", true),
            ("header :contains \"x-no\" \"\"", false),
            ("address :is \"from\" \"ADA+work@example.org\"", true),
            ("address :domain \"to\" \"example.com\"", true),
            ("address :localpart :contains \"cc\" \"joerg\"", true),
            ("address :is \"to\" \"friends\"", false),
            ("envelope \"from\" \"ada@example.org\"", true),
            ("envelope :domain \"to\" \"example.net\"", true),
            ("exists [\"from\", \"date\"]", true),
            ("exists [\"from\", \"x-no\"]", false),
            ("size :over 100K", false),
            ("size :under 100K", true),
            (
                "header :comparator \"i;ascii-numeric\" \"x-twice\" \"x\"",
                true,
            ),
        ],
    );
}

// RFC 5228 §2.10, §4
#[test]
fn the_actions_of_the_base() {
    all_want(&[
        ("", &["keep"]),
        ("keep;", &["keep"]),
        ("discard;", &["discard"]),
        ("discard; keep;", &["discard", "keep"]),
        ("redirect \"a@b.example\";", &["redirect a@b.example"]),
        ("redirect \"A <a@b.example>\";", &["redirect a@b.example"]),
        (
            "redirect \"a@b.example\"; redirect \"a@b.example\";",
            &["redirect a@b.example"],
        ),
        (
            "require \"fileinto\"; fileinto \"x\"; fileinto \"x\";",
            &["fileinto x"],
        ),
        (
            "require \"fileinto\"; fileinto \"inbox\"; keep;",
            &["fileinto inbox"],
        ),
        (
            "if false { discard; } elsif true { stop; } else { discard; } discard;",
            &["keep"],
        ),
        ("if false {} else { discard; }", &["discard"]),
        (
            "require \"copy\"; redirect :copy \"a@b.example\";",
            &["redirect a@b.example", "keep"],
        ),
        (
            "require [\"copy\", \"fileinto\"]; fileinto :copy \"x\";",
            &["fileinto x", "keep"],
        ),
    ]);
}

// RFC 5228 §2.10.6
#[test]
fn a_fault_keeps_the_message_as_it_came() {
    let text = "require [\"ihave\", \"editheader\", \"imap4flags\"];\nsetflag \"a\";\n\
        addheader \"X\" \"y\";\ndiscard;\nerror \"no\";";
    let outcome = house().run(text, circumstances(LETTER));
    assert_eq!(outcome.actions.len(), 1);
    assert_eq!(line(&outcome.actions[0]), "keep");
    assert_eq!(outcome.actions[0].changed, None);
    assert_eq!(outcome.actions[0].cause, Cause::Implicit);
    assert_eq!(outcome.fault.unwrap().to_string(), "main:5: no");
}

#[test]
fn each_action_names_its_line() {
    let outcome = house().run(
        "require \"fileinto\";\n\nfileinto \"x\";",
        circumstances(LETTER),
    );
    assert_eq!(outcome.actions[0].cause.to_string(), "main:3");
}

// RFC 5229
#[test]
fn variables_and_what_wildcards_match() {
    all_want(&[
        (
            "require [\"variables\", \"fileinto\"]; set \"a\" \"juMBlEd lETteRS\"; \
             set :upperfirst :lower \"B\" \"${a}\"; fileinto \"${b}\";",
            &["fileinto Jumbled letters"],
        ),
        (
            "require [\"variables\", \"fileinto\"]; set :length \"b\" \"Gr\u{fc}\u{df}e\"; \
             set :quotewildcard \"c\" \"Rock*\"; fileinto \"${b}${c}\";",
            &["fileinto 5Rock\\*"],
        ),
        (
            "require [\"variables\", \"fileinto\"]; \
             if header :matches \"subject\" \"*[*] *\" { fileinto \"${2}/${3}\"; }",
            &["fileinto acme/version 1.0"],
        ),
        (
            "require [\"variables\", \"fileinto\"]; if header :matches \"subject\" \"*\" {} \
             if header :matches \"subject\" \"x*\" {} fileinto \"${0}\";",
            &["fileinto Grüße [acme] version 1.0"],
        ),
        (
            "require [\"variables\", \"fileinto\", \"enotify\"]; \
             set :encodeurl \"a\" \"a b&c\"; fileinto \"${a}\";",
            &["fileinto a%20b%26c"],
        ),
    ]);
    all_hold(
        ", \"variables\", \"relational\"",
        &[
            ("string :is \" a\" \"a\"", false),
            ("string :count \"eq\" [\"a\", \"\", \"b\"] \"2\"", true),
        ],
    );
}

// RFC 5231, RFC 5233, RFC 5260 §6
#[test]
fn relations_details_and_indexes() {
    all_hold(
        ", \"relational\", \"subaddress\", \"index\", \"comparator-i;ascii-numeric\"",
        &[
            ("header :count \"eq\" \"x-twice\" \"2\"", true),
            ("address :count \"ge\" [\"to\", \"cc\"] \"3\"", true),
            ("header :value \"gt\" \"x-twice\" \"oned\"", true),
            ("address :user \"from\" \"ada\"", true),
            ("address :detail \"from\" \"work\"", true),
            ("address :detail \"to\" \"\"", false),
            ("header :index 1 \"x-twice\" \"two\"", false),
            ("header :index 2 \"x-twice\" \"two\"", true),
            ("header :index 1 :last \"x-twice\" \"two\"", true),
            ("header :index 3 \"x-twice\" \"two\"", false),
        ],
    );
}

// RFC 5232
#[test]
fn flags() {
    all_want(&[
        (
            "require \"imap4flags\"; addflag \"\\\\Seen  a\"; addflag \"A\";",
            &["keep \\Seen a"],
        ),
        (
            "require [\"imap4flags\", \"fileinto\"]; setflag \"a\"; fileinto \"x\"; \
             fileinto :flags \"\\\\Flagged\" \"y\"; removeflag \"a\"; keep;",
            &["fileinto x a", "fileinto y \\Flagged", "keep"],
        ),
        (
            "require [\"imap4flags\", \"variables\"]; addflag \"v\" [\"b\", \"\\\\Recent\"]; \
             keep :flags \"${v} c\";",
            &["keep b c"],
        ),
        (
            "require [\"imap4flags\", \"relational\"]; setflag \"A B\"; \
             if allof(hasflag \"b A\", hasflag :count \"eq\" \"2\", hasflag :contains \"b\", \
             not hasflag \"c\") { discard; }",
            &["discard"],
        ),
    ]);
}

// RFC 5173
#[test]
fn bodies() {
    all_hold(
        ", \"body\"",
        &[
            ("body :contains \"hello world\"", true),
            ("body :contains \"goodbye\"", true),
            ("body :raw :contains \"Hello\"", false),
            ("body :raw :contains \"SGVsbG8\"", true),
            ("body :content \"text/html\" :contains \"<b>bye\"", true),
            ("body :content \"multipart\" :contains \"prologue\"", true),
            ("body :content \"multipart\" :contains \"epilogue\"", true),
            ("body :content \"multipart\" :contains \"boundary\"", false),
            ("body :content \"application\" :contains \"PDF\"", true),
            ("body :content \"/pdf\" :contains \"PDF\"", false),
            ("body :content \"audio/mp3\" :contains \"\"", false),
        ],
    );
}

#[test]
fn regular_expressions() {
    all_want(&[(
        "require [\"regex\", \"variables\", \"fileinto\"]; \
         if header :regex \"subject\" \"\\\\[([a-z]+)\\\\] *version ([0-9.]+)\" { \
         set :quoteregex \"v\" \"${2}\"; fileinto \"${1} ${v}\"; }",
        &["fileinto acme 1\\.0"],
    )]);
}

#[test]
fn no_limit_is_passed() {
    let redirects: String = (0..9)
        .map(|at| format!("redirect \"a{at}@b.example\";"))
        .collect();
    let files: String = (0..40).map(|at| format!("fileinto \"{at}\";")).collect();
    let sets: String = (0..300).map(|at| format!("set \"v{at}\" \"x\";")).collect();
    let edits = "addheader \"X\" \"y\";".repeat(200);
    for (text, expected) in [
        (
            redirects,
            "error: the script sends the message on to too many",
        ),
        (
            format!("require \"fileinto\"; {files}"),
            "error: the script does too much: too many actions",
        ),
        (
            format!("require \"variables\"; {sets}"),
            "error: the script has too many variables",
        ),
        (
            format!("require \"editheader\"; {edits}"),
            "error: the script changes the message too often",
        ),
    ] {
        assert_eq!(wants(&text), [expected]);
    }
    let mut doubled = "require [\"variables\", \"fileinto\"]; set \"a\" \"0123456789\";".to_owned();
    doubled.push_str(&"set \"a\" \"${a}${a}${a}${a}\";".repeat(12));
    doubled.push_str("set :length \"n\" \"${a}\"; fileinto \"${n}\";");
    assert_eq!(wants(&doubled), ["fileinto 16384"]);
    let names = "\"${a}\",".repeat(2000);
    let body = format!("{doubled} if string \"x\" [{names} \"y\"] {{ discard; }}");
    assert_eq!(wants(&body), ["error: the script takes too many steps"]);
}
