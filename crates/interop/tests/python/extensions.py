"""Extensions of IMAP as Python's imaplib drives them, one function each: the first argument names it."""
import imaplib, ssl, sys, time, zlib
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


def numbers(client, *command):
    """What a search finds."""
    return [int(number) for number in ok(client.search(None, *command))[0].split()]


def append_limit():
    client = connect()
    [limit] = [word for word in client.capabilities if word.startswith("APPENDLIMIT=")]
    limit = int(limit.partition("=")[2])
    assert ok(client.status("INBOX", "(APPENDLIMIT)")) == [b"INBOX (APPENDLIMIT %d)" % limit]
    # imaplib sends the announcement alone, and hears no before it sends the rest.
    answer = client.append("INBOX", None, None, b"x" * (limit + 1))
    assert answer[0] == "NO" and answer[1][0].startswith(b"[TOOBIG]"), answer
    assert ok(client.select()) == [b"0"]
    client.logout()


def replace():
    client = connect()
    assert "REPLACE" in client.capabilities
    imaplib.Commands["REPLACE"] = ("SELECTED",)
    for number in b"1", b"2":
        ok(client.append("Drafts", "(\\Draft)", None, b"Subject: draft " + number + b"\r\n\r\nfirst\r\n"))
    assert ok(client.select("Drafts")) == [b"2"]
    second = b"Subject: draft 1\r\n\r\nsecond, and longer\r\n"
    client.literal = second
    ok(client._simple_command("REPLACE", "1", "Drafts", "(\\Draft)"))
    assert client.response("EXPUNGE")[1] == [b"1"]
    assert client.response("APPENDUID")[1][0].endswith(b" 3")
    assert ok(client.fetch("2", "(UID BODY.PEEK[])"))[0][1] == second
    client.literal = second
    ok(client._simple_command("UID", "REPLACE", "3", "Sent"))
    assert numbers(client, "UID", "1:*") == [1]
    assert ok(client.select("Sent")) == [b"1"]
    # What was never there is not replaced, and nothing comes.
    client.literal = second
    assert client._simple_command("UID", "REPLACE", "9", "Sent")[0] == "NO"
    assert ok(client.select("Sent")) == [b"1"]
    client.logout()


def save_date():
    client = connect()
    assert "SAVEDATE" in client.capabilities
    ok(client.append("INBOX", None, '" 1-Feb-2003 04:05:06 +0000"', b"Subject: old\r\n\r\nold\r\n"))
    assert ok(client.select()) == [b"1"]
    [line] = ok(client.fetch("1", "(INTERNALDATE SAVEDATE)"))
    assert b'INTERNALDATE " 1-Feb-2003 04:05:06 +0000"' in line, line
    saved = imaplib.Internaldate2tuple(line.replace(b"INTERNALDATE", b"X").replace(b"SAVEDATE", b"INTERNALDATE"))
    age = time.time() - time.mktime(saved)
    assert -60 < age < 600, line
    assert numbers(client, "SAVEDSINCE", "1-Jan-2020") == [1] == numbers(client, "BEFORE", "1-Jan-2020")
    assert numbers(client, "SAVEDBEFORE", "1-Jan-2020") == []
    assert numbers(client, "SAVEDATESUPPORTED") == [1]
    client.logout()


def preview():
    client = connect()
    assert "PREVIEW" in client.capabilities
    ok(client.append("INBOX", None, None, b"Subject: a\r\n\r\n> What?\r\n\r\nThis.\r\n"))
    large = b"Subject: b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Gr&uuml;&szlig;e</p>" + b"<p>more</p>\r\n" * 50000
    ok(client.append("INBOX", None, None, large))
    file = b"--b\r\nContent-Type: application/zip\r\n\r\n" + b"file\r\n" * 50000
    text = b"--b\r\nContent-Type: text/plain\r\n\r\nfar behind\r\n--b--\r\n"
    head = b"Subject: c\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    ok(client.append("INBOX", None, None, head + file + text))
    assert ok(client.select()) == [b"3"]
    assert ok(client.fetch("1,3", "(PREVIEW (LAZY))")) == [b'1 (PREVIEW "This.")', b"3 (PREVIEW NIL)"]
    for lazy in "", " (LAZY)":
        assert ok(client.fetch("3", f"(PREVIEW{lazy})")) == [b'3 (PREVIEW "far behind")']
        [(_, words), _] = ok(client.fetch("2", f"(PREVIEW{lazy})"))
        words = words.decode()
        assert words.startswith("Gr\u00fc\u00dfe more more") and 150 < len(words) <= 200, words
    client.logout()


def partial():
    client = connect()
    assert "PARTIAL" in client.capabilities
    for number in range(7):
        ok(client.append("INBOX", None, None, b"Subject: %d\r\n\r\n" % number))
    assert ok(client.select()) == [b"7"]
    for asked, told in ("1:3", b"1:3"), ("-1:-2", b"6:7"), ("6:100", b"6:7"), ("8:9", b"NIL"):
        ok(client.uid("SEARCH", f"RETURN (PARTIAL {asked})", "ALL"))
        [line] = client.response("ESEARCH")[1]
        assert line.endswith(b"UID PARTIAL (%s %s)" % (asked.encode(), told)), line
    lines = ok(client.uid("FETCH", "1:*", "(UID)", "(PARTIAL -1:-2)"))
    assert lines == [b"6 (UID 6)", b"7 (UID 7)"], lines
    client.logout()


globals()[what]()
