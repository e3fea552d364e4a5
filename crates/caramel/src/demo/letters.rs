//! The sample mail: a bit of everything that a mail program has to show.

use mail::{Address, Flag, Timestamp};
use message::Builder;

/// A message for a mailbox.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) mailbox: &'static str,
    pub(super) flags: Vec<Flag>,
    pub(super) date: Timestamp,
    pub(super) octets: Vec<u8>,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Ada,
    Alan,
    Grace,
    Lea,
    Noor,
    List,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Ada => "Ada Lovelace",
            Self::Alan => "Alan Turing",
            Self::Grace => "Grace Hopper",
            Self::Lea => "Léa Crémeux",
            Self::Noor => "نور الدين",
            Self::List => "Caramel weekly",
        }
    }

    fn address(self) -> Option<Address> {
        let text = match self {
            Self::Ada => "ada@caramel.localhost",
            Self::Alan => "alan@caramel.localhost",
            Self::Grace => "grace@navy.example",
            Self::Lea => "lea@confiserie.example",
            Self::Noor => "noor@madrasa.example",
            Self::List => "weekly@lists.example",
        };
        Address::parse(text).ok()
    }
}

/// The mail of one of the two accounts, the oldest first.
pub(super) fn for_account(name: &str, now: Timestamp) -> Vec<Letter> {
    let mut letters = match name {
        "ada" => {
            let mut letters = thread(now, Who::Ada);
            letters.extend([french(now), pictures(now), report(now), right_to_left(now)]);
            letters.extend([plain_question(now), newsletter(now), long(now), draft(now)]);
            letters
        }
        _ => {
            let mut letters = thread(now, Who::Alan);
            letters.push(welcome(now));
            letters
        }
    };
    letters.sort_by_key(|letter| letter.date);
    letters
}

/// A message begun: who, to whom, when, about what.
fn begin(from: Who, to: Who, date: Timestamp, id: &str, subject: &str) -> Builder {
    let mut builder = Builder::new().date(date).message_id(id);
    if let (Some(sender), Some(recipient)) = (from.address(), to.address()) {
        builder = builder.from(from.name(), &sender).to(to.name(), &recipient);
    }
    builder.subject(subject)
}

fn inbox(date: Timestamp, flags: &[Flag], octets: Vec<u8>) -> Letter {
    Letter {
        mailbox: "INBOX",
        flags: flags.to_vec(),
        date,
        octets,
    }
}

/// An unread letter that is nothing but text.
fn plain((from, to): (Who, Who), date: Timestamp, id: &str, subject: &str, text: &str) -> Letter {
    let builder = begin(from, to, date, id, subject);
    inbox(date, &[], builder.text(text).build())
}

const fn ago(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::utc(now.seconds - seconds)
}

/// A conversation of six messages; each account has what it got in its inbox, the rest in Sent.
fn thread(now: Timestamp, owner: Who) -> Vec<Letter> {
    const TURNS: [(Who, &str); 6] = [
        (
            Who::Alan,
            "Would you like to see the Bombe on Thursday? There is a demonstration at two.",
        ),
        (
            Who::Ada,
            "Very much. May I bring Grace? She collects moths, she says, and relays.",
        ),
        (
            Who::Alan,
            "Of course. The 13:05 from Euston stops at Bletchley.",
        ),
        (
            Who::Ada,
            "Then let us meet on the platform. I shall carry a punched card as a sign.",
        ),
        (
            Who::Alan,
            "A punched card! I would have carried a tape, but mine is infinite.",
        ),
        (Who::Ada, "Bring a finite piece of it.\n\nA."),
    ];
    let id = |turn: usize| format!("bletchley-{turn}@caramel.localhost");
    let mut letters = Vec::new();
    for (turn, (from, words)) in TURNS.iter().enumerate() {
        let hours = 40 - 5 * i64::try_from(turn).unwrap_or(0);
        let date = ago(now, 2 * DAY + hours * HOUR);
        let to = if *from == Who::Ada {
            Who::Alan
        } else {
            Who::Ada
        };
        let (subject, mut text) = match turn.checked_sub(1).and_then(|before| TURNS.get(before)) {
            None => ("Bletchley on Thursday?".to_owned(), String::new()),
            Some((whom, said)) => (
                "Re: Bletchley on Thursday?".to_owned(),
                format!(
                    "{} wrote:\n> {}\n\n",
                    whom.name(),
                    said.replace('\n', "\n> ")
                ),
            ),
        };
        text.push_str(words);
        text.push('\n');
        let earlier: Vec<String> = (0..turn).map(id).collect();
        let earlier: Vec<&str> = earlier.iter().map(String::as_str).collect();
        let mut builder = begin(*from, to, date, &id(turn), &subject).text(&text);
        if let Some(last) = earlier.last() {
            builder = builder
                .ids("In-Reply-To", &[last])
                .ids("References", &earlier);
        }
        let flags = match (turn, *from == owner) {
            (5, false) => vec![],
            (_, false) => vec![Flag::Seen, Flag::Answered],
            (_, true) => vec![Flag::Seen],
        };
        letters.push(Letter {
            mailbox: if *from == owner { "Sent" } else { "INBOX" },
            flags,
            date,
            octets: builder.build(),
        });
    }
    letters
}

fn welcome(now: Timestamp) -> Letter {
    let date = ago(now, HOUR);
    let text = "Dear Alan,\n\nthis is a demonstration. What you send to Ada arrives; what you send \
                elsewhere is kept in a mailbox called Captured, and never leaves this machine.\n\n\
                Ada\n";
    let who = (Who::Ada, Who::Alan);
    plain(
        who,
        date,
        "welcome@caramel.localhost",
        "How this works",
        text,
    )
}

fn french(now: Timestamp) -> Letter {
    let date = ago(now, DAY + 3 * HOUR);
    let text = "Chère Ada,\n\nle caramel au beurre salé est prêt : la recette est jointe. Goûte-le \
                à Noël, près du poêle, avec un cœur léger… et dis-moi où tu préfères le \
                déguster.\n\n\
                À bientôt,\nLéa\n";
    let recipe = "Caramel au beurre salé\n\n100 g de sucre\n40 g de beurre demi-sel\n10 cl de \
                crème\n\n\
                  Faire fondre le sucre à sec, ajouter le beurre, puis la crème tiède.\n";
    let subject = "Été indien, crème brûlée et caramel salé";
    let builder = begin(
        Who::Lea,
        Who::Ada,
        date,
        "recette@confiserie.example",
        subject,
    )
    .text(text);
    let octets = builder.attach(
        "Recette à goûter.txt",
        "text/plain; charset=utf-8",
        recipe.as_bytes(),
    );
    inbox(date, &[Flag::Seen, Flag::Flagged], octets.build())
}

/// A picture of a caramel, 24 by 24.
const PICTURE: &str = "\
iVBORw0KGgoAAAANSUhEUgAAABgAAAAYCAIAAABvFaqvAAAAZ0lEQVR42mP4/+sDVRADHrkKNzk0\r
RJpBmPqJMZEBjynHKgzQEB6zGLCagmkEVuOwG0SkKbjMYiDDFKxmoRhEvCnIZtHAIPJMQTNr1CA6\r
GzT40hE1swjVMi01ixFqFmzULGqpWfiThwBtogr9yWAjSQAAAABJRU5ErkJggg==\r
";

/// HTML with a picture inside: written by hand, since the house itself never sends such mail.
fn pictures(now: Timestamp) -> Letter {
    let date = ago(now, DAY);
    let octets = format!(
        "Date: {}\r\n\
         Message-ID: <picture@confiserie.example>\r\n\
         From: =?utf-8?Q?L=C3=A9a_Cr=C3=A9meux?= <lea@confiserie.example>\r\n\
         To: Ada Lovelace <ada@caramel.localhost>\r\n\
         Subject: A picture of it\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=outer\r\n\r\n\
         --outer\r\nContent-Type: text/plain\r\n\r\n\
         This is what it looks like. (There is a picture in the other part.)\r\n\
         --outer\r\nContent-Type: multipart/related; boundary=inner; type=\"text/html\"\r\n\r\n\
         --inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <p>This is what it <b>looks</b> like:</p>\r\n\
         <p><img src=\"cid:caramel\" alt=\"a caramel\" width=\"24\" height=\"24\"></p>\r\n\
         --inner\r\nContent-Type: image/png\r\nContent-ID: <caramel>\r\n\
         Content-Disposition: inline; filename=caramel.png\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{PICTURE}\
         --inner--\r\n\r\n--outer--\r\n",
        date.to_rfc5322(),
    );
    inbox(date, &[Flag::Seen], octets.into_bytes())
}

fn report(now: Timestamp) -> Letter {
    let date = ago(now, 20 * HOUR);
    let table = "term,n,value\nB2,2,0.166667\nB4,4,-0.033333\nB6,6,0.023810\nB8,8,-0.033333\n";
    let text = "Ada,\n\nthe engine's numbers of Bernoulli, as a table and as the cards' \
                listing. One \
                moth was removed from relay 70.\n\nGrace\n";
    let cards: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let octets = begin(
        Who::Grace,
        Who::Ada,
        date,
        "b8@navy.example",
        "Table of numbers",
    )
    .text(text)
    .attach("bernoulli.csv", "text/csv", table.as_bytes())
    .attach("cards.bin", "application/octet-stream", &cards)
    .build();
    inbox(date, &[], octets)
}

fn right_to_left(now: Timestamp) -> Letter {
    let date = ago(now, 9 * HOUR);
    let text =
        "عزيزتي آدا،\n\nالخوارزمية جاهزة، واسمها من الخوارزمي. נתראה ביום חמישי!\n\nنور الدين\n";
    let subject = "الخوارزمية 7 جاهزة";
    let who = (Who::Noor, Who::Ada);
    plain(who, date, "algorithm@madrasa.example", subject, text)
}

fn plain_question(now: Timestamp) -> Letter {
    let date = ago(now, 6 * HOUR);
    let text = "Is the answer always 42?\n\n.\n..\nThe two lines above begin with dots; a mail \
                system \
                has to keep them.\n\n-- \nGrace\n";
    let who = (Who::Grace, Who::Ada);
    plain(who, date, "dots@navy.example", "A question with dots", text)
}

fn newsletter(now: Timestamp) -> Letter {
    let date = ago(now, 4 * HOUR);
    let text = "This week: sugar, heat, patience. Next week: salt.\n";
    let html = "<html><body style=\"font-family: sans-serif\"><h1>Caramel weekly</h1><ul>\
                <li>sugar</li><li>heat</li><li>patience</li></ul><p>Next week: <i>salt</i>.</p>\
                </body></html>";
    let octets = begin(
        Who::List,
        Who::Ada,
        date,
        "weekly-7@lists.example",
        "Caramel weekly, No. 7",
    )
    .field("List-Id", "Caramel weekly <weekly.lists.example>")
    .field("List-Unsubscribe", "<mailto:weekly-leave@lists.example>")
    .text(text)
    .html(html)
    .build();
    inbox(date, &[], octets)
}

/// A text that takes several screens.
fn long(now: Timestamp) -> Letter {
    let date = ago(now, 2 * HOUR);
    let mut text = String::from("The steps, in full:\n\n");
    for step in 1..=400 {
        text.push_str(&format!(
            "{step}. Turn the handle once, read column {}, carry where it is above nine, and write \
             the sum on the card before the next turn.\n",
            step % 24 + 1
        ));
    }
    let subject = "Operating the Analytical Engine: all four hundred steps, from the first turn of \
                   the handle to the last card, with remarks on carrying, lubrication and tea";
    let who = (Who::Alan, Who::Ada);
    plain(who, date, "steps@caramel.localhost", subject, &text)
}

fn draft(now: Timestamp) -> Letter {
    let date = ago(now, HOUR);
    let text = "Dear Léa,\n\nthank you for the recipe; I shall\n";
    let subject = "Re: Été indien, crème brûlée et caramel salé";
    let builder = begin(Who::Ada, Who::Lea, date, "draft@caramel.localhost", subject);
    Letter {
        mailbox: "Drafts",
        flags: vec![Flag::Draft, Flag::Seen],
        date,
        octets: builder.text(text).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_messages_in_order() {
        for (name, count) in [("ada", 14), ("alan", 7)] {
            let letters = for_account(name, Timestamp::utc(1_800_000_000));
            assert_eq!(letters.len(), count);
            assert!(letters.is_sorted_by_key(|letter| letter.date));
            for letter in letters {
                let text = String::from_utf8_lossy(&letter.octets).into_owned();
                for line in text.split("\r\n") {
                    assert!(
                        !line.contains(['\r', '\n']) && line.len() <= 998,
                        "{line:?}"
                    );
                }
                assert!(
                    text.starts_with("Date: ") && text.contains("\r\nFrom: "),
                    "{text}"
                );
            }
        }
    }
}
