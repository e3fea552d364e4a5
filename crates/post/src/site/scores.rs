//! What filters for spam and viruses say in header fields of their own, in the words of scripts.
//!
//! RFC 5235 §3.2 and §3.3.

use message::{Header, decode_words};

/// The field in which a filter for spam tells its score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpamField {
    /// Its name.
    pub name: String,
    /// What stands in front of the score (`score=`), in any letters; empty where nothing does.
    pub after: String,
    /// How the score is written.
    pub form: ScoreForm,
    /// The score from which on it is spam for sure; at least 1.
    pub max: u64,
}

/// How a score is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreForm {
    /// As a number: `7.3`, `-0.2`.
    Number,
    /// As so many signs of one kind: `*******`.
    Stars,
}

/// The field in which a filter for viruses tells what it found: by what its value begins with, in
/// any letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirusField {
    /// Its name.
    pub name: String,
    /// Nothing that is known.
    pub clean: Vec<String>,
    /// Something that is harmless now.
    pub cured: Vec<String>,
    /// Something, perhaps.
    pub suspicious: Vec<String>,
    /// Something for sure.
    pub infected: Vec<String>,
}

impl SpamField {
    /// How likely a message is spam, 0 to 100, if it was looked at. Where several fields tell, the
    /// worst counts.
    pub(crate) fn percent(&self, header: &[u8]) -> Option<u8> {
        let scores = values(header, &self.name).filter_map(|value| self.score(&value));
        let worst = scores.max()?;
        let max = i64::try_from(self.max.max(1)).unwrap_or(i64::MAX);
        let percent = worst.max(0).saturating_mul(100) / max.saturating_mul(1000);
        Some(u8::try_from(percent.min(100)).unwrap_or(100))
    }

    /// The score in thousandths.
    fn score(&self, value: &str) -> Option<i64> {
        let at = value.to_ascii_lowercase();
        let at = at.find(&self.after.to_ascii_lowercase())? + self.after.len();
        let rest = value.get(at..)?.trim_start();
        match self.form {
            ScoreForm::Number => number(rest),
            ScoreForm::Stars => {
                let first = rest.chars().next();
                let signs = rest.chars();
                let signs =
                    signs.take_while(|sign| Some(*sign) == first && !sign.is_alphanumeric());
                i64::try_from(signs.count()).ok()?.checked_mul(1000)
            }
        }
    }
}

impl VirusField {
    /// What scripts are told, from 1 to 5, if the message was looked at. Where several fields tell,
    /// the worst counts.
    pub(crate) fn value(&self, header: &[u8]) -> Option<u8> {
        let judge = |value: String| {
            let value = value.to_lowercase();
            let begins = |words: &[String]| {
                let mut words = words.iter();
                words.any(|word| value.starts_with(&word.to_lowercase()))
            };
            let all = [
                (5, &self.infected),
                (4, &self.suspicious),
                (3, &self.cured),
                (1, &self.clean),
            ];
            let found = all.into_iter().find(|(_, words)| begins(words));
            found.map(|(value, _)| value)
        };
        values(header, &self.name).filter_map(judge).max()
    }
}

/// The values of all fields of a name.
fn values(header: &[u8], name: &str) -> impl Iterator<Item = String> {
    let fields = Header::parse(header).filter(move |field| field.is(name));
    fields.map(|field| decode_words(&field.unfolded()).trim().to_owned())
}

/// A number with a fraction, in thousandths.
fn number(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit());
        text.get(..end.unwrap_or(text.len()))
            .unwrap_or_default()
            .to_owned()
    };
    let whole = digits(text);
    let behind = text.get(whole.len()..)?;
    let fraction = digits(behind.strip_prefix('.').unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: i64 = format!("0{whole}").parse().unwrap_or(i64::MAX);
    let fraction: i64 = fraction.parse().ok()?;
    let thousandths = whole.saturating_mul(1000).saturating_add(fraction);
    Some(if negative { -thousandths } else { thousandths })
}

#[cfg(test)]
mod tests {
    use super::*;

    // tidy: table
    #[test]
    fn scores_as_filters_write_them() {
        for (after, form, max, header, expected) in [
            ("", ScoreForm::Number, 15, "X-Spam: 7.5\r\n\r\n", Some(50)),
            ("", ScoreForm::Number, 15, "X-Spam: -7.5\r\n\r\n", Some(0)),
            (
                "",
                ScoreForm::Number,
                15,
                "X-Spam: 14.999\r\n\r\n",
                Some(99),
            ),
            ("", ScoreForm::Number, 15, "X-Spam: 15\r\n\r\n", Some(100)),
            ("", ScoreForm::Number, 15, "X-Spam: 1e9\r\n\r\n", Some(6)),
            (
                "",
                ScoreForm::Number,
                15,
                "X-Spam: 99999999999999999999\r\n\r\n",
                Some(100),
            ),
            ("", ScoreForm::Number, 10, "X-Spam: .5\r\n\r\n", Some(5)),
            ("", ScoreForm::Number, 10, "X-Spam: none\r\n\r\n", None),
            ("", ScoreForm::Number, 10, "X-Spam:\r\n\r\n", None),
            (
                "",
                ScoreForm::Number,
                10,
                "Subject: 9\r\n\r\nX-Spam: 9\r\n",
                None,
            ),
            (
                "",
                ScoreForm::Number,
                10,
                "X-Spam: 9\r\nX-Spam: -100\r\n\r\n",
                Some(90),
            ),
            (
                "score=",
                ScoreForm::Number,
                10,
                "X-Spam: Yes, Score=7.3 required=5.0\r\n\ttests=A\r\n\r\n",
                Some(73),
            ),
            (
                "[",
                ScoreForm::Number,
                15,
                "X-Spam: default: False [3.00 / 15.00];\r\n\r\n",
                Some(20),
            ),
            ("score=", ScoreForm::Number, 10, "X-Spam: No\r\n\r\n", None),
            ("", ScoreForm::Stars, 10, "X-Spam: ****\r\n\r\n", Some(40)),
            ("", ScoreForm::Stars, 10, "X-Spam: \r\n\r\n", Some(0)),
            ("", ScoreForm::Stars, 10, "X-Spam: +++-\r\n\r\n", Some(30)),
            ("", ScoreForm::Stars, 10, "X-Spam: aaaa\r\n\r\n", Some(0)),
        ] {
            let field = SpamField {
                name: "x-spam".to_owned(),
                after: after.to_owned(),
                form,
                max,
            };
            assert_eq!(field.percent(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn what_a_scanner_found() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let field = VirusField {
            name: "X-Virus-Status".to_owned(),
            clean: words(&["clean", "no"]),
            cured: words(&["cleaned"]),
            suspicious: words(&["unsure"]),
            infected: words(&["infected", "yes"]),
        };
        for (header, expected) in [
            ("X-Virus-Status: Clean\r\n\r\n", Some(1)),
            ("X-Virus-Status: Cleaned (Eicar)\r\n\r\n", Some(3)),
            ("X-Virus-Status: unsure\r\n\r\n", Some(4)),
            ("X-Virus-Status: Infected (Eicar-Test)\r\n\r\n", Some(5)),
            (
                "X-Virus-Status: Clean\r\nX-Virus-Status: YES\r\n\r\n",
                Some(5),
            ),
            ("X-Virus-Status: ?\r\n\r\n", None),
            ("Subject: no\r\n\r\n", None),
        ] {
            assert_eq!(field.value(header.as_bytes()), expected, "{header}");
        }
    }
}
