//! What `trust` asks of DNS, put to the resolver, and its answers in `trust`'s words.
//!
//! Not here: asking (the room `net`), what answers mean (the room `trust`).

use net::{DnsData, DnsFound, DnsKind, Resolver};
use trust::dane::Tlsa;
use trust::{Answer, Kind, Question, Record};

/// Asks one question.
pub(crate) async fn ask(resolver: &Resolver, question: &Question) -> Answer {
    let kind = match question.kind() {
        Kind::A => DnsKind::A,
        Kind::Aaaa => DnsKind::Aaaa,
        Kind::Mx => DnsKind::Mx,
        Kind::Ptr => DnsKind::Ptr,
        Kind::Txt => DnsKind::Txt,
        Kind::Tlsa => DnsKind::Tlsa,
        // Not DNS: nobody asks for policies of MTA-STS yet.
        Kind::StsPolicy => return Answer::Failed,
    };
    match resolver.ask(question.name(), kind).await {
        DnsFound::Records(records) => Answer::Records(records.into_iter().map(record).collect()),
        DnsFound::NoData => Answer::NoData,
        DnsFound::NoSuchName => Answer::NoSuchName,
        DnsFound::Failed => Answer::Failed,
    }
}

fn record(data: DnsData) -> Record {
    match data {
        DnsData::A(ip) => Record::A(ip),
        DnsData::Aaaa(ip) => Record::Aaaa(ip),
        DnsData::Mx {
            preference,
            exchange,
        } => Record::Mx {
            preference,
            exchange,
        },
        DnsData::Ptr(name) => Record::Ptr(name),
        DnsData::Txt(text) => Record::Txt(text),
        DnsData::Tlsa {
            usage,
            selector,
            matching,
            data,
        } => Record::Tlsa(Tlsa {
            usage,
            selector,
            matching,
            data,
        }),
    }
}
