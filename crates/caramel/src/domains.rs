//! Domains, local and relayed, and lists of who is at a relayed one.
//!
//! A list is read whole before anything is asked: where a line of it is wrong, the one there was
//! stays.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mail::{Address, Host, LocalPart};
use serde_json::{Map, Value, json};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::{Talk, ask};
use crate::directory::show;
use crate::input::{is_standard, unreadable};
use crate::line::Line;
use crate::told::{list, number, text};

/// Octets a file with a list may have.
const FILE_OCTETS_MAX: u64 = 64 << 20;
/// Local parts that one call carries.
const CALL_RECIPIENTS: usize = 2000;
/// Lines with something wrong that are told.
const FAULTS_MAX: usize = 10;

/// What is done with domains.
#[derive(Debug, Subcommand)]
pub(crate) enum DomainCommand {
    /// Takes a domain's mail from now on: for accounts and aliases here, or for another host.
    Add {
        /// The domain: example.org.
        name: String,
        /// Its mail is for another host: it is taken from anybody, checked, and sent on, to where
        /// `[[relay.route]]` or its MX records say.
        #[arg(long)]
        relay: bool,
    },
    /// Lists the domains, and which of them are relayed.
    List(Listing),
    /// Says who is at a relayed domain, or shows it.
    ///
    /// Without a list everybody is taken, and what the domain's host refuses comes back to whoever
    /// is said to have sent it. With one, others are refused at once. Postmaster and abuse are
    /// always taken.
    Recipients {
        /// The domain.
        name: String,
        #[command(flatten)]
        change: RecipientsChange,
    },
    /// Gives a domain up; it must have no accounts and aliases.
    ///
    /// What waits in the queue for a relayed one stays, and is sent.
    Rm {
        /// The domain.
        name: String,
    },
}

/// What a list is from now on.
#[derive(Debug, Args)]
pub(crate) struct RecipientsChange {
    /// Puts the list in this file in the place of the one there is; `-` for standard input. A line
    /// is a local part or an address; what stands behind `#` is a comment. Case does not matter,
    /// and `ada` is `ada+anything` as well.
    #[arg(long, value_name = "FILE", conflicts_with = "any")]
    set: Option<PathBuf>,
    /// There is no list any more: everybody is taken.
    #[arg(long)]
    any: bool,
}

/// Does what was asked.
pub(crate) fn run(config: &Config, asked: &DomainCommand) -> Result<(), Complaint> {
    match asked {
        DomainCommand::Add { name, relay } => add(config, name, *relay),
        DomainCommand::List(listing) => list_all(config, listing),
        DomainCommand::Recipients { name, change } => match (&change.set, change.any) {
            (Some(file), _) => set(config, name, file),
            (None, true) => any(config, name),
            (None, false) => recipients(config, name),
        },
        DomainCommand::Rm { name } => remove(config, name),
    }
}

fn add(config: &Config, name: &str, relay: bool) -> Result<(), Complaint> {
    ask(
        config,
        "Domain/add",
        &json!({ "name": name, "relay": relay }),
    )?;
    match relay {
        false => say(&format!("{name} is ours now.")),
        true => say(&format!(
            "{name} is relayed now. Everybody there is taken, until there is a list of who is:\n\
             caramel domain recipients {name} --set FILE"
        )),
    }
}

fn list_all(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let answer = ask(config, "Domain/list", &json!({}))?;
    show(&answer, listing, |domain| {
        let name = text(domain, "name");
        let recipients = domain.get("recipients").and_then(Value::as_u64);
        match (text(domain, "kind"), recipients) {
            ("relayed", None) => format!("{name} (relayed, everybody)"),
            ("relayed", Some(1)) => format!("{name} (relayed, 1 recipient)"),
            ("relayed", Some(count)) => format!("{name} (relayed, {count} recipients)"),
            _ => name.to_owned(),
        }
    })
}

fn remove(config: &Config, name: &str) -> Result<(), Complaint> {
    ask(config, "Domain/remove", &json!({ "name": name }))?;
    say(&format!("Mail for {name} is no longer taken."))
}

/// Shows a list, an address a line.
fn recipients(config: &Config, name: &str) -> Result<(), Complaint> {
    let domain = domain(name)?;
    let mut talk = Talk::begin(config)?;
    let mut after: Option<String> = None;
    loop {
        let mut arguments = Map::new();
        arguments.insert("name".into(), json!(name));
        if let Some(after) = &after {
            arguments.insert("after".into(), json!(after));
        }
        let page = talk.ask("Domain/recipients", &Value::Object(arguments))?;
        if page.get("list").is_none_or(Value::is_null) {
            return say(&format!("There is no list: everybody at {name} is taken."));
        }
        let mut locals = list(&page, "list").iter().filter_map(Value::as_str);
        let addresses = locals.clone().filter_map(|local| {
            let local = LocalPart::new(local)?;
            let host = domain.clone();
            Some(Address { local, host }.to_string())
        });
        say(&addresses.collect::<Vec<_>>().join("\n"))?;
        after = locals.next_back().map(str::to_owned);
        if page.get("more").and_then(Value::as_bool) != Some(true) {
            return Ok(());
        }
    }
}

/// Puts a list in the place of the one there is.
fn set(config: &Config, name: &str, file: &Path) -> Result<(), Complaint> {
    let domain = domain(name)?;
    let locals = read(&whole(file)?, &domain).map_err(|faults| wrong(file, &faults))?;
    if locals.is_empty() {
        let next = "caramel domain rm takes no mail for a domain any more";
        let complaint = Complaint::new("The list is empty: nobody would be taken.");
        return Err(complaint.next(next));
    }
    let mut line = Line::open(config)?;
    let pieces = locals.chunks(CALL_RECIPIENTS);
    let last = pieces.len() - 1;
    let mut answer = Value::Null;
    for (place, piece) in pieces.enumerate() {
        let locals: Vec<&str> = piece.iter().map(LocalPart::as_str).collect();
        let arguments = json!({
            "name": name, "begin": place == 0, "recipients": locals, "end": place == last,
        });
        answer = line.call("Domain/putRecipients", &arguments)?;
    }
    match number(&answer, "recipients") {
        1 => say(&format!("1 recipient at {name} is taken, and nobody else.")),
        count => say(&format!(
            "{count} recipients at {name} are taken, and nobody else."
        )),
    }
}

fn any(config: &Config, name: &str) -> Result<(), Complaint> {
    ask(config, "Domain/anyRecipient", &json!({ "name": name }))?;
    say(&format!("Everybody at {name} is taken."))
}

fn domain(name: &str) -> Result<Host, Complaint> {
    match Host::parse(name) {
        Ok(host @ Host::Domain(_)) => Ok(host),
        Ok(Host::Ip(_)) => Err(Complaint::usage(format!("{name} is not a domain"))),
        Err(fault) => Err(Complaint::usage(format!("{name} is not a domain: {fault}"))),
    }
}

/// The text of a list.
fn whole(file: &Path) -> Result<String, Complaint> {
    let next = "give the path of a file with a list, or `-`";
    let mut octets = Vec::new();
    let limit = FILE_OCTETS_MAX + 1;
    let read = match is_standard(file) {
        true => io::stdin().lock().take(limit).read_to_end(&mut octets),
        false => File::open(file).and_then(|open| open.take(limit).read_to_end(&mut octets)),
    };
    let count = read.map_err(|error| unreadable(file, &error).next(next))?;
    let is_too_long = u64::try_from(count).is_ok_and(|count| count > FILE_OCTETS_MAX);
    let shown = file.display();
    if is_too_long {
        let complaint = Complaint::new(format!("{shown} is too long for a list"));
        return Err(complaint.because(format!("it has more than {FILE_OCTETS_MAX} octets")));
    }
    String::from_utf8(octets).map_err(|_| {
        let complaint = Complaint::new(format!("{shown} is no list"));
        complaint.because("it is not UTF-8")
    })
}

/// The local parts of a list, or what is wrong with it and in which line.
fn read(list: &str, domain: &Host) -> Result<Vec<LocalPart>, Vec<(usize, String)>> {
    let (mut locals, mut faults) = (Vec::new(), Vec::new());
    for (place, line) in list.lines().enumerate() {
        match post::read_recipient(line, domain) {
            Ok(local) => locals.extend(local),
            Err(fault) => faults.push((place + 1, fault)),
        }
    }
    match faults.is_empty() {
        true => Ok(locals),
        false => Err(faults),
    }
}

fn wrong(file: &Path, faults: &[(usize, String)]) -> Complaint {
    let shown = file.display();
    let told = faults.iter().take(FAULTS_MAX);
    let mut why: Vec<String> = told
        .map(|(line, fault)| format!("{shown}:{line}: {fault}"))
        .collect();
    if faults.len() > FAULTS_MAX {
        why.push(format!("and {} lines more", faults.len() - FAULTS_MAX));
    }
    let complaint = Complaint::new("The list was left as it is.");
    complaint
        .because(why.join("\n        "))
        .next("mend these lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let domain = Host::parse("customer.example").unwrap();
        let text = "# who is there\nada\r\n\n\"bo b\"@Customer.example\nada\n";
        let locals = read(text, &domain).unwrap();
        let locals: Vec<&str> = locals.iter().map(LocalPart::as_str).collect();
        assert_eq!(locals, ["ada", "bo b", "ada"]);
        let faults = read("ada\nada@house.example\na b\n", &domain).unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3]);
        let said = wrong(Path::new("list"), &faults).to_string();
        assert!(
            said.contains("list:2: ada@house.example is not at"),
            "{said}"
        );
        let many = vec![(1, "x".to_owned()); FAULTS_MAX + 3];
        let said = wrong(Path::new("list"), &many).to_string();
        assert!(said.contains("and 3 lines more"), "{said}");
    }
}
