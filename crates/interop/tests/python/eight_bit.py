"""Letters beyond ASCII: eight_bit.py send ADDRESS AUTHORITY RECIPIENT KIND hands one in and prints what it says;
eight_bit.py read prints what a letter says that is read from standard input: media type and contents of each part."""

import email
import email.policy
import json
import smtplib
import ssl
import sys
from email.message import EmailMessage, Message


def said(letter):
    """What each part says, decoded."""
    parts = []
    for part in letter.walk():
        if not part.is_multipart():
            body = part.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n")
            parts.append([part.get_content_type(), body.decode("latin-1")])
    return parts


def mixed():
    """Texts in two charsets, a letter in a letter, and octets."""
    inner = EmailMessage(policy=email.policy.SMTP.clone(cte_type="8bit"))
    inner["Subject"] = "inner"
    inner.set_content("Größe\n", cte="8bit")
    letter = EmailMessage(policy=email.policy.SMTP.clone(cte_type="8bit"))
    letter["From"], letter["To"], letter["Subject"] = "ada@test.localhost", "you", "mixed"
    letter.set_content("Tee trägt\n.\nfrüh\n", cte="8bit")
    letter.add_alternative("<p>" + "ж" * 400 + "</p>\n", subtype="html", charset="koi8-r", cte="8bit")
    letter.add_attachment(inner)
    letter.add_attachment(bytes(range(256)), maintype="application", subtype="x", filename="octets")
    return letter


def signed():
    """Text that may not be changed."""
    text = EmailMessage(policy=email.policy.SMTP.clone(cte_type="8bit"))
    text.set_content("unterschrieben: Größe\n", cte="8bit")
    mark = Message(policy=email.policy.SMTP)
    mark["Content-Type"] = "application/pgp-signature"
    mark.set_payload("-----BEGIN PGP SIGNATURE-----\r\n")
    letter = Message(policy=email.policy.SMTP)
    letter["From"], letter["Subject"], letter["MIME-Version"] = "ada@test.localhost", "signed", "1.0"
    letter["Content-Type"] = 'multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256; boundary=b'
    letter["Content-Transfer-Encoding"] = "8bit"
    letter.attach(text)
    letter.attach(mark)
    return letter


if sys.argv[1] == "read":
    print(json.dumps(said(email.message_from_bytes(sys.stdin.buffer.read()))))
else:
    address, authority, recipient, kind = sys.argv[2:6]
    octets = {"mixed": mixed, "signed": signed}[kind]().as_bytes()
    assert not octets.isascii()
    host, port = address.rsplit(":", 1)
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    with smtplib.SMTP_SSL(host, int(port), context=context) as server:
        server.login("ada@test.localhost", "secret")
        refused = server.sendmail("ada@test.localhost", [recipient], octets, ["body=8bitmime"])
        assert not refused, refused
    print(json.dumps(said(email.message_from_bytes(octets))))
