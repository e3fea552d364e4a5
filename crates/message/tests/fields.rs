//! Header field vectors of the mail-parser library: each value is read as they read it, or the
//! difference is judged in `docs/differences/fields.md`.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mail::Timestamp;
use message::parameter::{decoded, join};
use message::view::forms;
use message::{
    AddressVerdict, AuthenticationResults, Correspondent, DeliveryStatus, DispositionNotification,
    FeedbackReport, Leniencies, Received, decode_words, disposition_noting, judge_address,
    keywords, list_id, list_uris, media_type_noting, message_ids, parse_addresses,
    parse_addresses_noting, parse_date, unfold,
};
use serde_json::Value;

/// The judged differences: the first column says the kind, the second names vectors by number.
const JUDGED: &str = include_str!("../../../docs/differences/fields.md");

/// What of a value differs: theirs and ours.
type Difference = Option<(String, String)>;

fn vectors(kind: &str) -> Vec<Value> {
    let root = std::env::var_os("CARAMEL_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let path = root.join("mail-parser").join(kind).with_extension("json");
    let Ok(text) = fs::read(path) else {
        println!("no test vectors: skipped");
        return Vec::new();
    };
    let vectors: Vec<Value> = serde_json::from_slice(&text).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

/// Compares all vectors of a kind and fails on what is not judged, or judged without need.
fn compare(kind: &str, differ: impl Fn(&str, &Value) -> Difference) {
    let vectors = vectors(kind);
    if vectors.is_empty() {
        return;
    }
    let mut differences = BTreeMap::new();
    for (number, vector) in vectors.iter().enumerate() {
        let value = field(vector["header"].as_str().unwrap());
        if let Some(difference) = differ(value, &vector["expected"]) {
            differences.insert(number, (value, difference));
        }
    }
    let rows = JUDGED.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
        (cells.next()? == kind).then(|| cells.next())?
    });
    for number in rows.flat_map(str::split_whitespace) {
        let number: usize = number.parse().unwrap();
        let removed = differences.remove(&number);
        assert!(removed.is_some(), "{kind} {number} is no difference");
    }
    assert!(
        differences.is_empty(),
        "{kind}, not judged: {differences:#?}"
    );
}

/// The value up to where its field ends: some vectors run on into the next one.
fn field(text: &str) -> &str {
    let ends = |&(at, _): &(usize, &str)| !text[at + 1..].starts_with([' ', '\t']);
    let end = text.match_indices('\n').find(ends);
    end.map_or(text, |(at, _)| &text[..at])
}

fn unequal(theirs: &str, ours: &str) -> Difference {
    (theirs != ours).then(|| (theirs.to_owned(), ours.to_owned()))
}

/// Strings of an array, one on a line.
fn lines(array: &Value) -> String {
    let texts: Vec<&str> = array
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    texts.join("\n")
}

fn date_of(meant: &Value) -> Option<Timestamp> {
    let number = |name: &str| i16::try_from(meant[name].as_i64()?).ok();
    let small = |name: &str| u8::try_from(number(name)?).ok();
    let zone = number("tz_hour")? * 60 + number("tz_minute")?;
    let zone = if meant["tz_before_gmt"] == true {
        -zone
    } else {
        zone
    };
    Timestamp::from_civil(
        (number("year")?.into(), small("month")?, small("day")?),
        (small("hour")?, small("minute")?, small("second")?),
        zone,
    )
}

#[test]
fn dates() {
    compare("date", |value, meant| {
        let ours = parse_date(value.as_bytes());
        let shown = |date: Option<Timestamp>| date.map(|date| date.to_rfc5322().to_string());
        let theirs = shown(date_of(meant)).unwrap_or_default();
        unequal(&theirs, &shown(ours).unwrap_or_default())
    });
}

/// `name <address>`, as [`Correspondent::text`] has it.
fn person(one: &Value) -> String {
    match (one["name"].as_str(), one["address"].as_str()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    }
}

#[test]
fn addresses() {
    compare("address", |value, meant| {
        let mut theirs = Vec::new();
        theirs.extend(meant["List"].as_array().into_iter().flatten().map(person));
        for group in meant["Group"].as_array().into_iter().flatten() {
            theirs.extend(group["name"].as_str().map(|name| format!("{name}:")));
            let members = group["addresses"].as_array().into_iter().flatten();
            theirs.extend(members.map(person));
            theirs.extend(group["name"].as_str().map(|_| ";".to_owned()));
        }
        let list = parse_addresses(value.as_bytes(), 100);
        let ours = list.iter().map(|one| match one {
            Correspondent::Mailbox { .. } => one.text(),
            Correspondent::GroupStart(_) => one.text() + ":",
            Correspondent::GroupEnd => ";".to_owned(),
        });
        unequal(&theirs.join("\n"), &ours.collect::<Vec<_>>().join("\n"))
    });
}

#[test]
fn unstructured_texts() {
    compare("unstructured", |value, meant| {
        let unfolded = unfold(value.as_bytes());
        let text = decode_words(&unfolded);
        unequal(meant.as_str().unwrap_or_default(), &text)
    });
}

#[test]
fn identifiers() {
    compare("id", |value, meant| {
        let ids = message_ids(value.as_bytes()).join(&b'\n');
        unequal(&lines(meant), &String::from_utf8_lossy(&ids))
    });
}

#[test]
fn lists_of_phrases() {
    compare("list", |value, meant| {
        unequal(&lines(meant), &keywords(value.as_bytes()).join("\n"))
    });
}

/// The URIs among the address vectors, which are RFC 2369's examples.
#[test]
fn lists_of_uris() {
    let mut count = 0;
    for vector in vectors("address") {
        let value = vector["header"].as_str().unwrap();
        if !value.contains("://") && !value.contains("mailto:") {
            continue;
        }
        let people = vector["expected"]["List"].as_array().into_iter().flatten();
        let theirs: Vec<&str> = people.filter_map(|one| one["address"].as_str()).collect();
        assert_eq!(list_uris(value.as_bytes()), theirs, "{value:?}");
        count += 1;
    }
    println!("{count} lists of URIs");
}

#[test]
fn media_types() {
    compare("content_type", |value, meant| {
        let noted = &mut Leniencies::NONE.clone();
        let octets = value.as_bytes();
        let text = |name: &str| meant[name].as_str().map(str::to_owned);
        let (media, subtype) = (text("c_type"), text("c_subtype"));
        let parameters = if subtype.is_some() || media.is_none() {
            let read = media_type_noting(octets, 100, 1000, noted);
            if read.as_ref().map(|read| (&read.0, &read.1)) != media.as_ref().zip(subtype.as_ref())
            {
                return Some((format!("{media:?}/{subtype:?}"), format!("{read:?}")));
            }
            read.map(|read| read.2)
        } else {
            let read = disposition_noting(octets, 100, 1000, noted);
            if read.as_ref().map(|read| &read.0) != media.as_ref() {
                return Some((format!("{media:?}"), format!("{read:?}")));
            }
            read.map(|read| read.1)
        };
        let parameters = parameters.unwrap_or_default();
        let theirs: BTreeMap<String, String> = meant["attributes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| [0, 1].map(|at| pair[at].as_str().unwrap().to_owned()))
            .filter(|[name, _]| !name.ends_with("-language"))
            .map(|[name, text]| (name, text))
            .collect();
        let ours: BTreeMap<String, String> = join(&parameters)
            .iter()
            .map(|one| one.name.trim_end_matches('*').to_owned())
            .filter_map(|name| Some((name.clone(), decoded(&parameters, &name)?)))
            .collect();
        unequal(&format!("{theirs:?}"), &format!("{ours:?}"))
    });
}

#[test]
fn received() {
    compare("received", |value, meant| {
        let ours = Received::parse(value.as_bytes());
        let mut differences = Vec::new();
        let mut differ = |name: &str, theirs: &str, ours: Option<String>| {
            let ours = ours.unwrap_or_default();
            if !theirs.eq_ignore_ascii_case(&ours) {
                differences.push((format!("{name}: {theirs}"), ours));
            }
        };
        let text = |octets: Option<&[u8]>| {
            octets.map(|octets| String::from_utf8_lossy(octets).into_owned())
        };
        // A host is a name or an address to them; brackets are ours as written.
        let host = |name: &str| {
            let host = &meant[name];
            let host = host["Name"].as_str().or_else(|| host["IpAddr"].as_str());
            host.unwrap_or_default().to_owned()
        };
        let unbracketed =
            |octets| text(octets).map(|text| text.trim_matches(['[', ']']).to_owned());
        let string = |name: &str| meant[name].as_str().unwrap_or_default().to_owned();
        differ("from", &host("from"), unbracketed(ours.from));
        differ("by", &host("by"), unbracketed(ours.by));
        differ("helo", &host("helo"), unbracketed(ours.helo));
        differ(
            "ip",
            &string("from_ip"),
            ours.peer.map(|peer| peer.to_string()),
        );
        differ("name", &string("from_iprev"), text(ours.peer_name));
        differ("via", &string("via"), text(ours.via));
        // They name the protocols they know; ours is as written.
        let known = string("with");
        let with = text(ours.with).filter(|with| {
            !with
                .to_ascii_lowercase()
                .contains(&known.to_ascii_lowercase())
        });
        differ("with", if with.is_some() { &known } else { "" }, with);
        differ("id", &string("id"), text(ours.id));
        differ("for", &string("for_"), text(ours.recipient));
        differ("cipher", &string("tls_cipher"), text(ours.tls_cipher));
        let date = |date: Option<Timestamp>| date.map(|date| date.seconds.to_string());
        let theirs = date(date_of(&meant["date"])).unwrap_or_default();
        differ("date", &theirs, date(ours.date));
        let (theirs, ours): (Vec<String>, Vec<String>) = differences.into_iter().unzip();
        (!theirs.is_empty()).then(|| (theirs.join("; "), ours.join("; ")))
    });
}

type Reader = fn(&[u8]);

/// Every reader of a value, to be fed with what nobody should write.
const READERS: &[(&str, Reader)] = &[
    ("addresses", |value| {
        let list = parse_addresses_noting(value, 100_000, &mut Leniencies::default());
        assert_eq!(list, parse_addresses(value, 100_000));
        assert_ne!(judge_address(value), AddressVerdict::Envelope);
    }),
    ("words", |value| {
        assert!(decode_words(value).len() <= value.len() * 3);
    }),
    ("forms", |value| {
        for name in ["Subject", "Keywords", "Content-Type"] {
            assert!(forms::text_of(name, value).len() <= value.len() * 3);
        }
        assert!(forms::addresses(value).len() <= value.len());
    }),
    ("date", |value| assert_eq!(parse_date(value), None)),
    ("ids", |value| {
        assert!(message_ids(value).len() <= value.len())
    }),
    ("type", |value| {
        let noted = &mut Leniencies::default();
        let read = media_type_noting(value, 100, 1000, noted);
        assert!(read.is_none_or(|read| read.2.len() <= 100));
        disposition_noting(value, 100, 1000, noted);
    }),
    ("received", |value| {
        assert_eq!(Received::parse(value).date, None)
    }),
    ("lists", |value| {
        assert!(list_uris(value).len() <= value.len());
        assert!(keywords(value).len() <= value.len());
        assert!(list_id(value).is_none_or(|list| !list.id.is_empty()));
    }),
    ("results", |value| {
        assert_eq!(AuthenticationResults::parse(value), None)
    }),
    ("status", |value| {
        assert!(DeliveryStatus::parse(value).recipients.len() <= value.len());
    }),
    ("receipt", |value| {
        assert_eq!(DispositionNotification::parse(value).disposition, None);
    }),
    ("complaint", |value| {
        assert_eq!(FeedbackReport::parse(value).source, None)
    }),
];

/// What is quick on one of these and slow on many is not linear: this test would take minutes.
#[test]
fn hostile_values_take_linear_time() {
    const OCTETS: usize = 30_000;
    let pieces = [
        "(",
        "((a)",
        "\\",
        "\"",
        "<",
        "<(",
        "@",
        ",",
        ";",
        ":",
        "a:",
        "=",
        "=?",
        "=?u?q?",
        "[",
        "(\\",
        "a ",
        "a.",
        "<@a,",
        "<@a:",
        "\"a\" ",
        "a@b,",
        "<a@b>",
        "a;b=",
        "a*0=b;",
        "\r\n ",
        "(a)=?u?q?b",
        "=?u?b?=",
        "=?u?q?a?= ",
        "\u{e9}",
        "\0",
        "a\n",
        "\n\n",
        "a=b ",
        "x/",
        "from ",
        "with a ",
        "a:b\n\n",
        "12:",
        "Jan ",
        "+-",
        "<a",
    ];
    for piece in pieces {
        let value = piece.repeat(OCTETS / piece.len());
        for (_, read) in READERS {
            read(value.as_bytes());
        }
    }
}

/// Values made of tokens in any order: nothing panics, and what is noted changes no reading.
#[test]
fn tokens_in_any_order_are_read() {
    let tokens = [
        "a",
        "@",
        ".",
        ",",
        ";",
        ":",
        "<",
        ">",
        "(",
        ")",
        "\"",
        "\\",
        " ",
        "\r\n ",
        "=",
        "=?",
        "utf-8",
        "?q?",
        "?=",
        "*0",
        "*",
        "''",
        "%41",
        "[",
        "]",
        "192.0.2.1",
        "\u{fc}",
        "\0",
        "b c",
        "/",
        "1",
        "x/y",
        "from ",
        " by ",
        "none",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..3000 {
        let mut value = String::new();
        for _ in 0..24 {
            // xorshift64: the same values in every run.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            value.push_str(tokens[usize::try_from(seed % 997).unwrap() % tokens.len()]);
        }
        for (_, read) in READERS.iter().filter(|(name, _)| *name != "results") {
            read(value.as_bytes());
        }
    }
}
