//! Certificates by openssl, good and bad ones, and an HTTPS server in Python that has the policies.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use interop::{program, python};
use tempfile::TempDir;

/// The server under test, for tests in which others look at its certificate.
const HERE: &str = "mail.test.localhost";

/// Certificates, keys and what they are called in DNS, in a folder.
pub(crate) struct Papers(pub(crate) TempDir);

impl Papers {
    pub(crate) fn make(policy_hosts: &[String]) -> Self {
        let folder = TempDir::new().unwrap();
        let policies = [&["policies.example".to_owned()][..], policy_hosts].concat();
        let kinds = format!(
            "good DNS:good.mail.example,DNS:alias.mail.example,DNS:{HERE}\n\
             expired DNS:expired.mail.example,DNS:{HERE}\n\
             self DNS:self.mail.example,DNS:{HERE}\nother DNS:nobody.example\npolicies DNS:{}\n",
            policies.join(",DNS:")
        );
        let script = include_str!("../openssl/papers.sh");
        let made = program("sh", &["-c", script], folder.path(), &kinds).unwrap();
        assert!(made.well, "{}", made.err);
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn hash(&self, name: &str) -> String {
        fs::read_to_string(self.path(name))
            .unwrap()
            .trim()
            .to_owned()
    }
}

/// The server that has the policies; it ends when it is dropped.
pub(crate) struct PolicyHost {
    child: Child,
    folder: TempDir,
    pub(crate) port: u16,
}

impl PolicyHost {
    pub(crate) fn start(papers: &Papers) -> Self {
        let folder = TempDir::new().unwrap();
        let script = include_str!("../python/policies.py");
        let mut command = Command::new(python());
        command.args(["-c", script]).arg(folder.path());
        command.arg(papers.path("policies.pem"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        Self {
            child,
            folder,
            port: line.trim().parse().unwrap(),
        }
    }

    pub(crate) fn publish(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap_or_default()
    }

    pub(crate) fn asked(&self) -> String {
        String::from_utf8(self.read("asked")).unwrap()
    }
}

impl Drop for PolicyHost {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
