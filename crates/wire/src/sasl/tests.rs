//! Exchanges of both ends, and RFC 7677's example.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::client::{Credentials, Error, Exchange as Client, choose};
use super::scram::{digest, mac};
use super::*;
use crate::ChannelBinding;
use crate::dialogue::security_for_tests;

const CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn credentials(user: &str) -> Credentials {
    Credentials {
        user: user.to_owned(),
        password: Secret("pencil".to_owned()),
    }
}

/// What the house keeps of `pencil`, with the example's salt.
fn keys(hash: ScramHash) -> ScramKeys {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let salted = salted(hash, "pencil", &salt, 4096);
    ScramKeys {
        salt,
        iterations: 4096,
        stored_key: digest(hash, &mac(hash, &salted, b"Client Key")),
        server_key: mac(hash, &salted, b"Server Key"),
        nonce: SERVER_NONCE.to_owned(),
    }
}

fn salted(hash: ScramHash, password: &str, salt: &[u8], rounds: u32) -> Vec<u8> {
    let mut block = mac(hash, password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = block.clone();
    for _ in 1..rounds {
        block = mac(hash, password.as_bytes(), &block);
        sum.iter_mut().zip(&block).for_each(|(sum, b)| *sum ^= b);
    }
    sum
}

fn no() -> Refusal {
    Refusal::new(535, Enhanced::new(5, 7, 8), "Authentication failed")
}

fn name(user: &str) -> String {
    user.to_owned()
}

/// The server's end up to its challenge.
fn challenged(client_first: &[u8]) -> (Exchange, Next) {
    let (mut server, next) = Exchange::begin(Mechanism::ScramSha256, None, Some(client_first));
    assert!(matches!(next, Next::Ask(Question::Keys { .. })), "{next:?}");
    let next = server.answer(Verdict::Keys(keys(ScramHash::Sha256)));
    (server, next)
}

#[test]
fn the_example_of_rfc_7677() {
    let (mut server, next) = challenged(CLIENT_FIRST);
    let challenge = format!("r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    assert_eq!(next, Next::Challenge(challenge.clone().into_bytes()));
    let proved = Question::Proved {
        user: name("user"),
        authorization: None,
    };
    assert_eq!(server.receive(CLIENT_FINAL.as_bytes()), Next::Ask(proved));
    assert_eq!(
        server.answer(Verdict::Accepted),
        Next::Challenge(SERVER_FINAL.to_vec())
    );
    assert_eq!(server.receive(b""), Next::Accepted);

    let (mut client, first) = Client::begin(
        Mechanism::ScramSha256,
        credentials("user"),
        CLIENT_NONCE,
        None,
    )
    .unwrap();
    assert_eq!(first, CLIENT_FIRST);
    let response = client.receive(challenge.as_bytes()).unwrap();
    assert_eq!(response, CLIENT_FINAL.as_bytes());
    assert!(!client.is_complete());
    assert_eq!(client.receive(SERVER_FINAL).unwrap(), b"");
    assert!(client.is_complete());
}

#[test]
fn sha_1_is_the_same_with_another_hash() {
    // Computed by Python's hashlib and hmac: "pencil", the salt `salt of sixteen!`, 1000 rounds.
    let hash = ScramHash::Sha1;
    let salted = salted(hash, "pencil", b"salt of sixteen!", 1000);
    assert_eq!(STANDARD.encode(&salted), "Qyp+WvAkhfHQ39ZEqWCZyfhIlpg=");
    let keys = ScramKeys {
        salt: b"salt of sixteen!".to_vec(),
        iterations: 1000,
        stored_key: digest(hash, &mac(hash, &salted, b"Client Key")),
        server_key: mac(hash, &salted, b"Server Key"),
        nonce: name("theirs"),
    };
    let first = b"n,,n=ada,r=ours";
    let (mut server, next) = Exchange::begin(Mechanism::ScramSha1, None, Some(first));
    let user = name("ada");
    assert_eq!(next, Next::Ask(Question::Keys { user, hash }));
    let challenge = b"r=ourstheirs,s=c2FsdCBvZiBzaXh0ZWVuIQ==,i=1000".to_vec();
    assert_eq!(
        server.answer(Verdict::Keys(keys)),
        Next::Challenge(challenge.clone())
    );
    let response = b"c=biws,r=ourstheirs,p=7h4LIVyyhnsce5MDNP91vpe+kHQ=";
    let asked = server.receive(response);
    assert!(
        matches!(asked, Next::Ask(Question::Proved { .. })),
        "{asked:?}"
    );
    let signature = b"v=MWFIZtMj/exKbPtem6DS2kHGkzo=";
    let next = server.answer(Verdict::Accepted);
    assert_eq!(next, Next::Challenge(signature.to_vec()));

    let begun = Client::begin(Mechanism::ScramSha1, credentials("ada"), "ours", None);
    let (mut client, message) = begun.unwrap();
    assert_eq!(message, first);
    assert_eq!(client.receive(&challenge).unwrap(), response);
    assert_eq!(client.receive(signature).unwrap(), b"");
    assert!(client.is_complete());
}

#[test]
fn a_proof_as_long_as_another_hash_proves_nothing() {
    let (mut server, _) = challenged(CLIENT_FIRST);
    let short = CLIENT_FINAL.replace(
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "dHzbZapWIk4jUhN+Ute9ytag9zg=",
    );
    let asked = server.receive(short.as_bytes());
    assert!(
        matches!(asked, Next::Ask(Question::Failed { .. })),
        "{asked:?}"
    );
}

#[test]
fn a_wrong_proof_is_reported_as_failed() {
    for (from, to) in [("dHzb", "dHza"), ("NEkqO%", "NEkqO&"), ("c=biws", "c=eSws")] {
        let (mut server, _) = challenged(CLIENT_FIRST);
        let failed = Question::Failed { user: name("user") };
        let response = CLIENT_FINAL.replace(from, to);
        assert_eq!(
            server.receive(response.as_bytes()),
            Next::Ask(failed),
            "{to}"
        );
        assert_eq!(server.answer(Verdict::Refused(no())), Next::Refused(no()));
    }
}

#[test]
fn client_first_messages_out_of_grammar() {
    let long = format!("n,,n=user,r={}", "x".repeat(RESPONSE_OCTETS_MAX));
    let cases = [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=,r=abc",
        "n,,n=user,r=",
        "x,,n=user,r=abc",
        "n,b,n=user,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=user=2,r=abc",
        "n,,r=abc,n=user",
        "n,,n=user,r=a\u{e9}",
        "n,a=,n=user,r=abc",
        "n,,n=us\0er,r=abc",
        &long,
    ];
    for case in cases {
        let begun = Exchange::begin(Mechanism::ScramSha256, None, Some(case.as_bytes()));
        assert_eq!(begun.1, Next::Malformed, "{case}");
    }
}

#[test]
fn names_are_unescaped() {
    let first = b"n,a=boss,n=a=2Cb=3Dc,r=abc,x=ignored";
    let (_, next) = Exchange::begin(Mechanism::ScramSha256, None, Some(first));
    let keys = Question::Keys {
        user: name("a,b=c"),
        hash: ScramHash::Sha256,
    };
    assert_eq!(next, Next::Ask(keys));
}

#[test]
fn channel_binding_is_checked() {
    let tls = security_for_tests();
    let mut other = tls.clone();
    other.binding = Some(ChannelBinding::TlsServerEndPoint(b"hash".to_vec()));
    let mut unbound = tls.clone();
    unbound.binding = None;
    let plus = Mechanism::ScramSha256Plus;
    let bare = Mechanism::ScramSha256;
    let cases = [
        (bare, None, "n", true),
        (bare, None, "y", true),
        (bare, Some(&unbound), "y", true),
        (bare, Some(&tls), "n", true),
        // A downgrade: the peer did not see -PLUS.
        (bare, Some(&tls), "y", false),
        (bare, Some(&tls), "p=tls-exporter", false),
        (bare, None, "p=tls-exporter", false),
        (plus, Some(&tls), "p=tls-exporter", true),
        (plus, Some(&tls), "p=tls-unique", false),
        (plus, Some(&other), "p=tls-server-end-point", true),
        (plus, Some(&other), "p=tls-exporter", false),
        (plus, Some(&tls), "n", false),
        (plus, Some(&tls), "y", false),
        (plus, None, "p=tls-exporter", false),
    ];
    for (mechanism, security, flag, goes_on) in cases {
        let first = format!("{flag},,n=user,r=abc");
        let (_, next) = Exchange::begin(mechanism, security, Some(first.as_bytes()));
        let asked = matches!(next, Next::Ask(Question::Keys { .. }));
        assert_eq!(asked, goes_on, "{mechanism:?} {flag}: {next:?}");
        assert!(asked || matches!(next, Next::Refused(_)), "{next:?}");
    }
}

#[test]
fn mandatory_extensions_are_refused() {
    let first = b"n,,m=new,n=user,r=abc";
    let (_, next) = Exchange::begin(Mechanism::ScramSha256, None, Some(first));
    assert!(matches!(next, Next::Refused(_)));
}

/// Both ends against each other; returns whether each believes in it.
fn converse(mechanism: Mechanism, ours: &Security, theirs: &Security) -> (bool, bool) {
    let (mut client, first) =
        Client::begin(mechanism, credentials("a,=b"), "clientnonce", Some(ours)).unwrap();
    let (mut server, mut next) = Exchange::begin(mechanism, Some(theirs), Some(&first));
    loop {
        next = match next {
            Next::Challenge(challenge) => match client.receive(&challenge) {
                Ok(response) => server.receive(&response),
                Err(_) => return (false, client.is_complete()),
            },
            Next::Ask(Question::Keys { hash, .. }) => server.answer(Verdict::Keys(keys(hash))),
            Next::Ask(Question::Password { user, password, .. }) => {
                assert_eq!(user, "a,=b");
                server.answer(match password.0.as_str() {
                    "pencil" => Verdict::Accepted,
                    _ => Verdict::Refused(no()),
                })
            }
            Next::Ask(Question::Proved { user, .. }) => {
                assert_eq!(user, "a,=b");
                server.answer(Verdict::Accepted)
            }
            Next::Ask(
                Question::Failed { .. } | Question::Certified { .. } | Question::Token { .. },
            ) => server.answer(Verdict::Refused(no())),
            Next::Accepted => return (true, client.is_complete()),
            Next::Refused(_) | Next::Malformed => return (false, client.is_complete()),
        };
    }
}

#[test]
fn both_ends_agree() {
    let tls = security_for_tests();
    let mut unbound = tls.clone();
    unbound.binding = None;
    for mechanism in [
        Mechanism::Plain,
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha1Plus,
    ] {
        assert_eq!(converse(mechanism, &tls, &tls), (true, true));
    }
    for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha1] {
        assert_eq!(converse(mechanism, &unbound, &unbound), (true, true));
    }
    // A client that could bind says so, and a server that cannot takes it.
    let says_y = converse(Mechanism::ScramSha256, &tls, &unbound);
    assert_eq!(says_y, (true, true));
    // Two TLS connections joined by somebody in the middle.
    let mut middle = tls.clone();
    middle.binding = Some(ChannelBinding::TlsExporter(b"another".to_vec()));
    let relayed = converse(Mechanism::ScramSha256Plus, &tls, &middle);
    assert_eq!(relayed, (false, false));
}

#[test]
fn a_client_sees_through_an_impostor() {
    let begun = |nonce| {
        let (client, _) =
            Client::begin(Mechanism::ScramSha256, credentials("user"), nonce, None).unwrap();
        client
    };
    let mut client = begun("abc");
    let reply = client.receive(b"r=xyz123,s=QQ==,i=4096");
    assert_eq!(reply, Err(Error::Malformed));
    let reply = begun("abc").receive(b"r=abcdef,s=QQ==,i=4000000000");
    assert_eq!(reply, Err(Error::TooManyIterations));
    let mut client = begun("abc");
    client.receive(b"r=abcdef,s=QQ==,i=1").unwrap();
    assert_eq!(client.receive(b"v=AAAA"), Err(Error::Impostor));
    assert!(!client.is_complete());
}

#[test]
fn plain_has_three_fields() {
    let password = |user: &str, authorization: Option<&str>| {
        Next::Ask(Question::Password {
            user: name(user),
            authorization: authorization.map(name),
            password: Secret(name("pw")),
        })
    };
    let cases = [
        ("\0ada\0pw", password("ada", None)),
        ("ada\0ada\0pw", password("ada", None)),
        ("boss\0ada\0pw", password("ada", Some("boss"))),
        ("ada\0pw", Next::Malformed),
        ("\0ada\0pw\0", Next::Malformed),
        ("\0\0pw", Next::Malformed),
        ("\0ada\0", Next::Malformed),
        ("", Next::Malformed),
    ];
    for (response, expected) in cases {
        let (_, next) = Exchange::begin(Mechanism::Plain, None, Some(response.as_bytes()));
        assert_eq!(next, expected, "{response:?}");
    }
    let (mut server, next) = Exchange::begin(Mechanism::Plain, None, None);
    assert_eq!(next, Next::Challenge(Vec::new()));
    assert_eq!(server.receive(b"\0ada\0\xff"), Next::Malformed);
    assert_eq!(server.receive(b"\0ada\0pw"), Next::Malformed);
}

#[test]
fn external_takes_the_certificate_and_a_name() {
    let mut security = security_for_tests();
    assert!(!Mechanism::External.is_possible(Some(&security), true));
    assert!(!Mechanism::External.is_possible(None, true));
    security.certified = vec![name("ada@a.example"), name("boss@a.example")];
    assert!(Mechanism::External.is_possible(Some(&security), false));
    for (response, as_user) in [("", None), ("boss@a.example", Some("boss@a.example"))] {
        let asked = Next::Ask(Question::Certified {
            addresses: security.certified.clone(),
            authorization: as_user.map(name),
        });
        let begin = |initial| Exchange::begin(Mechanism::External, Some(&security), initial);
        assert_eq!(begin(Some(response.as_bytes())).1, asked);
        let (mut server, next) = begin(None);
        assert_eq!(next, Next::Challenge(Vec::new()));
        assert_eq!(server.receive(response.as_bytes()), asked);
        assert_eq!(server.answer(Verdict::Accepted), Next::Accepted);
    }
    let begun = Exchange::begin(Mechanism::External, Some(&security), Some(b"a\0b"));
    assert_eq!(begun.1, Next::Malformed);
}

#[test]
fn login_asks_twice() {
    let (mut server, next) = Exchange::begin(Mechanism::Login, None, None);
    assert_eq!(next, Next::Challenge(b"Username:".to_vec()));
    assert_eq!(
        server.receive(b"ada"),
        Next::Challenge(b"Password:".to_vec())
    );
    let asked = server.receive(b"pencil");
    assert!(matches!(asked, Next::Ask(Question::Password { .. })));
    assert_eq!(server.answer(Verdict::Accepted), Next::Accepted);
}

#[test]
fn what_is_offered_depends_on_tls() {
    let tls = security_for_tests();
    let names = |security, clear| {
        let offered: Vec<_> = Mechanism::ALL
            .into_iter()
            .filter(|mechanism| mechanism.is_possible(security, clear))
            .map(Mechanism::name)
            .collect();
        offered.join(" ")
    };
    assert_eq!(names(None, false), "SCRAM-SHA-256 SCRAM-SHA-1");
    let clear = "SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN";
    assert_eq!(names(None, true), clear);
    assert_eq!(
        names(Some(&tls), false),
        format!("SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS {clear}")
    );
    assert_eq!(
        choose(&Mechanism::ALL, Some(&tls)),
        Some(Mechanism::ScramSha256Plus)
    );
    assert_eq!(choose(&Mechanism::ALL, None), Some(Mechanism::ScramSha256));
    assert_eq!(choose(&[Mechanism::Plain, Mechanism::Login], None), None);
    // What takes a token takes no password.
    let tokens = [Mechanism::OauthBearer, Mechanism::Xoauth2];
    assert_eq!(choose(&tokens, Some(&tls)), None);
}

/// Responses of a peer who knows the words and not the password.
fn responses() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = prop::sample::select(vec![
        CLIENT_FIRST.to_vec(),
        CLIENT_FINAL.as_bytes().to_vec(),
        b"p=tls-exporter,a=boss,n=user,r=x".to_vec(),
        b"c=biws,r=x,p=".to_vec(),
        b"\0ada\0secret".to_vec(),
        b"n,,\x01auth=Bearer abc\x01\x01".to_vec(),
        b"user=ada\x01auth=Bearer abc\x01\x01".to_vec(),
        b"\x01".to_vec(),
        Vec::new(),
    ]);
    let noise = prop::collection::vec(any::<u8>(), 0..60);
    let text = "[npycars=,+/%A-Za-z0-9]{0,40}".prop_map(String::into_bytes);
    prop::collection::vec(prop_oneof![known, noise, text], 0..6)
}

#[test]
fn nobody_is_let_in_unless_the_house_says_so() {
    let cases = std::env::var("CARAMEL_LAWS").ok();
    let mut config = Config::with_cases(cases.and_then(|n| n.parse().ok()).unwrap_or(2000));
    config.failure_persistence = None;
    let mechanisms = prop::sample::select(Mechanism::ALL.to_vec());
    let law = |(mechanism, responses, tls): (Mechanism, Vec<Vec<u8>>, bool)| {
        let security = tls.then(security_for_tests);
        let (mut server, mut next) = Exchange::begin(mechanism, security.as_ref(), None);
        let mut responses = responses.into_iter();
        loop {
            next = match next {
                Next::Challenge(_) => match responses.next() {
                    Some(response) => server.receive(&response),
                    None => return Ok(()),
                },
                Next::Ask(Question::Keys { hash, .. }) => {
                    let mut keys = keys(hash);
                    // Other keys than those the known words were made for.
                    keys.stored_key.fill(7);
                    server.answer(Verdict::Keys(keys))
                }
                Next::Ask(Question::Proved { .. }) => panic!("proved without the password"),
                Next::Ask(Question::Token { .. }) => {
                    let error = TokenError {
                        status: TokenStatus::InvalidToken,
                        scope: None,
                        openid_configuration: None,
                    };
                    server.answer(Verdict::TokenRefused(error, no()))
                }
                Next::Ask(_) => server.answer(Verdict::Refused(no())),
                Next::Accepted => panic!("let in"),
                Next::Refused(_) | Next::Malformed => break,
            };
        }
        // Whatever ended stays so.
        prop_assert!(!matches!(
            server.receive(b""),
            Next::Accepted | Next::Ask(_)
        ));
        Ok(())
    };
    let given = (mechanisms, responses(), any::<bool>());
    TestRunner::new(config).run(&given, law).unwrap();
}
