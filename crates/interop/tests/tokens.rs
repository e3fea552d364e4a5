//! Access tokens instead of passwords (OAUTHBEARER, XOAUTH2), issued and brought by programs nobody
//! here wrote.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use interop::{Ended, Server, Tls, program};
use tempfile::TempDir;

/// Makes a key and a key set with nothing else; returns a token that is good, one that has expired,
/// and one that is good and as long as a token may be.
fn issue(folder: &Path, name: &str) -> [String; 3] {
    let script = include_str!("python/issue.py");
    let words = ["-c", script, folder.to_str().unwrap(), name];
    let ended = program("python3", &words, folder, "").unwrap();
    let lines: Vec<String> = ended.out.lines().map(str::to_owned).collect();
    lines.try_into().unwrap()
}

fn taking_tokens(folder: &Path) -> Server {
    let keys = folder.join("keys.json").display().to_string();
    let more = format!(
        "[oauth]\nissuer = \"https://login.test.localhost\"\naudience = \"mail\"\n\
         keys = \"{keys}\"\nscope = \"mail\"\n\
         discovery = \"https://login.test.localhost/.well-known/openid-configuration\"\n"
    );
    Server::start_with(&more).unwrap()
}

#[test]
fn python_logs_in_by_tokens() {
    let made = TempDir::new().unwrap();
    let tokens = issue(made.path(), "one");
    let server = taking_tokens(made.path());
    let [imap, pop, smtp] = ["imap", "pop3", "submission"]
        .map(|protocol| server.address(protocol, Tls::Implicit).to_string());
    let authority = server.authority().unwrap();
    let script = include_str!("python/tokens.py");
    let words = ["-c", script, &imap, &pop, &smtp, &authority];
    let ended = program("python3", &words, server.folder(), &tokens.join("\n")).unwrap();
    let log = server.log();
    assert_eq!(ended.out, "well\n", "{}\n{log}", ended.err);
    assert!(log.contains("it has expired"), "{log}");
    for token in tokens {
        assert!(!log.contains(&token), "a token is in the log");
    }
}

/// curl brings a token; true if it was let in.
fn curl(server: &Server, protocol: &str, mechanism: &str, token: &str) -> (bool, Ended) {
    let (scheme, path) = match protocol {
        "submission" => ("smtps", ""),
        "imap" => ("imaps", "/INBOX"),
        _ => ("pop3s", "/"),
    };
    let address = server.address(protocol, Tls::Implicit);
    let url = format!("{scheme}://{address}{path}");
    let (ca, option) = (server.authority().unwrap(), format!("AUTH={mechanism}"));
    let words = [
        "--silent",
        "--show-error",
        "--verbose",
        "--cacert",
        &ca,
        "--login-options",
        &option,
        "--user",
        "ada@test.localhost",
        "--oauth2-bearer",
        token,
        &url,
    ];
    let ended = program("curl", &words, server.folder(), "").unwrap();
    // Logged in by SMTP, curl asks for help, which a submission server has none of.
    (ended.well || ended.err.contains("< 235 "), ended)
}

#[test]
fn curl_logs_in_by_tokens_while_keys_change() {
    let made = TempDir::new().unwrap();
    let [good, expired, _] = issue(made.path(), "one");
    let server = taking_tokens(made.path());
    let check = |token: &str, expected: bool| {
        for protocol in ["submission", "imap", "pop3"] {
            for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
                let (let_in, ended) = curl(&server, protocol, mechanism, token);
                let log = server.log();
                let said = format!("{protocol} {mechanism}\n{}\n{log}", ended.err);
                assert_eq!(let_in, expected, "{said}");
            }
        }
    };
    check(&good, true);
    check(&expired, false);
    // The issuer has other keys from now on; the next login knows.
    let [newer, ..] = issue(made.path(), "two");
    check(&newer, true);
    check(&good, false);
}

#[test]
fn mutt_sends_by_tokens() {
    let made = TempDir::new().unwrap();
    let [good, expired, _] = issue(made.path(), "one");
    let server = taking_tokens(made.path());
    let address = server.address("submission", Tls::Implicit);
    let authority = server.authority().unwrap();
    for mechanism in ["oauthbearer", "xoauth2"] {
        for (token, expected) in [(&good, true), (&expired, false)] {
            let settings = format!(
                "set smtp_url=\"smtps://ada@test.localhost@{address}/\"\n\
                 set smtp_authenticators=\"{mechanism}\"\n\
                 set smtp_oauth_refresh_command=\"echo {token}\"\n\
                 set certificate_file=\"{authority}\" ssl_verify_host=no\n\
                 set from=\"ada@test.localhost\" use_envelope_from=yes copy=no\n"
            );
            fs::write(server.folder().join("muttrc"), settings).unwrap();
            let words = ["-n", "-F", "muttrc", "-s", mechanism, "alan@test.localhost"];
            let ended = program("mutt", &words, server.folder(), "Good day\n").unwrap();
            let said = format!(
                "{mechanism}\n{}\n{}\n{}",
                ended.out,
                ended.err,
                server.log()
            );
            assert_eq!(ended.well, expected, "{said}");
        }
    }
}

#[test]
fn without_an_issuer_tokens_are_not_offered() {
    let server = Server::start().unwrap();
    for protocol in ["submission", "imap", "pop3"] {
        let (let_in, ended) = curl(&server, protocol, "XOAUTH2", "a.b.c");
        assert!(!let_in, "{}", ended.err);
        for name in ["OAUTHBEARER", "XOAUTH2"] {
            assert!(!ended.err.contains(name), "{}", ended.err);
        }
    }
}

/// What is heard where the issuer has said nothing of a token.
const UNHEARD: &str = "Tokens cannot be checked now";

/// Somebody who issues tokens and is asked about them; ends with the test.
struct Issuer {
    child: Child,
    url: String,
}

impl Issuer {
    /// Begins in `folder`, with TLS where there are `certificate` and key.
    fn start(folder: &Path, tls: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", include_str!("python/introspect.py")])
            .arg(folder)
            .args(tls)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        fs::write(folder.join("asked"), "").unwrap();
        fs::write(folder.join("secret"), "hush+hush\n").unwrap();
        Self { child, url }
    }

    /// The settings of a server that asks it.
    fn settings(&self, folder: &Path) -> String {
        format!(
            "[oauth]\nissuer = \"https://login.test.localhost\"\naudience = \"mail\"\n\
             introspection = \"{}\"\nintrospection_client = \"mail-server\"\n\
             introspection_secret = \"{}\"\nscope = \"mail\"\n",
            self.url,
            folder.join("secret").display()
        )
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The tokens the issuer was asked about, in order.
fn asked(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("asked")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_issuer_is_asked_about_what_no_key_can_tell_of() {
    let made = TempDir::new().unwrap();
    let [signed, ..] = issue(made.path(), "one");
    let mut issuer = Issuer::start(made.path(), &[]);
    let keys = made.path().join("keys.json").display().to_string();
    let settings = format!("{}keys = \"{keys}\"\n", issuer.settings(made.path()));
    let server = Server::start_with(&settings).unwrap();
    let check = |token: &str, expected: bool, heard: &str| {
        let (let_in, ended) = curl(&server, "imap", "OAUTHBEARER", token);
        let said = format!("{token}\n{}\n{}", ended.err, server.log());
        assert_eq!(let_in, expected, "{said}");
        assert!(ended.err.contains(heard), "{said}");
    };
    check("good", true, "Welcome");
    check("good", true, "Welcome");
    check(&signed, true, "Welcome");
    check("late", false, "The access token has expired");
    for token in ["ended", "foreign"] {
        check(token, false, "The access token is not accepted");
    }
    assert_eq!(asked(made.path()), ["good", "late", "ended", "foreign"]);
    for token in ["empty", "long", "broken"] {
        check(token, false, UNHEARD);
    }
    // Nobody is there to be asked: what was said a moment ago is good still.
    issuer.child.kill().unwrap();
    issuer.child.wait().unwrap();
    check("good", true, "Welcome");
    check("other", false, UNHEARD);
}

#[test]
fn an_issuer_is_asked_over_tls() {
    let made = TempDir::new().unwrap();
    let extensions = "[end]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";
    fs::write(made.path().join("extensions"), extensions).unwrap();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for words in [
        format!("req -x509 {new} -subj /CN=authority -keyout ca.key -out ca.pem"),
        format!("req {new} -subj /CN=localhost -keyout key.pem -out request.pem"),
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -extfile extensions -extensions end \
         -out chain.pem"
            .to_owned(),
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();
        let ended = program("openssl", &words, made.path(), "").unwrap();
        assert!(ended.well, "{}", ended.err);
    }
    let [signed, ..] = issue(made.path(), "one");
    let files = ["ca.pem", "chain.pem", "key.pem"];
    let [ca, chain, key] = files.map(|name| made.path().join(name).display().to_string());
    let issuer = Issuer::start(made.path(), &[&chain, &key]);
    let settings = issuer.settings(made.path());
    let trusting = format!("{settings}introspection_ca = \"{ca}\"\n");
    let server = Server::start_with(&trusting).unwrap();
    for protocol in ["submission", "imap", "pop3"] {
        let (let_in, ended) = curl(&server, protocol, "XOAUTH2", &signed);
        assert!(let_in, "{protocol} {}\n{}", ended.err, server.log());
    }
    assert_eq!(asked(made.path()), [signed]);
    // The system knows nothing of that authority.
    let server = Server::start_with(&settings).unwrap();
    let (let_in, ended) = curl(&server, "imap", "XOAUTH2", "good");
    assert!(!let_in && ended.err.contains(UNHEARD), "{}", ended.err);
    assert_eq!(asked(made.path()).len(), 1);
}
