"""Submits a letter: hand_in.py ADDRESS AUTHORITY RECIPIENTS SUBJECT OPTIONS [USER], recipients with commas between, options with semicolons;
the user is ada unless it is said."""

import smtplib
import ssl
import sys

address, authority, recipients, subject, options = sys.argv[1:6]
user = (sys.argv[6:7] or ["ada"])[0] + "@test.localhost"
host, port = address.rsplit(":", 1)
options = [option for option in options.split(";") if option]
of_rcpt = [option for option in options if option.startswith("notify")]
of_mail = [option for option in options if option not in of_rcpt]
context = ssl.create_default_context(cafile=authority)
context.check_hostname = False
with smtplib.SMTP_SSL(host, int(port), context=context) as server:
    server.login(user, "secret")
    letter = f"From: {user}\r\nTo: you\r\nSubject: {subject}\r\n\r\nfirst\r\n.dot\r\nlast\r\n"
    refused = server.sendmail(user, recipients.split(","), letter, of_mail, of_rcpt)
    assert not refused, refused
