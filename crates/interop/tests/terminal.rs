//! Mail programs that want a terminal, driven through one.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::time::{Duration, Instant};

use interop::{Server, Talk, Tls, program};

/// A terminal of its own: a tmux server on a socket in the test's folder.
struct Terminal<'a> {
    server: &'a Server,
}

impl<'a> Terminal<'a> {
    fn run(server: &'a Server, command: &str) -> Self {
        let terminal = Self { server };
        // A word of our own tells when the program has ended; `cat` keeps the screen.
        let command = format!("{command}; echo THE END; cat");
        terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "30", &command]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut all = vec!["-S", "tmux", "-f", "/dev/null"];
        all.extend(words);
        let ended = program("tmux", &all, self.server.folder(), "").unwrap();
        assert!(ended.well, "tmux {words:?}: {}", ended.err);
        ended.out
    }

    fn keys(&self, keys: &[&str]) {
        let mut words = vec!["send-keys"];
        words.extend(keys);
        self.tmux(&words);
    }

    /// Waits until the screen shows `text`.
    fn shows(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(text) {
                return screen;
            }
            let late = begun.elapsed() > Duration::from_secs(30);
            assert!(!late, "no {text:?} on\n{screen}\n{}", self.server.log());
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let words = ["-S", "tmux", "kill-server"];
        drop(program("tmux", &words, self.server.folder(), ""));
    }
}

fn deliver(server: &Server) {
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO test.localhost").unwrap();
    let letter = "From: Guest <guest@elsewhere.example>\r\nTo: ada@test.localhost\r\n\
                  Subject: On the screen\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n\
                  Words to be read.";
    let reply = talk.deliver("guest@elsewhere.example", &["ada@test.localhost"], letter);
    assert!(reply.unwrap().starts_with("250"));
}

fn messages(server: &Server, mailbox: &str) -> String {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    talk.imap(&format!("STATUS {mailbox} (MESSAGES UNSEEN)"))
        .unwrap()
        .remove(0)
}

#[test]
fn mutt_reads_and_deletes() {
    let server = Server::start().unwrap();
    deliver(&server);
    let ca = server.authority().unwrap();
    let port = server.address("imap", Tls::Implicit).port();
    let rc = format!(
        "set folder=\"imaps://127.0.0.1:{port}/\"\nset spoolfile=\"+INBOX\"\n\
         set imap_user=\"ada@test.localhost\"\nset imap_pass=\"secret\"\n\
         set ssl_verify_host=no\nset certificate_file=\"{ca}\"\n\
         set ssl_ca_certificates_file=\"{ca}\"\n\
         set delete=yes\nset quit=yes\nset sort=date\n"
    );
    fs::write(server.folder().join("muttrc"), rc).unwrap();
    let terminal = Terminal::run(&server, "mutt -n -F muttrc");
    terminal.shows("On the screen");
    terminal.keys(&["Enter"]);
    terminal.shows("Words to be read.");
    // mutt throws typed-ahead keys away: each waits for the screen that it is meant for.
    terminal.keys(&["i"]);
    terminal.shows("q:Quit");
    terminal.keys(&["d"]);
    terminal.shows("Del:1");
    terminal.keys(&["q"]);
    terminal.shows("THE END");
    assert_eq!(
        messages(&server, "INBOX"),
        "* STATUS INBOX (MESSAGES 0 UNSEEN 0)"
    );
}

#[test]
fn s_nail_reads_and_answers() {
    let server = Server::start().unwrap();
    deliver(&server);
    let imap = server.address("imap", Tls::Starttls);
    let smtp = server.address("submission", Tls::Implicit);
    let ca = server.authority().unwrap();
    let folder = format!("imap://ada%40test.localhost:secret@{imap}/INBOX");
    let terminal = Terminal::run(&server, &format!("s-nail -S v15-compat=yes -R -f {folder}"));
    terminal.shows("On the screen");
    terminal.keys(&["print 1", "Enter"]);
    terminal.shows("Words to be read.");
    terminal.keys(&["exit", "Enter"]);
    terminal.shows("THE END");
    let mta = format!("mta=smtps://ada%40test.localhost:secret@{smtp}");
    let ca = format!("tls-ca-file={ca}");
    let set = [
        "v15-compat=yes",
        "from=ada@test.localhost",
        "sendwait",
        "smtp-auth=plain",
    ];
    let mut words = vec![
        "-s",
        "An answer",
        "-S",
        &mta,
        "-S",
        &ca,
        "-S",
        "tls-verify=ignore",
    ];
    words.extend(set.iter().flat_map(|setting| ["-S", *setting]));
    words.push("alan@test.localhost");
    let ended = program("s-nail", &words, server.folder(), "Thank you.\n").unwrap();
    assert!(ended.well, "{}\n{}", ended.err, server.log());
    let (mut talk, _) = Talk::open(imap).unwrap();
    talk.imap_login("alan@test.localhost", "secret").unwrap();
    let status = talk.imap("STATUS INBOX (MESSAGES)").unwrap();
    let first = status.first().unwrap();
    assert_eq!(
        first,
        "* STATUS INBOX (MESSAGES 1)",
        "{ended:?}\n{}",
        server.log()
    );
}
