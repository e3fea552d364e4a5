"""Filter scripts as sievelib keeps them, and what becomes of letters: imaplib looks, smtplib sends."""
import imaplib, smtplib, ssl, sys
from sievelib.managesieve import Client

ca = sys.argv[1]
sieve, imap, smtp = (address.rsplit(":", 1) for address in sys.argv[2:5])
ADA = "ada@test.localhost"

RULES = """require ["fileinto", "imap4flags", "mailbox", "envelope", "subaddress"];
if header :contains "subject" "rubbish" { discard; stop; }
if envelope :detail "to" "lists" { fileinto :create :flags "\\\\Seen" "Lists"; stop; }
if header :contains "subject" "tea" { fileinto :flags ["\\\\Flagged", "$Tea"] "Archive"; }
"""


def scripts():
    client = Client(sieve[0], int(sieve[1]))
    assert client.connect(ADA, "secret", starttls=True), client.errmsg
    return client


def looking():
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    client = imaplib.IMAP4_SSL(imap[0], int(imap[1]), ssl_context=context)
    client.login(ADA, "secret")
    return client


def send(subject, to=ADA):
    with smtplib.SMTP(smtp[0], int(smtp[1])) as client:
        client.sendmail("bob@elsewhere.example", [to], f"From: bob@elsewhere.example\r\nSubject: {subject}\r\n\r\nHi\r\n")


def held(client):
    """Subjects and flags by mailbox."""
    found = {}
    for line in client.list()[1]:
        name = line.decode().split(' "/" ')[1].strip('"')
        if client.select(name, readonly=True)[0] != "OK":
            continue
        for number in client.search(None, "ALL")[1][0].split():
            _, data = client.fetch(number, "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            flags = [flag.decode() for flag in imaplib.ParseFlags(data[-1] if isinstance(data[-1], bytes) and b"FLAGS" in data[-1] else data[0][0])]
            subject = data[0][1].decode().strip().removeprefix("Subject: ")
            found.setdefault(name, []).append((subject, sorted(flag for flag in flags if flag != "\\Recent")))
    return found


client = scripts()
offered = client.get_sieve_capabilities()
for name in "fileinto", "imap4flags", "variables", "envelope", "subaddress", "body", "date", "duplicate", "include", "vacation", "reject", "ereject", "enotify", "extlists", "spamtest", "imapsieve":
    assert name in offered, offered
for name in "redirect-deliverby", "envelope-deliverby":
    assert name not in offered, offered
assert client.havespace("rules", 1000)
assert not client.havespace("rules", 10_000_000)
assert client.putscript("rules", RULES), client.errmsg
assert client.setactive("rules")
assert client.listscripts() == ("rules", []), client.listscripts()

# What is no script is not taken, and neither is what is not carried out.
assert not client.putscript("rules", 'require "fileinto";\nfileinot "x";\n')
assert b"line 2, column 1" in client.errmsg and b"fileinto" in client.errmsg, client.errmsg
assert not client.putscript("later", 'require "redirect-deliverby"; keep;')
assert b"not carried out here" in client.errmsg, client.errmsg
assert client.getscript("rules").replace("\r", "") .rstrip() == RULES.rstrip()
assert not client.deletescript("rules")

send("plain")
send("some tea")
send("rubbish")
send("news", "ada+lists@test.localhost")
looks = looking()
filed = held(looks)
assert filed == {
    "INBOX": [("plain", [])],
    "Archive": [("some tea", ["$Tea", "\\Flagged"])],
    "Lists": [("news", ["\\Seen"])],
}, filed
assert "Lists" in str(looks.lsub()[1]), looks.lsub()

# Without its mailbox the letter is in the inbox.
assert looks.delete("Archive")[0] == "OK"
send("more tea")
filed = held(looks)
assert filed["INBOX"] == [("plain", []), ("more tea", ["$Tea", "\\Flagged"])], filed

# Another script, and none.
assert client.putscript("nothing", "discard;")
assert client.renamescript("nothing", "silence")
assert client.setactive("silence")
assert client.listscripts() == ("silence", ["rules"]), client.listscripts()
send("unheard")
assert client.setactive("")
assert client.deletescript("silence")
send("heard")
assert [subject for subject, _ in held(looks)["INBOX"]] == ["plain", "more tea", "heard"]
client.logout()
