//! What whoever runs the house gives scripts to work with.

use std::sync::Arc;

use mail::{Network, Timestamp};
use post::{
    Event, MailList, Rules, ScoreForm, ScriptVerdict, SieveRules, Sought, SpamField, VirusField,
    list_name,
};
use sieve::Script;

use crate::filter::{held, one, runs};
use crate::queue::{queue, relaying};
use crate::scripts::name;
use crate::world::{World, audited, origin, recipient, rules, sender, whole};

const LETTER: &str = "From: Bob <bob@elsewhere.example>\r\nTo: ada@example.org\r\nSubject: Tea\r\n\
    Message-ID: <1@x>\r\n\r\nAt five?\r\n";

const COPY: &str = "require [\"fileinto\", \"copy\"];\nfileinto :copy \"Archive\";";
const JUNK: &str = "require \"fileinto\";\nfileinto \"Junk\";";

fn script(name: &str, text: &str) -> Arc<Script> {
    let limits = relaying().script_limits();
    let script = Script::compile(name, text.as_bytes(), &limits);
    Arc::new(script.unwrap_or_else(|faults| panic!("{name}: {faults:?}")))
}

fn with(rules: Rules, sieve: SieveRules) -> Rules {
    Rules {
        sieve: Arc::new(sieve),
        ..rules
    }
}

fn around(before: &[&str], after: &[&str]) -> SieveRules {
    let scripts = |place: &str, texts: &[&str]| {
        let numbered = texts.iter().zip(1..);
        let named = numbered.map(|(text, at)| script(&format!("{place}:{at}"), text));
        named.collect()
    };
    SieveRules {
        before: scripts("before", before),
        after: scripts("after", after),
        ..SieveRules::default()
    }
}

async fn told(world: &World) -> Vec<String> {
    let sought = Sought::Named("ada@example.org".to_owned());
    let steps = world.post.journeys(&sought, Timestamp::utc(0), None).await;
    let events = steps.unwrap().into_iter().flat_map(|told| told.step.events);
    let line = |event: Event| match event {
        Event::Filtered { deed, cause } => Some(format!("{deed} {cause}")),
        Event::ScriptFailed(trouble) => Some(trouble),
        _ => None,
    };
    events.filter_map(line).collect()
}

// tidy: table
#[tokio::test]
async fn scripts_of_the_house_run_around_everybodys_own() {
    type Held<'a> = &'a [(&'a str, usize)];
    type Case<'a> = (
        &'a [&'a str],
        Option<&'a str>,
        &'a [&'a str],
        Held<'a>,
        &'a [&'a str],
    );
    let cases: &[Case<'_>] = &[
        // Whether the reader has a script or not.
        (
            &[COPY],
            None,
            &[],
            &[("Archive", 1), ("INBOX", 1)],
            &["fileinto before:1:2", "keep implicit"],
        ),
        (
            &[COPY],
            Some(JUNK),
            &[],
            &[("Archive", 1), ("Junk", 1)],
            &["fileinto before:1:2", "fileinto main:2"],
        ),
        (
            &[JUNK],
            Some(COPY),
            &[],
            &[("Junk", 1)],
            &["fileinto before:1:2"],
        ),
        (&[], None, &[JUNK], &[("Junk", 1)], &["fileinto after:1:2"]),
        (
            &[],
            Some("keep;"),
            &[JUNK],
            &[("Junk", 1)],
            &["fileinto after:1:2"],
        ),
        (&[], Some("discard;"), &[JUNK], &[], &["discard main:1"]),
        (
            &["keep;", "stop;"],
            Some("keep;"),
            &[""],
            &[("INBOX", 1)],
            &["keep implicit"],
        ),
        (
            &[COPY],
            Some("require \"ihave\";\nerror \"no\";"),
            &[JUNK],
            &[("Archive", 1), ("Junk", 1)],
            &["fileinto before:1:2", "fileinto after:1:2", "main:2: no"],
        ),
    ];
    for (before, own, after, expected, story) in cases {
        let world = World::with(&["ada"], with(rules(), around(before, after))).await;
        let ada = world.account("ada").await;
        for own in own.iter() {
            runs(&ada, own).await;
        }
        let commits = world.store.done().len();
        world.deliver(&["ada"], LETTER).await.unwrap();
        let expected = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        let expected: Vec<_> = expected.collect();
        assert_eq!(held(&ada).await, expected, "{before:?} {own:?} {after:?}");
        assert_eq!(told(&world).await, *story, "{before:?} {own:?} {after:?}");
        assert_eq!(world.store.done().len() - commits, 1);
        audited(&world.post).await;
    }
}

#[tokio::test]
async fn scripts_for_all_are_included() {
    let global = [("spam", JUNK)].map(|(name, text)| {
        let named = format!("global:{name}");
        (name.to_owned(), script(&named, text))
    });
    let sieve = SieveRules {
        global: global.into(),
        ..SieveRules::default()
    };
    let world = World::with(&["ada"], with(rules(), sieve)).await;
    let ada = world.account("ada").await;
    runs(&ada, "require \"include\"; include :global \"spam\";").await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(held(&ada).await, one("Junk"));
    assert_eq!(told(&world).await, ["fileinto global:spam:2"]);
    // One of the account's own is another.
    let text = "require \"include\";\ninclude \"spam\";\ninclude :global \"ham\";";
    let verdict = ada.put_script(&name("main"), &text.into()).await.unwrap();
    let missing =
        |line: u32, name: &str| format!("line {line}: there is no script \"{name}\" to include");
    let expected = ScriptVerdict::Right(vec![missing(2, "spam"), missing(3, "ham")]);
    assert_eq!(verdict, expected);
    world.deliver(&["ada"], LETTER).await.unwrap();
    let both = [("INBOX".to_owned(), 1), ("Junk".to_owned(), 1)];
    assert_eq!(held(&ada).await, both);
}

fn lists(lists: &[(&str, &str)]) -> SieveRules {
    let lists = lists.iter().map(|(name, text)| {
        let list = Arc::new(MailList::read(text).unwrap());
        (list_name(name).unwrap(), list)
    });
    SieveRules {
        lists: lists.collect(),
        ..SieveRules::default()
    }
}

const STAFF: &str = "tag:example.org,2026:staff";
const FRIENDS: &str = "urn:ietf:params:sieve:addrbook:Friends";

// tidy: table
#[tokio::test]
async fn scripts_ask_lists() {
    let sieve = lists(&[
        (STAFF, "eve@example.org\n@elsewhere.example\n"),
        (FRIENDS, "tea\n"),
    ]);
    let world = World::with(&["ada", "eve"], with(rules(), sieve)).await;
    let archived = one("Archive");
    for (test, expected) in [
        (format!("header :list \"from\" \"{STAFF}\""), &archived),
        (format!("address :list \"from\" \"{STAFF}\""), &archived),
        (format!("envelope :list \"from\" \"{STAFF}\""), &archived),
        (
            "header :list \"subject\" \":addrbook:Friends\"".to_owned(),
            &archived,
        ),
        (
            "address :list \"to\" \":addrbook:own\"".to_owned(),
            &archived,
        ),
        (
            "not address :list \"from\" \":AddrBook:%6Fwn\"".to_owned(),
            &archived,
        ),
        (
            "not address :list \"from\" \":addrbook:default\"".to_owned(),
            &archived,
        ),
        (
            format!("valid_ext_list [\"{STAFF}\", \":addrbook:default\", \":addrbook:own\"]"),
            &archived,
        ),
        (
            "not valid_ext_list \":addrbook:friends\"".to_owned(),
            &archived,
        ),
        (
            "not valid_ext_list \":addrbook:Friends?x\"".to_owned(),
            &archived,
        ),
        (
            "not valid_ext_list \"http://example.org/\"".to_owned(),
            &archived,
        ),
        (
            format!(
                "allof (address :list \"from\" \"{STAFF}\", string \"${{0}}\" \
                     \"@elsewhere.example\")"
            ),
            &archived,
        ),
        // A list that is not there is a fault.
        (
            "not header :list \"from\" \"tag:example.org,2026:x\"".to_owned(),
            &one("INBOX"),
        ),
    ] {
        let text = format!(
            "require [\"fileinto\", \"extlists\", \"envelope\", \"variables\"]; \
             if {test} {{ fileinto \"Archive\"; }}"
        );
        let world = world.again().await;
        let ada = world.account("ada").await;
        runs(&ada, &text).await;
        let before = held(&ada).await;
        world.deliver(&["ada"], LETTER).await.unwrap();
        let after = held(&ada).await;
        let more = |name: &str| {
            let count = |held: &[(String, usize)]| {
                let found = held.iter().find(|(known, _)| known == name);
                found.map_or(0, |(_, count)| *count)
            };
            count(&after) - count(&before)
        };
        let found: Vec<_> = ["Archive", "INBOX"]
            .into_iter()
            .filter(|name| more(name) > 0)
            .collect();
        let expected: Vec<_> = expected.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, expected, "{test}");
    }
}

#[tokio::test]
async fn a_letter_is_sent_on_to_a_list() {
    let many: String = (0..101).map(|at| format!("x{at}@a.example\n")).collect();
    let sieve = lists(&[
        (
            STAFF,
            "eve@example.org\nx@a.example\ny@a.example\nz@a.example\nw@a.example\n",
        ),
        ("tag:example.org,2026:many", &many),
        ("tag:example.org,2026:words", "x@a.example\ntea\n"),
        ("tag:example.org,2026:nobody", "# later\n"),
    ]);
    let world = World::with(&["ada", "eve"], with(relaying(), sieve)).await;
    let ada = world.account("ada").await;
    let eve = world.account("eve").await;
    let require = "require \"extlists\"; redirect :list";
    for (at, list) in ["many", "words", "nobody", "none"].iter().enumerate() {
        runs(&ada, &format!("{require} \"tag:example.org,2026:{list}\";")).await;
        world.deliver(&["ada"], LETTER).await.unwrap();
        assert_eq!(held(&ada).await, [("INBOX".to_owned(), at + 1)], "{list}");
        assert!(queue(&world).await.is_empty(), "{list}");
    }
    runs(&ada, &format!("{require} \":addrbook:own\";")).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    runs(&ada, &format!("{require} \"{STAFF}\";")).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    assert_eq!(held(&ada).await, [("INBOX".to_owned(), 5)]);
    assert_eq!(held(&eve).await, one("INBOX"));
    assert_eq!(queue(&world).await.len(), 4);
}

fn scored(trusted: &[&str]) -> SieveRules {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    SieveRules {
        spam: Some(SpamField {
            name: "X-Spam-Score".to_owned(),
            after: String::new(),
            form: ScoreForm::Number,
            max: 10,
        }),
        virus: Some(VirusField {
            name: "X-Virus".to_owned(),
            clean: words(&["clean"]),
            cured: Vec::new(),
            suspicious: Vec::new(),
            infected: words(&["infected"]),
        }),
        trusted: trusted
            .iter()
            .map(|text| Network::parse(text).unwrap())
            .collect(),
        ..SieveRules::default()
    }
}

// tidy: table
#[tokio::test]
async fn what_filters_in_front_say_is_told_to_scripts() {
    let spam = "spamtest :value \"ge\" :comparator \"i;ascii-numeric\"";
    let virus = "virustest :value \"eq\" :comparator \"i;ascii-numeric\"";
    let cases: &[(&[&str], &str, String, bool)] = &[
        (
            &["192.0.2.0/24"],
            "X-Spam-Score: 8.5\r\n",
            format!("{spam} \"8\""),
            true,
        ),
        (
            &["192.0.2.0/24"],
            "X-Spam-Score: 8.5\r\n",
            format!("{spam} \"9\""),
            false,
        ),
        (&["192.0.2.0/24"], "", format!("{spam} \"1\""), false),
        (
            &["192.0.2.0/24"],
            "X-Spam-Score: -1\r\n",
            format!("{spam} \"1\""),
            true,
        ),
        (
            &["192.0.2.0/24"],
            "X-Virus: Infected\r\n",
            format!("{virus} \"5\""),
            true,
        ),
        (
            &["192.0.2.0/24"],
            "X-Virus: clean\r\n",
            format!("{virus} \"1\""),
            true,
        ),
        // From anybody else it is nothing.
        (&[], "X-Spam-Score: 8.5\r\n", format!("{spam} \"1\""), false),
        (
            &["192.0.3.0/24"],
            "x-virus: infected\r\n",
            format!("{virus} \"0\""),
            true,
        ),
    ];
    for (trusted, fields, test, expected) in cases {
        let world = World::with(&["ada"], with(rules(), scored(trusted))).await;
        let ada = world.account("ada").await;
        let text = format!(
            "require [\"fileinto\", \"spamtest\", \"virustest\", \"relational\", \
             \"comparator-i;ascii-numeric\"]; if {test} {{ fileinto \"Archive\"; }}"
        );
        runs(&ada, &text).await;
        world
            .deliver(&["ada"], &format!("{fields}{LETTER}"))
            .await
            .unwrap();
        let mailbox = if *expected { "Archive" } else { "INBOX" };
        assert_eq!(
            held(&ada).await,
            one(mailbox),
            "{trusted:?} {fields} {test}"
        );
        let letter = whole(&ada, mailbox, 1).await;
        let is_believed = trusted.first() == Some(&"192.0.2.0/24");
        assert_eq!(
            letter.contains(fields) || fields.is_empty(),
            is_believed || fields.is_empty()
        );
        assert!(letter.ends_with(LETTER));
    }
    // Nothing is looked for and nothing taken out where nothing is named.
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    runs(
        &ada,
        "require \"spamtestplus\"; if spamtest :percent \"0\" { discard; }",
    )
    .await;
    let forged = format!("X-Spam-Score: 8.5\r\n{LETTER}");
    world.deliver(&["ada"], &forged).await.unwrap();
    assert_eq!(held(&ada).await, Vec::new());
    ada.activate_script(None).await.unwrap();
    world.deliver(&["ada"], &forged).await.unwrap();
    assert!(whole(&ada, "INBOX", 1).await.ends_with(&forged));
}

#[tokio::test]
async fn scripts_are_told_what_a_filter_has_found() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let script = "require [\"fileinto\", \"spamtestplus\", \"relational\", \
        \"comparator-i;ascii-numeric\"];\n\
        if spamtest :value \"ge\" :comparator \"i;ascii-numeric\" :percent \"60\" \
        { fileinto \"Archive\"; }";
    runs(&ada, script).await;
    for (found, expected) in [
        (&[][..], "INBOX"),
        (&[59], "INBOX"),
        (&[60, 10], "Archive"),
        (&[200], "Archive"),
    ] {
        let before = held(&ada).await;
        let mut incoming = world
            .post
            .begin(origin(None), sender("<b@b.example>"))
            .unwrap();
        incoming.recipient(recipient("ada")).await.unwrap();
        found.iter().for_each(|percent| incoming.scored(*percent));
        incoming.chunk(LETTER.into()).await.unwrap();
        incoming.commit().await.unwrap();
        let mut after = held(&ada).await;
        after.retain(|one| !before.contains(one));
        let names: Vec<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [expected], "{found:?}");
    }
}
