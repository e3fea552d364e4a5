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


globals()[what]()
