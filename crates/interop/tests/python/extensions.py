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


def sort_and_thread():
    client = connect()
    for capability in "SORT", "SORT=DISPLAY", "ESORT", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES":
        assert capability in client.capabilities, capability
    for letter in (
        b"From: Zoe <a@x>\r\nMessage-ID: <1@x>\r\nSubject: pears\r\n\r\n",
        b"From: Bob <b@x>\r\nMessage-ID: <2@x>\r\nSubject: apples\r\n\r\n",
        "From: c@x\r\nReferences: <1@x>\r\nSubject: Äpfel\r\n\r\n".encode(),
        b"From: Ann <z@x>\r\nSubject: Re: [fruit] PEARS\r\n\r\n",
    ):
        ok(client.append("INBOX", None, None, letter))
    ok(client.select())
    sort = lambda by, what="ALL": ok(client.sort(by, "UTF-8", what))
    assert sort("(SUBJECT)") == [b"2 3 1 4"]
    assert sort("(REVERSE SUBJECT FROM)") == [b"1 4 3 2"]
    assert sort("(DISPLAYFROM)") == [b"4 2 3 1"]
    assert sort("(SIZE)", 'SUBJECT "nothing"') == [b""]
    assert ok(client.uid("SORT", "(SIZE)", "UTF-8", "2:3")) == [b"3 2"]
    thread = lambda how, what="ALL": ok(client.thread(how, "UTF-8", what))
    assert thread("REFERENCES") == [b"(1 (3)(4))(2)"]
    assert thread("ORDEREDSUBJECT") == [b"(1 4)(2)(3)"]
    assert thread("REFERENCES", "2:*") == [b"(2)(3)(4)"]
    assert client.sort("(SUBJECT)", "KOI8-R", "ALL")[0] == "NO"
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
