//! RFC 7628's examples, and what is no response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::{Enhanced, Refusal};
use proptest::prelude::*;

use super::*;
use crate::sasl::client::{Error, TokenExchange};
use crate::sasl::{Exchange, Next, Question, Verdict};

const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

fn question(token: Option<&str>, user: Option<&str>) -> Next {
    Next::Ask(Question::Token {
        token: token.map(|token| Secret(token.to_owned())),
        authorization: user.map(str::to_owned),
    })
}

fn begun(mechanism: Mechanism, response: &str) -> Next {
    Exchange::begin(mechanism, None, Some(response.as_bytes())).1
}

fn error() -> TokenError {
    let configuration = "https://example.com/.well-known/openid-configuration";
    TokenError {
        status: TokenStatus::InvalidToken,
        scope: Some("example_scope".to_owned()),
        openid_configuration: Some(configuration.to_owned()),
    }
}

fn refusal() -> Refusal {
    Refusal::new(535, Enhanced::new(5, 7, 8), "No")
}

#[test]
fn the_successful_example_of_rfc_7628() {
    // §4.1
    let encoded = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dG\
                   g9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    let message = STANDARD.decode(encoded).unwrap();
    let (mut server, next) = Exchange::begin(Mechanism::OauthBearer, None, Some(&message));
    assert_eq!(next, question(Some(TOKEN), Some("user@example.com")));
    assert_eq!(server.answer(Verdict::Accepted), Next::Accepted);

    let response = ClientResponse {
        authorization: Some("user@example.com".to_owned()),
        host: Some("server.example.com".to_owned()),
        port: Some(143),
        token: Some(Secret(TOKEN.to_owned())),
    };
    let (client, first) = TokenExchange::begin(Mechanism::OauthBearer, &response).unwrap();
    assert_eq!(first, message);
    assert_eq!(client.error(), None);
}

#[test]
fn the_failed_example_of_rfc_7628() {
    // §4.3: an empty field asks what is wanted.
    let encoded = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dG\
                   g9AQE=";
    let message = STANDARD.decode(encoded).unwrap();
    let told = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZ\
                pZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0\
                aW9uIn0=";
    let (mut server, next) = Exchange::begin(Mechanism::OauthBearer, None, Some(&message));
    assert_eq!(next, question(None, Some("user@example.com")));
    let challenge = STANDARD.decode(told).unwrap();
    let next = server.answer(Verdict::TokenRefused(error(), refusal()));
    assert_eq!(next, Next::Challenge(challenge.clone()));
    assert_eq!(server.receive(b"\x01"), Next::Refused(refusal()));
    assert_eq!(server.receive(b"\x01"), Next::Malformed);

    let asking = ClientResponse {
        authorization: Some("user@example.com".to_owned()),
        host: Some("server.example.com".to_owned()),
        port: Some(143),
        token: None,
    };
    let (mut client, first) = TokenExchange::begin(Mechanism::OauthBearer, &asking).unwrap();
    assert_eq!(first, message);
    assert_eq!(client.receive(&challenge).unwrap(), b"\x01");
    assert_eq!(client.error().map(str::as_bytes), Some(&challenge[..]));
    assert_eq!(client.receive(&challenge), Err(Error::Malformed));
}

#[test]
fn an_error_is_answered_by_little_and_the_end_is_the_same() {
    let plain = TokenError {
        status: TokenStatus::InsufficientScope,
        scope: None,
        openid_configuration: Some("a\"b\\c\n".to_owned()),
    };
    let told =
        "{\"status\":\"insufficient_scope\",\"openid-configuration\":\"a\\\"b\\\\c\\u000a\"}";
    for (response, end) in [
        (&b""[..], Next::Refused(refusal())),
        (b"\x01", Next::Refused(refusal())),
        (b"\x01\x01", Next::Malformed),
        (b"no", Next::Malformed),
    ] {
        let first = "user=ada\x01auth=Bearer abc\x01\x01";
        let (mut server, next) = Exchange::begin(Mechanism::Xoauth2, None, None);
        assert_eq!(next, Next::Challenge(Vec::new()));
        assert_eq!(
            server.receive(first.as_bytes()),
            question(Some("abc"), Some("ada"))
        );
        let next = server.answer(Verdict::TokenRefused(plain.clone(), refusal()));
        assert_eq!(next, Next::Challenge(told.into()));
        assert_eq!(server.receive(response), end);
        // Whatever the house says after the end, nobody is let in.
        assert!(matches!(server.answer(Verdict::Accepted), Next::Refused(_)));
    }
    // What is only for now, or too often, is told at once.
    let (mut server, _) =
        Exchange::begin(Mechanism::OauthBearer, None, Some(b"n,,\x01auth=\x01\x01"));
    let later = Refusal::new(454, Enhanced::new(4, 7, 0), "Later");
    let next = server.answer(Verdict::Refused(later.clone()));
    assert_eq!(next, Next::Refused(later));
}

#[test]
fn responses_in_the_grammar() {
    let long = "x".repeat(TOKEN_OCTETS_MAX);
    let bearer = |response: &str| begun(Mechanism::OauthBearer, response);
    for (response, token, user) in [
        ("n,,\x01auth=Bearer abc\x01\x01", Some("abc"), None),
        (
            "y,,\x01auth=bEARER  a.b_c~-+/=\x01\x01",
            Some("a.b_c~-+/="),
            None,
        ),
        (
            "n,a=a=2Cb=3Dc,\x01auth=Bearer x\x01\x01",
            Some("x"),
            Some("a,b=c"),
        ),
        (
            "n,a=ädä,\x01mthd=POST\x01auth=Bearer x\x01q=\x01\x01",
            Some("x"),
            Some("ädä"),
        ),
        ("n,,\x01auth=Basic YTpi\x01\x01", None, None),
        ("n,,\x01auth=Bearer\x01\x01", None, None),
    ] {
        assert_eq!(bearer(response), question(token, user), "{response:?}");
    }
    let longest = format!("n,,\x01auth=Bearer {long}\x01\x01");
    assert_eq!(bearer(&longest), question(Some(&long), None));
    let next = begun(
        Mechanism::Xoauth2,
        "user=ädä@a.example\x01auth=Bearer a.b\x01\x01",
    );
    assert_eq!(next, question(Some("a.b"), Some("ädä@a.example")));
}

#[test]
fn responses_out_of_grammar() {
    let long = "x".repeat(TOKEN_OCTETS_MAX + 1);
    let long = format!("n,,\x01auth=Bearer {long}\x01\x01");
    let longer = format!(
        "n,,\x01other={}\x01auth=\x01\x01",
        "x".repeat(RESPONSE_OCTETS_MAX)
    );
    for response in [
        "",
        "\x01",
        "n,,",
        "n,,\x01",
        "n,,\x01\x01",
        "n,,auth=Bearer abc\x01\x01",
        "n,,\x01auth=Bearer abc\x01",
        "n,,\x01auth=Bearer abc",
        "n,,\x01auth=Bearer \x01\x01",
        "n,,\x01auth=Bearer ==\x01\x01",
        "n,,\x01auth=Bearer a=b\x01\x01",
        "n,,\x01auth=Bearer a b\x01\x01",
        "n,,\x01auth=Bearer ä\x01\x01",
        "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
        "n,,\x01host=ä\x01auth=Bearer a\x01\x01",
        "n,,\x01port=0143\x01auth=Bearer a\x01\x01",
        "n,,\x01port=65536\x01auth=Bearer a\x01\x01",
        "n,,\x01a-b=c\x01auth=Bearer a\x01\x01",
        "n,,\x01=c\x01auth=Bearer a\x01\x01",
        "n,,\x01auth\x01\x01",
        "n,user=ada,\x01auth=Bearer a\x01\x01",
        "n,a=,\x01auth=Bearer a\x01\x01",
        "n,a=b=c,\x01auth=Bearer a\x01\x01",
        "x,,\x01auth=Bearer a\x01\x01",
        &long,
        &longer,
    ] {
        let next = begun(Mechanism::OauthBearer, response);
        assert_eq!(next, Next::Malformed, "{response:?}");
    }
    let bound = begun(
        Mechanism::OauthBearer,
        "p=tls-exporter,,\x01auth=Bearer a\x01\x01",
    );
    assert!(matches!(bound, Next::Refused(_)), "{bound:?}");
    for response in [
        "",
        "user=ada\x01auth=Bearer a\x01",
        "user=\x01auth=Bearer a\x01\x01",
        "user=a\0b\x01auth=Bearer a\x01\x01",
        "auth=Bearer a\x01user=ada\x01\x01",
        "user=ada\x01host=a\x01auth=Bearer a\x01\x01",
        "n,a=ada,\x01auth=Bearer a\x01\x01",
    ] {
        let next = begun(Mechanism::Xoauth2, response);
        assert_eq!(next, Next::Malformed, "{response:?}");
    }
}

#[test]
fn a_client_without_its_user_does_not_begin() {
    let mut response = ClientResponse::default();
    assert!(TokenExchange::begin(Mechanism::Xoauth2, &response).is_none());
    assert!(TokenExchange::begin(Mechanism::Plain, &response).is_none());
    response.authorization = Some("ada".to_owned());
    assert!(TokenExchange::begin(Mechanism::Xoauth2, &response).is_some());
}

/// What both grammars can say, and what only OAUTHBEARER can.
fn said() -> impl Strategy<Value = ClientResponse> {
    let token = "[-A-Za-z0-9._~+/]{1,30}={0,2}".prop_map(Secret);
    let user = "[^\u{0}\u{1}]{1,20}";
    (
        prop::option::of(user),
        prop::option::of("[ -~]{0,20}"),
        prop::option::of(1..=u16::MAX),
        prop::option::of(token),
    )
        .prop_map(|(authorization, host, port, token)| ClientResponse {
            authorization,
            host,
            port,
            token,
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read(response in said()) {
        let text = response.write(Mechanism::OauthBearer);
        let read = ClientResponse::parse(Mechanism::OauthBearer, &text);
        prop_assert_eq!(read, Ok(response.clone()));
        if response.authorization.is_some() {
            let text = response.write(Mechanism::Xoauth2);
            let read = ClientResponse::parse(Mechanism::Xoauth2, &text);
            let bare = ClientResponse { host: None, port: None, ..response };
            prop_assert_eq!(read, Ok(bare));
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in "(n,,)?[a-z=, \u{1}B]{0,40}") {
        for mechanism in [Mechanism::OauthBearer, Mechanism::Xoauth2] {
            drop(ClientResponse::parse(mechanism, &text));
        }
    }
}
