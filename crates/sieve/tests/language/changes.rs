//! The message changed: fields, parts, the whole.

use sieve::{Limits, Script};

use crate::made::circumstances;
use crate::{LETTER, all_hold, all_want, house};

// RFC 5293
#[test]
fn headers_edited() {
    all_want(&[
        (
            "require \"editheader\"; addheader \"X-A\" \"b\"; \
             if header \"x-a\" \"b\" { discard; }",
            &["discard"],
        ),
        (
            "require \"editheader\"; deleteheader :index 1 \"X-Twice\"; \
             if allof(header \"x-twice\" \"two\", not header \"x-twice\" \"one\") { discard; }",
            &["discard"],
        ),
        (
            "require \"editheader\"; deleteheader :contains \"X-Twice\" \"w\"; \
             if allof(header \"x-twice\" \"one\", not header \"x-twice\" \"two\") { discard; }",
            &["discard"],
        ),
        (
            "require \"editheader\"; deleteheader \"Received\"; \
             if exists \"received\" { discard; }",
            &["discard"],
        ),
    ]);
    let text = "require \"editheader\"; addheader :last \"X-Ü\" \"Grüße\";";
    assert!(Script::compile("x", text.as_bytes(), &Limits::HOUSE).is_err());
    let text = "require \"editheader\"; addheader :last \"X-A\" \"Gr\u{fc}\u{df}e\"; keep; \
        deleteheader \"Subject\"; redirect \"a@b.example\";";
    let outcome = house().run(text, circumstances(LETTER));
    let kept = outcome.actions[0].changed.clone().unwrap();
    let sent = outcome.actions[1].changed.clone().unwrap();
    let last = message::Header::parse(&kept).last().unwrap();
    assert_eq!(message::decode_words(&last.unfolded()), "Grüße");
    assert!(message::Header::first(&sent, "Subject").is_none());
    assert!(sent.ends_with(b"epilogue\r\n"));
}

// RFC 5703 §3, §4, §7
#[test]
fn parts_one_by_one() {
    all_hold(
        ", \"mime\"",
        &[
            ("header :mime :type \"content-type\" \"multipart\"", true),
            (
                "header :mime :anychild :contenttype \"content-type\" \"text/html\"",
                true,
            ),
            (
                "header :mime :contenttype \"content-type\" \"text/html\"",
                false,
            ),
            (
                "header :mime :anychild :subtype \"content-type\" \"pdf\"",
                true,
            ),
            (
                "header :mime :anychild :param \"filename\" :contains \"content-disposition\" \
                 \"important\"",
                true,
            ),
            ("exists :mime :anychild \"content-disposition\"", true),
            ("exists \"content-disposition\"", false),
        ],
    );
    // What is not of its charset is no text.
    let broken = b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xfc\xdfe\r\n";
    let text = "require [\"foreverypart\", \"variables\", \"extracttext\", \"fileinto\"]; \
        foreverypart { extracttext \"t\"; } fileinto \"a${t}\";";
    let letter = sieve::Letter::parse(broken.as_slice().into());
    let lines = house().lines(text, sieve::Circumstances::new(letter));
    assert_eq!(lines, ["fileinto a"]);
    all_want(&[
        (
            "require [\"foreverypart\", \"mime\", \"variables\", \"extracttext\", \"fileinto\"]; \
             foreverypart { if header :mime :subtype \"content-type\" \"plain\" { \
             extracttext :upper :first 5 \"t\"; break; } } fileinto \"${t}\";",
            &["fileinto HELLO"],
        ),
        (
            "require [\"foreverypart\", \"mime\", \"variables\", \"fileinto\"]; set \"n\" \"\"; \
             foreverypart :name \"o\" { foreverypart { set \"n\" \"${n}i\"; } \
             set \"n\" \"${n}o\"; } fileinto \"${n}\";",
            &["fileinto iiioooo"],
        ),
        (
            "require [\"foreverypart\", \"variables\", \"fileinto\"]; set \"n\" \"\"; \
             foreverypart :name \"o\" { foreverypart { set \"n\" \"${n}i\"; break :name \"o\"; } } \
             fileinto \"${n}\";",
            &["fileinto i"],
        ),
    ]);
}

// RFC 5703 §5, §6
#[test]
fn messages_replaced_and_enclosed() {
    let changed = |text: &str| {
        let outcome = house().run(text, circumstances(LETTER));
        assert_eq!(outcome.fault, None);
        outcome.actions[0].changed.clone().unwrap()
    };
    let kept = changed(
        "require [\"replace\", \"foreverypart\", \"mime\"]; foreverypart { \
         if header :mime :type \"content-type\" \"application\" { replace \"gone\"; } }",
    );
    let outline = message::Outline::parse(&kept);
    assert_eq!(outline.root.children().len(), 3);
    let last = outline.root.children().last().unwrap();
    assert!(last.is("text", "plain"));
    assert_eq!(message::part_text(last, &kept).trim_end(), "gone");
    assert!(outline.root.children()[0].is("text", "plain"));

    let kept =
        changed("require \"replace\"; replace :subject \"New\" :from \"x@y.example\" \"all\";");
    let outline = message::Outline::parse(&kept);
    assert_eq!(outline.digest.subject_text(), "New");
    assert!(outline.root.is("text", "plain"));
    let original = message::Header::first(&kept, "Original-Subject").unwrap();
    assert!(message::decode_words(&original.unfolded()).starts_with("Grüße"));
    assert!(message::Header::first(&kept, "Original-From").is_some());

    let text = "require \"enclose\"; enclose :subject \"S\" :headers \"X-Twice\" \"see below\"; \
        keep; redirect \"a@b.example\";";
    let outcome = house().run(text, circumstances(LETTER));
    let kept = outcome.actions[0].changed.clone().unwrap();
    let outline = message::Outline::parse(&kept);
    assert_eq!(outline.digest.subject_text(), "S");
    assert!(outline.root.is("multipart", "mixed"));
    assert!(outline.root.children()[1].is("message", "rfc822"));
    assert!(message::Header::first(&kept, "X-Twice").is_some());
    assert_eq!(
        outcome.actions[1].changed, None,
        "what is sent on is not enclosed"
    );
}
