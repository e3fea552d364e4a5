//! A letter on its way to a relay host: from whom, to whom, and what its header lacks.
//!
//! Not here: how it is carried (`server`).
//!
//! RFC 5322 §3.6, RFC 6409 §8.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mail::{
    Address, BodyType, Envelope, ForwardPath, Host, LocalPart, Recipient, ReversePath, Timestamp,
};
use message::{Builder, Correspondent, Header, parse_addresses};
use post::AliasName;

use super::account::{Account, Adding, host_name};
use crate::complaint::Complaint;
use crate::sysexits;

/// Users below this number are the machine's own.
const PEOPLE_FROM: u32 = 1000;
/// Aliases that may lead to one another.
const ALIAS_DEPTH_MAX: usize = 10;
/// Recipients of a letter.
const RECIPIENTS_MAX: usize = 10_000;

/// Who sent it, as a header says: the address in `From`.
pub(super) fn author(header: &[u8]) -> Option<String> {
    let field = Header::first(header, "From")?;
    let listed = parse_addresses(&field.unfolded(), 1);
    let address = listed.iter().find_map(Correspondent::address)?;
    Some(address.to_string())
}

/// The envelope of a letter, whose recipients are given as they were written.
pub(super) fn envelope(
    account: &Account,
    from: &str,
    to: &[String],
    is_ascii: bool,
) -> Result<Envelope, Complaint> {
    let domain = domain_of(account, from);
    let reverse_path = match from {
        "" | "<>" => ReversePath::Null,
        text => ReversePath::Address(qualified(text, domain.as_ref())?),
    };
    let recipients = expanded(account, to)?;
    let recipient = |text: &String| {
        Ok(Recipient {
            forward_path: ForwardPath::Address(qualified(text, domain.as_ref())?),
            notify: account.notify,
            orcpt: None,
        })
    };
    let recipients: Result<Vec<Recipient>, Complaint> = recipients.iter().map(recipient).collect();
    let mut recipients = recipients?;
    let mut seen = std::collections::BTreeSet::new();
    recipients.retain(|one| seen.insert(one.forward_path.to_string()));
    Ok(Envelope {
        reverse_path,
        recipients,
        body: match is_ascii {
            true => BodyType::SevenBit,
            false => BodyType::EightBitMime,
        },
        smtputf8: false,
        ret: account.ret,
        envid: None,
        tls: mail::TlsWish::Usual,
    })
}

/// The domain of names without one: the one that is set, else the sender's.
fn domain_of(account: &Account, from: &str) -> Option<Host> {
    let set = account.local_domain.as_deref();
    let of_sender = || from.rsplit_once('@').map(|(_, domain)| domain);
    set.or_else(of_sender)
        .and_then(|text| Host::parse(text).ok())
}

fn qualified(text: &str, domain: Option<&Host>) -> Result<Address, Complaint> {
    let text = text.trim().trim_matches(['<', '>']);
    let found = match (text.contains('@'), domain) {
        (true, _) => Address::parse(text).ok(),
        (false, Some(domain)) => LocalPart::new(text).map(|local| Address {
            local,
            host: domain.clone(),
        }),
        (false, None) => None,
    };
    found.ok_or_else(|| {
        let complaint = Complaint::new(format!("{text} is no address"));
        let next = "write all of it; `aliases` or `maildomain` say where names lead";
        complaint.next(next).coded(sysexits::NO_USER)
    })
}

/// Names of this machine, replaced by where they lead.
fn expanded(account: &Account, to: &[String]) -> Result<Vec<String>, Complaint> {
    let aliases = match &account.aliases {
        Some(path) => aliases(path)?,
        None => Vec::new(),
    };
    let mut out = Vec::new();
    for name in to {
        expand(account, &aliases, name, 0, &mut out)?;
    }
    Ok(out)
}

type Aliases = Vec<(AliasName, Vec<AliasName>)>;

fn aliases(path: &Path) -> Result<Aliases, Complaint> {
    let read = server::read_aliases(path, server::AliasTargets::Names);
    match read.faults.first() {
        None => Ok(read.aliases),
        Some(fault) => {
            let complaint = Complaint::new(fault.to_string());
            Err(complaint.coded(sysexits::CONFIGURATION))
        }
    }
}

fn expand(
    account: &Account,
    aliases: &Aliases,
    name: &str,
    depth: usize,
    out: &mut Vec<String>,
) -> Result<(), Complaint> {
    let too_many = depth > ALIAS_DEPTH_MAX || out.len() >= RECIPIENTS_MAX;
    if too_many {
        let what = format!("{name} leads to too many, or in a circle");
        return Err(Complaint::new(what).coded(sysexits::CONFIGURATION));
    }
    if name.contains('@') {
        out.push(name.to_owned());
        return Ok(());
    }
    let called = |wanted: &str| {
        let is = |alias: &AliasName| alias.to_string().eq_ignore_ascii_case(wanted);
        let found = aliases.iter().find(|(alias, _)| is(alias));
        found.map(|(_, targets)| targets)
    };
    let default = || called("default").filter(|_| depth == 0);
    if let Some(targets) = called(name).or_else(default) {
        for target in targets {
            // Where mail is only handed on, there are no mailboxes.
            let target = target.to_string();
            let target = target.strip_prefix('\\').unwrap_or(&target);
            // A name that leads to itself is somebody at the host.
            match target.eq_ignore_ascii_case(name) {
                true => out.push(target.to_owned()),
                false => expand(account, aliases, target, depth + 1, out)?,
            }
        }
        return Ok(());
    }
    match &account.root {
        Some(root) if is_machines_own(name) => out.push(root.clone()),
        _ => out.push(name.to_owned()),
    }
    Ok(())
}

/// True for users of this machine that are nobody.
fn is_machines_own(name: &str) -> bool {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is = fields.next() == Some(name);
        is.then(|| fields.nth(1)?.parse::<u32>().ok()).flatten()
    });
    number.is_some_and(|number| number < PEOPLE_FROM)
}

/// A letter as it leaves: what its header lacks is in front, and what nobody is to see is gone.
pub(super) fn finished(
    account: &Account,
    from: &str,
    full_name: Option<&str>,
    header: &[u8],
    body: &[u8],
) -> Result<Bytes, Complaint> {
    let sender = qualified(from, domain_of(account, from).as_ref()).ok();
    let overrides = account.from_header == Adding::Always && sender.is_some();
    let mut has = Has::default();
    let mut kept = Vec::with_capacity(header.len());
    let mut fields = Header::parse(header);
    let mut behind = 0;
    while let Some(field) = fields.next() {
        kept.extend_from_slice(header.get(behind..field.offset).unwrap_or_default());
        behind = fields.offset();
        let is = |name: &str| field.is(name);
        let hidden = is("Bcc") || is("Resent-Bcc");
        let replaced =
            overrides && is("From") || account.hides_recipients && (is("To") || is("Cc") || hidden);
        if replaced || hidden && account.removes_bcc {
            continue;
        }
        has.from |= is("From");
        has.date |= is("Date");
        has.id |= is("Message-ID");
        kept.extend_from_slice(field.raw);
    }
    kept.extend_from_slice(header.get(behind..).unwrap_or_default());
    if kept.is_empty() {
        // It had no header, and what follows is body.
        kept.extend_from_slice(b"\r\n");
    }
    let mut builder = Builder::new();
    if account.adds_date && !has.date {
        builder = builder.date(now());
    }
    if let Some(sender) = &sender
        && account.from_header != Adding::Never
        && !has.from
    {
        builder = builder.from(full_name.unwrap_or_default(), sender);
    }
    if account.hides_recipients {
        builder = builder.field("To", "undisclosed-recipients:;");
    }
    if account.adds_id && !has.id {
        builder = builder.message_id(&id(account, sender.as_ref())?);
    }
    kept.extend_from_slice(body);
    Ok(builder.in_front_of(&kept).into())
}

#[derive(Default)]
struct Has {
    from: bool,
    date: bool,
    id: bool,
}

/// What time it is.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    Timestamp::utc(i64::try_from(seconds).unwrap_or(i64::MAX))
}

// RFC 5322 §3.6.4
fn id(account: &Account, sender: Option<&Address>) -> Result<String, Complaint> {
    let mut chance = [0; 16];
    getrandom::fill(&mut chance).map_err(|error| {
        let complaint = Complaint::new("the system gives no chance").because(error);
        complaint.coded(sysexits::OS_ERROR)
    })?;
    let digits: String = chance.iter().map(|octet| format!("{octet:02x}")).collect();
    let named = sender.map(|sender| sender.host.to_ascii());
    let host = named.or_else(|| account.domain.clone());
    Ok(format!("{digits}@{}", host.unwrap_or_else(host_name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            from: Some("ada@a.example".into()),
            ..Account::default()
        }
    }

    fn done(account: &Account, header: &str) -> String {
        let from = account.from.clone().unwrap_or_default();
        let octets = finished(account, &from, Some("Ada L."), header.as_bytes(), b"x\r\n");
        String::from_utf8(octets.unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_header_gets_what_it_lacks_and_loses_what_is_secret() {
        let text = done(
            &account(),
            "To: b@b.example\r\nBcc: c@c.example\r\n e\r\nSubject: x\r\n\r\n",
        );
        for part in [
            "Date: ",
            "From: \"Ada L.\" <ada@a.example>\r\n",
            "@a.example>\r\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            text.ends_with("To: b@b.example\r\nSubject: x\r\n\r\nx\r\n"),
            "{text}"
        );
        let whole = "From: z@z.example\r\nDate: x\r\nMessage-ID: <x@y>\r\n\r\n";
        assert_eq!(done(&account(), whole), format!("{whole}x\r\n"));
        let strict = Account {
            from_header: Adding::Always,
            hides_recipients: true,
            removes_bcc: false,
            ..account()
        };
        let text = done(
            &strict,
            &format!("To: b@b.example\r\nBcc: c@c.example\r\n{whole}"),
        );
        assert!(text.contains("<ada@a.example>"), "{text}");
        assert!(text.contains("To: undisclosed-recipients:;"), "{text}");
        assert!(
            !text.contains("z.example") && !text.contains("b.example"),
            "{text}"
        );
        assert!(done(&account(), "").ends_with("\r\n\r\nx\r\n"));
    }

    #[test]
    fn names_lead_where_the_aliases_say() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("aliases");
        std::fs::write(
            &path,
            "root: team\nteam: ada@a.example, bob\nbob: bob\nround: about\nabout: round\n\
             default: postmaster@a.example\n",
        )
        .unwrap();
        let account = Account {
            aliases: Some(path),
            ..account()
        };
        let to = |account: &Account, names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let envelope = envelope(account, "x@c.example", &names, true)?;
            let paths = envelope.recipients.iter();
            let paths = paths.map(|one| one.forward_path.to_string());
            Ok::<_, Complaint>(paths.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            to(&account, &["Root", "ada@a.example", "other"]).unwrap(),
            "<ada@a.example> <bob@c.example> <postmaster@a.example>"
        );
        let complaint = to(&account, &["round"]).unwrap_err();
        assert!(complaint.to_string().contains("in a circle"), "{complaint}");
        let machine = Account {
            root: Some("boss@a.example".into()),
            local_domain: Some("h.example".into()),
            ..Account::default()
        };
        // `daemon` has the number 1 everywhere.
        assert_eq!(
            to(&machine, &["daemon", "somebody-else"]).unwrap(),
            "<boss@a.example> <somebody-else@h.example>"
        );
        let wrong = to(&Account::default(), &["a b@"]).unwrap_err();
        assert_eq!(wrong.code, sysexits::NO_USER);
    }
}
