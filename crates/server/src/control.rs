//! What the command line asks, answered by the post.
//!
//! Each line is one method call in JMAP's form, `["Account/add", {…}, "0"]`, and is answered by a
//! line of the same form, or by `["error", {"type": …, "description": …}, "0"]`. The command line
//! calls [`administer`] itself where no server runs, so both ways do the same.

use std::collections::VecDeque;

use bytes::Bytes;
use mail::{Address, BlobRange, Host, Instant, ModSeq};
use net::{Clock, Encryption, Fault, Socket, Stop, Stream, Terms};
use post::{Alias, AliasName, AliasSource, Outcome, Post};
use serde_json::{Map, Value, json};
use wire::{Line, LineBuffer, Step};

use crate::alias_file::AliasFault;
use crate::audit::Auditor;
use crate::fetch::Fetcher;
use crate::forwards::ForwardDesk;
use crate::pickup::LocalSettings;
use crate::visit::Visit;

mod account;
mod audit;
mod backup;
mod domain;
mod journey;
mod queue;
mod script;
mod spam;
mod tls;
mod transfer;
mod undo;
mod watch;

use backup::Backup;
use domain::Recipients;
use transfer::{PUT, PUT_OCTETS_MAX, Told, Transfer};
use watch::{NEXT, WATCH, Watch};

/// Octets a call may have.
const CALL_OCTETS_MAX: usize = 1024 * 1024;

/// Talks with one peer until it has gone.
pub(crate) fn converse(visit: Visit) -> impl Future<Output = ()> + Send + 'static {
    let house = House {
        post: visit.hall.post.clone(),
        auditor: visit.hall.auditor.clone(),
        watch: Some(Watch::new(&visit.hall, visit.peer)),
        transfer: Transfer::default(),
        recipients: Recipients::default(),
        backup: Backup::default(),
        fetcher: visit.hall.fetcher.clone(),
        local: visit.hall.settings.local.clone(),
        forwards: visit.hall.forwards.clone(),
    };
    visit.converse(Desk::default(), house)
}

/// Talks with the command line inside one process, where no server runs.
///
/// # Errors
/// If the socket breaks.
pub async fn converse_alone(post: Post, socket: Socket) -> Result<(), net::Error> {
    let fetcher = Fetcher::new(post.clone());
    let mut house = House {
        post,
        fetcher: fetcher.clone(),
        auditor: None,
        watch: None,
        transfer: Transfer::default(),
        recipients: Recipients::default(),
        backup: Backup::default(),
        local: None,
        forwards: None,
    };
    let mut stream = Stream::plain(socket, Encryption::None);
    let terms = Terms::new(Clock::start());
    let (mut desk, mut stop) = (Desk::default(), Stop::never());
    let end = net::drive(&mut stream, &mut desk, &mut house, &terms, &mut stop).await;
    fetcher.abandon();
    end.map(drop)
}

/// Carries out one method; an `Err` is what JMAP calls an error's arguments.
///
/// # Errors
/// For an unknown method, arguments that are wrong, and whatever the post refuses.
pub async fn administer(post: &Post, method: &str, arguments: &Value) -> Result<Value, Value> {
    let arguments = Arguments(arguments);
    if method.starts_with("Account/") {
        return account::administer(post, method, &arguments).await;
    }
    if method.starts_with("Domain/") {
        return domain::administer(post, method, &arguments).await;
    }
    if method.starts_with("Queue/") {
        return queue::administer(post, method, &arguments).await;
    }
    if method == "Journey/query" {
        return journey::administer(post, &arguments).await;
    }
    if method.starts_with("Script/") {
        return script::administer(post, method, &arguments).await;
    }
    if method.starts_with("Spam/") {
        return spam::administer(post, method, &arguments).await;
    }
    if method.starts_with("Tls/") {
        return tls::administer(post, method, &arguments).await;
    }
    if method.starts_with("Undo/") {
        return undo::administer(post, method, &arguments).await;
    }
    if is_long(method) || method == "Audit/status" {
        return audit::administer(post, method, &arguments).await;
    }
    if method == "Dmarc/list" {
        let list = post.dmarc_reports_due();
        let list = list
            .iter()
            .map(|due| json!({ "domain": due.domain, "begin": due.begin, "letters": due.letters }));
        return Ok(json!({ "list": list.collect::<Vec<_>>() }));
    }
    if method == "Dmarc/send" {
        let sent = post.send_dmarc_reports(true).await.map_err(refused)?;
        return Ok(json!({ "sent": sent }));
    }
    let done = match method {
        "Alias/list" => {
            let aliases = post.aliases();
            let list = aliases.iter().map(|alias| {
                let targets: Vec<String> = alias.targets.iter().map(Address::to_string).collect();
                json!({ "source": written(&alias.source), "targets": targets })
            });
            let file = post.alias_file();
            let of_file = file.iter().map(|(name, targets, programs)| {
                let targets: Vec<String> = targets.iter().map(AliasName::to_string).collect();
                let source = name.to_string();
                json!({ "source": source, "targets": targets, "programs": programs, "file": true })
            });
            return Ok(json!({ "list": list.chain(of_file).collect::<Vec<_>>() }));
        }
        "Alias/add" => {
            let (source, targets) = (arguments.source()?, arguments.targets()?);
            post.add_alias(Alias { source, targets }).await
        }
        "Alias/remove" => post.remove_alias(&arguments.source()?).await,
        _ => return Err(unknown(method)),
    };
    answered(done)
}

/// True for what may take minutes: it is done where it is in nobody's way.
fn is_long(method: &str) -> bool {
    matches!(
        method,
        "Audit/account" | "Audit/directory" | "Store/stats" | "Store/reclaim"
    )
}

/// The answer where there is nothing to tell.
fn answered(done: Outcome<()>) -> Result<Value, Value> {
    match done {
        Ok(()) => Ok(json!({})),
        Err(error) => Err(refused(error)),
    }
}

fn unknown(method: &str) -> Value {
    error("unknownMethod", format!("There is no method {method}"))
}

fn refused(refused: post::Error) -> Value {
    match refused {
        post::Error::Refused(why, refusal) => error(&format!("{why:?}"), refusal.text),
        fault @ post::Error::Fault(_) => error("serverFail", fault.to_string()),
    }
}

fn error(kind: &str, description: impl Into<String>) -> Value {
    json!({ "type": kind, "description": description.into() })
}

struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn text(&self, name: &str) -> Result<&str, Value> {
        let value = self.0.get(name).and_then(Value::as_str);
        value.ok_or_else(|| error("invalidArguments", format!("{name} is missing")))
    }

    fn domain(&self, name: &str) -> Result<Host, Value> {
        domain(self.text(name)?)
    }

    fn address(&self, name: &str) -> Result<Address, Value> {
        address(self.text(name)?)
    }

    fn source(&self) -> Result<AliasSource, Value> {
        let text = self.text("source")?;
        match text.strip_prefix('@') {
            Some(name) => domain(name).map(AliasSource::CatchAll),
            None => address(text).map(AliasSource::Address),
        }
    }

    fn targets(&self) -> Result<Vec<Address>, Value> {
        let targets = self.0.get("targets").and_then(Value::as_array);
        let targets = targets.map(Vec::as_slice).unwrap_or_default();
        if targets.is_empty() {
            return Err(error("invalidArguments", "An alias needs a target"));
        }
        targets
            .iter()
            .map(|target| address(target.as_str().unwrap_or_default()))
            .collect()
    }
}

fn written(source: &AliasSource) -> String {
    match source {
        AliasSource::Address(address) => address.to_string(),
        AliasSource::CatchAll(domain) => format!("@{domain}"),
    }
}

fn domain(text: &str) -> Result<Host, Value> {
    match Host::parse(text) {
        Ok(host @ Host::Domain(_)) => Ok(host),
        Ok(Host::Ip(_)) => Err(error("invalidArguments", format!("{text} is not a domain"))),
        Err(fault) => Err(error(
            "invalidArguments",
            format!("{text} is not a domain: {fault}"),
        )),
    }
}

fn address(text: &str) -> Result<Address, Value> {
    let not = |fault| {
        error(
            "invalidArguments",
            format!("{text} is not an address: {fault}"),
        )
    };
    Address::parse(text).map_err(not)
}

#[derive(Debug)]
struct House {
    post: Post,
    /// What takes long is done where a server runs; else who asks does it.
    auditor: Option<Auditor>,
    /// What is said by others can be seen where a server runs.
    watch: Option<Watch>,
    transfer: Transfer,
    recipients: Recipients,
    backup: Backup,
    fetcher: Fetcher,
    /// What is handed in at this machine, where a server runs.
    local: Option<LocalSettings>,
    forwards: Option<ForwardDesk>,
}

impl net::House<Desk> for House {
    async fn ask(&mut self, call: Call) -> Result<Told, Value> {
        let Call {
            method,
            arguments,
            octets,
        } = call;
        let given = Arguments(&arguments);
        match (method.as_str(), &mut self.watch) {
            (NEXT, Some(watch)) => return Ok(watch.next().into()),
            ("Connection/list", Some(watch)) => return Ok(watch.connections().into()),
            (WATCH, Some(watch)) => return watch.begin(&given).map(Told::from),
            _ => {}
        }
        if Transfer::knows(&method) {
            let transfer = &mut self.transfer;
            return transfer
                .carry_out(&self.post, &method, &given, octets)
                .await;
        }
        if Recipients::knows(&method) {
            let told = self.recipients.carry_out(&self.post, &given).await;
            return told.map(Told::from);
        }
        if Backup::knows(&method) {
            return self.backup.carry_out(&self.post, &method, &given).await;
        }
        if let Some(done) = self.fetcher.carry_out(&method, &arguments).await {
            return match done {
                Ok(told) => Ok(told.into()),
                Err(wrong) => Err(error("invalidArguments", wrong)),
            };
        }
        if method == "Alias/reload" {
            return self.reload_aliases().await.map(Told::from);
        }
        tracing::info!(method, "asked by the command line");
        if is_long(&method)
            && let Some(auditor) = &self.auditor
            && let Some(answer) = auditor.ask(&method, &arguments).await
        {
            return answer.map(Told::from);
        }
        administer(&self.post, &method, &arguments)
            .await
            .map(Told::from)
    }

    async fn read(&mut self, range: BlobRange) -> Result<Bytes, Fault> {
        self.post.read(range).await.map_err(Fault::new)
    }

    async fn hint(&mut self) -> ModSeq {
        match &self.watch {
            Some(watch) => watch.news().await,
            None => std::future::pending().await,
        }
        ModSeq::default()
    }
}

impl House {
    /// Reads the file of aliases anew; where something is wrong in it, the old ones stay. Has
    /// `.forward` files looked at as well, where they count.
    async fn reload_aliases(&mut self) -> Result<Value, Value> {
        let Some(local) = &self.local else {
            return Err(unknown("Alias/reload"));
        };
        let (count, faults) = local.put_aliases_in_force(&self.post, true);
        tracing::info!(count, faults = faults.len(), "the aliases are read anew");
        let forwards = match &self.forwards {
            Some(desk) => match desk.look().await {
                Some(looked) => {
                    json!({ "count": looked.count, "faults": written_faults(&looked.faults) })
                }
                None => json!({ "faults": [".forward files: looking at them takes long"] }),
            },
            None => Value::Null,
        };
        let faults = written_faults(&faults);
        Ok(json!({ "count": count, "faults": faults, "forwards": forwards }))
    }
}

fn written_faults(faults: &[AliasFault]) -> Vec<String> {
    faults.iter().map(AliasFault::to_string).collect()
}

/// A method, its arguments, and the octets that followed it.
#[derive(Debug)]
struct Call {
    method: String,
    arguments: Value,
    octets: Bytes,
}

/// The conversation: one call after the other.
#[derive(Debug, Default)]
struct Desk {
    input: LineBuffer,
    /// The call that is being answered: its method, and the id it was given.
    asked: Option<(String, Value)>,
    /// A call whose octets have not all come, and how many there are.
    begun: Option<(Call, usize)>,
    reply: Option<Bytes>,
    /// What follows the reply.
    behind: Bytes,
    /// What follows that.
    splices: VecDeque<BlobRange>,
    /// The id of the call that conversations are looked at by.
    watch: Option<Value>,
    /// True if there is something to be seen.
    news: bool,
    closed: bool,
    /// True once nothing more is taken.
    over: bool,
}

impl Desk {
    fn call(&mut self, line: &[u8]) -> Option<Call> {
        match serde_json::from_slice::<Written>(line) {
            Ok((method, _, id)) if method == NEXT => {
                // It comes by itself.
                let told = error("unknownMethod", format!("{NEXT} is not asked for"));
                self.reply("error", &told, &id);
                None
            }
            Ok((method, arguments, id)) => {
                let arguments = Value::Object(arguments);
                let octets = Arguments(&arguments)
                    .number("octets")
                    .filter(|_| method == PUT);
                self.asked = Some((method.clone(), id));
                let call = Call {
                    method,
                    arguments,
                    octets: Bytes::new(),
                };
                match octets.map(usize::try_from) {
                    None => return Some(call),
                    Some(Ok(octets)) if octets <= PUT_OCTETS_MAX => {
                        self.begun = Some((call, octets));
                    }
                    // What follows cannot be told from calls.
                    Some(_) => {
                        let told = error("limit", "These are too many octets at once");
                        let id = self.asked.take().map(|(_, id)| id);
                        self.reply("error", &told, &id.unwrap_or_default());
                        self.over = true;
                    }
                }
                None
            }
            Err(fault) => {
                self.reply(
                    "error",
                    &error("notRequest", fault.to_string()),
                    &Value::Null,
                );
                None
            }
        }
    }

    fn reply(&mut self, name: &str, arguments: &Value, id: &Value) {
        let mut line = json!([name, arguments, id]).to_string();
        line.push('\n');
        self.reply = Some(line.into());
    }
}

/// What a call's JSON is read as.
type Written = (String, Map<String, Value>, Value);

impl wire::Session for Desk {
    type Ask = Call;
    type Answer = Result<Told, Value>;

    fn receive(&mut self, bytes: &[u8]) {
        self.closed |= bytes.is_empty();
        self.input.extend(bytes);
    }

    fn answer(&mut self, answer: Self::Answer) {
        let (method, id) = self.asked.take().unwrap_or_default();
        match answer {
            // Nothing more is to be seen now.
            Ok(told) if method == NEXT && told.value.is_null() => self.news = false,
            Ok(told) => {
                self.reply(&method, &told.value, &id);
                self.behind = told.behind;
                self.splices.extend(told.octets);
                if method == WATCH {
                    self.watch = Some(id);
                }
            }
            Err(arguments) => self.reply("error", &arguments, &id),
        }
    }

    fn notice(&mut self, _modseq: ModSeq) {
        self.news = true;
    }

    fn elapse(&mut self, _now: Instant) {}

    /// Whoever asks is on this machine and may take its time.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn step(&mut self) -> Step<Call> {
        loop {
            if let Some(reply) = self.reply.take() {
                return Step::Write(reply);
            }
            if !self.behind.is_empty() {
                return Step::Write(std::mem::take(&mut self.behind));
            }
            if let Some(range) = self.splices.pop_front() {
                return Step::Splice(range);
            }
            if self.over {
                return Step::Close;
            }
            if let Some((mut call, octets)) = self.begun.take() {
                if self.input.len() >= octets {
                    call.octets = self.input.take(octets);
                    return Step::Ask(call);
                }
                self.begun = Some((call, octets));
                return if self.closed { Step::Close } else { Step::Read };
            }
            if self.news
                && !self.closed
                && let Some(id) = &self.watch
            {
                self.asked = Some((NEXT.to_owned(), id.clone()));
                return Step::Ask(Call {
                    method: NEXT.to_owned(),
                    arguments: Value::Null,
                    octets: Bytes::new(),
                });
            }
            match self.input.line(CALL_OCTETS_MAX) {
                Line::Whole(line) | Line::BareLf(line) => {
                    if let Some(call) = self.call(&line) {
                        return Step::Ask(call);
                    }
                }
                Line::TooLong => {
                    self.reply(
                        "error",
                        &error("limit", "The call is too long"),
                        &Value::Null,
                    );
                }
                Line::Incomplete if self.closed => return Step::Close,
                Line::Incomplete => return Step::Read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::dialogue::{Cut, play};

    #[test]
    fn calls_are_answered_in_their_own_form() {
        let script =
            "C: [\"Thing/list\", {\"a\": 1}, \"0\"]\nC: nonsense\nC: [\"No\", {}, 7]\nCE\n";
        let house = |call: Call| match call.method.as_str() {
            "Thing/list" => Ok(call.arguments.into()),
            _ => Err(error("unknownMethod", "No")),
        };
        for cut in [Cut::Lines, Cut::Every(1)] {
            let transcript = play(&mut Desk::default(), &mut { house }, script, cut);
            let replies: Vec<&str> = transcript
                .lines()
                .filter(|line| line.starts_with("S+"))
                .collect();
            assert_eq!(replies.len(), 3, "{transcript}");
            assert!(
                replies[0].contains(r#"["Thing/list",{"a":1},"0"]"#),
                "{transcript}"
            );
            assert!(replies[1].contains("notRequest"), "{transcript}");
            assert!(replies[2].contains("unknownMethod") && replies[2].contains(",7]"));
        }
    }

    #[test]
    fn arguments_are_read_or_named() {
        let given = json!({
            "source": "@example.org", "targets": ["ada@example.org"], "address": "x", "name": "a b",
        });
        let arguments = Arguments(&given);
        let domain = Host::Domain("example.org".to_owned());
        assert_eq!(arguments.source(), Ok(AliasSource::CatchAll(domain)));
        assert_eq!(arguments.targets().unwrap().len(), 1);
        assert!(arguments.address("address").is_err());
        assert!(arguments.domain("name").is_err());
    }
}
