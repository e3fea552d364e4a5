//! What a file may say, and what is said to a wrong one.

use super::*;

/// The file without certificates, which are not here.
fn example() -> String {
    let without = |line: &&str| !line.starts_with("certificate") && !line.starts_with("key");
    EXAMPLE
        .lines()
        .filter(without)
        .map(|line| format!("{line}\n"))
        .collect()
}

fn complaint(text: &str) -> String {
    let error = parse("caramel.toml", text.to_owned()).unwrap_err();
    assert_eq!(error.code, 2);
    error.to_string()
}

/// `UPDATE=1` writes it anew.
#[test]
fn the_reference_is_not_stale() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written,
        reference(),
        "run `UPDATE=1 cargo test -p caramel reference`"
    );
}

#[test]
fn the_example_is_right_and_the_rest_has_defaults() {
    let config = parse("caramel.toml", example()).unwrap();
    assert_eq!(config.hostname().to_string(), "mail.example.org");
    assert_eq!(config.data(), Path::new("/var/lib/caramel"));
    assert_eq!(config.listeners.len(), 3);
    assert_eq!(config.listeners[0].encrypted, Encrypted::StartTls);
    assert_eq!(config.message_size(), 50 << 20);
    assert_eq!(config.audit().round, Duration::from_secs(86_400));
    assert_eq!(config.reclaim().octets_per_second, 16 << 20);
    assert!(config.tokens().is_none() && config.token_keys().is_none());
    assert!(!config.keeps_raw_headers());
    assert_eq!(config.elsewhere(), post::Elsewhere::Relay);
    assert!(!config.logs_json() && !config.scram_sha1());
    assert_eq!(config.quota(), Quota::default());
    let text = "hostname = \"h.example\"\n[limits]\naccount_size = \"2G\"\naccount_messages = 9\n";
    let limited = Quota {
        octets_max: Some(2 << 30),
        messages_max: Some(9),
    };
    let config = parse("caramel.toml", format!("{text}{LISTENER}")).unwrap();
    assert_eq!(config.quota(), limited);
    assert_eq!(octets("70"), octets("70K").map(|octets| octets / 1024));
    assert!(octets("70k").is_err());
}

const LISTENER: &str = "[[listener]]\nprotocol = \"imap\"\naddress = \"[::1]:993\"\n";

#[test]
fn what_is_shown_is_a_file_that_means_the_same() {
    let config = parse("caramel.toml", example()).unwrap();
    let shown = config.show();
    let again = parse("shown.toml", shown.clone()).unwrap();
    assert_eq!(again.listeners, config.listeners);
    assert_eq!(again.hostname(), config.hostname());
    assert_eq!(again.message_size(), config.message_size());
    assert_eq!(again.view_memory(), config.view_memory());
    assert!(shown.contains("recipients = 1000  # default"), "{shown}");
    assert!(
        shown.contains("view_memory = 100663296  # its share"),
        "{shown}"
    );
}

#[test]
fn parts_of_the_memory_share_what_is_left() {
    let parts = |more: &str| {
        let text = format!("hostname = \"h.example\"\n{more}");
        let config = parse("caramel.toml", text).unwrap();
        [
            config.mailbox_memory(),
            config.cache_memory(),
            config.view_memory(),
            config.incoming_memory(),
            config.waiting_memory(),
        ]
    };
    let mib = |parts: [u64; 5]| parts.map(|octets| octets >> 20);
    assert_eq!(parts("").map(|octets| octets % (1 << 20)), [0; 5]);
    assert_eq!(mib(parts("")), [64, 64, 96, 128, 256]);
    assert_eq!(mib(parts("memory = \"108M\"\n")), [8, 8, 12, 16, 32]);
    let some = "memory = \"102M\"\n[limits]\nmailbox_memory = \"9M\"\nview_memory = \"5M\"\n";
    assert_eq!(mib(parts(some)), [9, 8, 5, 16, 32]);
    let least = "memory = \"37M\"\n";
    assert!(parts(least).iter().sum::<u64>() <= 5 << 20);
}

#[test]
fn parts_larger_than_the_whole_are_a_mistake() {
    let head = "hostname = \"h.example\"\n";
    for (text, hint) in [
        ("memory = \"36M\"\n", "memory = \"37M\""),
        (
            "memory = \"128M\"\n[limits]\nmailbox_memory = \"90M\"\nwaiting_memory = \"64M\"\n",
            "memory = \"189M\"",
        ),
        ("[limits]\ncache_memory = \"2G\"\n", "memory = \"2084M\""),
    ] {
        let said = complaint(&format!("{head}{text}"));
        assert!(said.contains("larger than the whole"), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn the_log_has_files_of_a_sensible_length() {
    let head = "hostname = \"h.example\"\n[store]\n";
    for (text, hint) in [
        ("segment = \"2G\"\n", "it may be 64K to 1048576K"),
        ("segment = \"10K\"\n", "segment = \"128M\""),
        ("checkpoint = \"1K\"\n", "checkpoint = \"64M\""),
    ] {
        let said = complaint(&format!("{head}{text}"));
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn a_mistake_is_shown_in_its_place() {
    let text = "hostname = \"mail.example.org\"\n\n[limits]\nmesage_size = \"50M\"\n";
    let said = complaint(text);
    for part in [
        "caramel.toml:4:1: there is no setting `mesage_size`",
        "    4 | mesage_size = \"50M\"",
        "      | ^^^^^^^^^^^\n",
        "did you mean `message_size`?",
        "next: mend line 4",
    ] {
        assert!(said.contains(part), "{part} not in\n{said}");
    }
}

#[test]
fn mistakes_of_every_kind() {
    let head = "hostname = \"h.example\"\n";
    let cases = [
        ("", "`hostname` is missing"),
        ("hostname = \"h.example\"\nhostname = \"x\"\n", "duplicate"),
        ("hostname = 5\n", "5 is not what `hostname` can be"),
        ("hostname = \"[192.0.2.1]\"\n", "a domain name"),
        ("hostname = \"h.example\"\nmemory = \"lots\"\n", "K, M or G"),
        (
            "hostname = \"h.example\"\n[limits]\nrecipients = 0\n",
            "a number from 1",
        ),
        (
            "hostname = \"h.example\"\n[limits]\nrecipients = -1\n",
            "a number from 1",
        ),
        (
            "hostname = \"h.example\"\n[limit]\nrecipients = 1\n",
            "did you mean `limits`?",
        ),
        (
            "hostname = \"h.example\"\nlimits = 1\n",
            "limits is not a table",
        ),
        (
            "hostname = \"h.example\"\nlistener = 1\n",
            "listener is not a list",
        ),
        (
            "hostname = \"h.example\"\n[[listener]]\nprotocol = \"imap\"\n",
            "needs `protocol`",
        ),
        (
            "hostname = \"h.example\"\n[[listener]]\nprotocol = \"gopher\"\n\
             address = \"[::]:70\"\n",
            "one of \"smtp\"",
        ),
        (
            "hostname = \"h.example\"\n[[listener]]\nprotocol = \"metrics\"\n\
             address = \"[::]:9320\"\n",
            "to this machine alone",
        ),
        (
            "hostname = \"h.example\"\n[[listener]]\nprotocol = \"imap\"\naddress = \"143\"\n",
            "an address with a port",
        ),
        (
            "hostname = \"h.example\"\n[login]\nscram_sha1 = \"yes\"\n",
            "true or false",
        ),
        (
            "hostname = \"h.example\"\n[log]\nlevel = \"loud\"\n",
            "\"error\", \"warn\"",
        ),
        (
            "hostname = \"h.example\"\n[tls]\nkey = \"/nowhere/key.pem\"\n",
            "without its certificate",
        ),
        (
            "hostname = \"h.example\"\n[tls]\nclient_ca = \"/nowhere/ca.pem\"\n",
            "cannot be opened",
        ),
        ("hostname = \n", "caramel.toml:1:"),
    ];
    for (text, part) in cases {
        let said = complaint(text);
        assert!(said.contains(part), "{part} not in\n{said}");
    }
    assert!(parse("caramel.toml", head.to_owned()).is_ok());
}

#[test]
fn mistakes_about_tokens() {
    let cases = [
        ("scope = \"mail\"\n", "needs `issuer` as well"),
        ("issuer = \"a b\"\n", "without spaces"),
        (
            "discovery = \"http://login.example\"\n",
            "https://login.example.org",
        ),
        (
            "issuer = \"i\"\naudience = \"mail\"\n",
            "needs `keys` as well",
        ),
        (
            "introspection_ca = \"/nowhere/ca.pem\"\n",
            "needs `introspection` as well",
        ),
        (
            "issuer = \"i\"\naudience = \"mail\"\nintrospection = \"https://i.example/\"\n",
            "needs `introspection_client` as well",
        ),
        (
            "issuer = \"i\"\naudience = \"mail\"\nintrospection_client = \"c\"\n\
             introspection_secret = \"/nowhere/secret\"\n\
             introspection = \"https://i.example/\"\n",
            "the secret: No such file",
        ),
        (
            "issuer = \"i\"\naudience = \"mail\"\nintrospection_client = \"c\"\n\
             introspection_secret = \"/proc/self/comm\"\n\
             introspection = \"http://i.example/\"\n",
            "http:// is only for this machine",
        ),
        (
            "issuer = \"i\"\naudience = \"mail\"\n\
             keys = \"/nowhere/keys.json\"\n",
            "cannot be read",
        ),
        (
            "issuer = \"i\"\naudience = \"mail\"\n\
             keys = \"/dev/null\"\n",
            "has no keys",
        ),
    ];
    for (text, part) in cases {
        let said = complaint(&format!("hostname = \"h.example\"\n[oauth]\n{text}"));
        assert!(said.contains(part), "{part} not in\n{said}");
    }
}

#[test]
fn sources_are_read_and_what_does_not_go_together_is_told() {
    const SOURCE: &str = "[[source]]\nname = \"old\"\nprotocol = \"imap\"\nhost = \"a.example\"\n\
                          user = \"ada\"\nto = \"ada@example.org\"\n";
    let with = |more: &str| format!("hostname = \"h.example\"\n{SOURCE}{more}");
    let config = parse("caramel.toml", with("password_cmd = \"pass show old\"\n")).unwrap();
    let sources = config.sources();
    assert_eq!(sources[0].port, 993);
    assert!(sources[0].keep && sources[0].only_new && sources[0].sieve && !sources[0].idle);
    assert_eq!(
        (sources[0].interval_seconds, sources[0].folders.len()),
        (300, 1)
    );
    assert!(
        config
            .show()
            .contains("[[source]]\nname = \"old\"\nprotocol")
    );
    for (more, what) in [
        ("", "this source needs a password"),
        (
            "password_cmd = \"x\"\ntoken_cmd = \"y\"\n",
            "`token_cmd` is one too many",
        ),
        (
            "password_cmd = \"x\"\nonly_new = false\n",
            "would be fetched again each time",
        ),
        (
            "password_cmd = \"x\"\ntls = \"none\"\n",
            "a password is not sent",
        ),
        (
            "password_cmd = \"x\"\nfingerprint = \"md5:aa\"\n",
            "this is no fingerprint",
        ),
        ("password_cmd = \"x\"\nport = 70000\n", "its port is none"),
        (
            "password_cmd = \"x\"\npassword_cmds = \"x\"\n",
            "did you mean `password_cmd`?",
        ),
    ] {
        let said = complaint(&with(more));
        assert!(said.contains(what), "{more}: {said}");
    }
    let two = format!(
        "{}{SOURCE}password_cmd = \"x\"\n",
        with("password_cmd = \"x\"\n")
    );
    assert!(complaint(&two).contains("there are two sources `old`"));
    let pop3 = with("password_cmd = \"x\"\nidle = true\n").replace("\"imap\"", "\"pop3\"");
    assert!(complaint(&pop3).contains("POP3 has no `idle`"));
    let bare = "hostname = \"h.example\"\n[[source]]\nname = \"old\"\n";
    for needed in ["protocol", "host", "user", "to"] {
        assert!(complaint(bare).contains(&format!("this source needs `{needed}`")));
    }
}

// tidy: table
#[test]
fn scripts_of_the_house_are_read_and_what_is_wrong_with_them_is_told() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("global")).unwrap();
    write("spam.sieve", "require \"fileinto\";\nfileinto \"Junk\";\n");
    write("wrong.sieve", "keep;\n  kep;\n");
    write("global/lists.sieve", "keep;\n");
    write("staff", "ada@example.org\n");
    let with = |more: &str| format!("hostname = \"h.example\"\n{more}");
    let text = with(&format!(
        "[forward]\nsrs = true\n[sieve]\nbefore = [\"{}\"]\nglobal = \"{}\"\n\
         trusted = [\"192.0.2.0/24\"]\n[sieve.spamtest]\nheader = \"X-Spam\"\n\
         [[sieve.list]]\nname = \"tag:example.org,2026:staff\"\nfile = \"{}\"\n",
        path("spam.sieve"),
        path("global"),
        path("staff"),
    ));
    let config = parse("caramel.toml", text).unwrap();
    let sieve = config.sieve();
    assert!(config.rewrites_senders());
    assert_eq!(sieve.before[0].name(), "before:spam");
    assert_eq!(sieve.global["lists"].name(), "global:lists");
    assert!(sieve.lists.contains_key("tag:example.org,2026:staff"));
    assert_eq!((sieve.trusted.len(), sieve.after.len()), (1, 0));
    assert_eq!(sieve.spam.as_ref().unwrap().max, 10);
    assert!(sieve.virus.is_none());
    let shown = config.show();
    for part in [
        "[sieve.spamtest]\nheader = \"X-Spam\"\n# after is not set\nform = \"number\"  # default",
        "[[sieve.list]]\nname = \"tag:example.org,2026:staff\"\nfile = ",
        "[forward]\nsrs = true",
    ] {
        assert!(shown.contains(part), "{part} not in\n{shown}");
    }
    for name in ["spam.sieve", "global/lists.sieve", "staff"] {
        assert!(config.all_files().contains(&folder.path().join(name)));
    }
    let wrong = path("wrong.sieve");
    let misplaced = format!("{wrong}:2:3: unknown command 'kep'");
    for (more, what) in [
        (
            format!("[sieve]\nbefore = [\"{wrong}\"]\n"),
            misplaced.as_str(),
        ),
        (
            format!("[sieve]\nafter = [\"{wrong}\"]\n"),
            "did you mean 'keep'?",
        ),
        (
            "[sieve]\nafter = [\"/nowhere/x.sieve\"]\n".to_owned(),
            "/nowhere/x.sieve cannot be read",
        ),
        (
            "[sieve]\nglobal = \"/nowhere\"\n".to_owned(),
            "/nowhere cannot be read",
        ),
        (
            "[[sieve.list]]\nname = \"x\"\n".to_owned(),
            "this list needs `name` and `file`",
        ),
        (
            format!(
                "[[sieve.list]]\nname = \"x\"\nfile = \"{}\"\n",
                path("staff")
            ),
            "is no name of a list",
        ),
        ("[sieve]\nlist = \"x\"\n".to_owned(), "list is not a list"),
        (
            "[sieve]\nspamtest = \"x\"\n".to_owned(),
            "spamtest is not a table",
        ),
        (
            "[sieve.spamtest]\nheadr = \"x\"\n".to_owned(),
            "did you mean `header`?",
        ),
        ("[sieve]\nbefor = []\n".to_owned(), "did you mean `before`?"),
    ] {
        let said = complaint(&with(&more));
        assert!(said.contains(what), "{more}: {said}");
    }
}

#[test]
fn hosts_that_send_by_themselves_are_no_accounts() {
    let asked = |protocol: &str, more: &str| {
        let text = format!(
            "[[source]]\nname = \"old\"\nprotocol = \"{protocol}\"\nhost = \"a.example\"\n"
        );
        format!("hostname = \"h.example\"\n{text}tls = \"starttls\"\n{more}")
    };
    let etrn = asked("etrn", "domains = [\"b.example\", \"c.example\"]\n");
    let sources = parse("caramel.toml", etrn).unwrap().sources();
    assert_eq!((sources[0].port, sources[0].domains.len()), (25, 2));
    let odmr = asked("odmr", "user = \"ada\"\npassword_cmd = \"x\"\n");
    let sources = parse("caramel.toml", odmr).unwrap().sources();
    assert_eq!((sources[0].port, sources[0].domains.len()), (366, 0));
    for (text, what) in [
        (asked("etrn", ""), "this source needs `domains`"),
        (asked("odmr", ""), "this source needs `user`"),
        (
            asked("etrn", "domains = [\"b.example\"]\nkeep = false\n"),
            "ETRN has no `keep`",
        ),
        (
            asked("etrn", "domains = [\"b.example\"]\nuser = \"ada\"\n"),
            "this source needs a password",
        ),
        (
            asked("imap", "user = \"ada\"\ndomains = [\"b.example\"]\n"),
            "this source needs `to`",
        ),
    ] {
        assert!(
            complaint(&text).contains(what),
            "{what}: {}",
            complaint(&text)
        );
    }
}

#[test]
fn lists_in_dns() {
    let with = |lists: &str| format!("hostname = \"h.example\"\n{lists}{LISTENER}");
    let text = with(
        "[trust]\nlist_refuse = 7\n\
         [[trust.list]]\nzone = \"zen.example.net\"\n\
         [[trust.list]]\nname = \"names\"\nzone = \"dbl.example.net\"\nof = \"domain\"\n\
         action = \"weigh\"\nweight = 3\ncodes = [\"127.0.1.0/24\"]\n\
         [[trust.list]]\nzone = \"wl.example.net\"\naction = \"allow\"\n",
    );
    let config = parse("caramel.toml", text).unwrap();
    let shown = config.show();
    for rules in [config.trust(), parse("shown.toml", shown).unwrap().trust()] {
        let told: Vec<String> = rules
            .lists
            .iter()
            .map(|rule| format!("{} {:?} {:?}", rule.list.name, rule.list.subject, rule.deed))
            .collect();
        let expected = [
            "zen.example.net Address Refuse",
            "names Domain Weigh(3)",
            "wl.example.net Address Allow",
        ];
        assert_eq!(told, expected);
        assert_eq!((rules.list_refuse_weight, rules.list_junk_weight), (7, 5));
        assert_eq!(rules.lists[1].list.codes.len(), 1);
    }
    let zone = "[[trust.list]]\nzone = \"zen.example.net\"\n";
    for (lists, what) in [
        (
            "[[trust.list]]\nname = \"x\"\n".to_owned(),
            "this list needs `zone`",
        ),
        (format!("{zone}{zone}"), "this list is there twice"),
        (
            format!("{zone}codes = [\"198.51.100.0/24\"]\n"),
            "answers in 127.0.0.0/8 only",
        ),
        (format!("{zone}weight = 3\n"), "`weight` is of no use"),
        (
            (0..33)
                .map(|number| format!("[[trust.list]]\nzone = \"l{number}.example\"\n"))
                .collect(),
            "more than 32 lists",
        ),
    ] {
        let complaint = complaint(&with(&lists));
        assert!(complaint.contains(what), "{what}: {complaint}");
    }
}

#[test]
fn filters_and_proxies() {
    let with = |more: &str| format!("hostname = \"h.example\"\n{LISTENER}{more}");
    let text = with(
        "proxy = [\"10.0.0.0/8\"]\n[[trust.milter]]\nname = \"spam\"\n\
         socket = \"unix:/run/spam\"\nlisteners = [\"smtp\", \"submission\"]\n\
         [[trust.milter]]\nname = \"virus\"\nsocket = \"127.0.0.1:7357\"\n\
         when_away = \"accept\"\n[[trust.milter]]\nname = \"rspamd\"\n\
         url = \"http://127.0.0.1:11333\"\n[[trust.milter]]\nname = \"near\"\n\
         url = \"unix:/run/rspamd.sock\"\n",
    );
    let config = parse("caramel.toml", text).unwrap();
    let again = parse("shown.toml", config.show()).unwrap();
    assert_eq!(again.listeners, config.listeners);
    assert_eq!(config.listeners[0].proxies.len(), 1);
    let (one, other) = (config.milters().unwrap(), again.milters().unwrap());
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    let filter = "[[trust.milter]]\nname = \"spam\"\nsocket = \"127.0.0.1:7357\"\n";
    let rspamd = "[[trust.milter]]\nname = \"spam\"\nurl = \"http://127.0.0.1:11333\"\n";
    let path = "[[listener]]\nprotocol = \"lmtp\"\naddress = \"unix:/run/lmtp\"\n";
    for (more, what) in [
        (
            format!("{path}proxy = [\"::1\"]\n"),
            "nobody calls for others",
        ),
        (
            "[[trust.milter]]\nname = \"x\"\n".to_owned(),
            "this filter needs `name`, and `socket` or `url`",
        ),
        (
            format!("{filter}url = \"http://localhost:11333\"\n"),
            "this filter needs `name`, and `socket` or `url`",
        ),
        (
            "[[trust.milter]]\nname = \"x\"\nurl = \"localhost:11333\"\n".to_owned(),
            "it is no URL with http:// or https://",
        ),
        (
            format!("{rspamd}password_file = \"/nowhere/password\"\n"),
            "/nowhere/password cannot be read",
        ),
        (
            format!("{filter}password_file = \"/nowhere/password\"\n"),
            "`password_file` is for filters with `url`",
        ),
        (format!("{filter}{filter}"), "there are two filters `spam`"),
        (
            format!("{filter}timeout = \"0s\"\n"),
            "in no time no filter can answer",
        ),
        (
            format!("{filter}listeners = [\"imap\"]\n"),
            "is not what `listeners` can be",
        ),
        (
            "[trust.greylist]\ndelay = \"3d\"\n".to_owned(),
            "`window` is not longer than `delay`",
        ),
    ] {
        let complaint = complaint(&with(&more));
        assert!(complaint.contains(what), "{what}: {complaint}");
    }
}

#[test]
fn others_are_called_from_one_address_of_each_kind() {
    let text =
        |list: &str| format!("hostname = \"h.example\"\n[relay]\nsource = {list}\n{LISTENER}");
    let two = complaint(&text("[\"192.0.2.1\", \"::1\", \"192.0.2.2\"]"));
    assert!(two.contains("one address of each kind"), "{two}");
    assert!(complaint(&text("[\"192.0.2.0/24\"]")).contains("an address: \"192.0.2.1\""));
    let relay = parse("caramel.toml", text("[\"::1\", \"192.0.2.1\"]"))
        .unwrap()
        .relay()
        .unwrap();
    assert_eq!(relay.sources.v4, Some([192, 0, 2, 1].into()));
    assert_eq!(relay.sources.v6, Some(std::net::Ipv6Addr::LOCALHOST));
}
