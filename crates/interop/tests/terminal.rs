//! Mail programs that want a terminal, driven through one.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use interop::{Server, Talk, Tls, program};

/// A terminal of its own: a tmux server on a socket in the test's folder.
struct Terminal<'a> {
    server: &'a Server,
    /// No two share one: a tmux that ends still answers at its socket for a moment.
    socket: String,
}

/// Terminals there were.
static TERMINALS: AtomicU32 = AtomicU32::new(0);

impl<'a> Terminal<'a> {
    fn run(server: &'a Server, command: &str) -> Self {
        let number = TERMINALS.fetch_add(1, Ordering::Relaxed);
        let socket = format!("tmux-{number}");
        let terminal = Self { server, socket };
        // A word of our own tells when the program has ended; `cat` keeps the screen.
        let command = format!("{command}; echo THE END; cat");
        terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "30", &command]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut all = vec!["-S", &self.socket, "-f", "/dev/null"];
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
        self.wait(|screen| screen.contains(text), text)
    }

    /// Waits until the screen does not show `text` any more: a question is done with.
    fn hides(&self, text: &str) {
        self.wait(|screen| !screen.contains(text), text);
    }

    fn wait(&self, enough: impl Fn(&str) -> bool, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if enough(&screen) {
                return screen;
            }
            let late = begun.elapsed() > Duration::from_secs(30);
            assert!(!late, "{text:?} and\n{screen}\n{}", self.server.log());
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let words = ["-S", &self.socket, "kill-server"];
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

/// Types a text after what the program proposes is rubbed out.
fn types(terminal: &Terminal<'_>, text: &str) {
    terminal.keys(&["C-u"]);
    terminal.keys(&["-l", text]);
    terminal.shows(text);
    terminal.keys(&["Enter"]);
}

fn messages(server: &Server, mailbox: &str) -> String {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    talk.imap(&format!("STATUS {mailbox} (MESSAGES UNSEEN)"))
        .unwrap()
        .remove(0)
}

/// A whole round of mutt or of what has come of it.
fn mutt(name: &str) {
    let server = Server::start().unwrap();
    deliver(&server);
    deliver(&server);
    deliver(&server);
    let ca = server.authority().unwrap();
    let port = server.address("imap", Tls::Implicit).port();
    let rc = format!(
        "set folder=\"imaps://localhost:{port}/\"\nset spoolfile=\"+INBOX\"\n\
         set imap_user=\"ada@test.localhost\"\nset imap_pass=\"secret\"\n\
         set certificate_file=\"{ca}\"\nset ssl_ca_certificates_file=\"{ca}\"\n\
         set delete=yes\nset quit=yes\nset sort=date\nset confirmappend=no\n\
         set confirmcreate=no\nset header_cache=\"cache\"\nset imap_condstore=yes\n\
         set imap_qresync=yes\nset imap_idle=yes\n\
         set status_format=\"all %m new %n flagged %F gone %d.\"\n"
    );
    fs::write(server.folder().join("rc"), rc).unwrap();
    let command = format!("{name} -n -F rc");
    let terminal = Terminal::run(&server, &command);
    terminal.shows("all 3 new 3 flagged 0 gone 0.");
    terminal.keys(&["Enter"]);
    terminal.shows("Words to be read.");
    terminal.keys(&["i"]);
    terminal.shows("all 3 new 2 flagged 0 gone 0.");
    terminal.keys(&["C"]);
    terminal.shows("Copy to mailbox");
    types(&terminal, "+Kept");
    terminal.hides("Copy to mailbox");
    terminal.keys(&["F"]);
    terminal.shows("flagged 1 gone 0.");
    terminal.keys(&["d"]);
    terminal.shows("gone 1.");
    terminal.keys(&["q"]);
    terminal.shows("THE END");
    drop(terminal);
    let inbox = messages(&server, "INBOX");
    assert_eq!(inbox, "* STATUS INBOX (MESSAGES 2 UNSEEN 1)");
    let kept = messages(&server, "Kept");
    assert_eq!(kept, "* STATUS Kept (MESSAGES 1 UNSEEN 0)");
    // It comes again with what it remembers, and is told what has changed meanwhile.
    deliver(&server);
    let terminal = Terminal::run(&server, &command);
    terminal.shows("all 3 new 1 flagged 1 gone 0.");
    terminal.keys(&["q"]);
    terminal.shows("THE END");
}

#[test]
fn mutt_files_flags_deletes_and_comes_again() {
    mutt("mutt");
}

#[test]
fn neomutt_files_flags_deletes_and_comes_again() {
    mutt("neomutt");
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

#[test]
fn alpine_reads_files_and_expunges() {
    let server = Server::start().unwrap();
    deliver(&server);
    deliver(&server);
    let port = server.address("imap", Tls::Implicit).port();
    let far = format!("{{localhost:{port}/ssl/novalidate-cert/user=ada@test.localhost}}");
    let rc = format!(
        "user-domain=test.localhost\ninbox-path={far}INBOX\n\
         folder-collections=\"Far\" {far}[]\nlast-version-used=7.00\n\
         feature-list=disable-password-file-saving,expunge-without-confirm,\
         quit-without-confirm\n"
    );
    fs::write(server.folder().join("pinerc"), rc).unwrap();
    let terminal = Terminal::run(&server, "alpine -p pinerc -i");
    terminal.shows("ENTER PASSWORD");
    terminal.keys(&["-l", "secret"]);
    terminal.keys(&["Enter"]);
    terminal.shows("Message 1 of 2 NEW");
    terminal.keys(&["Enter"]);
    terminal.shows("Words to be read.");
    terminal.keys(&["<"]);
    terminal.shows("MESSAGE INDEX");
    terminal.keys(&["S"]);
    terminal.shows("SAVE Msg #1");
    types(&terminal, "Kept");
    terminal.shows("Create?");
    terminal.keys(&["y"]);
    terminal.shows("Message 1 of 2 DEL");
    terminal.keys(&["X"]);
    terminal.shows("Message 1 of 1 NEW");
    terminal.keys(&["q"]);
    terminal.shows("THE END");
    let inbox = messages(&server, "INBOX");
    assert_eq!(inbox, "* STATUS INBOX (MESSAGES 1 UNSEEN 1)");
    let kept = messages(&server, "Kept");
    assert_eq!(kept, "* STATUS Kept (MESSAGES 1 UNSEEN 0)");
}

/// The queue at a glance, on a terminal that somebody looks at, and in a pipe.
#[test]
fn the_queue_is_drawn_anew_until_somebody_leaves() {
    let more = "[dns]\nservers = [\"127.0.0.1:9\"]\n[queue]\nretry = [\"1d\"]\n";
    let server = Server::start_with(more).unwrap();
    let (binary, config) = (Server::binary(), server.config());
    let caramel = format!("{} --config {}", binary.display(), config.display());
    let terminal = Terminal::run(&server, &format!("{caramel} queue top"));
    terminal.shows("0 letters in the queue");
    let screen = terminal.shows("q ends it");
    assert!(screen.contains("DESTINATION"), "{screen}");
    let letter = "Subject: x\n\nx\n";
    let told = server.command(
        &["sendmail", "-f", "root@test.localhost", "x@a.example"],
        letter,
    );
    told.unwrap();
    // What comes is there with the next picture.
    terminal.shows("1 letter in the queue for 1 destinations");
    terminal.shows("a.example ");
    terminal.keys(&["q"]);
    let screen = terminal.shows("THE END");
    assert!(!screen.contains("DESTINATION"), "{screen}");
    drop(terminal);
    let terminal = Terminal::run(&server, &format!("{caramel} queue top | cat"));
    let screen = terminal.shows("THE END");
    assert!(
        screen.contains("1 letter in the queue") && !screen.contains("ends it"),
        "{screen}"
    );
    drop(terminal);
    let terminal = Terminal::run(&server, &format!("{caramel} queue top"));
    terminal.shows("q ends it");
    terminal.keys(&["C-c"]);
    terminal.shows("THE END");
}
