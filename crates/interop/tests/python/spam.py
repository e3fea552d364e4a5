"""A person with mail: imaplib looks, moves and marks, smtplib sends. What to do comes on standard input, a
line for each step; what was found goes out, a line for each question."""
import imaplib, smtplib, ssl, sys, time

ca = sys.argv[1]
imap, smtp = (address.rsplit(":", 1) for address in sys.argv[2:4])
ADA = "ada@test.localhost"

context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
client = imaplib.IMAP4_SSL(imap[0], int(imap[1]), ssl_context=context)
client.login(ADA, "secret")


def send(number, subject, body):
    letter = (
        f"From: Somebody <somebody@elsewhere.example>\r\nTo: {ADA}\r\nSubject: {subject}\r\n"
        f"Date: Fri, 27 Nov 2026 20:00:00 +0000\r\nMessage-ID: <{number}@elsewhere.example>\r\n"
        f"X-Caramel-Spam: 0/100\r\n\r\n{body}\r\n"
    )
    with smtplib.SMTP(smtp[0], int(smtp[1])) as peer:
        peer.sendmail("somebody@elsewhere.example", [ADA], letter)


def uids(mailbox, subject):
    assert client.select(mailbox)[0] == "OK", mailbox
    return client.uid("SEARCH", "SUBJECT", f'"{subject}"')[1][0].split()


def where(subject):
    for mailbox in "INBOX", "Junk":
        if client.select(mailbox, readonly=True)[0] != "OK":
            continue
        found = client.uid("SEARCH", "SUBJECT", f'"{subject}"')[1][0].split()
        if found:
            data = client.uid("FETCH", found[-1], "(BODY.PEEK[HEADER.FIELDS (X-CARAMEL-SPAM)])")[1]
            return mailbox + " " + data[0][1].decode().strip()
    return "nowhere"


for line in sys.stdin:
    verb, *words = line.rstrip("\n").split("|")
    if verb == "send":
        send(*words)
    elif verb == "move":
        source, target, subject = words
        found = uids(source, subject)
        assert found, line
        assert client.uid("MOVE", b",".join(found), target)[0] == "OK"
    elif verb == "copy":
        source, target, subject = words
        found = uids(source, subject)
        assert found, line
        assert client.uid("COPY", b",".join(found), target)[0] == "OK"
        assert client.uid("STORE", b",".join(found), "+FLAGS", "(\\Deleted)")[0] == "OK"
        client.expunge()
    elif verb == "mark":
        mailbox, change, subject = words
        found = uids(mailbox, subject)
        assert found, line
        assert client.uid("STORE", b",".join(found), change[0] + "FLAGS", f"({change[1:]})")[0] == "OK"
    elif verb == "where":
        print(where(words[0]))
    elif verb == "note":
        assert client.xatom("SETMETADATA", '""', f'(/private/vendor/caramel/spam "{words[0]}")')[0] == "OK"
client.logout()
