//! `deliver`, `procmail`, `maildrop`: how other mailers hand a message over to people here.
//!
//! The server that runs takes it by LMTP, and its answer is the exit code. Where none runs, and the
//! store may be opened, the same is done in this process; else the message waits in the local
//! spool.
//!
//! Not here: what scripts make of it (`post`).
//!
//! RFC 2033 (LMTP), RFC 5321 §4.4 (who hears of failures is what `Return-Path` says).

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use mail::{
    Address, BodyType, Envelope, ForwardPath, Host, LocalPart, Recipient, Refusal, ReversePath,
};
use message::Header;
use net::{Endpoint, Peer, Socket, Stop};
use server::{
    Courier, CourierError, Door, Encrypted, Entrance, LocalEnvelope, LocalSpool, Protocol,
    Settings, system_user,
};
use tokio::net::UnixStream;

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::place::Place;
use crate::sendmail::{Intake, Words, addresses, unmade};
use crate::{desk, sysexits};

mod options;

pub(crate) use options::Dialect;
use options::Options;

/// What a message is called whose sender is nobody.
const NOBODY: &[&str] = &["", "-", "<>", "mailer-daemon"];

/// What is to be delivered, and to whom.
#[derive(Debug)]
struct Delivery {
    /// As they were given: addresses or names.
    from: String,
    to: Vec<String>,
    octets: Bytes,
}

/// Delivers what standard input has.
pub(crate) fn run(dialect: Dialect, words: &Words, place: Place) -> Result<(), Complaint> {
    let words: Vec<String> = words
        .all()
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let options = Options::read(dialect, &words)?;
    if options.help {
        return say(HELP.trim_end());
    }
    for warning in &options.warnings {
        eprintln!("caramel: {warning}");
    }
    let place = match &options.config {
        Some(path) => place.with_config(path),
        None => place,
    };
    let delivery = read(&options)?;
    let spool = place.spool()?;
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    if let Some(facts) = spool.house() {
        let courier = Courier::local(spool.deliver_socket(), &facts.host);
        let domain = Host::parse(&facts.domain).unwrap_or(Host::Domain(facts.domain));
        let envelope = delivery.envelope(&domain)?;
        let carried = courier.carry(envelope, delivery.octets.clone());
        match runtime.block_on(carried) {
            Ok(fates) => return told(&fates),
            Err(CourierError::Refused(refusal) | CourierError::Login(refusal)) => {
                return told(&[Err(refusal)]);
            }
            // Nobody is there, or went away before the answer: then it may be there twice, as with
            // every mailer that hears none.
            Err(CourierError::Net(_) | CourierError::Unknown(..) | CourierError::Unable(_)) => {}
        }
    }
    if let Some(fates) = runtime.block_on(in_this_process(&place, &delivery))? {
        return told(&fates);
    }
    wait_for_server(&spool, delivery)
}

/// Reads the message: its lines get their ends, and what does not belong to it goes.
fn read(options: &Options) -> Result<Delivery, Complaint> {
    let mut intake = Intake::new(io::stdin().lock(), true);
    let mut octets: Vec<u8> = Vec::new();
    for line in &options.header {
        octets.extend_from_slice(line.replace(['\r', '\n'], " ").as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    octets.append(&mut intake.header()?);
    let returned = Header::first(&octets, "Return-Path");
    let returned = returned.map(|field| String::from_utf8_lossy(&field.unfolded()).into_owned());
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let from = options
        .from
        .clone()
        .or_else(|| variable("SENDER"))
        .or_else(|| intake.postmark().map(str::to_owned))
        .or(returned);
    while intake.piece(&mut octets)? {}
    let mut to = options.to.clone();
    if to.is_empty() {
        let user = variable("LOGNAME").or_else(|| variable("USER"));
        let user = user.unwrap_or_else(|| system_user(rustix::process::geteuid().as_raw()).name);
        let extension = options.extension.clone().or_else(|| variable("EXTENSION"));
        to.push(match extension {
            Some(extension) => format!("{user}+{extension}"),
            None => user,
        });
    }
    Ok(Delivery {
        from: from.unwrap_or_default(),
        to,
        octets: octets.into(),
    })
}

impl Delivery {
    /// The envelope, where names without a domain belong to this one.
    fn envelope(&self, domain: &Host) -> Result<Envelope, Complaint> {
        let recipients: Result<Vec<Recipient>, Complaint> = self
            .to
            .iter()
            .map(|text| {
                let address = qualified(text, domain).ok_or_else(|| {
                    let complaint = Complaint::new(format!("{text} is no address"));
                    complaint.coded(sysexits::NO_USER)
                })?;
                Ok(Recipient {
                    forward_path: ForwardPath::Address(address),
                    notify: None,
                    orcpt: None,
                })
            })
            .collect();
        let reverse_path = match self.sender() {
            None => ReversePath::Null,
            Some(from) => qualified(&from, domain).map_or(ReversePath::Null, ReversePath::Address),
        };
        let recipients = recipients?;
        let utf8 = |path: &ForwardPath| match path {
            ForwardPath::Address(address) => address.needs_utf8(),
            ForwardPath::Postmaster => false,
        };
        let needs = reverse_path.address().is_some_and(Address::needs_utf8);
        let smtputf8 = needs || recipients.iter().any(|one| utf8(&one.forward_path));
        Ok(Envelope {
            reverse_path,
            recipients,
            body: match self.octets.is_ascii() {
                true => BodyType::SevenBit,
                false => BodyType::EightBitMime,
            },
            smtputf8,
            ret: None,
            envid: None,
            tls: mail::TlsWish::Usual,
        })
    }

    /// Who hears of failures; nobody, where that is what it says.
    fn sender(&self) -> Option<String> {
        let is_nobody = |text: &str| NOBODY.iter().any(|known| text.eq_ignore_ascii_case(known));
        if is_nobody(self.from.trim()) {
            return None;
        }
        let found = addresses(self.from.as_bytes()).into_iter().next();
        found.filter(|from| !is_nobody(from))
    }
}

fn qualified(text: &str, domain: &Host) -> Option<Address> {
    let text = text.trim_matches(['<', '>']);
    if text.contains('@') {
        return Address::parse(text).ok();
    }
    let local = LocalPart::new(text)?;
    let host = domain.clone();
    Some(Address { local, host })
}

/// Opens the store, where that can be done, and delivers; nothing where it cannot.
async fn in_this_process(
    place: &Place,
    delivery: &Delivery,
) -> Result<Option<Vec<Result<(), Refusal>>>, Complaint> {
    let Ok(config) = place.configuration() else {
        return Ok(None);
    };
    if !config.store().exists() {
        return Ok(None);
    }
    // Another has it, or whoever runs this may not read it.
    let Ok((store, post)) = desk::open(&config).await else {
        return Ok(None);
    };
    let local = config.local();
    let envelope = delivery.envelope(&local.domain_of(&post));
    let answer = match envelope {
        Ok(envelope) => {
            let carried = carry(&config, post, envelope, delivery.octets.clone());
            carried.await.map(Some)
        }
        Err(complaint) => Err(complaint),
    };
    store.close();
    answer
}

/// Both ends of LMTP in one process.
async fn carry(
    config: &Config,
    post: post::Post,
    envelope: Envelope,
    octets: Bytes,
) -> Result<Vec<Result<(), Refusal>>, Complaint> {
    let socket = config.local().spool.deliver_socket();
    let door = Door {
        protocol: Protocol::Local,
        endpoint: Endpoint::Unix(socket.clone()),
        ports_max: 0,
        encrypted: Encrypted::Never,
        proxies: Vec::new(),
    };
    let settings = Arc::new(Settings::new(config.hostname()));
    let (ours, theirs) = UnixStream::pair().context("making a pair of sockets")?;
    let peer = Peer {
        conn: mail::ConnId(1),
        address: None,
        local: None,
        user: Some(rustix::process::geteuid().as_raw()),
    };
    let entrance = Entrance::new(settings, door, post);
    let talk = entrance.attend(Socket::Unix(theirs), peer, Stop::never());
    let talk = tokio::spawn(talk);
    let courier = Courier::local(socket, &config.hostname().to_ascii());
    let fates = courier.carry_over(Socket::Unix(ours), envelope, octets);
    let fates = fates.await;
    // It has nothing to do any more, and holds the store.
    drop(talk.await);
    fates.map_err(|error| {
        let complaint = Complaint::new("the message cannot be delivered now").because(error);
        complaint.coded(sysexits::TEMPORARY)
    })
}

/// Leaves the message in the spool.
fn wait_for_server(spool: &LocalSpool, delivery: Delivery) -> Result<(), Complaint> {
    spool
        .make_as_owner()
        .map_err(|error| unmade(spool, &error).coded(sysexits::TEMPORARY))?;
    let envelope = LocalEnvelope {
        from: Some(delivery.sender().unwrap_or_default()),
        delivery: true,
        ..LocalEnvelope::new(delivery.to)
    };
    let written = spool.begin(&envelope).and_then(|mut draft| {
        draft.write(&delivery.octets)?;
        draft.commit()
    });
    written.map_err(|error| {
        let complaint = Complaint::new("the message cannot be delivered now").because(error);
        complaint.coded(sysexits::TEMPORARY)
    })
}

/// The exit code for what became of each recipient: where it may work for one another time, it is
/// another time.
fn told(fates: &[Result<(), Refusal>]) -> Result<(), Complaint> {
    let refusals = fates.iter().filter_map(|fate| fate.as_ref().err());
    let worst = refusals.min_by_key(|refusal| refusal.code.value());
    let Some(refusal) = worst else { return Ok(()) };
    let complaint = Complaint::new("the message was not delivered").because(refusal);
    Err(complaint.coded(sysexits::of_refusal(refusal)))
}

const HELP: &str = "\
Usage: deliver [-f SENDER] [[-d] RECIPIENT ...]

Delivers the message on standard input to people here; their scripts say where it goes.
Recipients are addresses, or names of users. Without any it is for the user in LOGNAME or
USER, with what EXTENSION has behind a plus.

  -d RECIPIENT   for whom
  -f SENDER      who hears of failures; else SENDER, the line `From ` before the message,
                 or its Return-Path
  -a EXTENSION   what stands behind the plus
  -C FILE.toml   the configuration; else CARAMEL_CONFIG, else /etc/caramel/caramel.toml

Exit codes: 0 delivered, or safe in the spool; 67 nobody of that name; 73 no room for it,
for good; 75 another time; 77 not allowed; 65 no message that is taken; 64 called wrongly.

Called as `procmail` or `maildrop` it takes the options of these that mailers give.
";
