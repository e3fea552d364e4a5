//! Where the command line gets its answers: at a running server's socket, or, where none runs, by
//! opening the store itself. Either way the same function answers.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use anyhow::Context as _;
use post::{Post, Rules};
use serde_json::{Value, json};
use server::World;
use store::Embedded;
use tokio::runtime::Runtime;

use crate::complaint::Complaint;
use crate::config::Config;
use crate::{files, inspect, serve};

/// Asks one method.
pub(crate) fn ask(config: &Config, method: &str, arguments: &Value) -> Result<Value, Complaint> {
    let answer = match connect(config)? {
        Some(stream) => call(config, stream, method, arguments)?.1,
        None => ask_store(config, method, arguments)?,
    };
    answer.map_err(|error| refused(method, &error))
}

/// Asks one method that only a running server can answer.
pub(crate) fn ask_running(
    config: &Config,
    method: &str,
    arguments: &Value,
) -> Result<Value, Complaint> {
    Ok(call_running(config, method, arguments)?.1)
}

/// The same, with the connection, on which more may follow.
pub(crate) fn call_running(
    config: &Config,
    method: &str,
    arguments: &Value,
) -> Result<(BufReader<UnixStream>, Value), Complaint> {
    let Some(stream) = connect(config)? else {
        let why = format!("nobody answers at {}", config.control().display());
        let next = "caramel serve; or name the configuration of the server that runs";
        return Err(Complaint::new("no server runs").because(why).next(next));
    };
    let (stream, answer) = call(config, stream, method, arguments)?;
    let answer = answer.map_err(|error| refused(method, &error))?;
    Ok((stream, answer))
}

/// Several questions one behind the other: on one connection, or of one opened store.
pub(crate) enum Talk {
    /// With the server that runs.
    Running(BufReader<UnixStream>),
    /// With the store, as no server runs.
    Stopped(Box<Stopped>),
}

/// A store that this process has open.
pub(crate) struct Stopped {
    runtime: Runtime,
    store: Embedded,
    post: Post,
}

impl Talk {
    /// Begins to ask.
    pub(crate) fn begin(config: &Config) -> Result<Self, Complaint> {
        if let Some(stream) = connect(config)? {
            return Ok(Self::Running(BufReader::new(stream)));
        }
        inspect::require_store(config)?;
        let runtime = Runtime::new().context("starting")?;
        let (store, post) = runtime.block_on(open(config))?;
        Ok(Self::Stopped(Box::new(Stopped {
            runtime,
            store,
            post,
        })))
    }

    /// Asks one method.
    pub(crate) fn ask(&mut self, method: &str, arguments: &Value) -> Result<Value, Complaint> {
        let answer = match self {
            Self::Running(stream) => {
                exchange(stream, method, arguments).context("asking the server")?
            }
            Self::Stopped(it) => {
                let asked = server::administer(&it.post, method, arguments);
                it.runtime.block_on(asked)
            }
        };
        answer.map_err(|error| refused(method, &error))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.store.close();
    }
}

/// A connection to the server, if one runs.
pub(crate) fn connect(config: &Config) -> Result<Option<UnixStream>, Complaint> {
    match UnixStream::connect(config.control()) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if is_nobody_there(error.kind()) => Ok(None),
        Err(error) => {
            let what = format!(
                "the server at {} cannot be asked",
                config.control().display()
            );
            let next = "run the command as the user that runs the server";
            Err(Complaint::new(what).because(error).next(next))
        }
    }
}

fn refused(method: &str, error: &Value) -> Complaint {
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = text("description");
    match text("type") {
        "invalidArguments" => Complaint::usage(said),
        kind => Complaint::new(said).next(next(method, kind)),
    }
}

/// What helps after a refusal.
fn next(method: &str, kind: &str) -> &'static str {
    match (method, kind) {
        ("Account/add", "AlreadyExists") => "another password: caramel account passwd ADDRESS",
        ("Account/add" | "Alias/add", "Nonexistent") => "caramel domain add DOMAIN",
        ("Account/add", "Cannot") => "caramel alias add ADDRESS TARGET; caramel domain list",
        (
            "Account/password" | "Account/quota" | "Account/remove" | "Account/rights"
            | "Account/setQuota" | "Account/setRights",
            "Nonexistent",
        ) => "caramel account list",
        ("Undo/revert" | "Undo/purge", "Nonexistent") => "caramel undo ACCOUNT lists what there is",
        ("Undo/revert", "AlreadyExists") => "the same with --into NAME",
        ("Undo/revert" | "Undo/asOf", "OverQuota") => {
            "caramel account quota ACCOUNT; or the same with --over-quota"
        }
        ("Undo/revert", "Cannot") => "caramel undo ACCOUNT; or the same with --into MAILBOX",
        ("Undo/restoreAccount", "AlreadyExists") => "the same with --into ANOTHER-ADDRESS",
        ("Undo/restoreAccount", "Nonexistent") => {
            "caramel undo ADDRESS; caramel domain add DOMAIN where its domain went as well"
        }
        ("Undo/list", "Nonexistent") => "caramel account list",
        ("Alias/remove", "Nonexistent") => "caramel alias list",
        ("Domain/add", "AlreadyExists") => {
            "caramel domain list; one of the other kind has to be given up first: caramel domain rm"
        }
        ("Domain/add", "Cannot") => "a relayed domain needs `[relay] mode = \"relay\"`",
        ("Domain/recipients" | "Domain/anyRecipient", _) | ("Domain/remove", "Nonexistent") => {
            "caramel domain list; caramel domain add DOMAIN --relay"
        }
        ("Domain/remove", _) => "caramel account list; caramel alias list",
        _ => "",
    }
}

const fn is_nobody_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// What a call is answered with: an `Err` says why not.
type Answer = Result<Value, Value>;

fn call(
    config: &Config,
    stream: UnixStream,
    method: &str,
    arguments: &Value,
) -> anyhow::Result<(BufReader<UnixStream>, Answer)> {
    let mut stream = BufReader::new(stream);
    let answer = exchange(&mut stream, method, arguments)
        .with_context(|| format!("asking the server at {}", config.control().display()))?;
    Ok((stream, answer))
}

fn exchange(
    stream: &mut BufReader<UnixStream>,
    method: &str,
    arguments: &Value,
) -> anyhow::Result<Answer> {
    let mut call = json!([method, arguments, "0"]).to_string();
    call.push('\n');
    stream.get_mut().write_all(call.as_bytes())?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let (name, answer, _): (String, Value, Value) =
        serde_json::from_str(&line).context("reading the answer")?;
    Ok(match name.as_str() {
        "error" => Err(answer),
        _ => Ok(answer),
    })
}

fn ask_store(config: &Config, method: &str, arguments: &Value) -> Result<Answer, Complaint> {
    let runtime = Runtime::new().context("starting")?;
    runtime.block_on(async {
        let (store, post) = open(config).await?;
        let answer = server::administer(&post, method, arguments).await;
        drop(post);
        store.close();
        Ok(answer)
    })
}

/// Opens the store and the post office above it, in this process.
pub(crate) async fn open(config: &Config) -> Result<(Embedded, Post), Complaint> {
    files::make_folder(config.data())?;
    let store = Embedded::open(&config.store(), serve::store_settings(config));
    let store = store.map_err(|error| inspect::not_open(config, &error))?;
    let world = World::open_asking(config.dns()).context("starting the workers")?;
    let rules: Rules = serve::rules(config);
    let post = Post::open(Arc::new(store.clone()), Arc::new(world), rules).await;
    let post = post.context("opening the post office")?;
    for fault in config.local().put_aliases_in_force(&post, false).1 {
        tracing::error!(%fault, "an alias is left out");
    }
    Ok((store, post))
}
