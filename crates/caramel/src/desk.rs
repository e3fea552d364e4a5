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
    let answer = match UnixStream::connect(config.control()) {
        Ok(stream) => {
            let asked = ask_server(stream, method, arguments);
            asked.with_context(|| format!("asking the server at {}", config.control().display()))?
        }
        Err(error) if is_nobody_there(error.kind()) => ask_store(config, method, arguments)?,
        Err(error) => {
            let what = format!(
                "the server at {} cannot be asked",
                config.control().display()
            );
            let next = "run the command as the user that runs the server";
            return Err(Complaint::new(what).because(error).next(next));
        }
    };
    answer.map_err(|error| {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let said = text("description");
        let complaint = match text("type") {
            "invalidArguments" => return Complaint::usage(said),
            _ => Complaint::new(said),
        };
        complaint.next(next(method, text("type")))
    })
}

/// What helps after a refusal.
fn next(method: &str, kind: &str) -> &'static str {
    match (method, kind) {
        ("Account/add", "AlreadyExists") => "another password: caramel account passwd ADDRESS",
        ("Account/add" | "Alias/add", "Nonexistent") => "caramel domain add DOMAIN",
        (
            "Account/password" | "Account/quota" | "Account/remove" | "Account/setQuota",
            "Nonexistent",
        ) => "caramel account list",
        ("Alias/remove", "Nonexistent") => "caramel alias list",
        ("Domain/remove", "Nonexistent") => "caramel domain list",
        ("Domain/remove", _) => "caramel account list; caramel alias list",
        _ => "",
    }
}

const fn is_nobody_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

fn ask_server(
    mut stream: UnixStream,
    method: &str,
    arguments: &Value,
) -> anyhow::Result<Result<Value, Value>> {
    let mut call = json!([method, arguments, "0"]).to_string();
    call.push('\n');
    stream.write_all(call.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let (name, answer, _): (String, Value, Value) =
        serde_json::from_str(&line).context("reading the answer")?;
    Ok(if name == "error" {
        Err(answer)
    } else {
        Ok(answer)
    })
}

fn ask_store(
    config: &Config,
    method: &str,
    arguments: &Value,
) -> Result<Result<Value, Value>, Complaint> {
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
    let world = World::open().context("starting the workers")?;
    let rules: Rules = serve::rules(config);
    let post = Post::open(Arc::new(store.clone()), Arc::new(world), rules).await;
    let post = post.context("opening the post office")?;
    Ok((store, post))
}
