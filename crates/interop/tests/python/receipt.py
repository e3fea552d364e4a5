"""Letters sent and read by Python: receipt.py send HOST PORT FROM TO | submit HOST PORT USER TO |
read HOST PORT USER MAILBOX.

The letter comes on standard input; what the server says, or the last letter of the mailbox, goes to
standard output.
"""

import imaplib
import smtplib
import ssl
import sys

what, host, port, *rest = sys.argv[1:]
anybody = ssl.create_default_context()
anybody.check_hostname = False
anybody.verify_mode = ssl.CERT_NONE


def say(code, text):
    print(code, text.decode())
    sys.exit(0 if code == 250 else 1)


def hand_in(client, sender, recipient):
    """Sends the letter as it is, and says what was said at its end."""
    letter = sys.stdin.buffer.read()
    client.ehlo("client.test")
    client.mail(sender)
    client.rcpt(recipient)
    say(*client.data(letter))


if what == "send":
    with smtplib.SMTP(host, int(port)) as client:
        hand_in(client, *rest)
elif what == "submit":
    user, recipient = rest
    with smtplib.SMTP_SSL(host, int(port), context=anybody) as client:
        client.login(user, "secret")
        hand_in(client, user, recipient)
elif what == "read":
    user, mailbox = rest
    client = imaplib.IMAP4_SSL(host, int(port), ssl_context=anybody)
    client.login(user, "secret")
    kind, count = client.select(mailbox, readonly=True)
    number = count[0] if kind == "OK" else b"0"
    if number != b"0":
        _, rows = client.fetch(number, "(BODY.PEEK[])")
        sys.stdout.buffer.write(rows[0][1])
    client.logout()
