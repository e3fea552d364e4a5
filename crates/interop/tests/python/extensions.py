"""Extensions of IMAP as Python's imaplib drives them, one function each: the first argument names it."""
import imaplib, ssl, sys
what, ca, (host, port) = sys.argv[1], sys.argv[2], sys.argv[3].split(":")
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False


def connect(user="ada@test.localhost"):
    client = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
    login(client, user)
    return client


def login(client, user):
    assert client.login(user, "secret")[0] == "OK"
    client._get_capabilities()


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def unauthenticate():
    client = connect()
    assert "UNAUTHENTICATE" in client.capabilities
    ok(client.append("INBOX", None, None, b"Subject: for ada\r\n\r\n"))
    assert ok(client.select()) == [b"1"]
    ok(client.xatom("UNAUTHENTICATE"))
    client.state = "NONAUTH"
    login(client, "alan@test.localhost")
    assert ok(client.select()) == [b"0"]
    client.logout()


globals()[what]()
