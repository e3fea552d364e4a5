//! Who sends a letter is looked at before its recipients are taken.
//!
//! Looked at is whoever comes from outside; whoever looks after the house can be written to in any
//! case. A filter that has seen the letter may want the same at its end.
//!
//! Not here: what lists say (`screening`), what is remembered of strangers (`greylist`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mail::{ForwardPath, Host, ReversePath};
use trust::spf::{Outcome as Spoken, Spf};

use super::{Incoming, Origin, Sender};
use crate::greylist::{GreyRules, Reception, Stranger};
use crate::journey::{ArrivalTold, Event, JourneyStep};
use crate::route::is_reserved;
use crate::screening::Screening;
use crate::scrutiny::Inquiry;
use crate::{Error, Outcome, Post, Why};

/// How soon somebody may come back whom a filter does not want at once, where the house itself asks
/// nobody to.
const FILTER_DELAY: Duration = Duration::from_secs(5 * 60);

impl Incoming {
    /// Has it told to filter scripts how likely it is spam, 0 to 100, as somebody else has found.
    pub fn scored(&mut self, percent: u8) {
        self.scored = self.scored.max(Some(percent.min(100)));
    }

    /// Asks whoever comes from outside to come back, unless they are known or have: a filter wants
    /// it so. The first of these recipients (paths without brackets) stands for all.
    ///
    /// # Errors
    /// 450 4.7.1 for those who are to come back; 451 4.3.0 if the store cannot be read or written.
    pub async fn come_back(&mut self, recipients: &[String]) -> Outcome<()> {
        let paths = recipients.iter();
        let mut paths = paths.filter_map(|path| ForwardPath::parse(&format!("<{path}>")).ok());
        let Some(path) = paths.next() else {
            return Ok(());
        };
        if !self.house.rules().is_outside(&self.origin) || is_owners(&path) {
            return Ok(());
        }
        let own = &self.house.rules().trust.greylist;
        let rules = match own.is_on() {
            true => *own,
            false => GreyRules {
                delay: FILTER_DELAY,
                ..*own
            },
        };
        self.receive(&path, &rules).await
    }

    /// Refuses a recipient here if lists speak against the client or the sender, or if they are not
    /// known yet.
    ///
    /// # Errors
    /// 550 5.7.1 with the list's own words; 450 4.7.1 for those who are to come back.
    pub(super) async fn screen(&mut self, path: &ForwardPath) -> Outcome<()> {
        let rules = &self.house.rules().trust;
        let (asks, waits) = (
            self.scrutiny.is_some() && !rules.lists.is_empty(),
            rules.greylist.is_on(),
        );
        if !(asks || waits) || !self.house.rules().is_outside(&self.origin) {
            return Ok(());
        }
        if asks && self.screening.is_none() {
            // Boxed, so that its size is paid only while it lasts.
            let asked = Screening::of(&self.house, &self.origin, &self.sender);
            self.screening = Some(Box::new(Box::pin(asked).await));
        }
        if is_owners(path) {
            return Ok(());
        }
        let screening = self.screening.as_deref();
        if let Some(error) = screening.and_then(Screening::refused) {
            return Err(error);
        }
        if waits && !screening.is_some_and(Screening::is_allowed) {
            let rules = self.house.rules().trust.greylist;
            Box::pin(self.receive(path, &rules)).await?;
        }
        Ok(())
    }

    /// Asks somebody who is not known to come back.
    async fn receive(&mut self, path: &ForwardPath, rules: &GreyRules) -> Outcome<()> {
        if self.client.is_none() {
            self.client = Some(client(&self.house, &self.origin, &self.sender).await);
        }
        let announced = self.announced(path);
        let stranger = Stranger {
            client: self.client.as_deref().unwrap_or_default(),
            sender: &self.sender.reverse_path.to_string().to_lowercase(),
            recipient: &path.to_string().to_lowercase(),
            rules,
        };
        match self.house.receive_stranger(stranger, announced).await? {
            Reception::Known => Ok(()),
            Reception::Back(seconds) => {
                self.note(format!(
                    "not known before; has come back after {seconds} seconds"
                ));
                Ok(())
            }
            Reception::Wait(seconds) => {
                let text = format!("We do not know you yet; please try again in {seconds} seconds");
                Err(Error::refused(Why::Unavailable, 450, [4, 7, 1], text))
            }
        }
    }

    /// What is told of a letter before anything of it has come.
    fn announced(&self, path: &ForwardPath) -> Option<JourneyStep> {
        if !self.house.tells_journeys() {
            return None;
        }
        let sender = self.sender.reverse_path.to_string();
        let arrival = ArrivalTold {
            from: sender.trim_matches(['<', '>']).to_owned(),
            to: vec![path.to_string()],
            peer: self.origin.peer.to_canonical().to_string(),
            helo: self.origin.helo.clone(),
            protocol: self.origin.protocol_name(self.sender.smtputf8),
            ..ArrivalTold::default()
        };
        Some(JourneyStep {
            journey: self.journey,
            when: self.house.inner.outside.now(),
            events: vec![Event::Arrived(Box::new(arrival))],
        })
    }
}

/// Who calls: the sender's domain, where that answers for the client, or else its network. So those
/// who send from many networks are known in all of them.
async fn client(house: &Post, origin: &Origin, sender: &Sender) -> String {
    if let ReversePath::Address(address) = &sender.reverse_path
        && let Host::Domain(_) = address.host
    {
        let domain = address.host.to_ascii().to_ascii_lowercase();
        let path = format!("{}@{domain}", address.local.as_str());
        let host = house.rules().host.to_ascii();
        let spf = Spf::mail_from(origin.peer, &origin.helo, &path);
        let spf = spf.checked_by(&host, house.inner.outside.now().seconds);
        let mut inquiry = Inquiry::begin(house, house.rules().trust.questions_max);
        if inquiry.settle(&spf).await.outcome == Spoken::Pass {
            return domain;
        }
    }
    network(origin.peer)
}

/// The network of a client: others of a provider are near it.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("{}/24", Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
        IpAddr::V6(ip) => {
            let upper = Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64);
            format!("{upper}/64")
        }
    }
}

/// True for addresses by which one complains about having been refused.
// RFC 5321 §4.5.1
fn is_owners(path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => true,
        ForwardPath::Address(address) => is_reserved(address.local.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_clients() {
        for (ip, expected) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(network(ip.parse().unwrap()), expected);
        }
    }
}
