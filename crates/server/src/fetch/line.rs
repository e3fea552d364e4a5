//! A connection to a source: found, made, encrypted as the source wants it.

use std::net::IpAddr;
use std::time::Duration;

use net::{Calling, Clock, Endpoint, Fingerprint, House, ServerName, Socket, Terms};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wire::Session;

use super::source::{Source, When};
use super::trouble::{Trouble, TroubleKind};

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// A conversation that goes on beside the caller, and ends with this.
#[derive(Debug)]
pub(super) struct Line {
    driver: JoinHandle<()>,
    end: oneshot::Receiver<net::Error>,
    /// Whom it is with.
    pub(super) peer: IpAddr,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    /// Connects, and lets `session` talk with `house`.
    pub(super) async fn open<S, H>(
        source: &Source,
        mut session: S,
        mut house: H,
    ) -> Result<Self, Trouble>
    where
        S: Session<Ask: Send, Answer: Send> + Send + 'static,
        H: House<S> + 'static,
    {
        let Reached {
            calling,
            socket,
            peer,
        } = reach(source).await?;
        let (told, end) = oneshot::channel();
        let driver = tokio::spawn(async move {
            let terms = Terms::new(Clock::start());
            let called = net::call(socket, calling, &mut session, &mut house, &terms).await;
            if let Err(error) = called {
                // Who asked may have gone.
                drop(told.send(error));
            }
        });
        Ok(Self { driver, end, peer })
    }

    /// Why it came to its end.
    pub(super) async fn lost(&mut self, source: &Source, why: &str) -> Trouble {
        let Ok(error) = (&mut self.end).await else {
            return Trouble::vanished(source, why);
        };
        broken(source, error)
    }
}

/// A connection that has just been made.
pub(super) struct Reached {
    pub(super) calling: Calling,
    pub(super) socket: Socket,
    /// Whom it is with.
    pub(super) peer: IpAddr,
}

/// Connects.
pub(super) async fn reach(source: &Source) -> Result<Reached, Trouble> {
    let calling = calling(source)?;
    let (socket, peer) = connect(source).await?;
    Ok(Reached {
        calling,
        socket,
        peer,
    })
}

/// Why a connection came to an end that nobody wanted.
pub(super) fn broken(source: &Source, error: net::Error) -> Trouble {
    match error.certificate() {
        Some(why) => Trouble::stranger(source, why),
        None => Trouble::vanished(source, error),
    }
}

async fn connect(source: &Source) -> Result<(Socket, IpAddr), Trouble> {
    let place = (source.host.as_str(), source.port);
    let found = tokio::net::lookup_host(place).await;
    let found = found.map_err(|error| Trouble::unreachable(source, error))?;
    let mut last = Trouble::unreachable(source, "the name has no address");
    for address in found.take(ADDRESSES_MAX) {
        match net::connect(&Endpoint::Tcp(address), CONNECT_MAX).await {
            Ok(socket) => return Ok((socket, address.ip())),
            Err(error) => last = Trouble::unreachable(source, error),
        }
    }
    Err(last)
}

fn calling(source: &Source) -> Result<Calling, Trouble> {
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("TLS with {} cannot be prepared", source.host);
        Trouble::new(TroubleKind::Lasting, what).because(error)
    };
    if source.tls.encrypted == When::None {
        return Ok(Calling::Plain);
    }
    let fingerprint = source.tls.fingerprint.as_deref();
    let config = match fingerprint.map(Fingerprint::parse) {
        Some(Some(known)) => net::trusting_fingerprint(known),
        Some(None) => return Err(wrong(&"the fingerprint is none: sha256: and 64 digits")),
        None => net::trusting_authorities(source.tls.authorities.as_deref()),
    };
    let config = config.map_err(|error| wrong(&error))?;
    let name = ServerName::try_from(source.host.clone()).map_err(|error| wrong(&error))?;
    Ok(match source.tls.encrypted {
        When::Implicit => Calling::Implicit(config, name),
        When::Starttls | When::None => Calling::StartTls(config, name),
    })
}
