//! `caramel sieve apply`: a script applied to what is in a mailbox already.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::Talk;
use crate::inspect::agreed;
use crate::progress::Progress;

/// A script to be applied.
#[derive(Debug, Args)]
pub(crate) struct Application {
    /// The account.
    #[arg(value_name = "ADDRESS")]
    account: String,
    /// The script's name, as `caramel sieve list` has it.
    script: String,
    /// The mailbox.
    #[arg(long, value_name = "NAME")]
    mailbox: String,
    /// Tells what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Does it without asking.
    #[arg(long)]
    yes: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// What was done in all steps so far.
#[derive(Debug, Default)]
struct Sum {
    messages: u64,
    /// By what, and which mailbox.
    done: BTreeMap<(String, String), u64>,
    not_done: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
}

/// Applies it, step after step.
pub(super) fn run(config: &Config, application: &Application) -> Result<(), Complaint> {
    let Application {
        account,
        script,
        mailbox,
        dry_run,
        ..
    } = application;
    if !dry_run && !application.yes {
        let question =
            format!("Move and remove what is in {mailbox} of {account} as {script} says?");
        if application.json || !agreed(&question)? {
            let next = "the same with --yes; or with --dry-run, to see what would be done";
            return Err(Complaint::new("nothing was done").next(next));
        }
    }
    let mut talk = Talk::begin(config)?;
    let mut progress = Progress::new(false);
    let mut sum = Sum::default();
    let (mut after, mut until) = (Value::Null, Value::Null);
    loop {
        let arguments = json!({
            "account": account,
            "name": script,
            "mailbox": mailbox,
            "dryRun": dry_run,
            "after": after,
            "until": until,
        });
        let answer = talk.ask("Script/apply", &arguments)?;
        let messages = number(&answer, "messages");
        sum.add(&answer, messages);
        progress.add(messages, 0);
        until = answer.get("until").cloned().unwrap_or_default();
        after = answer.get("next").cloned().unwrap_or_default();
        if after.is_null() || messages == 0 {
            break;
        }
    }
    progress.clear();
    match application.json {
        true => say(&sum.json(*dry_run).to_string()),
        false => sum.lines(application).iter().try_for_each(|line| say(line)),
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

impl Sum {
    fn add(&mut self, answer: &Value, messages: u64) {
        self.messages += messages;
        let done = answer.get("done").and_then(Value::as_array);
        for one in done.into_iter().flatten() {
            let text = |name: &str| {
                let text = one.get(name).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            let count = self
                .done
                .entry((text("what"), text("mailbox")))
                .or_default();
            *count += number(one, "messages");
        }
        for (name, counts) in [
            ("notDone", &mut self.not_done),
            ("failed", &mut self.failed),
        ] {
            let all = answer.get(name).and_then(Value::as_object);
            for (what, count) in all.into_iter().flatten() {
                *counts.entry(what.clone()).or_default() += count.as_u64().unwrap_or_default();
            }
        }
    }

    fn json(&self, dry_run: bool) -> Value {
        let done = self.done.iter().map(|((what, mailbox), messages)| {
            let mut one = Map::new();
            one.insert("what".to_owned(), json!(what));
            if !mailbox.is_empty() {
                one.insert("mailbox".to_owned(), json!(mailbox));
            }
            one.insert("messages".to_owned(), json!(messages));
            Value::Object(one)
        });
        json!({
            "dryRun": dry_run,
            "messages": self.messages,
            "done": done.collect::<Vec<_>>(),
            "notDone": self.not_done,
            "failed": self.failed,
        })
    }

    fn lines(&self, application: &Application) -> Vec<String> {
        let would = if application.dry_run { "would be " } else { "" };
        let mut lines = vec![format!(
            "{} looked at in {}",
            messages(self.messages),
            application.mailbox
        )];
        for ((what, mailbox), count) in &self.done {
            let what = match what.as_str() {
                "move" => "moved to ",
                "copy" => "copied to ",
                "flag" => "flagged",
                "remove" => "removed",
                other => other,
            };
            lines.push(format!("{} {would}{what}{mailbox}", messages(*count)));
        }
        if self.done.is_empty() {
            lines.push("Nothing is to be changed.".to_owned());
        }
        for (what, count) in &self.not_done {
            lines.push(format!("not done: {what}, for {}", messages(*count)));
        }
        for (trouble, count) in &self.failed {
            lines.push(format!("failed, for {}: {trouble}", messages(*count)));
        }
        if !self.done.is_empty() && !application.dry_run {
            lines.push(format!(
                "caramel undo {} takes it back.",
                application.account
            ));
        }
        lines
    }
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".to_owned(),
        many => format!("{many} messages"),
    }
}
