//! Access tokens: whose are believed, and what they open.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use post::{Introspected, KeySet, KeySetError, Rules, TokenProof, TokenRules, Why};
use serde_json::{Value, json};
use std::time::Duration;

use crate::world::{PEER, World, address, rules};

/// Where the world's clock stands.
const NOW: i64 = 1_700_000_000;

/// What stands before an Ed25519 key (RFC 8410 §7).
const ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Somebody who signs tokens.
struct Issuer {
    algorithm: Algorithm,
    key: EncodingKey,
    id: Option<&'static str>,
}

impl Issuer {
    fn new(algorithm: Algorithm, id: &'static str) -> Self {
        let made = |how| rcgen::KeyPair::generate_for(how).unwrap().serialize_der();
        let key = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_der(&made(&rcgen::PKCS_ECDSA_P256_SHA256)),
            Algorithm::ES384 => EncodingKey::from_ec_der(&made(&rcgen::PKCS_ECDSA_P384_SHA384)),
            // Any 32 octets are a key, behind 16 that say it is one of Ed25519.
            Algorithm::EdDSA => EncodingKey::from_ed_der(&[ED25519, &[9; 32]].concat()),
            // The key itself stands behind 26 octets that say it is one of RSA.
            _ => EncodingKey::from_rsa_der(&made(&rcgen::PKCS_RSA_SHA256)[26..]),
        };
        let id = Some(id);
        Self { algorithm, key, id }
    }

    /// Its public key as a set has it.
    fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = self.id.map(str::to_owned);
        serde_json::to_value(&jwk).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(claims, |_| {})
    }

    /// Signs, with something else in the header.
    fn sign_as(&self, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = self.id.map(str::to_owned);
        change(&mut header);
        encode(&header, claims, &self.key).unwrap()
    }
}

fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn ours() -> TokenRules {
    TokenRules {
        issuer: "https://login.example.org".to_owned(),
        audience: "mail".to_owned(),
        account_claim: "email".to_owned(),
        scope: None,
        openid_configuration: None,
        leeway: Duration::from_secs(60),
    }
}

fn taking(tokens: TokenRules) -> Rules {
    Rules {
        tokens: Some(tokens),
        ..rules()
    }
}

/// What ada's tokens say.
fn claims() -> Value {
    json!({
        "iss": "https://login.example.org",
        "aud": "mail",
        "exp": NOW + 300,
        "email": "ada@example.org",
    })
}

/// Her claims, changed; null takes one away.
fn but(change: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Who is let in by a token, or why nobody is.
async fn login(world: &World, keys: &KeySet, token: &str) -> Result<String, String> {
    let came = world
        .post
        .login_token(PEER, TokenProof::Signed(keys), Some(token), None)
        .await;
    came.map(|account| account.address().to_string())
        .map_err(|error| error.refusal().cause)
}

#[tokio::test]
async fn every_way_of_signing_is_verified() {
    let world = World::with(&["ada"], taking(ours())).await;
    let ways = [
        Algorithm::RS256,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    let issuers = ways.map(|way| Issuer::new(way, "one"));
    // All under the same name: the algorithm chooses among them.
    let keys = key_set(&issuers.each_ref().map(Issuer::jwk));
    for (issuer, way) in issuers.iter().zip(ways) {
        let token = issuer.sign(&claims());
        let came = login(&world, &keys, &token).await;
        assert_eq!(came.as_deref(), Ok("ada@example.org"), "{way:?}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[9] ^= 1;
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        let came = login(&world, &keys, &forged).await;
        assert_eq!(came.unwrap_err(), "its signature is wrong", "{way:?}");
    }
}

#[tokio::test]
async fn no_token_opens_a_shared_account() {
    let world = World::with(&["ada"], taking(ours())).await;
    world
        .post
        .add_shared_account(&address("team"))
        .await
        .unwrap();
    let issuer = Issuer::new(Algorithm::EdDSA, "one");
    let keys = key_set(&[issuer.jwk()]);
    let came = async |name: &str| {
        let token = issuer.sign(&but(&json!({ "email": format!("{name}@example.org") })));
        login(&world, &keys, &token).await
    };
    assert_eq!(came("ada").await.as_deref(), Ok("ada@example.org"));
    let shared = came("team").await;
    assert!(shared.is_err());
    assert_eq!(shared, came("nobody").await);
}

#[tokio::test]
async fn the_examples_of_rfc_7515() {
    // §A.1 has a key that both ends know, §A.2 RSA, §A.3 P-256; all say the same.
    let said = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb2\
                90Ijp0cnVlfQ";
    let keys = key_set(&[
        json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0\
            iPS4hcgUuTwjAzZr1Z9CAow"}),
        json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8\
            W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b3269\
            0r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapH\
            g665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et\
            hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
        json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
    ]);
    let world = World::with(&["ada"], taking(ours())).await;
    for (header, signature, why) in [
        (
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "no key here can have signed it",
        ),
        (
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O\
             8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARN\
             PvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ\
             1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            "its issuer is \"joe\"",
        ),
        (
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1\
             Q",
            "its issuer is \"joe\"",
        ),
        // §A.5: not signed at all.
        (
            "eyJhbGciOiJub25lIn0",
            "",
            "it is no signed JWT, or signed in a way that is not taken",
        ),
    ] {
        let token = format!("{header}.{said}.{signature}");
        let came = login(&world, &keys, &token).await;
        assert_eq!(came.unwrap_err(), why, "{header}");
    }
}

#[tokio::test]
async fn what_a_token_has_to_say() {
    let issuer = Issuer::new(Algorithm::ES256, "one");
    let keys = key_set(&[issuer.jwk()]);
    let world = World::with(&["ada"], taking(ours())).await;
    for (change, expected) in [
        (json!({}), Ok("ada@example.org")),
        (json!({"aud": ["web", "mail"]}), Ok("ada@example.org")),
        (json!({"email": "ADA@Example.ORG"}), Ok("ada@example.org")),
        (json!({"email_verified": true}), Ok("ada@example.org")),
        (
            json!({"nbf": NOW + 60, "exp": NOW - 59}),
            Ok("ada@example.org"),
        ),
        (json!({"exp": 1.7e9 + 0.5}), Ok("ada@example.org")),
        (
            json!({"iss": "https://login.example.org/"}),
            Err("its issuer is \"https://login.example.org/\""),
        ),
        (json!({"iss": null}), Err("its issuer is not said")),
        (
            json!({"iss": ["https://login.example.org"]}),
            Err("its issuer is [\"https://login.example.org\"]"),
        ),
        (json!({"aud": "web"}), Err("it is meant for \"web\"")),
        (json!({"aud": null}), Err("it is meant for not said")),
        (json!({"exp": null}), Err("it does not say when it expires")),
        (
            json!({"exp": "1700000300"}),
            Err("it does not say when it expires"),
        ),
        (json!({"exp": NOW - 60}), Err("it has expired")),
        (json!({"nbf": NOW + 61}), Err("it is not valid yet")),
        (json!({"nbf": "soon"}), Err("it is not valid yet")),
        (
            json!({"email": null, "sub": "ada@example.org"}),
            Err("its claim `email` names nobody"),
        ),
        (json!({"email": ""}), Err("its claim `email` names nobody")),
        (json!({"email": 7}), Err("its claim `email` names nobody")),
        (
            json!({"email": "eve@example.org"}),
            Err("it names no account here"),
        ),
        (
            json!({"email": "ada@elsewhere.example"}),
            Err("it names no account here"),
        ),
        (
            json!({"email_verified": false}),
            Err("its issuer has not verified the address"),
        ),
        (
            json!({"email_verified": "false"}),
            Err("its issuer has not verified the address"),
        ),
    ] {
        let came = login(&world, &keys, &issuer.sign(&but(&change))).await;
        let came = came.as_deref().map_err(String::as_str);
        assert_eq!(came, expected, "{change}");
    }
}

#[tokio::test]
async fn another_claim_may_name_the_account_and_a_scope_may_be_asked_for() {
    let issuer = Issuer::new(Algorithm::EdDSA, "one");
    let keys = key_set(&[issuer.jwk()]);
    let rules = TokenRules {
        account_claim: "username".to_owned(),
        scope: Some("mail.full".to_owned()),
        ..ours()
    };
    let world = World::with(&["ada"], taking(rules)).await;
    for (change, expected) in [
        (
            json!({"username": "ada", "scope": "openid mail.full"}),
            Ok("ada@example.org"),
        ),
        (
            json!({"username": "ada@example.org", "scp": ["mail.full"], "email_verified": false}),
            Ok("ada@example.org"),
        ),
        (
            json!({"scope": "mail.full"}),
            Err("its claim `username` names nobody"),
        ),
        (
            json!({"username": "ada", "scope": "mail"}),
            Err("its scope is \"mail\""),
        ),
        (json!({"username": "ada"}), Err("its scope is not said")),
    ] {
        let came = login(&world, &keys, &issuer.sign(&but(&change))).await;
        let came = came.as_deref().map_err(String::as_str);
        assert_eq!(came, expected, "{change}");
    }
    let token = issuer.sign(&but(&json!({"username": "ada"})));
    let came = world
        .post
        .login_token(PEER, TokenProof::Signed(&keys), Some(&token), None)
        .await;
    assert_eq!(came.unwrap_err().why(), Why::AuthorizationFailed);
}

#[tokio::test]
async fn what_an_issuer_has_to_say_of_a_token() {
    let world = World::with(&["ada"], taking(ours())).await;
    for (change, expected) in [
        (json!({}), Ok("ada@example.org")),
        (json!({"iss": null, "exp": null}), Ok("ada@example.org")),
        (
            json!({"active": false}),
            Err("its issuer says that it is not active"),
        ),
        (
            json!({"iss": "https://elsewhere.example"}),
            Err("its issuer is \"https://elsewhere.example\""),
        ),
        (json!({"aud": null}), Err("it is meant for not said")),
        (json!({"exp": NOW - 60}), Err("it has expired")),
        (
            json!({"exp": "soon"}),
            Err("it does not say when it expires"),
        ),
        (json!({"nbf": NOW + 61}), Err("it is not valid yet")),
        (
            json!({"email": null, "username": "ada"}),
            Err("its claim `email` names nobody"),
        ),
    ] {
        let mut said = but(&change);
        if change.get("active").is_none() {
            said["active"] = json!(true);
        }
        let said = Introspected::parse(said.to_string().as_bytes()).unwrap();
        let proof = TokenProof::Introspected(&said);
        let came = world
            .post
            .login_token(PEER, proof, Some("opaque"), None)
            .await;
        let came = came.map(|account| account.address().to_string());
        let came = came.map_err(|error| error.refusal().cause);
        assert_eq!(
            came.as_deref().map_err(String::as_str),
            expected,
            "{change}"
        );
    }
    for text in [
        "",
        "[]",
        "{}",
        "{\"active\": \"true\"}",
        "{\"active\": true",
    ] {
        assert!(Introspected::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[tokio::test]
async fn what_its_header_may_say() {
    let issuer = Issuer::new(Algorithm::ES256, "one");
    let other = Issuer::new(Algorithm::ES256, "two");
    let keys = key_set(&[issuer.jwk(), other.jwk()]);
    let world = World::with(&["ada"], taking(ours())).await;
    let purposes = [
        (Some("JWT"), true),
        (Some("at+jwt"), true),
        (Some("application/AT+JWT"), true),
        (None, true),
        (Some("logout+jwt"), false),
        (Some("dpop+jwt"), false),
    ];
    for (purpose, taken) in purposes {
        let token = issuer.sign_as(&claims(), |header| header.typ = purpose.map(str::to_owned));
        let came = login(&world, &keys, &token).await;
        assert_eq!(came.is_ok(), taken, "{purpose:?} {came:?}");
    }
    let critical = issuer.sign_as(&claims(), |header| {
        header.crit = Some(vec!["b64".to_owned()])
    });
    assert!(login(&world, &keys, &critical).await.is_err());
    // The name chooses the key; without one, every key is tried.
    let named =
        |id: Option<&str>| issuer.sign_as(&claims(), |header| header.kid = id.map(str::to_owned));
    assert!(login(&world, &keys, &named(None)).await.is_ok());
    for (id, why) in [
        ("two", "its signature is wrong"),
        ("three", "no key here can have signed it"),
    ] {
        let came = login(&world, &keys, &named(Some(id))).await;
        assert_eq!(came.unwrap_err(), why);
    }
    // A key's public half is no secret that could sign.
    let secret = EncodingKey::from_secret(issuer.jwk()["x"].as_str().unwrap().as_bytes());
    let forged = encode(&Header::new(Algorithm::HS256), &claims(), &secret).unwrap();
    let came = login(&world, &keys, &forged).await;
    assert_eq!(came.unwrap_err(), "no key here can have signed it");
    for junk in [
        "",
        ".",
        "..",
        "a.b.c",
        "abc",
        "e30.e30.",
        "eyJhbGciOiJFUzI1NiJ9.e30",
    ] {
        assert!(login(&world, &keys, junk).await.is_err(), "{junk}");
    }
}

#[test]
fn what_is_a_key_set() {
    let good = Issuer::new(Algorithm::ES256, "one").jwk();
    let but = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        json!({ "keys": [jwk] })
    };
    let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
    let parse = |set: &Value| KeySet::parse(set.to_string().as_bytes()).map(drop);
    for set in [
        json!({ "keys": [good] }),
        // What is not known is passed over.
        json!({ "keys": [{"kty": "LMS"}, {"crv": "secp256k1", "kty": "EC"}, 5, good], "more": 1 }),
        but("use", json!("sig")),
        but("key_ops", json!(["verify"])),
    ] {
        assert_eq!(parse(&set), Ok(()), "{set}");
    }
    for set in [
        json!({ "keys": [] }),
        json!({ "keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qz"}] }),
        json!({ "keys": [{"kty": "RSA", "n": short, "e": "AQAB"}] }),
        json!({ "keys": [{"kty": "OKP", "crv": "X25519", "x": "AAAA"}] }),
        but("use", json!("enc")),
        but("key_ops", json!(["sign"])),
        but("alg", json!("ECDH-ES")),
        but("crv", json!("P-521")),
    ] {
        assert_eq!(parse(&set), Err(KeySetError::NoKey), "{set}");
    }
    let many = json!({ "keys": vec![good.clone(); 33] });
    assert_eq!(parse(&many), Err(KeySetError::TooMany));
    let long = json!({ "keys": [good], "more": "x".repeat(post::KEY_SET_OCTETS_MAX) });
    assert_eq!(parse(&long), Err(KeySetError::TooLong));
    for text in ["", "[]", "{\"keys\": 1}", "{\"keys\": ["] {
        let read = KeySet::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(read, KeySetError::Form(_)), "{text} {read}");
    }
}

#[tokio::test]
async fn a_token_opens_one_account_and_failures_count() {
    let issuer = Issuer::new(Algorithm::EdDSA, "one");
    let keys = key_set(&[issuer.jwk()]);
    let strict = Rules {
        account_failures_max: 3,
        ..taking(ours())
    };
    let world = World::with(&["ada", "eve"], strict).await;
    let token = issuer.sign(&claims());
    let ask = |token: Option<String>, user: Option<&'static str>| {
        let (post, keys) = (world.post.clone(), keys.clone());
        async move {
            let came = post
                .login_token(PEER, TokenProof::Signed(&keys), token.as_deref(), user)
                .await;
            came.map(|account| account.address().clone())
                .map_err(|error| error.why())
        }
    };
    for (user, expected) in [
        (None, Ok(address("ada"))),
        (Some("ada"), Ok(address("ada"))),
        (Some("ADA@example.org"), Ok(address("ada"))),
        (Some("eve"), Err(Why::AuthorizationFailed)),
    ] {
        assert_eq!(ask(Some(token.clone()), user).await, expected, "{user:?}");
    }
    // Who only asks what is wanted has not guessed.
    for _ in 0..10 {
        assert_eq!(ask(None, Some("eve")).await, Err(Why::AuthenticationFailed));
    }
    let wrong = Some("a.b.c".to_owned());
    for (user, other) in [(Some("eve"), Some("ada")), (None, Some("ada"))] {
        for _ in 0..3 {
            let came = ask(wrong.clone(), user).await;
            assert_eq!(came, Err(Why::AuthenticationFailed));
        }
        assert_eq!(ask(wrong.clone(), user).await, Err(Why::Unavailable));
        // Nobody else has to wait for it.
        assert_eq!(ask(Some(token.clone()), other).await, Ok(address("ada")));
    }
    let password = world.post.login_password(PEER, "eve", None, "eve").await;
    assert_eq!(password.unwrap_err().why(), Why::Unavailable);
}

#[tokio::test]
async fn without_an_issuer_no_token_opens_anything() {
    let issuer = Issuer::new(Algorithm::EdDSA, "one");
    let keys = key_set(&[issuer.jwk()]);
    let world = World::with(&["ada"], rules()).await;
    assert!(login(&world, &keys, &issuer.sign(&claims())).await.is_err());
}
