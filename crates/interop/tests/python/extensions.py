"""Extensions of IMAP as Python's imaplib drives them, one function each: the first argument names it."""
import imaplib, ssl, sys, zlib
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


class Deflated:
    """A socket whose octets pass compressed."""

    def __init__(self, sock):
        self.sock, self.inflate, self.deflate = sock, zlib.decompressobj(-15), zlib.compressobj(9, zlib.DEFLATED, -15)
        self.held, self.came = b"", 0

    def fill(self):
        packed = self.sock.recv(4096)
        assert packed, "the server is gone"
        self.came += len(packed)
        self.held += self.inflate.decompress(packed)

    def readline(self):
        while b"\n" not in self.held:
            self.fill()
        line, self.held = self.held.split(b"\n", 1)
        return line + b"\n"

    def read(self, size):
        while len(self.held) < size:
            self.fill()
        octets, self.held = self.held[:size], self.held[size:]
        return octets

    def send(self, octets):
        self.sock.sendall(self.deflate.compress(octets) + self.deflate.flush(zlib.Z_SYNC_FLUSH))


def compress():
    client = connect()
    assert "COMPRESS=DEFLATE" in client.capabilities
    ok(client.xatom("COMPRESS", "DEFLATE"))
    deflated = Deflated(client.sock)
    client.readline, client.read, client.send = deflated.readline, deflated.read, deflated.send
    letter = b"Subject: again\r\n\r\n" + b"again and again\r\n" * 10000
    for _ in range(3):
        ok(client.append("INBOX", None, None, letter))
    assert ok(client.select()) == [b"3"]
    before = deflated.came
    for number in b"1", b"2", b"3":
        assert ok(client.fetch(number, "BODY.PEEK[]"))[0][1] == letter
    assert deflated.came - before < len(letter) / 10, deflated.came
    client.logout()


def refused(answer, code):
    assert answer[0] == "NO" and code in answer[1][0], answer


def rcpt(door, kind, *recipients, size=""):
    """What is said to each recipient, and to the letter for those who were accepted."""
    peer = kind(*sys.argv[door].split(":"))
    peer.ehlo_or_helo_if_needed()
    peer.mail("bob@elsewhere.example", [size] if size else [])
    said = [peer.rcpt(name + "@test.localhost")[0:2] for name in recipients]
    if any(code == 250 for code, _ in said):
        said.append(peer.data(b"Subject: x\r\n\r\nhi\r\n"))
    peer.quit()
    return [(code, text.split(b" ")[0]) for code, text in said]


def quota():
    import smtplib
    client = connect()
    assert {"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"} <= set(client.capabilities)
    assert "QUOTASET" not in client.capabilities
    assert ok(client.getquotaroot("INBOX")) == [[b'INBOX ""'], [b'"" (STORAGE 0 4 MESSAGE 0 6)']]
    ok(client.append("INBOX", None, None, b"x" * 1025))
    assert ok(client.getquota('""')) == [b'"" (STORAGE 2 4 MESSAGE 1 6)']
    refused(client.setquota('""', "(STORAGE 100)"), b"[NOPERM]")
    refused(client.getquota("other"), b"[NONEXISTENT]")
    refused(client.append("INBOX", None, None, b"y" * 4000), b"[OVERQUOTA]")
    assert ok(client.select()) == [b"1"]
    for _ in range(2):
        ok(client.copy("1", "Archive"))
    refused(client.copy("1", "Archive"), b"[OVERQUOTA]")
    ok(client.uid("MOVE", "1", "Sent"))
    assert ok(client.status("Archive", "(DELETED DELETED-STORAGE)")) == [b"Archive (DELETED 0 DELETED-STORAGE 0)"]
    ok(client.select("Archive"))
    ok(client.store("1", "+FLAGS", "\\Deleted"))
    assert ok(client.status("Archive", "(DELETED DELETED-STORAGE)")) == [b"Archive (DELETED 1 DELETED-STORAGE 1025)"]
    both = "ada", "alan"
    # More than ever fits, more than still fits, and no more than is there now.
    assert rcpt(4, smtplib.SMTP, *both, size="SIZE=4097") == [(552, b"5.2.3"), (250, b"2.1.5"), (250, b"2.0.0")]
    assert rcpt(4, smtplib.SMTP, *both, size="SIZE=1100") == [(452, b"4.2.2"), (250, b"2.1.5"), (250, b"2.0.0")]
    assert rcpt(4, smtplib.SMTP, "ada", size="SIZE=1000") == [(250, b"2.1.5"), (250, b"2.0.0")]
    ok(client.expunge())
    for count in 3, 4, 5:
        assert ok(client.getquota('""'))[0].endswith(b"MESSAGE %d 6)" % count)
        ok(client.append("INBOX", None, None, b"z"))
    refused(client.append("INBOX", None, None, b"z"), b"[OVERQUOTA]")
    assert rcpt(4, smtplib.SMTP, *both) == [(452, b"4.2.2"), (250, b"2.1.5"), (250, b"2.0.0")]
    assert rcpt(5, smtplib.LMTP, *both) == [(452, b"4.2.2"), (250, b"2.1.5"), (250, b"2.0.0")]
    client.logout()
    client = connect("alan@test.localhost")
    assert ok(client.select()) == [b"4"]
    client.logout()


def no_quota():
    client = connect()
    assert ok(client.getquotaroot("INBOX"))[0] == [b"INBOX"]
    refused(client.getquota('""'), b"[NONEXISTENT]")
    ok(client.append("INBOX", None, None, b"z"))
    client.logout()


def metadata():
    client = connect()
    assert "METADATA" in client.capabilities

    def get(words):
        client.untagged_responses.clear()
        ok(client.xatom("GETMETADATA", words))
        said = client.untagged_responses.get("METADATA", [])
        return b"".join(b"".join(one) if isinstance(one, tuple) else one for one in said)

    assert get('"" /shared/admin').startswith(b'"" (/shared/admin "mailto:postmaster@')
    refused(client.xatom("SETMETADATA", '"" (/shared/admin "mailto:me")'), b"[NOPERM]")
    ok(client.create("Notes"))
    ok(client.xatom("SETMETADATA", 'Notes (/private/comment "mine" /shared/comment "ours")'))
    client.send(b"x SETMETADATA Notes (/private/vendor/x/y {1026+}\r\n" + b"z" * 1024 + b"\r\n)\r\n")
    assert client.readline().startswith(b"x OK")
    for number in range(10):
        ok(client.xatom("SETMETADATA", 'Notes (/private/vendor/x/%d "%d")' % (number, number)))
    ok(client.rename("Notes", "Kept"))
    assert get("Kept (/shared/comment /private/comment)") == b'Kept (/private/comment "mine" /shared/comment "ours")'
    assert get("(DEPTH 1) Kept /private/vendor/x").count(b"/private/vendor/x/") == 11
    assert b"z" * 1024 + b"\r\n" in get("Kept /private/vendor/x/y")
    long = client.xatom("GETMETADATA", "Kept (MAXSIZE 10) /private/vendor/x/y")
    assert b"[METADATA LONGENTRIES 1026]" in ok(long)[0], long
    client.send(b"y SETMETADATA Kept (/private/comment NIL /shared/comment {16385+}\r\n" + b"z" * 16385 + b")\r\n")
    assert client.readline().startswith(b"y NO [METADATA MAXSIZE 16384]")
    assert get("Kept /private/comment") == b'Kept (/private/comment "mine")'
    ok(client.xatom("SETMETADATA", 'Kept (/private/specialuse "\\\\Flagged")'))
    assert b"\\Flagged" in ok(client.list('""', "Kept"))[0]
    ok(client.delete("Kept"))
    ok(client.create("Kept"))
    assert get("(DEPTH infinity) Kept (/private /shared)") == b""
    client.logout()


globals()[what]()
