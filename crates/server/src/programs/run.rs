//! One program, from its start to its end.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use mail::{Enhanced, Refusal, Timestamp};
use net::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, copy};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, timeout_at};

use super::ProgramSettings;
use super::body::Body;
use super::letter::Letter;

/// Octets of what a program says that are kept for the answer.
const OUTPUT_OCTETS_MAX: usize = 4096;
/// Octets that are read of it at once.
const READ_OCTETS: usize = 1024;
/// Lines of an answer.
const LINES_MAX: usize = 64;

/// Runs a command of the shell with a letter as its input.
///
/// # Errors
/// What the letter's sender, or the queue, is told where it does not end well.
pub(super) async fn run(
    command: &str,
    letter: &Letter<'_>,
    body: &mut Body,
    settings: &ProgramSettings,
    until: Instant,
) -> Result<(), Refusal> {
    let to = letter.recipient.to_string();
    let failed = |error: &io::Error| {
        tracing::error!(to, command, %error, "a program cannot be run");
        Refusal::new(451, Enhanced::new(4, 3, 0), "The program cannot be run now")
    };
    let file = body.rewound().await.map_err(|error| failed(&error))?;
    let running = Running::start(command, letter, settings).map_err(|error| failed(&error))?;
    let front = letter.front(Timestamp::utc(Clock::today().seconds));
    let ended = running.end(&front, file, until).await;
    let (status, output) = ended.map_err(|error| failed(&error))?;
    let said = output.trim();
    let Some(status) = status else {
        tracing::warn!(to, command, said, "killed: it took too long");
        let seconds = settings.run_time_max.as_secs();
        let text = format!("The program did not end within {seconds} seconds");
        return Err(Refusal::new(451, Enhanced::new(4, 3, 0), text));
    };
    tracing::info!(to, command, %status, said, "ran");
    verdict(status, said)
}

/// A program that runs; dropped, it and what it started are killed.
struct Running {
    child: Child,
    group: Option<Pid>,
    output: Output,
}

/// What it says.
struct Output {
    from: Receiver,
    kept: Vec<u8>,
}

impl Running {
    fn start(command: &str, letter: &Letter<'_>, settings: &ProgramSettings) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let mut shell = Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(command)
            .env_clear()
            .envs(letter.variables())
            .envs(settings.variables.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        let child = shell.spawn()?;
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            group: number.and_then(Pid::from_raw),
            child,
            output: Output {
                from: Receiver::from_owned_fd(OwnedFd::from(reader))?,
                kept: Vec::new(),
            },
        })
    }

    /// How it ended, and what it said; no status if it had to be killed.
    async fn end(
        mut self,
        front: &[u8],
        letter: &mut File,
        until: Instant,
    ) -> io::Result<(Option<ExitStatus>, String)> {
        let input = self.child.stdin.take();
        let (child, output) = (&mut self.child, &mut self.output);
        let talk = async {
            tokio::join!(feed(input, front, letter), output.hear());
            std::future::pending::<io::Result<ExitStatus>>().await
        };
        let ended = timeout_at(until, async {
            tokio::select! {
                status = child.wait() => status,
                status = talk => status,
            }
        });
        let status = match ended.await {
            Ok(status) => Some(status?),
            Err(_) => {
                self.kill();
                self.child.wait().await?;
                None
            }
        };
        // What it left running is its own affair.
        self.group = None;
        self.output.hear_the_rest();
        Ok((status, self.output.text()))
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // All of it may have ended by itself.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    /// Hears what is said until nobody can say any more.
    async fn hear(&mut self) {
        while self.from.readable().await.is_ok() {
            match self.take() {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Hears what was said and not heard; whoever still may say something is not waited for.
    fn hear_the_rest(&mut self) {
        while self.kept.len() < OUTPUT_OCTETS_MAX {
            match self.take() {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn take(&mut self) -> io::Result<usize> {
        let mut octets = [0; READ_OCTETS];
        let count = self.from.try_read(&mut octets)?;
        let room = OUTPUT_OCTETS_MAX.saturating_sub(self.kept.len());
        let kept = octets.get(..count.min(room)).unwrap_or_default();
        self.kept.extend_from_slice(kept);
        Ok(count)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

/// Gives it the letter. A program that does not read all of it closes its input: that is its right.
async fn feed(input: Option<ChildStdin>, front: &[u8], letter: &mut File) {
    let Some(mut input) = input else { return };
    if let Err(error) = input.write_all(front).await {
        return tracing::debug!(%error, "a program reads no more");
    }
    if let Err(error) = copy(letter, &mut input).await {
        tracing::debug!(%error, "a program reads no more");
    }
}

/// What it means that a program ended so.
// RFC 3463 §3
fn verdict(status: ExitStatus, said: &str) -> Result<(), Refusal> {
    if status.success() {
        return Ok(());
    }
    let Some(code) = status.code() else {
        let number = status.signal().unwrap_or_default();
        let words = format!("The program was ended by signal {number}");
        return Err(refusal(Enhanced::new(4, 3, 0), &words, said));
    };
    if let Some((enhanced, rest)) = own_words(said) {
        let words = format!("The program ended with exit status {code}");
        return Err(refusal(enhanced, &words, rest));
    }
    // The numbers are those of the system's `sysexits.h`; the shell's 126 and 127 say that there is
    // no such program, or that it may not be run.
    let enhanced = match code {
        71 | 75 => Enhanced::new(4, 3, 0),
        126 | 127 => Enhanced::new(4, 3, 5),
        65 => Enhanced::new(5, 6, 0),
        67 => Enhanced::new(5, 1, 1),
        68 => Enhanced::new(5, 1, 2),
        73 => Enhanced::new(5, 2, 0),
        76 => Enhanced::new(5, 5, 0),
        77 => Enhanced::new(5, 7, 0),
        78 => Enhanced::new(5, 3, 5),
        _ => Enhanced::new(5, 3, 0),
    };
    let words = format!("The program ended with exit status {code}");
    Err(refusal(enhanced, &words, said))
}

/// The status that a program's output begins with, where it begins with one of a failure, and what
/// is behind it.
fn own_words(said: &str) -> Option<(Enhanced, &str)> {
    let (word, rest) = said.split_once([' ', '\n']).unwrap_or((said, ""));
    let mut parts = word.split('.').map(|part| {
        let is_number = part.len() <= 3 && part.bytes().all(|octet| octet.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| is_number)
    });
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    let class = u8::try_from(class).ok()?;
    let enhanced = Enhanced::new(class, subject, detail);
    (parts.next().is_none() && matches!(class, 4 | 5)).then_some((enhanced, rest))
}

fn refusal(enhanced: Enhanced, words: &str, said: &str) -> Refusal {
    let code = if enhanced.class == 4 { 451 } else { 550 };
    let mut text = words.to_owned();
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    for (number, line) in lines.take(LINES_MAX).enumerate() {
        text.push_str(if number == 0 { ":\n" } else { "\n" });
        text.push_str(line);
    }
    Refusal::new(code, enhanced, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mail::{Address, ReversePath};

    use super::*;

    /// What comes of a command that gets this letter, within so many milliseconds.
    async fn ran(command: &str, letter: &str, milliseconds: u64) -> Result<(), String> {
        let mut body = Body::new().unwrap();
        body.write(letter.as_bytes()).await.unwrap();
        body.finish().await.unwrap();
        let run_time_max = Duration::from_millis(milliseconds);
        let settings = ProgramSettings {
            file: crate::ProgramFile::Aliases("/dev/null".into()),
            socket: "/dev/null".into(),
            run_time_max,
            programs_max: 1,
            message_octets_max: 1000,
            variables: vec![("HOME".into(), "/home/ada".into())],
        };
        let letter = Letter {
            sender: &ReversePath::parse("<bob@b.example>").unwrap(),
            recipient: &Address::parse("support@h.example").unwrap(),
        };
        let until = Instant::now() + run_time_max;
        let ran = run(command, &letter, &mut body, &settings, until).await;
        ran.map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn how_a_program_ends_is_what_becomes_of_the_letter() {
        let status = "The program ended with exit status";
        for (command, expected) in [
            ("exit 0", Ok(())),
            ("cat > /dev/null; echo ignored", Ok(())),
            ("exit 75", Err(format!("451 4.3.0 {status} 75"))),
            ("echo no such ticket >&2; exit 67", {
                Err(format!("550 5.1.1 {status} 67:\nno such ticket"))
            }),
            ("exit 1", Err(format!("550 5.3.0 {status} 1"))),
            ("echo 5.7.1 not for you; exit 75", {
                Err(format!("550 5.7.1 {status} 75:\nnot for you"))
            }),
            ("echo 4.2.0; exit 1", Err(format!("451 4.2.0 {status} 1"))),
            (
                "echo 2.0.0 well; exit 1",
                Err(format!("550 5.3.0 {status} 1:\n2.0.0 well")),
            ),
            (
                "kill -9 $$",
                Err("451 4.3.0 The program was ended by signal 9".to_owned()),
            ),
        ] {
            assert_eq!(
                ran(command, "\r\nx\r\n", 60_000).await,
                expected,
                "{command}"
            );
        }
        let missing = ran("/no/such/program", "\r\nx\r\n", 60_000)
            .await
            .unwrap_err();
        assert!(missing.starts_with("451 4.3.5 "), "{missing}");
    }

    #[tokio::test]
    async fn a_program_gets_the_letter_and_what_is_known_of_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = folder.path().display();
        let command = format!("cat > {place}/letter; env > {place}/env; pwd >> {place}/env");
        let long = format!("Subject: x\r\n\r\n{}", "line\r\n".repeat(50_000));
        ran(&command, &long, 60_000).await.unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let letter = read("letter");
        let (first, rest) = letter.split_once('\n').unwrap();
        assert!(first.starts_with("From bob@b.example "), "{first}");
        assert_eq!(
            rest,
            format!(
                "Return-Path: <bob@b.example>\nX-Original-To: support@h.example\n\
                 Delivered-To: support@h.example\nSubject: x\n\n{}",
                "line\n".repeat(50_000)
            )
        );
        let env = read("env");
        for line in [
            "SENDER=bob@b.example\n",
            "HOME=/home/ada\n",
            "LOGNAME=support\n",
        ] {
            assert!(env.contains(line), "{line}: {env}");
        }
        assert!(!env.contains("CARGO"), "{env}");
        assert!(env.ends_with("/\n"), "{env}");
        // One that reads nothing and says much is no trouble, nor is one that leaves others behind.
        ran("yes | head -c 1000000", &long, 60_000).await.unwrap();
        ran("sleep 15 &", &long, 10_000).await.unwrap();
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_all_that_it_started() {
        let folder = tempfile::TempDir::new().unwrap();
        let pids = folder.path().join("pids");
        let command = format!("sleep 600 & echo $! $$ > {}; wait", pids.display());
        let ended = ran(&command, "\r\n", 3000).await.unwrap_err();
        assert!(
            ended.starts_with("451 4.3.0 The program did not end"),
            "{ended}"
        );
        let written = std::fs::read_to_string(&pids).unwrap();
        assert_eq!(written.split_whitespace().count(), 2, "{written}");
        let begun = Instant::now();
        let lives = |pid: &str| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // One that has ended may not have been waited for yet.
            !state.is_empty() && !state.contains(") Z ")
        };
        while written.split_whitespace().any(lives) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{written}");
            tokio::task::yield_now().await;
        }
    }
}
