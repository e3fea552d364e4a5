//! What `trust` asks of DNS, put to the resolver, and its answers in `trust`'s words.
//!
//! Not here: asking (the room `net`), what answers mean (the room `trust`), policies of MTA-STS,
//! which are no names (`relay::policies`).

use net::{DnsData, DnsFound, DnsKind, Resolver};
use trust::dane::Tlsa;
use trust::{Answer, Kind, Proven, Question, Record};

/// Asks one question.
pub(crate) async fn ask(resolver: &Resolver, question: &Question) -> Answer {
    match kind(question.kind()) {
        Some(kind) => answer(resolver.ask(question.name(), kind).await),
        None => Answer::Failed,
    }
}

/// The same, with whether DNSSEC proves the answer.
pub(crate) async fn ask_proven(resolver: &Resolver, question: &Question) -> Proven {
    let Some(kind) = kind(question.kind()) else {
        return Proven {
            answer: Answer::Failed,
            is_proven: false,
            name: question.name().to_owned(),
        };
    };
    let proven = resolver.ask_proven(question.name(), kind).await;
    Proven {
        answer: answer(proven.found),
        is_proven: proven.is_proven,
        name: proven.name.to_ascii_lowercase(),
    }
}

/// What DNS calls it; nothing for what is not asked of DNS.
const fn kind(kind: Kind) -> Option<DnsKind> {
    Some(match kind {
        Kind::A => DnsKind::A,
        Kind::Aaaa => DnsKind::Aaaa,
        Kind::Mx => DnsKind::Mx,
        Kind::Ptr => DnsKind::Ptr,
        Kind::Txt => DnsKind::Txt,
        Kind::Tlsa => DnsKind::Tlsa,
        Kind::StsPolicy => return None,
    })
}

fn answer(found: DnsFound) -> Answer {
    match found {
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
