//! Runs the server: from the configuration to plain values, and from start to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use net::Endpoint;
use post::Rules;
use serde_json::json;
use server::{Door, Encrypted, Introspection, KeyFile, Protocol, Running, Settings};
use store::EmbeddedSettings;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::complaint::Complaint;
use crate::config::{Config, Listener, encrypted_name};
use crate::{certificate, demo, desk, files, logging};

/// Runs until told to stop.
pub(crate) fn run(config: &Config) -> Result<(), Complaint> {
    logging::begin(config);
    if config.listeners.is_empty() {
        return Err(Complaint::usage("there is no listener")
            .because("the configuration has no [[listener]]")
            .next("add one: protocol = \"imap\", address = \"[::]:143\""));
    }
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    runtime.block_on(serve(config, &config.listeners))
}

/// Runs without listeners until told to stop: what is fetched is fetched, what waits is sent.
pub(crate) fn run_shut(config: &Config) -> Result<(), Complaint> {
    logging::begin(config);
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    runtime.block_on(serve(config, &[]))
}

async fn serve(config: &Config, listeners: &[Listener]) -> Result<(), Complaint> {
    // Before the doors open, so that nobody who sees them is cut off by an early signal.
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let (store, post) = desk::open(config).await?;
    // A server that was killed left its list behind.
    std::fs::remove_file(config.listeners_file()).unwrap_or_default();
    let people = match config.is_demo {
        true => demo::people(config, &post).await?,
        false => Vec::new(),
    };
    let settings = settings(config, listeners)?;
    let running = server::run(settings, post).await;
    let mut running = running.map_err(|error| not_started(&error))?;
    announce(config, listeners, &running)?;
    if config.is_demo {
        demo::greet(config, &running, &people)?;
    }
    tracing::info!("ready");
    let died = tokio::select! {
        _ = term.recv() => false,
        _ = interrupt.recv() => false,
        () = running.store_died() => true,
    };
    tracing::info!("stopping");
    // Nobody is to come any more: the list must not outlive the doors.
    std::fs::remove_file(config.listeners_file()).unwrap_or_default();
    running.stop().await;
    // It may have died while others were on their way out, or been the last to hear of it.
    let died = died || timeout(Duration::ZERO, store.stopped()).await.is_ok();
    store.close();
    if died {
        return Err(
            Complaint::new("the store stopped in the middle of a commit")
                .because("the disk said no; the log above says how")
                .next("look after the disk, then start again: nothing acknowledged is lost"),
        );
    }
    tracing::info!("stopped");
    Ok(())
}

/// Tells where the doors really are: the log, and programs that read `listeners.json`.
fn announce(config: &Config, listeners: &[Listener], running: &Running) -> Result<(), Complaint> {
    let mut list = Vec::new();
    for (listener, (protocol, endpoint)) in listeners.iter().zip(running.addresses()) {
        let address = match endpoint {
            Endpoint::Tcp(address) => address.to_string(),
            Endpoint::Unix(path) => format!("unix:{}", path.display()),
        };
        let (protocol, tls) = (protocol.name(), encrypted_name(listener.encrypted));
        tracing::info!(protocol, tls, address, "listening");
        list.push(json!({ "protocol": protocol, "address": address, "tls": tls }));
    }
    let text = format!("{}\n", json!(list));
    Ok(files::write_private(&config.listeners_file(), &text)?)
}

fn not_started(error: &server::Error) -> Complaint {
    let next = match error {
        server::Error::Door { door, .. } => match &door.endpoint {
            Endpoint::Tcp(address) if address.port() < 1024 => {
                "is the port taken (ss -ltnp)? below 1024 needs CAP_NET_BIND_SERVICE"
            }
            _ => "is the port taken? ss -ltnp shows who listens",
        },
        server::Error::NoIdentity(_) | server::Error::Relay(_) => "caramel config show",
        server::Error::Spool { .. } => "make the folder for the user that runs the server",
        server::Error::Forwards(_) => "may the server's user have more threads?",
    };
    Complaint::new("the server cannot start")
        .because(error)
        .next(next)
}

/// What the store is told.
pub(crate) fn store_settings(config: &Config) -> EmbeddedSettings {
    EmbeddedSettings {
        cache_octets: config.cache_memory(),
        view_octets: config.view_memory(),
        inflow_octets: to_usize(config.incoming_memory() / 2),
        waiting_octets: to_usize(config.waiting_memory()),
        segment_octets: config.segment(),
        checkpoint_octets: config.checkpoint(),
        compress: config.compresses(),
        ..EmbeddedSettings::default()
    }
}

/// What the post office is told.
pub(crate) fn rules(config: &Config) -> Rules {
    Rules {
        elsewhere: config.elsewhere(),
        trusted_networks: config.trusted_networks(),
        sends_per_hour_max: config.sends_per_hour(),
        sends: config.sends(),
        rates: config.rates(),
        rewriting: config.rewriting(),
        redirects_max: to_usize(config.redirects()),
        sieve: config.sieve(),
        rewrites_senders: config.rewrites_senders(),
        seals: config.seals(),
        queue: config.queue(),
        trust: config.trust(),
        spam: config.spam_rules(),
        keys: config.keyring(),
        postmaster: config.postmaster(),
        message_octets_max: config.message_size(),
        recipients_max: to_usize(config.recipients()),
        quota: config.quota(),
        journeys_kept: config.journeys_window(),
        undo: config.undo(),
        removed_mail: config.shows_removed_mail(),
        scram_sha1: config.scram_sha1(),
        mailbox_memory_octets_max: to_usize(config.mailbox_memory()),
        // As much again is the store's, which takes what is streamed.
        bodies_memory_octets_max: to_usize(config.incoming_memory() / 2),
        tokens: config.tokens(),
        ..Rules::new(config.hostname())
    }
}

/// What the doors are told.
fn settings(config: &Config, listeners: &[Listener]) -> Result<Settings, Complaint> {
    let doors = listeners.iter().map(|listener| Door {
        protocol: listener.protocol,
        endpoint: listener.endpoint.clone(),
        ports_max: config.ports_max,
        encrypted: listener.encrypted,
        proxies: listener.proxies.clone(),
    });
    let control = Door {
        protocol: Protocol::Control,
        endpoint: Endpoint::Unix(config.control()),
        ports_max: 0,
        encrypted: Encrypted::Never,
        proxies: Vec::new(),
    };
    let local = config.local();
    let deliver = Door {
        protocol: Protocol::Local,
        endpoint: Endpoint::Unix(local.spool.deliver_socket()),
        ports_max: 0,
        encrypted: Encrypted::Never,
        proxies: Vec::new(),
    };
    let token_keys = config.token_keys().map(KeyFile::open).transpose();
    let token_keys = token_keys.context("reading the keys of access tokens")?;
    let introspection = config.introspection();
    let introspection = introspection.map(|settings| Introspection::open(&settings));
    let introspection = introspection
        .transpose()
        .context("preparing to ask the issuer of access tokens")?;
    Ok(Settings {
        token_keys: token_keys.map(Arc::new),
        introspection: introspection.map(Arc::new),
        doors: doors.chain([control, deliver]).collect(),
        identity: Some(certificate::identity(config)?),
        connections_max: to_usize(config.connections()),
        connections_per_network_max: to_usize(config.connections_per_address()),
        raw_headers: config.keeps_raw_headers(),
        uid_only: config.offers_uid_only(),
        dialogues: config.allows_dialogue(),
        audit: config.audit(),
        reclaim: config.reclaim(),
        sources: config.sources(),
        milters: config.milters()?,
        relay: config.relay()?,
        local: Some(local),
        grace: Duration::from_secs(config.stop_within_seconds()),
        ..Settings::new(config.hostname())
    })
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
