//! Debian's Postfix, set up in a folder: it takes letters of one domain into a Maildir, and sends
//! its reports back to the server under test.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use interop::{Talk, Tls};
use serde_json::json;
use tempfile::TempDir;

use super::sink::Sink;
use super::{town, walk, words};

/// Services that are needed, as `master.cf` lines: private, how often woken, how many.
const SERVICES: [&str; 16] = [
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "verify unix - - n - 1 verify",
    "proxymap unix - - n - - proxymap",
    "smtp unix - - n - - smtp",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "virtual unix - n n - - virtual",
    "anvil unix - - n - 1 anvil",
    "scache unix - - n - 1 scache",
    "postlog unix-dgram n - n - 1 postlogd",
];

/// Postfix; it ends when it is dropped.
struct Postfix(TempDir);

impl Postfix {
    fn start(address: SocketAddr, reports_to: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path().display();
        for part in ["etc", "queue", "data", "mail"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        run("chmod", &["a+rx", &home.to_string()]);
        run("chmod", &["a+rwx", &format!("{home}/mail")]);
        run("chown", &["postfix", &format!("{home}/data")]);
        let (ip, port) = (address.ip(), address.port());
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = mx.post.example\nmydestination =\n\
             config_directory = {home}/etc\nqueue_directory = {home}/queue\n\
             data_directory = {home}/data\nmail_owner = postfix\nsetgid_group = postdrop\n\
             inet_interfaces = {ip}\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             virtual_mailbox_domains = post.example\n\
             virtual_mailbox_maps = inline:{{ {{ x@post.example = x/ }} }}\n\
             virtual_mailbox_base = {home}/mail\nvirtual_uid_maps = static:65534\n\
             virtual_gid_maps = static:65534\nrelayhost = [{}]:{}\n\
             smtpd_recipient_restrictions = reject_unauth_destination\n\
             smtpd_peername_lookup = no\nmaillog_file = {home}/data/maillog\n\
             maillog_file_prefixes = /\ndisable_dns_lookups = yes\nalias_maps =\n\
             alias_database =\n",
            reports_to.ip(),
            reports_to.port(),
        );
        let mut master = format!("{ip}:{port} inet n - n - - smtpd\n");
        master.push_str(&SERVICES.join("\n"));
        master.push('\n');
        fs::write(folder.path().join("etc/main.cf"), main).unwrap();
        fs::write(folder.path().join("etc/master.cf"), master).unwrap();
        for file in [
            "postfix-files",
            "postfix-script",
            "post-install",
            "dynamicmaps.cf",
        ] {
            let source = Path::new("/etc/postfix").join(file);
            if source.is_file() {
                fs::copy(source, folder.path().join("etc").join(file)).unwrap();
            }
        }
        let postfix = Self(folder);
        run("postfix", &["-c", &postfix.path("etc"), "start"]);
        postfix
    }

    fn path(&self, part: &str) -> String {
        self.0.path().join(part).display().to_string()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("data/maillog")).unwrap_or_default()
    }

    /// The letters it keeps.
    fn letters(&self) -> Vec<String> {
        let files: Vec<PathBuf> = walk(&self.0.path().join("mail"));
        let text = |file: &PathBuf| fs::read_to_string(file).unwrap();
        files.iter().map(text).collect()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        run("postfix", &["-c", &self.path("etc"), "stop"]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let command = command.args(arguments);
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(silent.status());
}

#[test]
fn postfix_takes_letters_and_its_reports_come_back() {
    if !Path::new("/usr/sbin/postfix").is_file() {
        panic!("postfix is missing: cargo xtask test installs it");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let zone = "post.example MX 10 mx.post.example\nmx.post.example A 127.0.0.1";
    let town = town(zone, address.port(), "");
    let postfix = Postfix::start(address, town.server.address("smtp", Tls::Starttls));
    let to = ["x@post.example", "nobody@post.example"];
    town.send(
        &to,
        "to Postfix",
        &["notify=SUCCESS,FAILURE", "envid=A+2BB"],
    );
    // It refuses one at once: that is our report; of the other it tells us itself.
    let ours = town.report("Action: failed");
    let told = &ours["recipients"][0];
    assert_eq!(words(told, "Final-Recipient"), "rfc822;nobody@post.example");
    assert_eq!(words(told, "Status"), "5.1.1", "{}", postfix.log());
    let theirs = town.report("Action: delivered");
    assert!(
        words(&theirs, "words").contains("mx.post.example"),
        "{theirs}"
    );
    assert_eq!(words(&theirs["message"], "Original-Envelope-Id"), "A+B");
    assert_eq!(theirs["defects"], json!([]));
    let letters = postfix.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("Subject: to Postfix\n"), "{letters:?}");
    assert!(letters[0].contains("first\n.dot\nlast\n"), "{letters:?}");
    town.is_done();
}

/// A letter that is sent on by an alias names this host as its sender; what Postfix tells of it
/// comes here, and goes on to whoever sent it.
#[test]
fn what_postfix_tells_of_a_letter_that_was_sent_on_reaches_its_sender() {
    if !Path::new("/usr/sbin/postfix").is_file() {
        panic!("postfix is missing: cargo xtask test installs it");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sink = Sink::start("127.0.0.2", address.port(), None);
    let zone = "post.example MX 10 mx.post.example\nmx.post.example A 127.0.0.1\n\
                bob.example A 127.0.0.2";
    let more = "[forward]\nsrs = true\n";
    let town = town(zone, address.port(), more);
    let postfix = Postfix::start(address, town.server.address("smtp", Tls::Starttls));
    for (name, target) in [("away", "x@post.example"), ("gone", "nobody@post.example")] {
        let name = format!("{name}@test.localhost");
        let words = ["alias", "add", &name, target];
        town.server.command(&words, "").unwrap();
    }
    let (mut smtp, _) = Talk::open(town.server.address("smtp", Tls::Starttls)).unwrap();
    let mut say = |line: &str, expected: &str| {
        let said = smtp.smtp(line).unwrap();
        assert!(said.starts_with(expected), "{line}: {said}");
    };
    say("EHLO mx.bob.example", "250");
    for name in ["away", "gone"] {
        say("MAIL FROM:<bob@bob.example>", "250");
        let to = format!("RCPT TO:<{name}@test.localhost> NOTIFY=SUCCESS,FAILURE");
        say(&to, "250");
        say("DATA", "354");
        say(&format!("Subject: {name}\r\n\r\nAt five?\r\n."), "250");
    }
    // Nobody else gets through by such an address.
    say("MAIL FROM:<>", "250");
    say(
        "RCPT TO:<SRS0=aaaaaaaa=aa=bob.example=bob@mail.test.localhost>",
        "550 5.1.1",
    );
    let taken = sink.takes(2);
    let to_bob = |letter: &&serde_json::Value| letter["to"] == json!(["<bob@bob.example>"]);
    let reports: Vec<_> = taken.iter().filter(to_bob).collect();
    assert_eq!(reports.len(), 2, "{taken:?}\n{}", postfix.log());
    let has = |part: &str| {
        let mut bodies = reports.iter().map(|letter| words(letter, "body"));
        bodies.any(|body| body.contains(part))
    };
    assert!(
        has("Action: delivered") && has("Action: failed"),
        "{reports:?}"
    );
    assert!(has("mx.post.example"), "{reports:?}");
    let letters = postfix.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let returned = "Return-Path: <SRS0=";
    assert!(letters[0].contains(returned), "{letters:?}");
    assert!(
        letters[0].contains("=bob.example=bob@mail.test.localhost>"),
        "{letters:?}"
    );
    town.is_done();
}
