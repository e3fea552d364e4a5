//! Backups in an object store that nobody here wrote (moto), looked at by boto3. It looks whether
//! each question is signed rightly.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use interop::{Server, free_address, program, python_with};
use tempfile::TempDir;

const PLACE: &str = "s3://mail/host";
/// Letters of an account, and octets of each: together more than one part of an upload.
const LETTERS: usize = 60;
const LETTER_OCTETS: usize = 200_000;

/// An object store, and what drives it.
struct Bucket {
    child: Child,
    python: PathBuf,
    url: String,
    folder: TempDir,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Bucket {
    /// Starts one; none where Python's libraries cannot be had.
    fn start(more: &[&str]) -> Option<Self> {
        let libraries = ["moto", "flask", "flask_cors", "py_partiql_parser", "boto3"];
        let python = python_with(&libraries)?;
        let (address, folder) = (free_address().unwrap(), TempDir::new().unwrap());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(&python)
            .args(["-m", "moto.server", "-H", &ip, "-p", &port])
            .args(more)
            .env("INITIAL_NO_AUTH_ACTION_COUNT", "4")
            .env("HOME", folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let scheme = if more.is_empty() { "http" } else { "https" };
        let bucket = Self {
            child,
            python,
            url: format!("{scheme}://{address}"),
            folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no store");
            std::thread::yield_now();
        }
        bucket.boto(&["open"]);
        let key = bucket.key();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, mode).unwrap();
        Some(bucket)
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// What boto3 sees.
    fn boto(&self, words: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/bucket.py");
        let folder = text(self.folder.path());
        let (what, more) = words.split_first().unwrap();
        let all = [&[script, what, &*self.url, folder], more].concat();
        let python = text(&self.python);
        let ended = program(python, &all, self.folder.path(), "").unwrap();
        assert!(ended.well, "{words:?}\n{}\n{}", ended.err, self.log());
        ended.out
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .into_iter()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Names of a folder, without what stands before them.
    fn names(&self, folder: &str) -> Vec<String> {
        let all = self.boto(&["names"]);
        let names = all.lines().map(|line| line.split(' ').next().unwrap());
        let before = format!("host/{folder}/");
        let names = names.filter_map(|name| name.strip_prefix(&before));
        names.map(str::to_owned).collect()
    }

    fn words<'words>(&self, words: &[&'words str], key: &'words str) -> Vec<&'words str> {
        let config = ["--s3-config", key];
        [&["backup"], words, &config].concat()
    }

    /// A command that needs no configuration; what it said, and whether it ended well.
    fn asked(&self, words: &[&str]) -> (String, bool) {
        let key = self.key();
        let words = self.words(words, text(&key));
        let output = Command::new(Server::binary()).args(words).output().unwrap();
        (said(&output), output.status.success())
    }

    fn done(&self, words: &[&str]) -> String {
        let (said, well) = self.asked(words);
        assert!(well, "{words:?}: {said}\n{}", self.log());
        said
    }

    /// Makes a backup of a server.
    fn create(&self, server: &Server, more: &[&str]) -> String {
        let key = self.key();
        let words = [&["create", PLACE], more].concat();
        let words = self.words(&words, text(&key));
        let output = server.output(&words, "").unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}\n{}", self.log());
        said
    }

    /// Begins a backup that takes its time, and returns once it has begun to read mail.
    fn begin(&self, server: &Server) -> Child {
        let key = self.key();
        let words = ["create", PLACE, "--rate", "400K", "--json"];
        let mut child = Command::new(Server::binary())
            .arg("--config")
            .arg(server.config())
            .args(self.words(&words, text(&key)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert!(line.contains("progress"), "{line}");
        child.stdout = Some(told.into_inner());
        child
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn said(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Puts letters into an account, none like another.
fn fill(server: &Server, account: &str, first: usize, count: usize) {
    let file = server.folder().join("letters.mbox");
    let mut letters = String::new();
    let mut state: u64 = 1 + u64::try_from(first).unwrap();
    for number in first..first + count {
        letters.push_str(&format!(
            "From a@b.example Thu Nov 26 19:14:09 2026\nFrom: a@b.example\n\
             Subject: Tea {number}\n\n"
        ));
        for _ in 0..LETTER_OCTETS / 65 {
            for _ in 0..4 {
                // xorshift
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                letters.push_str(&format!("{state:016x}"));
            }
            letters.push('\n');
        }
        letters.push('\n');
    }
    fs::write(&file, letters).unwrap();
    let account = format!("{account}@test.localhost");
    let words = [
        "import",
        "--again",
        "--account",
        &account,
        "--mailbox",
        "INBOX",
        text(&file),
    ];
    server.command(&words, "").unwrap();
}

/// All letters of a data folder at rest.
fn letters(data: &Path) -> Vec<(String, Vec<u8>)> {
    let config = data.with_extension("toml");
    let line = format!("hostname = \"localhost\"\ndata = \"{}\"\n", data.display());
    fs::write(&config, line).unwrap();
    let mut all = Vec::new();
    for account in ["ada", "alan"] {
        let out = data.with_extension(account);
        let account = format!("{account}@test.localhost");
        let words = ["--config", text(&config), "export", "--account", &account];
        let form = ["--format", "mbox", text(&out)];
        let output = Command::new(Server::binary())
            .args(words)
            .args(form)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        for entry in fs::read_dir(&out).into_iter().flatten().flatten() {
            let name = format!("{account} {}", entry.file_name().display());
            all.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_bucket_gives_back_what_a_folder_does() {
    let Some(bucket) = Bucket::start(&[]) else {
        return;
    };
    let mut server = Server::start().unwrap();
    fill(&server, "ada", 0, LETTERS);
    let (wrong, well) = bucket.asked(&["list", PLACE]);
    assert!(
        !well && wrong.contains("there is no backup in s3://mail/host"),
        "{wrong}"
    );
    let first = bucket.create(&server, &[]);
    assert!(
        first.contains(&format!("{LETTERS} messages' bodies")),
        "{first}"
    );
    fill(&server, "alan", 1000, 3);
    let second = bucket.create(&server, &[]);
    assert!(second.contains(": 3 messages' bodies, "), "{second}");
    let third = bucket.create(&server, &[]);
    assert!(third.contains(" 0 octets written: "), "{third}");
    let names = bucket.names("manifests");
    assert_eq!(names.len(), 3, "{names:?}");
    let list = bucket.done(&["list", PLACE]);
    assert!(names.iter().all(|name| list.contains(name)), "{list}");
    let show = bucket.done(&["show", PLACE, "--backup", &names[0]]);
    assert!(
        show.contains(&format!("INBOX: {LETTERS} messages")),
        "{show}"
    );
    // Somebody else's program finds what the commands wrote, and nothing on its way.
    assert_eq!(bucket.names("bodies").len(), 2);
    assert_eq!(bucket.boto(&["uploads"]), "0\n");
    assert!(!bucket.boto(&["names"]).contains("host/lock"));
    assert_eq!(bucket.names("drafts"), Vec::<String>::new());
    assert_ne!(bucket.boto(&["has", "Subject: Tea 7"]), "0\n");

    let scratch = server.folder().join("scratch");
    let (wrong, well) = bucket.asked(&["verify", PLACE]);
    assert!(!well && wrong.contains("--scratch DIR"), "{wrong}");
    let verified = bucket.done(&["verify", PLACE, "--scratch", text(&scratch)]);
    assert!(verified.contains("are what they were."), "{verified}");
    let near = server.folder().join("near");
    server
        .command(&["backup", "create", text(&near)], "")
        .unwrap();
    assert!(server.stop());
    let (from_near, from_far) = (server.folder().join("one"), server.folder().join("other"));
    let words = ["backup", "restore", text(&near), "--to", text(&from_near)];
    server.command(&words, "").unwrap();
    bucket.done(&["restore", PLACE, "--to", text(&from_far)]);
    let restored = letters(&from_near);
    assert!(restored.len() >= 2, "{restored:?}");
    assert!(restored == letters(&from_far));

    // What only the others had goes.
    server.run().unwrap();
    let pruned = bucket.done(&["prune", PLACE, "--keep", "1"]);
    assert!(pruned.contains("2 backups and "), "{pruned}");
    assert_eq!(bucket.names("manifests"), names[2..]);
    bucket.done(&["verify", PLACE, "--scratch", text(&scratch)]);
    bucket.boto(&["spoil"]);
    let (damaged, well) = bucket.asked(&["verify", PLACE, "--scratch", text(&scratch)]);
    assert!(!well && damaged.contains(" is lost: "), "{damaged}");
    assert!(!scratch.exists());
}

#[test]
fn one_that_is_killed_goes_on_and_two_do_not_write_at_once() {
    let Some(bucket) = Bucket::start(&[]) else {
        return;
    };
    let server = Server::start().unwrap();
    fill(&server, "ada", 0, LETTERS);
    let mut child = bucket.begin(&server);
    // Somebody else comes, from here and to prune.
    let key = bucket.key();
    let words = bucket.words(&["create", PLACE], text(&key));
    let busy = said(&server.output(&words, "").unwrap());
    let expected = format!(
        "another backup is being written here: process {} of ",
        child.id()
    );
    assert!(
        busy.contains(&expected) && busy.contains("good until"),
        "{busy}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bucket.names("manifests"), Vec::<String>::new());
    assert!(bucket.boto(&["names"]).contains("host/lock"));
    // Its process has ended, so nobody has to wait for its lock; what it left is given up.
    bucket.boto(&["begin"]);
    assert_ne!(bucket.boto(&["uploads"]), "0\n");
    bucket.create(&server, &[]);
    assert_eq!(bucket.boto(&["uploads"]), "0\n");
    assert_eq!(bucket.names("drafts"), Vec::<String>::new());
    // The lock of another machine is good for a while.
    let other = "{\"lock\":1,\"id\":\"x\",\"host\":\"mx2.example\",\"machine\":\"m\",\"pid\":7,\
        \"began\":\"1\",\"since\":\"2026-11-28T06:00:00Z\",\"renewals\":0}";
    bucket.boto(&["put", "host/lock", other]);
    let busy = said(&server.output(&words, "").unwrap());
    assert!(
        busy.contains("process 7 of mx2.example, since 2026-11-28T06:00:00Z"),
        "{busy}"
    );
    let (busy, well) = bucket.asked(&["prune", PLACE, "--keep", "1"]);
    assert!(!well && busy.contains("process 7 of mx2.example"), "{busy}");
    // Nobody who only reads minds.
    let scratch = server.folder().join("scratch");
    bucket.done(&["verify", PLACE, "--scratch", text(&scratch)]);
}

#[test]
fn nobody_reads_what_is_encrypted_and_a_wrong_key_is_told() {
    let Some(bucket) = Bucket::start(&[]) else {
        return;
    };
    let server = Server::start().unwrap();
    fill(&server, "ada", 0, 5);
    let secret = server.folder().join("secret");
    server
        .command(&["backup", "key", text(&secret)], "")
        .unwrap();
    let sealed = ["--key", text(&secret)];
    bucket.create(&server, &sealed);
    assert_eq!(bucket.boto(&["has", "Subject: Tea"]), "0\n");
    assert_eq!(bucket.boto(&["has", "test.localhost"]), "0\n");
    let scratch = server.folder().join("scratch");
    let words = [&["verify", PLACE, "--scratch", text(&scratch)][..], &sealed].concat();
    bucket.done(&words);
    let (wrong, well) = bucket.asked(&["list", PLACE]);
    assert!(
        !well && wrong.contains("these backups are encrypted"),
        "{wrong}"
    );

    // Whoever asks with another secret hears what the store says, and that secret is not told.
    let key = fs::read_to_string(bucket.key()).unwrap();
    let was = key.lines().find(|line| line.contains("secret")).unwrap();
    let wrong = key.replace(was, "aws_secret_access_key = not-the-right-one");
    fs::write(bucket.key(), wrong).unwrap();
    let (told, well) = bucket.asked(&["list", PLACE]);
    assert!(
        !well && told.contains("403: SignatureDoesNotMatch: "),
        "{told}"
    );
    assert!(!told.contains("not-the-right-one"), "{told}");
    fs::write(bucket.key(), key).unwrap();
    let (told, well) = bucket.asked(&["list", "s3://elsewhere/host"]);
    assert!(!well && told.contains("NoSuchBucket"), "{told}");
}

#[test]
fn certificates_are_looked_at() {
    let folder = TempDir::new().unwrap();
    let (certificate, private) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let words = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=store \
         -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
         -keyout {} -out {}",
        private.display(),
        certificate.display()
    );
    let words: Vec<&str> = words.split(' ').collect();
    let made = program("openssl", &words, folder.path(), "").unwrap();
    assert!(made.well, "{}", made.err);
    let (chain, key) = (text(&certificate), text(&private));
    let Some(bucket) = Bucket::start(&["--ssl", "--ssl-cert", chain, "--ssl-key", key]) else {
        return;
    };
    let server = Server::start().unwrap();
    fill(&server, "ada", 0, 2);
    let (told, well) = bucket.asked(&["list", PLACE]);
    assert!(!well && told.contains("certificate"), "{told}");
    let config = fs::read_to_string(bucket.key()).unwrap();
    fs::write(bucket.key(), format!("{config}ca_bundle = {chain}\n")).unwrap();
    bucket.create(&server, &[]);
    bucket.done(&["list", PLACE]);
}
