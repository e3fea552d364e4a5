//! Letters of many kinds, each made from its number alone.

/// A letter, and who sends it as SMTP says it; nobody where that is empty.
pub(crate) struct Letter {
    pub(crate) sender: &'static str,
    pub(crate) text: String,
}

/// Who writes: the field, and the envelope's sender.
const WRITERS: [(&str, &str); 13] = [
    ("Grace Hopper <grace@navy.example>", "grace@navy.example"),
    ("grace@navy.example", "bounces@navy.example"),
    ("\"Peter\" <peter@post.example>", "peter@post.example"),
    ("Boss <boss@work.example>", "boss@work.example"),
    ("shop@shop.example (Shop)", "shop@shop.example"),
    ("Linus <linus@kernel.example>", "linus@kernel.example"),
    ("MAILER-DAEMON@mx.example", ""),
    ("Mail Delivery System <postmaster@mx.example>", ""),
    ("root@host.example (root)", "root@host.example"),
    ("Cron Daemon <cron@host.example>", "cron@host.example"),
    ("no-reply@shop.example", "no-reply@shop.example"),
    ("somebody@far.example", "owner-rust@lists.example.org"),
    (
        "Colleague <colleague@work.example>",
        "colleague@work.example",
    ),
];

const READERS: [&str; 10] = [
    "To: ada@example.org",
    "To: Ada <ada@example.org>, team@example.org",
    "To: scuba@lists.example.org",
    "To: undisclosed-recipients:;",
    "To: team@example.org\nCc: Ada <ada@example.org>",
    "To: old@example.org",
    "To: canada@example.org",
    "To: rust-users@lists.example.org\nCc: dive@lists.example.org",
    "To: \"Ada L.\"\n <ada@example.org>",
    "Cc: peter@post.example\nTo: compilers@lists.example.org",
];

const SUBJECTS: [&str; 20] = [
    "Hello",
    "Re: compilers and things",
    "[rust-users] an async question",
    "Urgent: call me",
    "URGENT order 77",
    "meeting on Monday",
    "meetings, meetings",
    "Invoice 1234",
    "Fwd: invoice 9",
    "You won the lottery",
    "casino and more",
    "cheap v1agra",
    "Report of the week",
    "Agenda of the meeting",
    "",
    "A rather long subject about\n compilers, and about a\n\tmeeting",
    "aw: rust again",
    "backup failed",
    "order 12 asap",
    "[announce] version 3",
];

/// Fields that some letters have: how many of seven have it, and the field.
const FIELDS: [(usize, &str); 18] = [
    (1, "List-Id: Rust <rust-users.lists.example.org>"),
    (1, "List-Id: <announce.example.net>"),
    (1, "List-Id: Tea\n\t<tea.lists.example.org>"),
    (1, "Mailing-List: contact announce-help@lists.example.org"),
    (1, "X-BeenThere: gardening@lists.example.org"),
    (1, "Precedence: bulk"),
    (1, "Precedence: list"),
    (1, "X-Spam-Flag: YES"),
    (1, "X-Spam-Status: Yes, score=15.2 required=5.0"),
    (2, "X-Spam-Status: No, score=0.1"),
    (1, "X-Spam-Level: ****************"),
    (1, "X-Spam-Level: ***"),
    (1, "X-Mailer: Shop 2.0"),
    (1, "X-Loop: ada@example.org"),
    (1, "X-Priority: 1 (Highest)"),
    (1, "Sender: owner-rust@lists.example.org"),
    (1, "Reply-To: desk@work.example"),
    (1, "X-Mailing-List: rust-users"),
];

const TEXTS: [&str; 9] = [
    "Hello,\n\nhow are you?\n",
    "Dear friend,\n\nthere is money.\n",
    "The list ends here.\nTo leave, unsubscribe at the desk.\n",
    "begin 644 photo.jpg\nM9F]O8F%R\nend\n",
    "You owe us:\nTotal: 100 EUR\nby Friday.\n",
    "Total: 7 eur, or so\n",
    "He wrote:\nSubject: lottery tickets\nFrom: him\n",
    "Cheap VIAGRA today\n",
    "-- \nnothing else\n",
];

/// The letter with this number.
pub(crate) fn letter(number: usize) -> Letter {
    let mut chance = Chance(number as u64 + 1);
    let (writer, sender) = WRITERS[chance.below(WRITERS.len())];
    let mut text = format!("From: {writer}\n{}\n", READERS[chance.below(READERS.len())]);
    text.push_str(&format!(
        "Subject: {}\n",
        SUBJECTS[chance.below(SUBJECTS.len())]
    ));
    text.push_str(&format!(
        "X-Number: {number}\nMessage-ID: <{number}@letters.example>\n"
    ));
    text.push_str("Date: Fri, 27 Nov 2026 12:00:00 +0000\n");
    for (often, field) in FIELDS {
        if chance.below(7) < often {
            text.push_str(field);
            text.push('\n');
        }
    }
    let kinds = [
        "text/plain; charset=us-ascii",
        "multipart/mixed; boundary=x",
        "text/html",
    ];
    text.push_str(&format!(
        "Content-Type: {}\n\n",
        kinds[chance.below(kinds.len())]
    ));
    text.push_str(TEXTS[chance.below(TEXTS.len())]);
    let lines = [0, 0, 60, 180, 700][chance.below(5)];
    text.push_str(
        &"A line that only makes the letter longer, and says nothing at all.\n".repeat(lines),
    );
    Letter { sender, text }
}

/// Numbers that look like chance, and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's constants of MMIX.
        for _ in 0..3 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
        }
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
