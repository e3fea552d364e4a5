//! How many octets of mail are read in a second of processor time, beside two other readers.
//!
//! All three take turns on the same messages, each round a little of each; the figures are medians.
//! Rates depend on the machine and the hour: the ratios are what counts. `CARAMEL_ROUNDS` says how
//! many rounds, a word on the command line which rows.
#![expect(clippy::print_stdout, reason = "a bench speaks on standard output")]

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

mod readers;
mod samples;

use readers::{READERS, Sum, Work};

/// Processor time one turn of one reader takes, seconds.
const TURN_SECONDS: f64 = 0.05;

fn main() {
    let rounds = std::env::var("CARAMEL_ROUNDS").ok();
    let rounds = rounds.and_then(|text| text.parse().ok()).unwrap_or(7);
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    println!("MB of message a processor second; medians of {rounds} rounds\n");
    println!("| message | work | caramel | mail-parser | mailparse | ahead of both by |");
    println!("|---|---|---|---|---|---|");
    for sample in samples::all() {
        if wanted(sample.name) {
            rows(&sample, rounds);
        }
    }
    println!("\n| alone | GB a processor second | beside |\n|---|---|---|");
    alone(rounds, &wanted);
}

/// The three rows of one message.
fn rows(sample: &samples::Sample, rounds: usize) {
    let (name, octets) = (sample.name, sample.octets.as_slice());
    for work in Work::EACH {
        let sums = READERS.map(|(_, read)| read(octets, work));
        agree(name, work, &sums);
        let works = READERS.map(|(_, read)| move || _ = black_box(read(black_box(octets), work)));
        let works: Vec<&dyn Fn()> = works.iter().map(|work| work as &dyn Fn()).collect();
        let rates: Vec<f64> = turns(&works, octets.len(), rounds);
        let [ours, others @ ..] = rates.as_slice() else {
            continue;
        };
        let best = others.iter().copied().fold(0.0, f64::max);
        let size = size(octets.len());
        print!("| {name}, {size} | {} | {:.0} |", work.name(), ours / 1e6);
        others
            .iter()
            .for_each(|rate| print!(" {:.0} |", rate / 1e6));
        println!(" {:.2} |", ours / best);
    }
}

/// Says where the readers did not do the same work; a bench of unequal work would be a lie.
fn agree(name: &str, work: Work, sums: &[Sum; READERS.len()]) {
    let [ours, others @ ..] = sums;
    for (other, (reader, _)) in others.iter().zip(READERS.iter().skip(1)) {
        if (other.leaves, other.octets) != (ours.leaves, ours.octets) {
            println!(
                "({name}, {}: {reader} {other:?}, caramel {ours:?})",
                work.name()
            );
        }
    }
}

/// Octets a second of each, in turns; medians.
fn turns(works: &[&dyn Fn()], octets: usize, rounds: usize) -> Vec<f64> {
    let times: Vec<u32> = works.iter().map(|work| times(*work)).collect();
    let mut rates = vec![Vec::new(); works.len()];
    for _ in 0..rounds {
        for ((work, times), rates) in works.iter().zip(&times).zip(&mut rates) {
            let seconds = cost(|| (0..*times).for_each(|_| work()));
            let octets = u32::try_from(octets).map_or(f64::INFINITY, f64::from);
            rates.push(octets * f64::from(*times) / seconds);
        }
    }
    rates.into_iter().map(median).collect()
}

/// How often the work fits into a turn; finding out warms it up.
fn times(work: &dyn Fn()) -> u32 {
    let mut times = 1_u32;
    loop {
        let seconds = cost(|| (0..times).for_each(|_| work()));
        if seconds > TURN_SECONDS / 4.0 || times > 1 << 24 {
            let more = (TURN_SECONDS / seconds).clamp(1.0, 16.0);
            return (1..=16).rev().find(|n| f64::from(*n) <= more).unwrap_or(1) * times;
        }
        times *= 2;
    }
}

/// Processor seconds of this thread that the work takes.
fn cost(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let nanoseconds = u32::try_from(time.tv_nsec).map_or(0.0, f64::from);
        u32::try_from(time.tv_sec).map_or(0.0, f64::from) + nanoseconds / 1e9
    };
    let begun = now();
    work();
    (now() - begun).max(1e-9)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn size(octets: usize) -> String {
    match octets {
        0..10_000 => format!(
            "{:.1} kB",
            f64::from(u32::try_from(octets).unwrap_or(0)) / 1e3
        ),
        10_000..1_000_000 => format!("{} kB", octets / 1000),
        _ => format!("{} MB", octets / 1_000_000),
    }
}

/// What has no three columns: decoders, the outline, building, and what memory itself does.
fn alone(rounds: usize, wanted: &dyn Fn(&str) -> bool) {
    use message::{Builder, Outline};
    let large = samples::large();
    let small = samples::small();
    let attached = samples::noise(2_000_000);
    let row: &Row<'_> = &|name, octets, works, beside| {
        if !wanted(name) {
            return;
        }
        let rates = turns(works, octets, rounds);
        print!("| {name} |");
        for (rate, beside) in rates.iter().zip(std::iter::once(&"").chain(beside)) {
            let gap = if beside.is_empty() { "" } else { ": " };
            print!(" {beside}{gap}{:.2}", rate / 1e9);
            print!("{}", if beside.is_empty() { " |" } else { "" });
        }
        println!(" |");
    };
    decoding(row);
    let copy = std::cell::RefCell::new(vec![0_u8; large.len()]);
    row(
        "copying 50 MB in memory",
        large.len(),
        &[
            &|| copy.borrow_mut().copy_from_slice(black_box(&large)),
            &|| _ = black_box(memchr::memchr(0, black_box(&large))),
        ],
        &["reading it for an octet not there"],
    );
    row(
        "outline of the small text",
        small.len(),
        &[
            &|| drop(black_box(Outline::parse(black_box(&small)))),
            &|| {
                drop(black_box(Outline::parse(black_box(&small)).encode()));
            },
        ],
        &["and written to be stored"],
    );
    row(
        "building: text, HTML, 2 MB attachment",
        attached.len() * 78 / 57,
        &[&|| {
            let builder = Builder::new()
                .subject("Grüße")
                .text("Hallo")
                .html("<p>Hallo");
            let builder = builder.attach("notes.pdf", "application/pdf", black_box(&attached));
            drop(black_box(builder.build()));
        }],
        &[],
    );
}

/// Prints one measurement: its name, the octets of one turn, what to do, and the names of others.
type Row<'a> = dyn Fn(&str, usize, &[&dyn Fn()], &[&str]) + 'a;

fn decoding(row: &Row<'_>) {
    use message::{Encoding, decode_transfer};
    let base64 = samples::base64_body(2_000_000).into_bytes();
    let header = b"Content-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n\r\n";
    let wrapped = [header, base64.as_slice()].concat();
    row(
        "base64 decoding, lines of 76",
        base64.len(),
        &[
            &|| {
                drop(black_box(decode_transfer(
                    Encoding::Base64,
                    black_box(&base64),
                )))
            },
            &|| {
                let decode = mail_parser::decoders::base64::base64_decode;
                drop(black_box(decode(black_box(&base64))));
            },
            &|| {
                let mail = mailparse::parse_mail(black_box(&wrapped)).ok();
                drop(black_box(mail.map(|mail| mail.get_body_raw())));
            },
        ],
        &["mail-parser", "mailparse"],
    );
}
