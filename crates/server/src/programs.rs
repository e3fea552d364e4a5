//! Programs that get letters: a process of its own takes letters by LMTP, and hands each to the
//! programs that its recipient's alias names.
//!
//! It reads the file of aliases itself, or one user's `.forward`, and runs only what stands there:
//! who hands letters in names recipients, never commands. It has no store, and keeps nothing: a
//! letter is acknowledged when all programs of its recipient have ended well, and until then it is
//! the queue's that sent it.
//! docs/decisions/071-programs-behind-a-door-of-their-own.md says why it is no part of the server.
//!
//! Not here: which names lead to programs (`alias_file`), the other end (`relay`).
//!
//! RFC 2033 (LMTP), RFC 3463 (what a program's end means).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mail::{Address, Enhanced, ForwardPath, Recipient, Refusal, ReversePath};
use net::{Clock, Encryption, Endpoint, Gate, House, Listener, Socket, Stop, Stream, Terms};
use smtp::{Answer, Ask, Policy, Session};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::body::Body;
use self::letter::Letter;
use self::list::List;
use crate::alias_file::AliasFault;

mod body;
mod letter;
mod list;
mod run;

/// Connections at once.
const CONNECTIONS_MAX: usize = 100;
/// How long a letter waits for programs that run for others.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Recipients of a transaction.
const RECIPIENTS_MAX: u32 = 100;

/// What names the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramFile {
    /// A file of aliases: those of the letter's recipient.
    Aliases(PathBuf),
    /// The `.forward` of whoever runs this: its own, for each letter that comes.
    Forward(PathBuf),
}

impl ProgramFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Aliases(path) | Self::Forward(path) => path,
        }
    }
}

/// How programs are run.
#[derive(Clone, Debug)]
pub struct ProgramSettings {
    /// The file that names them.
    pub file: ProgramFile,
    /// The socket at which letters come.
    pub socket: PathBuf,
    /// How long all programs of one name may take for a letter.
    pub run_time_max: Duration,
    /// Names at once whose programs run.
    pub programs_max: usize,
    /// Octets of a letter.
    pub message_octets_max: u64,
    /// What programs are told of whoever they run as: `HOME`, `LANG`, `TZ` and the like.
    pub variables: Vec<(String, String)>,
}

/// Why no programs are run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// Nobody can hand letters in.
    #[error("listening: {0}")]
    Listen(net::Error),
    /// The file that names programs is not to be gone by.
    #[error("{0}")]
    File(String),
}

/// A door behind which programs are run.
#[derive(Debug)]
pub struct Programs {
    listener: Listener,
    shared: Arc<Shared>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    settings: ProgramSettings,
    list: List,
    /// The right to run a name's programs.
    turns: Semaphore,
    policy: Arc<Policy>,
    terms: Terms,
}

impl Programs {
    /// Reads the file and opens the door; to be called inside the runtime. Lines of aliases that
    /// are wrong are told, and left out.
    ///
    /// # Errors
    /// If the file cannot be read, or anybody may write it; if the socket cannot be made.
    pub async fn open(settings: ProgramSettings) -> Result<(Self, Vec<AliasFault>), ProgramsError> {
        let list = List::open(settings.file.clone());
        let faults = list.look().map_err(ProgramsError::File)?;
        let endpoint = Endpoint::Unix(settings.socket.clone());
        let listener = Listener::bind(&endpoint, 0).await;
        let listener = listener.map_err(ProgramsError::Listen)?;
        let policy = Policy {
            message_octets_max: settings.message_octets_max,
            recipients_max: RECIPIENTS_MAX,
            dsn: false,
            requiretls: false,
            // Within this machine no other name is needed.
            ..Policy::lmtp("localhost")
        };
        let shared = Arc::new(Shared {
            turns: Semaphore::new(settings.programs_max),
            settings,
            list,
            policy: Arc::new(policy),
            terms: Terms::new(Clock::start()),
        });
        Ok((Self { listener, shared }, faults))
    }

    /// How many names have programs; of a `.forward`, how many programs there are.
    #[must_use]
    pub fn names(&self) -> usize {
        self.shared.list.len()
    }

    /// Takes letters until it is asked to stop.
    pub async fn serve(self, stop: Stop) {
        let shared = self.shared;
        let converse = move |socket: Socket, peer: net::Peer, mut stop: Stop| {
            let shared = Arc::clone(&shared);
            async move {
                let mut session = Session::new(Arc::clone(&shared.policy));
                let mut desk = Desk {
                    shared: Arc::clone(&shared),
                    sender: ReversePath::Null,
                    recipients: Vec::new(),
                    body: None,
                };
                let mut stream = Stream::plain(socket, Encryption::None);
                let talk = net::drive(
                    &mut stream,
                    &mut session,
                    &mut desk,
                    &shared.terms,
                    &mut stop,
                );
                if let Err(error) = Box::pin(talk).await {
                    tracing::info!(conn = %peer.conn, %error, "broken off");
                }
            }
        };
        let gate = Gate::new(CONNECTIONS_MAX, CONNECTIONS_MAX);
        let refusal = bytes::Bytes::from_static(b"421 4.3.2 Too many connections\r\n");
        net::serve(self.listener, gate, refusal, stop, converse).await;
    }
}

/// Where one peer hands in its letters.
#[derive(Debug)]
struct Desk {
    shared: Arc<Shared>,
    sender: ReversePath,
    /// Whom the letter is for, and the commands that get it.
    recipients: Vec<(Address, Vec<String>)>,
    body: Option<Body>,
}

impl House<Session> for Desk {
    async fn ask(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Mail(transaction) => {
                self.forget();
                self.sender = transaction.reverse_path;
                Answer::Done
            }
            Ask::Recipient(recipient) => answered(self.recipient(recipient)),
            Ask::Body => {
                let made = Body::new().map(|body| self.body = Some(body));
                answered(made.map_err(|error| unkept(&error)))
            }
            Ask::Chunk(octets) => match &mut self.body {
                Some(body) => answered(body.write(&octets).await.map_err(|error| unkept(&error))),
                None => Answer::Done,
            },
            Ask::Accept => self.accept().await,
            Ask::Abort => {
                self.forget();
                Answer::Done
            }
            // They are not offered.
            Ask::Sasl(_) | Ask::Verify(_) | Ask::Flush(_) => Answer::Done,
        }
    }
}

impl Desk {
    fn forget(&mut self) {
        self.sender = ReversePath::Null;
        self.recipients.clear();
        self.body = None;
    }

    fn recipient(&mut self, recipient: Recipient) -> Result<(), Refusal> {
        let ForwardPath::Address(address) = recipient.forward_path else {
            return Err(nobody());
        };
        let commands = self.shared.list.commands(&address)?;
        let commands = commands.ok_or_else(nobody)?;
        self.recipients.push((address, commands));
        Ok(())
    }

    // RFC 2033 §4.2
    async fn accept(&mut self) -> Answer {
        let recipients = std::mem::take(&mut self.recipients);
        let Some(mut body) = self.body.take() else {
            return Answer::Done;
        };
        if let Err(error) = body.finish().await {
            return Answer::Refused(unkept(&error));
        }
        let mut each = Vec::new();
        for (address, commands) in recipients {
            let handed = self.hand_over(&mut body, &address, &commands).await;
            if let Err(refusal) = &handed {
                tracing::info!(to = %address, %refusal, "not taken");
            }
            each.push(handed.map(|()| format!("Handed to {}", programs(commands.len()))));
        }
        self.forget();
        Answer::Each(each)
    }

    /// Runs the programs of a name one after the other; the first that fails is the last.
    async fn hand_over(
        &self,
        body: &mut Body,
        address: &Address,
        commands: &[String],
    ) -> Result<(), Refusal> {
        let letter = Letter {
            sender: &self.sender,
            recipient: address,
        };
        if body
            .was_delivered_to(address)
            .await
            .map_err(|error| unkept(&error))?
        {
            let text = "It was here before: mail to this address runs in a circle";
            return Err(Refusal::new(554, Enhanced::new(5, 4, 6), text));
        }
        let busy = || {
            let text = "Too many programs run now";
            Refusal::new(451, Enhanced::new(4, 3, 2), text)
        };
        let turn = timeout_at(Instant::now() + WAIT_MAX, self.shared.turns.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let settings = &self.shared.settings;
        let until = Instant::now() + settings.run_time_max;
        for command in commands {
            run::run(command, &letter, body, settings, until).await?;
        }
        Ok(())
    }
}

fn programs(count: usize) -> String {
    match count {
        1 => "a program".to_owned(),
        count => format!("{count} programs"),
    }
}

fn answered(done: Result<(), Refusal>) -> Answer {
    match done {
        Ok(()) => Answer::Done,
        Err(refusal) => Answer::Refused(refusal),
    }
}

fn nobody() -> Refusal {
    let text = "No program gets letters to this address";
    Refusal::new(550, Enhanced::new(5, 1, 1), text)
}

/// A letter for which there is no room.
fn unkept(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "a letter cannot be kept while programs read it");
    Refusal::new(
        452,
        Enhanced::new(4, 3, 1),
        "There is no room for the letter now",
    )
}
