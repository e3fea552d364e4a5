"""Sends by smtplib, reads by poplib and imaplib: Python's own libraries, over TLS."""
import imaplib, poplib, smtplib, ssl, sys
from email.message import EmailMessage
ca, smtp, pop, imap = sys.argv[1], *[(a.split(":")[0], int(a.split(":")[1])) for a in sys.argv[2:]]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
letter = EmailMessage()
letter["From"], letter["To"], letter["Subject"] = "alan@test.localhost", "ada@test.localhost", "Élan"
letter.set_content("Bonjour, déjà vu.\n")
letter.add_attachment(bytes(range(256)) * 100, maintype="application", subtype="octet-stream", filename="tout.bin")
with smtplib.SMTP_SSL(*smtp, context=context) as client:
    client.login("alan@test.localhost", "secret")
    client.send_message(letter)
    client.send_message(letter)
client = poplib.POP3_SSL(*pop, context=context)
client.user("ada@test.localhost"); client.pass_("secret")
count, octets = client.stat()
assert count == 2, count
assert len(client.uidl()[1]) == 2
_, lines, _ = client.retr(1)
assert b"Subject: =?utf-8?" in b"\n".join(lines), lines
_, top, _ = client.top(1, 0)
client.dele(1); client.quit()
client = imaplib.IMAP4_SSL(*imap, ssl_context=context)
client.login("ada@test.localhost", "secret")
status, data = client.select("INBOX")
assert data == [b"1"], data
status, data = client.fetch("1", "(UID FLAGS BODY.PEEK[])")
import email, email.policy
back = email.message_from_bytes(data[0][1], policy=email.policy.default)
assert back["Subject"] == "Élan", back["Subject"]
assert back.get_body().get_content().split() == ["Bonjour,", "déjà", "vu."]
assert next(back.iter_attachments()).get_content() == bytes(range(256)) * 100
assert client.store("1", "+FLAGS", r"(\Seen work)")[0] == "OK"
status, data = client.search(None, "KEYWORD", "work", "SUBJECT", "lan")
assert data == [b"1"], data
status, data = client.search(None, "SEEN")
assert data == [b"1"], data
assert client.create("Old/Letters")[0] == "OK"
assert client.copy("1", "Old/Letters")[0] == "OK"
assert client.append("Old/Letters", r"(\Flagged)", imaplib.Time2Internaldate(1000000000), letter.as_bytes(policy=letter.policy.clone(linesep="\r\n")))[0] == "OK"
assert client.store("1", "+FLAGS", r"(\Deleted)")[0] == "OK"
assert client.expunge() == ("OK", [b"1"])
status, data = client.status("Old/Letters", "(MESSAGES UNSEEN)")
assert data == [b"Old/Letters (MESSAGES 2 UNSEEN 1)"], data
client.logout()
print("good")
