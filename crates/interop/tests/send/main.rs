//! The null client: a letter on standard input for a mail host, with msmtp's and ssmtp's names,
//! files and options, without a server here.
#![expect(clippy::unwrap_used, reason = "a test")]

mod postfix;
#[path = "../relay/sink.rs"]
mod sink;
mod small;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use interop::{Server, Tls};
use tempfile::TempDir;

const ADA: &str = "ada@test.localhost";
const ALAN: &str = "alan@test.localhost";
/// What the certificate of the server under test is good for.
const CERTIFIED: &str = "mail.test.localhost";

/// Somebody's home, with links to the program.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        for name in ["msmtp", "ssmtp"] {
            symlink(Server::binary(), home.path().join(name)).unwrap();
        }
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that nobody else may read.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// Calls the program by a name with a letter; its exit code, and what it said.
    fn call(&self, name: &str, words: &[&str], letter: &str) -> (i32, String) {
        let mut command = Command::new(self.path().join(name));
        command.args(words).env("HOME", self.path());
        command.env("USER", "ada").env_remove("XDG_CONFIG_HOME");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdin.take().unwrap().write_all(letter.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code().unwrap(), said)
    }
}

fn letter(subject: &str) -> String {
    format!("To: Alan <{ALAN}>\nBcc: secret@test.localhost\nSubject: {subject}\n\nhello\n.\n")
}

/// What is in an account's mailboxes.
fn mail(server: &Server, account: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let to = folder.path().join("eml");
    let words = ["export", "--account", account, "--format", "eml"];
    let words = [&words[..], &[to.to_str().unwrap()]].concat();
    server.command(&words, "").unwrap();
    let mut found = Vec::new();
    walk(&to, &mut found);
    found
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        match entry.unwrap().path() {
            path if path.is_dir() => walk(&path, found),
            path if path.extension().is_some_and(|end| end == "eml") => {
                found.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
            }
            _ => {}
        }
    }
}

/// Accounts at the server under test, as `~/.msmtprc` has them.
fn accounts(server: &Server) -> String {
    let authority = server.authority().unwrap();
    let starttls = server.address("submission", Tls::Starttls).port();
    let implicit = server.address("submission", Tls::Implicit).port();
    format!(
        "# written by hand\ndefaults\ntls on\ntls_trust_file {authority}\n\
         tls_host_override {CERTIFIED}\nauth on\nuser {ADA}\npasswordeval \"echo secret\"\n\
         from {ADA}\nlogfile ~/log\nsyslog on\n\n\
         account default\nhost 127.0.0.1\nport {starttls}\n\n\
         account implicit : default\nport {implicit}\ntls_starttls off\npassword secret\n\n\
         account wrong : default\npasswordeval \"echo wrong\"\n\n\
         account stranger : default\ntls_trust_file /etc/ssl/certs/ca-certificates.crt\n\n\
         account other : default\ntls_host_override other.test.localhost\n"
    )
}

#[test]
fn a_host_that_wants_tls_and_a_password_takes_letters() {
    let server = Server::start().unwrap();
    let home = Home::new();
    home.write(".msmtprc", &accounts(&server));
    let mut sent = 0;
    for words in [
        &["-t"][..],
        &["-a", "implicit", "-t"],
        &["--auth=plain", "-t"],
        &["--auth=login", "-t"],
        &["--auth=scram-sha-256", ALAN],
        &[
            "--read-envelope-from",
            "--read-recipients",
            "-F",
            "Ada Lovelace",
        ],
        &["-i", "-oem", "-f", ADA, "--", ALAN],
    ] {
        let (code, said) = home.call("msmtp", words, &letter(&format!("number {sent}")));
        // The secret recipient is none of this house: the others have it.
        let is_known = !words.contains(&"-t") && !words.contains(&"--read-recipients");
        let expected = if is_known { 0 } else { 67 };
        assert_eq!(code, expected, "{words:?}: {said}");
        assert!(
            said.contains(".msmtprc:11: syslog: only `logfile` is written"),
            "{said}"
        );
        sent += 1;
    }
    let found = mail(&server, ALAN);
    assert_eq!(found.len(), sent);
    for text in &found {
        assert!(!text.contains("secret@"), "{text}");
        assert!(
            text.contains("\r\nDate: ") && text.contains("\r\nMessage-ID: <"),
            "{text}"
        );
        assert!(text.contains("with ESMTPSA"), "{text}");
    }
    let whole = found
        .iter()
        .filter(|text| text.contains("\r\n\r\nhello\r\n.\r\n"));
    assert_eq!(whole.count(), 1, "{found:?}");
    assert!(
        found
            .iter()
            .any(|text| text.contains("From: \"Ada Lovelace\" <ada@")),
        "{found:?}"
    );
    let log = home.read("log");
    assert_eq!(log.lines().count(), sent, "{log}");
    let good = format!("host=127.0.0.1 tls=on auth=on user={ADA} from={ADA} recipients={ALAN} ");
    assert!(
        log.contains(&good) && log.contains("exitcode=EX_OK"),
        "{log}"
    );
    assert!(!log.contains("echo secret"), "{log}");
}

#[test]
fn what_goes_wrong_has_its_code_and_its_words() {
    let server = Server::start().unwrap();
    let home = Home::new();
    home.write(".msmtprc", &accounts(&server));
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = free.local_addr().unwrap().port();
    drop(free);
    let away = format!("--port={away}");
    let text = letter("x");
    let strange = "127.0.0.1 does not prove that it is 127.0.0.1";
    for (words, code, what) in [
        (
            &["-a", "wrong", ALAN][..],
            77,
            "does not take the name or the password",
        ),
        (&["-a", "stranger", ALAN], 69, strange),
        (&["-a", "other", ALAN], 69, strange),
        (&[&away, ALAN], 75, "cannot be reached"),
        (&["nobody@test.localhost"], 67, "has not taken the letter"),
        (
            &["x@elsewhere.example", "-f", "eve@a.example"],
            77,
            "not taken",
        ),
        (&[], 64, "there is nobody to send to"),
        (&["-a", "none", ALAN], 78, "there is no account none"),
        (&["--wombat", ALAN], 64, "--wombat is not known"),
        (&["--auth=cram-md5", ALAN], 64, "is not known: `auth on`"),
        (
            &["--passwordeval=exit 3", ALAN],
            78,
            "`exit 3` tells nothing",
        ),
    ] {
        let (ended, said) = home.call("msmtp", words, &text);
        assert_eq!(ended, code, "{words:?}: {said}");
        assert!(said.contains(what), "{words:?}: {said}");
    }
    assert_eq!(mail(&server, ALAN), [""; 0]);
    // A certificate that nobody vouches for is known by what is said of it.
    let (_, said) = home.call("msmtp", &["-a", "stranger", ALAN], &text);
    let digits = said.split("sha256:").nth(1).unwrap().get(..64).unwrap();
    let known = format!("--tls-fingerprint={digits}");
    let (code, said) = home.call("msmtp", &["-a", "stranger", &known, ALAN], &text);
    assert_eq!(code, 0, "{said}");
    assert_eq!(mail(&server, ALAN).len(), 1);
    // Others may not read it.
    let path = home.path().join(".msmtprc");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = home.call("msmtp", &[ALAN], &text);
    assert!(
        code == 78 && said.contains("next: chmod 600"),
        "{code} {said}"
    );
}

#[test]
fn what_would_be_done_is_told_without_the_password() {
    let server = Server::start().unwrap();
    let home = Home::new();
    home.write(".msmtprc", &accounts(&server));
    let (code, said) = home.call("msmtp", &["-P", "-a", "implicit"], "");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("tls_starttls = off") && said.contains("password = *"),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
    let (code, said) = home.call("msmtp", &["--serverinfo"], "");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("TLS: TLS1.3") && said.contains("  AUTH SCRAM-SHA-256"),
        "{said}"
    );
    let (code, said) = home.call("msmtp", &["--help"], "");
    assert!(
        code == 0 && said.starts_with("Usage: caramel send"),
        "{said}"
    );
}
