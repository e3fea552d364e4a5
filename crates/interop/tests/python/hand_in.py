"""Submits a letter: hand_in.py ADDRESS AUTHORITY RECIPIENTS SUBJECT OPTIONS, recipients with commas between, options with semicolons."""

import smtplib
import ssl
import sys

address, authority, recipients, subject, options = sys.argv[1:6]
host, port = address.rsplit(":", 1)
options = [option for option in options.split(";") if option]
of_rcpt = [option for option in options if option.startswith("notify")]
of_mail = [option for option in options if option not in of_rcpt]
context = ssl.create_default_context(cafile=authority)
context.check_hostname = False
with smtplib.SMTP_SSL(host, int(port), context=context) as server:
    server.login("ada@test.localhost", "secret")
    letter = f"From: ada@test.localhost\r\nTo: you\r\nSubject: {subject}\r\n\r\nfirst\r\n.dot\r\nlast\r\n"
    refused = server.sendmail("ada@test.localhost", recipients.split(","), letter, of_mail, of_rcpt)
    assert not refused, refused
