//! SMTP with whoever hands letters in at this machine: what it accepts lies in the local spool.
//!
//! RFC 5321; recipients and senders are judged where letters are picked up.

use std::sync::Arc;

use mail::{Enhanced, ForwardPath, Refusal, ReversePath};
use net::{Clock, Encryption, House, Socket, Stop, Stream, Terms};
use smtp::{Answer, Ask, Policy, Session};

use super::{HouseFacts, LocalDraft, LocalEnvelope, LocalSpool};

/// Talks SMTP over a connection until its peer has gone; `facts` are what the server told of
/// itself.
///
/// # Errors
/// If the connection breaks.
pub async fn hand_in_by_smtp(
    spool: LocalSpool,
    facts: HouseFacts,
    socket: Socket,
) -> Result<(), net::Error> {
    let policy = Policy {
        tls_offered: false,
        dsn: false,
        message_octets_max: facts.octets_max,
        ..Policy::relay(facts.host)
    };
    let mut session = Session::new(Arc::new(policy));
    let mut desk = Desk {
        spool,
        envelope: None,
        draft: None,
    };
    let mut stream = Stream::plain(socket, Encryption::None);
    let terms = Terms::new(Clock::start());
    let mut stop = Stop::never();
    net::drive(&mut stream, &mut session, &mut desk, &terms, &mut stop)
        .await
        .map(drop)
}

#[derive(Debug)]
struct Desk {
    spool: LocalSpool,
    envelope: Option<LocalEnvelope>,
    draft: Option<LocalDraft>,
}

impl House<Session> for Desk {
    async fn ask(&mut self, ask: Ask) -> Answer {
        let done = match ask {
            Ask::Mail(transaction) => {
                let from = match &transaction.reverse_path {
                    ReversePath::Null => String::new(),
                    ReversePath::Address(address) => address.to_string(),
                };
                self.draft = None;
                self.envelope = Some(LocalEnvelope {
                    from: Some(from),
                    envid: transaction.envid,
                    ..LocalEnvelope::new(Vec::new())
                });
                Ok(())
            }
            Ask::Recipient(recipient) => {
                let to = match &recipient.forward_path {
                    ForwardPath::Postmaster => "postmaster".to_owned(),
                    ForwardPath::Address(address) => address.to_string(),
                };
                if let Some(envelope) = &mut self.envelope {
                    envelope.to.push(to);
                }
                Ok(())
            }
            Ask::Body => self.begin(),
            Ask::Chunk(octets) => match &mut self.draft {
                Some(draft) => draft.write(&octets),
                None => self.begin().and_then(|()| match &mut self.draft {
                    Some(draft) => draft.write(&octets),
                    None => Ok(()),
                }),
            },
            Ask::Accept => {
                self.envelope = None;
                match self.draft.take().map(LocalDraft::commit) {
                    Some(Ok(())) => return Answer::Stored("Taken".to_owned()),
                    Some(Err(error)) => Err(error),
                    None => Ok(()),
                }
            }
            Ask::Abort => {
                (self.envelope, self.draft) = (None, None);
                Ok(())
            }
            Ask::Sasl(_) | Ask::Verify(_) | Ask::Flush(_) => Ok(()),
        };
        match done {
            Ok(()) => Answer::Done,
            Err(error) => {
                let text = "It cannot be written; please try again later";
                let refusal = Refusal::new(451, Enhanced::new(4, 3, 0), text);
                Answer::Refused(refusal.because(error.to_string()))
            }
        }
    }
}

impl Desk {
    fn begin(&mut self) -> std::io::Result<()> {
        if let Some(envelope) = &self.envelope {
            self.draft = Some(self.spool.begin(envelope)?);
        }
        Ok(())
    }
}
