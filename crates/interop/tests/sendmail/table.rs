//! Invocations of `sendmail` as programs make them.

/// One of them.
pub(crate) struct Case {
    /// Who calls it so.
    pub(crate) caller: &'static str,
    /// The words behind the program's name.
    pub(crate) words: &'static [&'static str],
    /// What it says on standard input; `%` stands for the number of the case.
    pub(crate) input: &'static str,
    /// True if it is refused.
    pub(crate) is_refused: bool,
}

const fn case(caller: &'static str, words: &'static [&'static str], input: &'static str) -> Case {
    Case {
        caller,
        words,
        input,
        is_refused: false,
    }
}

const fn refused(
    caller: &'static str,
    words: &'static [&'static str],
    input: &'static str,
) -> Case {
    Case {
        is_refused: true,
        ..case(caller, words, input)
    }
}

const CRON: &str = "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@far> test -x\n\
    Content-Type: text/plain; charset=UTF-8\nAuto-Submitted: auto-generated\n\
    X-Cron-Env: <SHELL=/bin/sh>\n\ncase %.\nLine two\n";
const PLAIN: &str = "Subject: hello\n\ncase %.\n";
const TO_TWO: &str = "To: Ada <ada@a.example>, bob@b.example\nCc: carl@c.example\n\
    Bcc: dora@d.example\nSubject: two\n\ncase %.\n";
const PATCH: &str = "From: Ada <ada@far.example>\nTo: list@lists.example\nCc: bob@b.example\n\
    Subject: [PATCH 1/2] Mend it\nDate: Fri, 27 Nov 2026 12:00:00 +0000\n\
    Message-Id: <20261127120000.1-1-ada@far.example>\nX-Mailer: git-send-email 2.39.5\n\
    MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\ncase %.\n--\n2.39.5\n";
const PHP: &str = "To: ada@a.example\r\nSubject: order\r\nX-PHP-Originating-Script: 33:mail.php\r\n\
    From: shop@far.example\r\n\r\ncase %.\r\n";
const RAID: &str = "From: mdadm monitoring <root>\nTo: root\nSubject: DegradedArray event on \
    /dev/md0:host\n\nThis is an automatically generated mail message.\n\ncase %.\n";
const LOGWATCH: &str = "To: root\nFrom: Logwatch <root@far.example>\nSubject: Logwatch for host \
    (Linux)\nAuto-Submitted: auto-generated\nPrecedence: bulk\nMIME-Version: 1.0\n\
    Content-Transfer-Encoding: 7bit\nContent-Type: text/plain; charset=\"iso-8859-1\"\n\n\
    ###### Logwatch ######\n\ncase %.\n";
const SUDO: &str = "To: root\nFrom: ada\nAuto-Submitted: auto-generated\n\
    Subject: *** SECURITY information for host ***\n\nhost : ada : case %. ; COMMAND=/bin/sh\n";

/// All of them.
// tidy: table
pub(crate) const CASES: &[Case] = &[
    case(
        "cron (Debian)",
        &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"],
        CRON,
    ),
    case(
        "cronie",
        &[
            "-FCronDaemon",
            "-i",
            "-odi",
            "-oem",
            "-oi",
            "-t",
            "-f",
            "root",
        ],
        CRON,
    ),
    case("systemd-cron", &["-i", "-B8BITMIME", "root"], CRON),
    case(
        "anacron",
        &["-FAnacron", "-odi", "root"],
        "From: Anacron <root>\nTo: root\nSubject: \
        Anacron job 'cron.daily'\n\ncase %.\n",
    ),
    case(
        "at",
        &["-i", "ada"],
        "Subject: Output from your job       12\nTo: ada\n\ncase %.\n",
    ),
    case(
        "git send-email",
        &["-i", "list@lists.example", "bob@b.example"],
        PATCH,
    ),
    case(
        "git send-email, envelope sender",
        &[
            "-f",
            "ada@far.example",
            "-i",
            "list@lists.example",
            "bob@b.example",
        ],
        PATCH,
    ),
    case(
        "git's post-receive-email",
        &["-t", "-f", "ada@far.example"],
        TO_TWO,
    ),
    case("PHP mail()", &["-t", "-i"], PHP),
    case(
        "PHP mail(), fifth parameter",
        &["-t", "-i", "-fshop@far.example"],
        PHP,
    ),
    case("PHPMailer", &["-oi", "-fshop@far.example", "-t"], TO_TWO),
    case(
        "mutt",
        &["-oem", "-oi", "--", "ada@a.example", "bob@b.example"],
        TO_TWO,
    ),
    case(
        "mutt, envelope sender",
        &[
            "-oem",
            "-oi",
            "-f",
            "ada@far.example",
            "--",
            "ada@a.example",
        ],
        PLAIN,
    ),
    case(
        "mutt, reports",
        &[
            "-oem",
            "-oi",
            "-N",
            "failure,delay",
            "-R",
            "hdrs",
            "--",
            "ada@a.example",
        ],
        PLAIN,
    ),
    case(
        "mutt, no reports",
        &["-N", "never", "--", "ada@a.example"],
        PLAIN,
    ),
    case(
        "s-nail",
        &["-i", "-f", "ada@far.example", "--", "ada@a.example"],
        PLAIN,
    ),
    case(
        "bsd-mailx",
        &["-i", "--", "root"],
        "To: <root>\nSubject: x\nUser-Agent: mail\n\ncase %.\n",
    ),
    case(
        "mailutils",
        &["-oi", "-f", "root@far.example", "ada@a.example"],
        PLAIN,
    ),
    case("logwatch", &["-t"], LOGWATCH),
    case("mdadm", &["-t"], RAID),
    case("smartd", &["-i", "-oi", "root"], RAID),
    case(
        "unattended-upgrades",
        &["-oi", "-t"],
        "To: root\nSubject: unattended-upgrades result\n\
        Auto-Submitted: auto-generated\n\ncase %.\n",
    ),
    case(
        "apt-listchanges",
        &["-oi", "-t"],
        "Subject: apt-listchanges: news\nTo: root\n\
        From: root\n\nNEWS\n.\ncase %.\n",
    ),
    case(
        "reportbug",
        &["-oi", "-t", "-f", "ada@far.example"],
        "To: submit@bugs.example\n\
        From: Ada <ada@far.example>\nBcc: ada@far.example\nSubject: it breaks\n\ncase %.\n",
    ),
    case("sudo", &["-t"], SUDO),
    case(
        "fail2ban",
        &["-f", "fail2ban@far.example", "root@far.example"],
        "Subject: [Fail2Ban] \
        sshd: banned 192.0.2.1\nDate: Fri, 27 Nov 2026 12:00:00 +0000\n\
        From: Fail2Ban <fail2ban@far.example>\nTo: root@far.example\n\nHi,\ncase %.\n",
    ),
    case(
        "logcheck",
        &["-t", "-oi"],
        "To: logcheck\nSubject: host 12:02 System Events\n\ncase %.\n",
    ),
    case("aide", &["-oi", "-oem", "root"], PLAIN),
    case(
        "MIME::Lite",
        &["-t", "-oi", "-oem", "-fada@far.example"],
        TO_TWO,
    ),
    case("Mail::Send", &["-t", "-oi", "-odq"], TO_TWO),
    case("Python", &["-t", "-oi"], TO_TWO),
    case(
        "Nodemailer",
        &[
            "-i",
            "-f",
            "ada@far.example",
            "ada@a.example",
            "bob@b.example",
        ],
        PLAIN,
    ),
    case(
        "Ruby's mail",
        &["-i", "-f", "ada@far.example", "--", "ada@a.example"],
        PLAIN,
    ),
    case(
        "Emacs",
        &[
            "-oi",
            "-f",
            "ada@far.example",
            "-F",
            "Ada Lovelace",
            "-oem",
            "-odb",
            "-t",
        ],
        TO_TWO,
    ),
    case(
        "Mailman",
        &[
            "-oi",
            "-f",
            "list-bounces@far.example",
            "a@a.example",
            "b@b.example",
        ],
        PLAIN,
    ),
    case(
        "vacation",
        &["-f", "<>", "--", "ada@a.example"],
        "From: ada\nTo: ada@a.example\n\
        Auto-Submitted: auto-replied\nSubject: away\n\ncase %.\n",
    ),
    case("vacation, nobody", &["-f", "", "ada@a.example"], PLAIN),
    case(
        "fetchmail",
        &["-i", "-f", "bob@b.example", "--", "ada@far.example"],
        PLAIN,
    ),
    case(
        "procmail, forwarding",
        &["-oi", "ada@a.example"],
        "From bob@b.example Fri Nov 27 12:00:00 \
        2026\nFrom: bob@b.example\nSubject: on\n\ncase %.\n",
    ),
    case(
        "rmail",
        &["-i", "-G", "-fbob@b.example", "ada@a.example"],
        "From: bob\nTo: ada@a.example\n\
        Subject: by UUCP\n\ncase %.\n",
    ),
    case("letters together", &["-ti"], TO_TWO),
    case(
        "recipients of both kinds",
        &["-t", "extra@e.example"],
        TO_TWO,
    ),
    case("one recipient twice", &["-t", "bob@b.example"], TO_TWO),
    case(
        "lists",
        &["ada@a.example, bob@b.example", "Carl <carl@c.example>"],
        PLAIN,
    ),
    case("a name with a comment", &["ada@a.example (Ada)"], PLAIN),
    case(
        "sent on",
        &["-t"],
        "Resent-To: ada@a.example\nResent-From: root\nTo: bob@b.example\n\
        Subject: on\n\ncase %.\n",
    ),
    case(
        "a group",
        &["-t"],
        "To: All: ada@a.example, bob@b.example;, carl@c.example\n\ncase %.\n",
    ),
    case(
        "a name for the envelope",
        &["-V", "QQ+314", "-N", "success", "ada@a.example"],
        PLAIN,
    ),
    case("no header", &["root"], "case %.\n"),
    case("a dot", &["root"], "Subject: x\n\ncase %.\n.\nnot sent\n"),
    case(
        "no end of line",
        &["ada@a.example"],
        "Subject: x\n\ncase %.",
    ),
    case(
        "8-bit",
        &["-B", "8BITMIME", "ada@a.example"],
        "Subject: x\nMIME-Version: 1.0\n\
        Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
        case %. Grüße\n",
    ),
    case(
        "what is taken and left",
        &[
            "-Am",
            "-L",
            "label",
            "-h",
            "5",
            "-m",
            "-U",
            "-O",
            "Timeout=1",
            "-o7",
            "-em",
            "-bm",
            "ada@a.example",
        ],
        PLAIN,
    ),
    case(
        "bad words about reports",
        &["-N", "always", "-R", "some", "ada@a.example"],
        PLAIN,
    ),
    case("an end of options", &["-i", "--", "ada@a.example"], PLAIN),
    refused("nobody", &[], PLAIN),
    refused("nobody in the header", &["-t"], PLAIN),
    refused("no such option", &["-Q", "root"], PLAIN),
    refused("no such body", &["-B", "9BIT", "root"], PLAIN),
    refused("no such mode", &["-bz", "root"], PLAIN),
    refused("no value", &["-f"], PLAIN),
];
