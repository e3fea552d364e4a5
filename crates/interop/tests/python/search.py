"""SEARCH as Python's imaplib asks it. What must be found is computed here from what was put in: substrings, letters
of either case the same."""
import base64, imaplib, json, os, quopri, random, ssl, sys
what, ca, (host, port) = sys.argv[1], sys.argv[2], sys.argv[3].split(":")
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
client = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
assert client.login("ada@test.localhost", "secret")[0] == "OK"

WORDS = ["tea", "Teapot", "Grüße", "ÉTÉ", "чай", "Чайник", "お茶", "茶碗", "녹차", "شاي", "ชา", "τσάι", "🍵", "x-y", "a"]
NEEDLES = ["EAP", "te", "grüße", "ЧАЙ", "茶", "茶碗 お", "차", "ชา", "ΤΣΆΙ", "🍵", "absent", "message 7"]
BOOK = "search.json"


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def letter(number, dice):
    subject = f"message {number} " + " ".join(dice.choices(WORDS, k=2))
    body = " ".join(dice.choices(WORDS, k=8))
    octets, how = body.encode(), dice.choice(["8bit", "base64", "quoted-printable"])
    if how == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    if how == "quoted-printable":
        octets = quopri.encodestring(octets).replace(b"\n", b"\r\n")
    encoded = base64.b64encode(subject.encode()).decode()
    head = (f"Subject: =?utf-8?B?{encoded}?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: {how}\r\n\r\n")
    return subject, body, head.encode() + octets + b"\r\n"


def append(book, count, dice):
    for _ in range(count):
        subject, body, octets = letter(len(book), dice)
        ok(client.append("INBOX", None, None, octets))
        book.append([subject, body, True])


def read():
    return json.load(open(BOOK))


def write(book):
    json.dump(book, open(BOOK, "w"))


def fill():
    book = []
    append(book, 100, random.Random(1))
    write(book)


def change():
    """Some go, some come."""
    book = read()
    ok(client.select())
    for uid in range(1, 100, 4):
        ok(client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)"))
        book[uid - 1][2] = False
    ok(client.expunge())
    append(book, 10, random.Random(2))
    write(book)


def search(book, key, needle, expected):
    client.literal = needle.encode()
    found = ok(client.uid("SEARCH", "CHARSET", "UTF-8", *key))[0].split()
    meant = [uid for uid, line in enumerate(book, 1) if line[2] and expected(*line[:2])]
    assert [int(uid) for uid in found] == meant, (key, needle, found, meant)


def ask():
    book = read()
    ok(client.select())
    for needle in NEEDLES:
        low = needle.lower()
        search(book, ["BODY"], needle, lambda subject, body: low in body.lower())
        search(book, ["SUBJECT"], needle, lambda subject, body: low in subject.lower())
        if low not in "charset=utf-8 mime-version content-transfer-encoding text/plain quoted-printable base64 8bit":
            search(book, ["TEXT"], needle, lambda *texts: any(low in text.lower() for text in texts))
        search(book, ["OR", "SUBJECT", '"message 1"', "NOT", "BODY"], needle,
               lambda subject, body: "message 1" in subject or low not in body.lower())


{"fill": fill, "change": change, "ask": ask}[what]()
client.logout()
