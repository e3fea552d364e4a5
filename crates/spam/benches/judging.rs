//! What judging costs a delivery: microseconds of the processor for a letter of 3 KB of text, and
//! for one of HTML, by a model of 100,000 clues. Taking the letter apart is said beside it.
//!
//! `cargo bench -p spam` runs it.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench")]

use std::fmt::Write as _;
use std::time::Instant;

use message::Outline;
use spam::{Class, Clues, Known, Model, Step, Tally, Token, judge};

const LETTERS: usize = 5_000;
const ROUNDS: usize = 5;
const CLUES: u32 = 100_000;

fn main() {
    let model = model();
    for (name, letters) in [
        ("3 KB of text", all(|number| text(number, 450))),
        ("12 KB of HTML", all(html)),
    ] {
        let outlines: Vec<Outline> = letters.iter().map(|one| Outline::parse(one)).collect();
        let both = || letters.iter().zip(&outlines).cycle().take(LETTERS);
        let mut figures = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            figures[0].push(seconds(|| {
                for (letter, _) in both() {
                    assert!(!Outline::parse(letter).encode().is_empty());
                }
            }));
            figures[1].push(seconds(|| {
                for (letter, outline) in both() {
                    assert!(!Clues::of_outline(outline, letter).is_empty());
                }
            }));
            let clues: Vec<Clues> = both()
                .take(letters.len())
                .map(|(letter, outline)| Clues::of_outline(outline, letter))
                .collect();
            figures[2].push(seconds(|| {
                for clues in clues.iter().cycle().take(LETTERS) {
                    assert!(judge(clues, &[&model], 10).percent <= 100);
                }
            }));
        }
        let [apart, reading, judging] = figures.map(median);
        let octets = letters.iter().map(Vec::len).sum::<usize>() / letters.len();
        println!(
            "{name} ({octets} octets): clues {reading:.1} µs, verdict {judging:.1} µs; taking it \
             apart {apart:.1} µs"
        );
    }
    let clues = Clues::of_message(&text(7, 450));
    let learning = seconds(|| {
        for _ in 0..200 {
            let change = model.plan(&[(&clues, Step::learn(Class::Junk))], 1, 200_000);
            assert!(!change.clues.is_empty());
        }
    });
    let mib = model.octets() / 1024 / 1024;
    println!(
        "planning what one letter teaches: {:.0} µs; the model {mib} MiB",
        learning / 200.0 * 1e6
    );
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = all.get(all.len() / 2).copied();
    middle.unwrap_or_default() * 1e6 / 5_000.0
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// Words as frequent as those of a language are, about.
fn word(seed: u32) -> String {
    let mut draw = seed.wrapping_mul(2_654_435_761).rotate_left(13) ^ seed;
    draw ^= draw >> 7;
    let rank = f64::from(draw) / f64::from(u32::MAX);
    let rank = (rank * f64::from(CLUES).ln()).exp();
    format!("w{rank:.0}ord")
}

fn model() -> Model {
    let mut model = Model::default();
    model.put_letters(Tally {
        good: 5000,
        junk: 5000,
    });
    for number in 0..CLUES {
        let share = number.wrapping_mul(2_654_435_761) % 7;
        let tally = Tally {
            good: 1 + share,
            junk: 7 - share,
        };
        model.put(Token::of(&format!("w{number}ord")), Known { tally, day: 1 });
    }
    model
}

fn all(letter: impl Fn(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..97).map(letter).collect()
}

fn text(number: u32, words: u32) -> Vec<u8> {
    let mut letter = format!(
        "From: Somebody <somebody{number}@example.net>\r\nTo: ada@example.org\r\nSubject: {} {}\r\n\
         Date: Fri, 27 Nov 2026 20:00:00 +0000\r\nMessage-ID: <{number}@example.net>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n",
        word(number),
        word(number + 1)
    );
    for at in 0..words {
        let end = if at % 9 == 8 { "\r\n" } else { " " };
        write!(letter, "{}{end}", word(number * 1000 + at)).expect("a string");
    }
    letter.into_bytes()
}

fn html(number: u32) -> Vec<u8> {
    let mut letter = format!(
        "From: Shop <news{number}@shop.example.net>\r\nTo: ada@example.org\r\nSubject: {}\r\n\
         Date: Fri, 27 Nov 2026 20:00:00 +0000\r\nMessage-ID: <{number}@example.net>\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n<html><style>p {{ color: red }}</style>\r\n",
        word(number)
    );
    for row in 0..70 {
        write!(
            letter,
            "<tr><td style=\"padding:0 10px;font-size:14px\"><a href=\"https://click{row}.example.net/\
             {number}/{row}\">"
        )
        .expect("a string");
        for at in 0..8 {
            write!(letter, "{} ", word(number * 1000 + row * 10 + at)).expect("a string");
        }
        letter.push_str("</a></td></tr>\r\n");
    }
    letter.into_bytes()
}
