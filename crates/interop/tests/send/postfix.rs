//! Debian's Postfix with TLS and SASL, by Dovecot: what people's mail hosts are.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use interop::Dovecot;
use tempfile::TempDir;

use super::sink::wait;
use super::{Home, letter};

/// Services that are needed, as `master.cf` lines.
const SERVICES: [&str; 12] = [
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "virtual unix - n n - - virtual",
    "anvil unix - - n - 1 anvil",
    "postlog unix-dgram n - n - 1 postlogd",
];

/// Postfix; it ends when it is dropped.
struct Postfix(TempDir, u16);

impl Postfix {
    fn start(dovecot: &Dovecot) -> Self {
        assert!(
            Path::new("/usr/sbin/postfix").is_file(),
            "postfix is missing: cargo xtask test installs it"
        );
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let home = folder.path().display();
        for part in ["etc", "queue", "data", "mail"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        run("chmod", &["a+rx", &home.to_string()]);
        run("chmod", &["a+rwx", &format!("{home}/mail")]);
        run("chown", &["postfix", &format!("{home}/data")]);
        let there = dovecot.folder().display();
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = mx.post.example\nmydestination =\n\
             config_directory = {home}/etc\nqueue_directory = {home}/queue\n\
             data_directory = {home}/data\nmail_owner = postfix\nsetgid_group = postdrop\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks =\n\
             virtual_mailbox_domains = post.example\n\
             virtual_mailbox_maps = inline:{{ {{ x@post.example = x/ }} }}\n\
             virtual_mailbox_base = {home}/mail\nvirtual_uid_maps = static:65534\n\
             virtual_gid_maps = static:65534\nsmtpd_peername_lookup = no\n\
             smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n\
             smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {there}/certificate\n\
             smtpd_tls_key_file = {there}/key\nsmtpd_sasl_auth_enable = yes\n\
             smtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{}\n\
             maillog_file = {home}/data/maillog\nmaillog_file_prefixes = /\n\
             disable_dns_lookups = yes\nalias_maps =\nalias_database =\n",
            dovecot.port("auth").unwrap(),
        );
        let master = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\n{}\n",
            SERVICES.join("\n")
        );
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
        let postfix = Self(folder, port);
        run("postfix", &["-c", &postfix.path("etc"), "start"]);
        postfix
    }

    fn path(&self, part: &str) -> String {
        self.0.path().join(part).display().to_string()
    }

    /// Letters that it keeps.
    fn letters(&self) -> usize {
        let folder = self.0.path().join("mail/x/new");
        fs::read_dir(folder).into_iter().flatten().count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("data/maillog")).unwrap_or_default()
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
fn postfix_with_tls_and_sasl_takes_letters() {
    let dovecot = Dovecot::start_authenticating().unwrap();
    let postfix = Postfix::start(&dovecot);
    let home = Home::new();
    let file = home.write(
        "rc",
        &format!(
            "account default\nhost 127.0.0.1\nport {}\ntls on\ntls_trust_file {}\nauth on\n\
             user ada\npassword secret\nfrom ada@post.example\n",
            postfix.1,
            dovecot.certificate().display(),
        ),
    );
    let to = "x@post.example";
    for (more, code) in [
        (&[to][..], 0),
        (&["--auth=login", to], 0),
        (&["--auth=scram-sha-256", to], 69),
        (&["--passwordeval=echo wrong", to], 77),
        (&["--auth=off", to], 77),
        (&["--tls=off", to], 69),
        (
            &["--tls-trust-file=/etc/ssl/certs/ca-certificates.crt", to],
            69,
        ),
    ] {
        let words = [&["-C", &file], more].concat();
        let (ended, said) = home.call("msmtp", &words, &letter("to Postfix"));
        assert_eq!(ended, code, "{more:?}: {said}\n{}", postfix.log());
    }
    wait(|| (postfix.letters() == 2).then_some(()));
    let log = postfix.log();
    assert!(
        log.contains("sasl_method=PLAIN, sasl_username=ada"),
        "{log}"
    );
    assert!(
        log.contains("sasl_method=LOGIN, sasl_username=ada"),
        "{log}"
    );
}
