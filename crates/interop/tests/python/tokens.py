"""Logs in with access tokens, by IMAP, POP3 and submission, as Python's libraries do it.

Words: the addresses of the three (implicit TLS), the authority's certificate; then on standard
input, a line each: a token that is good, one that has expired, and a good one that is long.
"""

import base64
import imaplib
import json
import poplib
import smtplib
import ssl
import sys

imap_at, pop_at, smtp_at, authority = sys.argv[1:]
good, expired, long = sys.stdin.read().split()
USER = "ada@test.localhost"

context = ssl.create_default_context(cafile=authority)
context.check_hostname = False


def split(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def bearer(token):
    return f"n,a={USER},\x01host=mail.test.localhost\x01auth=Bearer {token}\x01\x01".encode()


def xoauth2(token):
    return f"user={USER}\x01auth=Bearer {token}\x01\x01".encode()


def encode(octets):
    return base64.b64encode(octets).decode()


def is_error(challenge):
    """What the server tells of a token that is of no use."""
    error = json.loads(challenge)
    assert error["status"] == "invalid_token", error
    assert error["scope"] == "mail", error
    url = "https://login.test.localhost/.well-known/openid-configuration"
    assert error["openid-configuration"] == url, error


def by_imap(mechanism, say, token):
    client = imaplib.IMAP4_SSL(*split(imap_at), ssl_context=context)
    assert f"AUTH={mechanism}" in client.capabilities, client.capabilities
    told = []

    def answer(challenge):
        told.append(challenge)
        return say(token) if len(told) == 1 else b"\x01"

    try:
        client.authenticate(mechanism, answer)
        assert client.select("INBOX")[0] == "OK"
    except imaplib.IMAP4.error as error:
        assert "AUTHENTICATIONFAILED" in str(error) and "expired" in str(error), error
        is_error(told[1])
        return False
    finally:
        client.logout()
    return True


def by_smtp(mechanism, say, token):
    client = smtplib.SMTP_SSL(*split(smtp_at), context=context)
    client.ehlo()
    assert mechanism in client.esmtp_features["auth"].split(), client.esmtp_features
    told = []

    def answer(challenge=None):
        if challenge is None:
            return say(token).decode()
        told.append(challenge)
        return "\x01"

    try:
        client.auth(mechanism, answer)
        client.sendmail(USER, [USER], "Subject: By a token\r\n\r\nGood day\r\n")
    except smtplib.SMTPAuthenticationError as error:
        assert error.smtp_code == 535 and b"expired" in error.smtp_error, error
        is_error(told[0])
        return False
    finally:
        client.quit()
    return True


def by_pop(mechanism, say, token):
    client = poplib.POP3_SSL(*split(pop_at), context=context)
    assert mechanism in client.capa()["SASL"]
    try:
        # The token does not fit into the command: it comes behind it.
        reply = client._shortcmd(f"AUTH {mechanism}")
        assert reply == b"+ ", reply
        reply = client._shortcmd(encode(say(token)))
        if reply.startswith(b"+ "):
            is_error(base64.b64decode(reply[2:]))
            client._shortcmd(encode(b"\x01"))
        assert client.stat()[0] >= 0
    except poplib.error_proto as error:
        assert b"[AUTH]" in error.args[0] and b"expired" in error.args[0], error
        return False
    finally:
        client.quit()
    return True


assert 8180 < len(long) <= 8192, len(long)
for mechanism, say in [("OAUTHBEARER", bearer), ("XOAUTH2", xoauth2)]:
    for way in [by_imap, by_smtp, by_pop]:
        assert way(mechanism, say, good), (mechanism, way)
        assert way(mechanism, say, long), (mechanism, way)
        assert not way(mechanism, say, expired), (mechanism, way)
print("well")
