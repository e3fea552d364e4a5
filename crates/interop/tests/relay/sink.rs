//! A mail server in Python that does what it is told.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long is waited for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server; it ends when it is dropped.
pub(crate) struct Sink {
    child: Child,
    folder: TempDir,
    pub(crate) port: u16,
    /// A word for each letter that it took.
    news: mpsc::Receiver<()>,
}

impl Sink {
    /// Starts one at an address of this machine; port 0 lets the system choose.
    pub(crate) fn start(address: &str, port: u16, tls: Option<(&Path, &Path)>) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("python3");
        command.args(["-c", include_str!("../python/sink.py"), address]);
        command.arg(port.to_string()).arg(folder.path());
        if let Some((certificate, key)) = tls {
            command.arg(certificate).arg(key);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        let (sender, news) = mpsc::channel();
        std::thread::spawn(move || {
            for _ in said.lines().map_while(Result::ok) {
                sender.send(()).unwrap_or_default();
            }
        });
        Self {
            child,
            folder,
            port,
            news,
        }
    }

    /// What it took so far.
    pub(crate) fn taken(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("taken")).unwrap_or_default();
        // A line that is being written is not there yet.
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        whole
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until it has taken so many letters.
    pub(crate) fn takes(&self, count: usize) -> Vec<Value> {
        loop {
            let taken = self.taken();
            if taken.len() >= count {
                return taken;
            }
            self.news.recv_timeout(PATIENCE).unwrap();
        }
    }

    /// A switch: see the script.
    pub(crate) fn switch(&self, name: &str, on: bool) {
        let path: PathBuf = self.folder.path().join(name);
        match on {
            true => fs::write(path, "").unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks again and again until there is an answer; what is asked takes its time by itself.
pub(crate) fn wait<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come");
    }
}
