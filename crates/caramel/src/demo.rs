//! The demonstration: what `caramel` does without a configuration file.
//!
//! Two accounts with sample mail, reachable from this machine only; mail for elsewhere is kept,
//! never sent. The passwords are made up once and kept in the data folder, so that a restart shows
//! the same.

use std::net::{Ipv6Addr, TcpListener};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mail::{Address, FlagSet, Host};
use net::Endpoint;
use post::{Post, Why};
use serde_json::{Value, json};
use server::{Protocol, Running};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::{files, password};

mod letters;

use letters::Letter;

/// The domain; names below `localhost` never leave the machine (RFC 6761 §6.3).
const DOMAIN: &str = "caramel.localhost";
const NAMES: [&str; 2] = ["ada", "alan"];
/// How many ports to try for each listener.
const PORTS_MAX: u16 = 50;

/// An account and its password.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    address: String,
    password: String,
}

/// The configuration of the demonstration, written as a person would.
pub(crate) fn configuration() -> Result<Config, Complaint> {
    let mut text = String::from(
        "hostname = \"caramel.localhost\"\n[relay]\nmode = \"capture\"\n[log]\nlevel = \"warn\"\n",
    );
    let listeners = [
        ("smtp", 8025, "starttls"),
        ("submission", 8587, "starttls"),
        ("submission", 8465, "implicit"),
        ("imap", 8143, "starttls"),
        ("imap", 8993, "implicit"),
        ("pop3", 8110, "starttls"),
        ("pop3", 8995, "implicit"),
        ("managesieve", 8190, "starttls"),
    ];
    let mut addresses = vec!["127.0.0.1"];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addresses.push("[::1]");
    }
    for (protocol, port, tls) in listeners {
        for address in &addresses {
            text.push_str(&format!(
                "[[listener]]\nprotocol = \"{protocol}\"\naddress = \"{address}:{port}\"\n\
                 tls = \"{tls}\"\n"
            ));
        }
    }
    let mut config = config::parse("the demonstration", text)?;
    config.ports_max = PORTS_MAX;
    config.is_demo = true;
    Ok(config)
}

/// The people, made on the first start.
pub(crate) async fn people(config: &Config, post: &Post) -> Result<Vec<Person>, Complaint> {
    if let Ok(text) = std::fs::read_to_string(config.demo_file()) {
        return Ok(read(&text).context("reading demo.json")?);
    }
    let mut people = Vec::new();
    for name in NAMES {
        people.push(Person {
            address: format!("{name}@{DOMAIN}"),
            password: password::invent()?,
        });
    }
    fill(post, &people).await?;
    let list: Vec<Value> = people
        .iter()
        .map(|person| json!({ "address": person.address, "password": person.password }))
        .collect();
    files::write_private(
        &config.demo_file(),
        &format!("{}\n", json!({ "accounts": list })),
    )?;
    Ok(people)
}

fn read(text: &str) -> Result<Vec<Person>> {
    let value: Value = serde_json::from_str(text)?;
    let list = value
        .get("accounts")
        .and_then(Value::as_array)
        .context("no accounts")?;
    let field = |person: &Value, name: &str| {
        let text = person.get(name).and_then(Value::as_str).map(str::to_owned);
        text.with_context(|| format!("no {name}"))
    };
    list.iter()
        .map(|person| {
            Ok(Person {
                address: field(person, "address")?,
                password: field(person, "password")?,
            })
        })
        .collect()
}

/// Makes domain, accounts and mail. A start that was cut short left some of them: they stay, with
/// the passwords of this one.
async fn fill(post: &Post, people: &[Person]) -> Result<()> {
    match post.add_domain(&Host::Domain(DOMAIN.to_owned())).await {
        Err(error) if error.why() != Why::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    for (person, name) in people.iter().zip(NAMES) {
        let address = Address::parse(&person.address)?;
        match post.add_account(&address, &person.password).await {
            Ok(id) => {
                let account = post.account(id).await?;
                for letter in letters::for_account(name, post.outside().now()) {
                    deliver(&account, letter).await?;
                }
            }
            Err(error) if error.why() == Why::AlreadyExists => {
                post.set_password(&address, &person.password).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn deliver(account: &post::Account, letter: Letter) -> Result<()> {
    let mut flags = FlagSet::default();
    for flag in letter.flags {
        flags.insert(flag);
    }
    let size = u64::try_from(letter.octets.len())?;
    let append = account.append(letter.mailbox, flags, Some(letter.date), Some(size));
    let mut append = append.await?;
    append.chunk(Bytes::from(letter.octets)).await?;
    append.commit().await?;
    Ok(())
}

/// Says what there is and how to get at it.
pub(crate) fn greet(
    config: &Config,
    running: &Running,
    people: &[Person],
) -> Result<(), Complaint> {
    let ports = |wanted: Protocol| {
        let all = running
            .addresses()
            .iter()
            .filter(move |(protocol, _)| *protocol == wanted);
        let mut ports: Vec<u16> = Vec::new();
        for (_, endpoint) in all {
            if let Endpoint::Tcp(address) = endpoint
                && address.is_ipv4()
            {
                ports.push(address.port());
            }
        }
        ports
    };
    let pair = |protocol| match ports(protocol).as_slice() {
        [open, sealed, ..] => (*open, *sealed),
        _ => (0, 0),
    };
    let smtp = ports(Protocol::Smtp).first().copied().unwrap_or_default();
    let (submission, submissions) = pair(Protocol::Submission);
    let (imap, imaps) = pair(Protocol::Imap);
    let (pop3, pop3s) = pair(Protocol::Pop3);
    let sieve = ports(Protocol::ManageSieve);
    let sieve = sieve.first().copied().unwrap_or_default();
    let ca = config.authority().join("authority.pem");
    let ca = ca.display();
    let mut text = String::from("Caramel: a demonstration. Nothing leaves this machine.\n\n");
    for person in people {
        text.push_str(&format!(
            "  {:<24} password {}\n",
            person.address, person.password
        ));
    }
    let (ada, secret) = match people.first() {
        Some(person) => (person.address.as_str(), person.password.as_str()),
        None => ("", ""),
    };
    text.push_str(&format!(
        "\n  read    IMAP {imap}, with TLS {imaps}; POP3 {pop3}, with TLS {pop3s}\n  \
         send    SMTP {submission}, with TLS {submissions}; from other servers {smtp}\n  \
         filter  ManageSieve {sieve}\n  \
         trust   {ca}\n  data    {}\n\nTry:\n  \
         curl -u {ada}:{secret} 'imap://127.0.0.1:{imap}/INBOX;UID=1'\n  \
         curl --cacert {ca} -u {ada}:{secret} pop3s://127.0.0.1:{pop3s}/\n  \
         printf 'Subject: Hello\\n\\nHi Ada.\\n' | curl --crlf -T - --mail-from alan@{DOMAIN} \
         --mail-rcpt {ada} smtp://127.0.0.1:{smtp}\n\n\
         For a real server: caramel --help. Ctrl-C stops.",
        config.data().display(),
    ));
    say(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_right() {
        let config = configuration().unwrap();
        assert!(config.listeners.len() >= 7 && config.elsewhere() == post::Elsewhere::Capture);
    }

    #[test]
    fn passwords_are_read_back() {
        let text = json!({ "accounts": [{ "address": "a@b", "password": "c" }] }).to_string();
        let people = read(&text).unwrap();
        assert_eq!(
            (people[0].address.as_str(), people[0].password.as_str()),
            ("a@b", "c")
        );
        assert!(read("{}").is_err());
    }
}
