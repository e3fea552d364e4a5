//! One letter on its way: MAIL, RCPT, DATA or BDAT, and what the server says to each.

use mail::{
    Address, BodyType, Enhanced, Envelope, ForwardPath, Host, Recipient, ReversePath, TlsWish,
};

use super::stuffer::Stuffer;
use super::{Ask, Client, Fate, Letter};
use crate::Reply;
use crate::command::{Command, MailParameters};
use crate::diagram::{Class, Verb};
use crate::policy::Service;

/// Commands that may be sent ahead of their answers: few enough that both ends' buffers hold
/// them, so that nobody waits for the other to read (RFC 2920 §3.1).
const AHEAD_MAX: usize = 64;

/// One letter on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    letter: Letter,
    /// A fate for each recipient that has one.
    fates: Vec<Option<Fate>>,
    /// MAIL is the first, then each RCPT, then DATA.
    sent: usize,
    answered: usize,
    /// The places of the recipients that were accepted and wait for the body's fate.
    accepted: Vec<usize>,
    refusal: Option<Reply>,
    body: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Not yet.
    Before,
    /// By DATA: stuffed and sent as it comes.
    Dotted(Stuffer),
    /// By BDAT: a piece is held until it is known whether it is the last.
    Chunks {
        /// Mends line ends, unless the body is binary.
        mender: Option<Stuffer>,
        held: Option<Vec<u8>>,
        ended: bool,
    },
    /// All of it is sent.
    Sent,
}

impl Transfer {
    fn new(letter: Letter) -> Self {
        Self {
            fates: vec![None; letter.envelope.recipients.len()],
            letter,
            sent: 0,
            answered: 0,
            accepted: Vec::new(),
            refusal: None,
            body: Stage::Before,
        }
    }

    pub(super) fn fates(self) -> Vec<Fate> {
        let known = self.fates.into_iter();
        known.map(|fate| fate.unwrap_or(Fate::Unknown)).collect()
    }

    /// All that is left without a fate is refused.
    fn refuse(&mut self, reply: &Reply) {
        for fate in self.fates.iter_mut().filter(|fate| fate.is_none()) {
            *fate = Some(Fate::Refused(reply.clone()));
        }
    }

    fn settle(&mut self, place: usize, fate: Fate) {
        if let Some(field) = self.fates.get_mut(place) {
            *field = Some(fate);
        }
    }
}

impl Client {
    /// Begins a letter, or goes on with one that has another form now.
    pub(super) fn begin(&mut self, letter: Letter) {
        let is_other_form = self.transfer.is_some();
        let mut transfer = Transfer::new(letter);
        if let Some(refusal) = self.obstacle(&transfer.letter) {
            transfer.refuse(&refusal);
            self.transfer = Some(Box::new(transfer));
            return self.ready();
        }
        let is_taken = self.takes(transfer.letter.envelope.body);
        self.transfer = Some(Box::new(transfer));
        match is_taken {
            true => self.pump(),
            false if is_other_form => self.unfit("it was not converted"),
            // RFC 6152 §3
            false => self.asks.push_back(Ask::SevenBit),
        }
    }

    /// The letter has no form that the server takes.
    pub(super) fn unfit(&mut self, why: &str) {
        if let Some(transfer) = &mut self.transfer {
            let text = format!("The server takes ASCII only, and the letter stays as it is: {why}");
            transfer.refuse(&Reply::new(554, Some(Enhanced::new(5, 6, 3)), text));
            self.ready();
        }
    }

    /// True if the server takes such a body as it is.
    const fn takes(&self, body: BodyType) -> bool {
        match body {
            BodyType::SevenBit => true,
            BodyType::EightBitMime => self.offers.eight_bit,
            // RFC 3030 §3
            BodyType::BinaryMime => self.offers.binary && self.offers.chunking,
        }
    }

    /// Why this server could not take the letter.
    fn obstacle(&self, letter: &Letter) -> Option<Reply> {
        let envelope = &letter.envelope;
        let no = |code, subject, detail, text: &str| {
            Some(Reply::new(
                code,
                Some(Enhanced::new(5, subject, detail)),
                text,
            ))
        };
        // RFC 6531 §3.2
        if needs_utf8(envelope) && !self.offers.smtputf8 {
            return no(553, 6, 7, "The server does not take addresses beyond ASCII");
        }
        // RFC 8689 §4.2.1, §5: a report goes all the same.
        let is_report = envelope.reverse_path == ReversePath::Null;
        if envelope.tls == TlsWish::Required && !is_report && !self.may_require_tls() {
            return no(550, 7, 30, "The server does not take care that TLS is used");
        }
        // RFC 1870 §6.1
        if let (Some(size), Some(octets_max)) = (letter.size, self.offers.octets_max)
            && size > octets_max
        {
            return no(552, 3, 4, "The server does not take messages of this size");
        }
        None
    }

    /// True if the server passes on that a letter may only go to who is known for sure.
    pub(super) const fn may_require_tls(&self) -> bool {
        self.offers.requiretls && self.security.is_some()
    }

    fn chunked(&self, letter: &Letter) -> bool {
        let must = letter.envelope.body == BodyType::BinaryMime;
        self.offers.chunking && (must || self.wishes.chunking)
    }

    /// Sends as many commands as may be ahead of their answers.
    fn pump(&mut self) {
        let Some(mut transfer) = self.transfer.take() else {
            return;
        };
        let ahead_max = if self.offers.pipelining { AHEAD_MAX } else { 1 };
        let recipients = transfer.letter.envelope.recipients.len();
        let chunked = self.chunked(&transfer.letter);
        while transfer.sent - transfer.answered < ahead_max {
            let settled = transfer.sent == transfer.answered;
            let hopeless = settled && transfer.sent > 0 && transfer.refusal.is_some();
            let command = match transfer.sent {
                _ if hopeless => None,
                0 => Some(self.mail(&transfer.letter)),
                number if number <= recipients => {
                    let recipient = transfer.letter.envelope.recipients.get(number - 1);
                    let utf8 = needs_utf8(&transfer.letter.envelope);
                    recipient.map(|recipient| Command::Rcpt(self.recipient(recipient, utf8)))
                }
                number if number == recipients + 1 => {
                    let nobody = settled && transfer.accepted.is_empty();
                    if nobody {
                        None
                    } else if chunked {
                        if settled {
                            let binary = transfer.letter.envelope.body == BodyType::BinaryMime;
                            transfer.body = Stage::Chunks {
                                mender: (!binary).then(|| Stuffer::new(false)),
                                held: None,
                                ended: false,
                            };
                            transfer.sent += 1;
                            transfer.answered += 1;
                        }
                        break;
                    } else {
                        Some(Command::Data)
                    }
                }
                _ => break,
            };
            let Some(command) = command else {
                // Nobody is left to send it to.
                transfer.sent = recipients + 2;
                transfer.answered = transfer.sent;
                transfer.body = Stage::Sent;
                self.send(&Command::Rset);
                break;
            };
            transfer.sent += 1;
            self.send(&command);
        }
        self.transfer = Some(transfer);
    }

    fn mail(&self, letter: &Letter) -> Command {
        let envelope = &letter.envelope;
        let body = match envelope.body {
            BodyType::SevenBit => None,
            other => Some(other),
        };
        let dsn = self.offers.dsn;
        let mut reverse_path = envelope.reverse_path.clone();
        if let ReversePath::Address(address) = &mut reverse_path {
            spell(address, needs_utf8(envelope));
        }
        Command::Mail {
            reverse_path,
            parameters: MailParameters {
                size: letter.size.filter(|_| self.offers.size),
                body,
                smtputf8: needs_utf8(envelope),
                ret: envelope.ret.filter(|_| dsn),
                envid: envelope.envid.clone().filter(|_| dsn),
                submitter: None,
                requires_tls: envelope.tls == TlsWish::Required && self.may_require_tls(),
            },
        }
    }

    fn recipient(&self, recipient: &Recipient, utf8: bool) -> Recipient {
        let dsn = self.offers.dsn;
        let mut forward_path = recipient.forward_path.clone();
        if let ForwardPath::Address(address) = &mut forward_path {
            spell(address, utf8);
        }
        Recipient {
            forward_path,
            notify: recipient.notify.filter(|_| dsn),
            orcpt: recipient.orcpt.clone().filter(|_| dsn),
        }
    }

    /// Takes the reply to one of a letter's verbs.
    pub(super) fn transfer_heard(&mut self, verb: Verb, class: Class, reply: Reply) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        let yes = class == Class::Success;
        match verb {
            Verb::Mail => {
                transfer.answered += 1;
                if !yes {
                    transfer.refuse(&reply);
                    transfer.refusal = Some(reply);
                }
                self.pump();
            }
            Verb::Rcpt => {
                transfer.answered += 1;
                let place = transfer.answered.saturating_sub(2);
                if yes {
                    transfer.accepted.push(place);
                } else if transfer.refusal.is_none() {
                    transfer.settle(place, Fate::Refused(of_recipient(reply)));
                }
                self.pump();
            }
            Verb::Data if class == Class::Intermediate => {
                transfer.answered += 1;
                transfer.body = Stage::Dotted(Stuffer::new(true));
                if transfer.accepted.is_empty() {
                    // RFC 2920 §3.1
                    transfer.body = Stage::Sent;
                    self.output.extend_from_slice(b".\r\n");
                    self.expected.push_back(Verb::End);
                }
            }
            Verb::Data => {
                transfer.answered += 1;
                transfer.refuse(&reply);
                transfer.body = Stage::Sent;
                self.send(&Command::Rset);
            }
            Verb::Bdat if yes => {}
            Verb::Bdat => {
                transfer.refuse(&reply);
                transfer.body = Stage::Sent;
                self.send(&Command::Rset);
            }
            _ => self.body_heard(yes, &reply),
        }
    }

    /// The body's fate, once for all recipients or, under LMTP, once for each (RFC 2033 §4.2).
    fn body_heard(&mut self, yes: bool, reply: &Reply) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        let each = self.wishes.service == Service::Lmtp;
        let count = if each { 1 } else { transfer.accepted.len() };
        let count = count.min(transfer.accepted.len());
        for place in transfer.accepted.drain(..count).collect::<Vec<_>>() {
            let fate = if yes { Fate::Taken } else { Fate::Refused };
            transfer.settle(place, fate(reply.clone()));
        }
        if !transfer.accepted.is_empty() {
            return;
        }
        if Class::of(reply.code) == Class::Closing {
            self.fail(super::Failure::Refused(Verb::End, reply.clone()));
        } else {
            self.ready();
        }
    }

    /// True while the body is wanted from the caller.
    pub(super) fn wants_piece(&self) -> bool {
        let body = self.transfer.as_ref().map(|transfer| &transfer.body);
        match body {
            Some(Stage::Dotted(_)) => true,
            // One chunk is on its way at a time; its answer comes first.
            Some(Stage::Chunks { ended, .. }) => !ended && self.expected.is_empty(),
            _ => false,
        }
    }

    /// Takes a piece of the body.
    pub(super) fn piece(&mut self, piece: &[u8]) {
        let each = self.wishes.service == Service::Lmtp;
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        let replies = if each {
            transfer.accepted.len().max(1)
        } else {
            1
        };
        match &mut transfer.body {
            Stage::Dotted(stuffer) if piece.is_empty() => {
                stuffer.end(&mut self.output);
                transfer.body = Stage::Sent;
                self.expected
                    .extend(std::iter::repeat_n(Verb::End, replies));
            }
            Stage::Dotted(stuffer) => stuffer.write(piece, &mut self.output),
            Stage::Chunks {
                mender,
                held,
                ended,
            } => {
                let last = piece.is_empty();
                *ended = last;
                let chunk = if last {
                    let mut chunk = held.take().unwrap_or_default();
                    if let Some(mender) = mender {
                        mender.end(&mut chunk);
                    }
                    Some(chunk)
                } else {
                    held.replace(mended(mender.as_mut(), piece))
                };
                if let Some(chunk) = chunk {
                    let octets = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                    let command = Command::Bdat { octets, last };
                    self.send(&command);
                    self.output.extend_from_slice(&chunk);
                    let more = if last { replies - 1 } else { 0 };
                    self.expected.extend(std::iter::repeat_n(Verb::Last, more));
                }
            }
            Stage::Before | Stage::Sent => {}
        }
    }
}

/// A server that has enough recipients may say so as if it were for ever: the others are for
/// another time. Where it says that a mailbox is full, or why else, that stands.
// RFC 5321 §4.5.3.1.10
fn of_recipient(reply: Reply) -> Reply {
    let says_more = reply
        .enhanced
        .is_some_and(|said| (said.subject, said.detail) != (5, 3));
    if reply.code.value() != 552 || says_more {
        return reply;
    }
    let enhanced = reply.enhanced.map(|said| Enhanced { class: 4, ..said });
    Reply {
        lines: reply.lines,
        ..Reply::new(452, enhanced, "")
    }
}

fn mended(mender: Option<&mut Stuffer>, piece: &[u8]) -> Vec<u8> {
    match mender {
        None => piece.to_vec(),
        Some(mender) => {
            let mut chunk = Vec::new();
            mender.write(piece, &mut chunk);
            chunk
        }
    }
}

/// True if the envelope cannot be said in ASCII.
fn needs_utf8(envelope: &Envelope) -> bool {
    let beyond = |address: Option<&Address>| address.is_some_and(Address::needs_utf8);
    let recipients = &mut envelope.recipients.iter();
    envelope.smtputf8
        || beyond(envelope.reverse_path.address())
        || recipients.any(|recipient| beyond(recipient.forward_path.address()))
}

/// Without SMTPUTF8 a domain is written in A-labels (RFC 6531 §3.2).
fn spell(address: &mut Address, utf8: bool) {
    if let (Host::Domain(_), false) = (&address.host, utf8) {
        address.host = Host::Domain(address.host.to_ascii());
    }
}
