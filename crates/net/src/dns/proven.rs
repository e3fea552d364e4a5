//! Answers with a proof: a server that validates DNSSEC is asked, and says with each answer whether
//! the chain of signatures holds (the AD bit).
//!
//! Not here: validation of our own, which servers are believed (the settings), remembering: such a
//! server is near, and remembers by itself.
//!
//! RFC 1035 §4.1, §4.2; RFC 4035 §3.2.3, RFC 6840 §5.7 (AD in a question asks for AD in the
//! answer), RFC 6891 (longer answers).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{DnsData, DnsFound, DnsKind, RECORDS_MAX, bare, data};

/// Octets of an answer over UDP: what passes every network in one piece.
const UDP_OCTETS_MAX: u16 = 1232;
/// Names of names that are followed in an answer.
const ALIASES_MAX: usize = 8;

/// What became of a question, and whether that is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsProven {
    /// What was found.
    pub found: DnsFound,
    /// True if DNSSEC proves it; also that there is nothing.
    pub is_proven: bool,
    /// The name whose records these are: another than was asked about where that is an alias.
    pub name: String,
}

impl DnsProven {
    /// An answer that nothing is known about.
    pub(super) fn unproven(found: DnsFound, name: &str) -> Self {
        Self {
            found,
            is_proven: false,
            name: name.to_owned(),
        }
    }
}

/// Asks servers, one after the other, until one answers; each gets `limit`. `None` where none does.
pub(super) async fn ask(
    servers: &[SocketAddr],
    name: &Name,
    kind: DnsKind,
    limit: Duration,
) -> Option<DnsProven> {
    for server in servers {
        match timeout(limit, exchange(*server, name, kind)).await {
            Ok(Ok(answer)) => match read(&answer, name, kind) {
                Some(proven) => return Some(proven),
                None => tracing::debug!(%name, ?kind, %server, "DNS failed"),
            },
            Ok(Err(error)) => tracing::debug!(%name, ?kind, %server, %error, "DNS failed"),
            Err(_) => tracing::debug!(%name, ?kind, %server, "DNS was silent"),
        }
    }
    None
}

fn question(name: &Name, kind: DnsKind, extended: bool) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(name.clone(), kind.into()));
    message.metadata.recursion_desired = true;
    // RFC 6840 §5.7
    message.metadata.authentic_data = true;
    if extended {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_OCTETS_MAX);
        message.set_edns(edns);
    }
    message
}

/// A question and its answer; in the old form, where the server does not know the new one.
// RFC 6891 §7
async fn exchange(server: SocketAddr, name: &Name, kind: DnsKind) -> io::Result<Message> {
    let answer = over_udp(server, question(name, kind, true)).await?;
    match answer.metadata.response_code {
        ResponseCode::FormErr | ResponseCode::NotImp => {
            over_udp(server, question(name, kind, false)).await
        }
        _ => Ok(answer),
    }
}

async fn over_udp(server: SocketAddr, asked: Message) -> io::Result<Message> {
    let octets = asked.to_vec().map_err(io::Error::other)?;
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(&octets).await?;
    let mut buffer = vec![0; UDP_OCTETS_MAX.into()];
    loop {
        let len = socket.recv(&mut buffer).await?;
        let octets = buffer.get(..len).unwrap_or_default();
        // Whatever else comes to this port is no answer.
        let Some(answer) = answer_to(&asked, octets) else {
            continue;
        };
        if !answer.metadata.truncation {
            return Ok(answer);
        }
        return over_tcp(server, &asked).await;
    }
}

// RFC 1035 §4.2.2
async fn over_tcp(server: SocketAddr, asked: &Message) -> io::Result<Message> {
    let octets = asked.to_vec().map_err(io::Error::other)?;
    let len = u16::try_from(octets.len()).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(server).await?;
    let written = [&len.to_be_bytes()[..], &octets].concat();
    stream.write_all(&written).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    let wrong = || io::Error::other("this is no answer to what was asked");
    answer_to(asked, &answer).ok_or_else(wrong)
}

/// A message, if it answers the question.
fn answer_to(asked: &Message, octets: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(octets).ok()?;
    let same = answer.metadata.id == asked.metadata.id && answer.queries == asked.queries;
    let is_answer = answer.metadata.message_type != asked.metadata.message_type;
    (same && is_answer).then_some(answer)
}

/// What an answer says; `None` where its server knows nothing.
fn read(answer: &Message, name: &Name, kind: DnsKind) -> Option<DnsProven> {
    let is_proven = answer.metadata.authentic_data;
    let missing = match answer.metadata.response_code {
        ResponseCode::NoError => DnsFound::NoData,
        ResponseCode::NXDomain => DnsFound::NoSuchName,
        _ => return None,
    };
    let name = owner(&answer.answers, name);
    let own = answer.answers.iter().filter(|record| record.name == name);
    let found = own.filter_map(|record| data(&record.data, kind));
    let records: Vec<DnsData> = found.take(RECORDS_MAX).collect();
    Some(DnsProven {
        found: match records.is_empty() {
            true => missing,
            false => DnsFound::Records(records),
        },
        is_proven,
        name: bare(&name),
    })
}

/// The name that a name leads to.
fn owner(answers: &[Record], name: &Name) -> Name {
    let mut name = name.clone();
    for _ in 0..ALIASES_MAX {
        let next = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == name => Some(target.0.clone()),
            _ => None,
        });
        match next {
            Some(next) => name = next,
            None => break,
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::OpCode;
    use hickory_resolver::proto::rr::rdata::{A, CNAME};

    use super::*;

    fn name(text: &str) -> Name {
        super::super::written(text).unwrap()
    }

    fn answer(code: ResponseCode, proven: bool, records: Vec<Record>) -> Message {
        let mut message = Message::response(7, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.authentic_data = proven;
        message.insert_answers(records);
        message
    }

    #[test]
    fn an_answer_is_worth_what_its_server_says() {
        let v4 = |owner: &str| {
            let data = RData::A(A::new(192, 0, 2, 1));
            Record::from_rdata(name(owner), 60, data)
        };
        let alias = |owner: &str, target: &str| {
            let data = RData::CNAME(CNAME(name(target)));
            Record::from_rdata(name(owner), 60, data)
        };
        let found = |code, proven, records| {
            let answer = answer(code, proven, records);
            read(&answer, &name("mx.example"), DnsKind::A)
        };
        let there = DnsFound::Records(vec![DnsData::A([192, 0, 2, 1].into())]);
        let no_error = ResponseCode::NoError;
        for proven in [true, false] {
            let direct = found(no_error, proven, vec![v4("mx.example")]).unwrap();
            assert_eq!((&direct.found, direct.is_proven), (&there, proven));
            assert_eq!(direct.name, "mx.example");
        }
        let led = vec![alias("mx.example", "host.example"), v4("host.example")];
        let led = found(no_error, true, led).unwrap();
        assert_eq!((led.found, led.name.as_str()), (there, "host.example"));
        // What belongs to another name is nobody's answer.
        let other = found(no_error, true, vec![v4("other.example")]).unwrap();
        assert_eq!(other.found, DnsFound::NoData);
        let gone = found(ResponseCode::NXDomain, true, Vec::new()).unwrap();
        assert_eq!((gone.found, gone.is_proven), (DnsFound::NoSuchName, true));
        assert_eq!(found(ResponseCode::ServFail, true, Vec::new()), None);
        let round = vec![
            alias("mx.example", "b.example"),
            alias("b.example", "mx.example"),
        ];
        assert_eq!(
            found(no_error, true, round).unwrap().found,
            DnsFound::NoData
        );
    }

    #[test]
    fn only_an_answer_to_the_question_is_one() {
        let asked = question(&name("mx.example"), DnsKind::Tlsa, true);
        assert!(asked.metadata.authentic_data);
        let mut right = answer(ResponseCode::NoError, true, Vec::new());
        right.metadata.id = asked.metadata.id;
        right.queries.clone_from(&asked.queries);
        let mut stranger = right.clone();
        stranger.metadata.id ^= 1;
        let mut other = right.clone();
        other.queries = question(&name("b.example"), DnsKind::Tlsa, true).queries;
        for (message, expected) in [(&right, true), (&stranger, false), (&other, false)] {
            let octets = message.to_vec().unwrap();
            assert_eq!(answer_to(&asked, &octets).is_some(), expected, "{message}");
        }
        assert!(answer_to(&asked, &asked.to_vec().unwrap()).is_none());
        assert!(answer_to(&asked, b"\0").is_none());
    }
}
