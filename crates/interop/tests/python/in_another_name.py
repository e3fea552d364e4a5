"""Hands letters in as addresses that only the house knows: in_another_name.py ADDRESS AUTHORITY; those in another's name have to be refused."""

import smtplib, ssl, sys
host, port = sys.argv[1].rsplit(":", 1)
context = ssl.create_default_context(cafile=sys.argv[2])
context.check_hostname = False
with smtplib.SMTP_SSL(host, int(port), context=context) as server:
    server.login("ada@test.localhost", "secret")
    letter = "From: The machine <ada@host.internal>\r\nReply-To: ada@host.internal\r\n"
    letter += "Subject: inside\r\n\r\nx\r\n"
    server.sendmail("ada@host.internal", ["x@c.example"], letter)
    for sender, author in [("alan@host.internal", "ada"), ("ada@host.internal", "alan")]:
        try:
            server.sendmail(sender, ["x@c.example"], letter.replace("ada", author))
            sys.exit("in another's name")
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError):
            pass
