"""SEARCH as Python's imaplib asks it. What must be found is computed here from what was put in: substrings, compared by
i;unicode-casemap."""
import base64, imaplib, json, os, quopri, random, ssl, sys, unicodedata
what, ca, (host, port) = sys.argv[1], sys.argv[2], sys.argv[3].split(":")
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
ADA, ALAN = "ada@test.localhost", "alan@test.localhost"


def connect(user):
    client = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
    assert client.login(user, "secret")[0] == "OK"
    return client


client = connect(ADA)

WORDS = ["tea", "Teapot", "Grüße", "ÉTÉ", "чай", "Чайник", "お茶", "茶碗", "녹차", "شاي", "ชา", "τσάι", "🍵", "x-y", "a"]
NEEDLES = ["EAP", "te", "grüße", "ЧАЙ", "茶", "茶碗 お", "차", "ชา", "ΤΣΆΙ", "🍵", "absent", "message 7"]
BOOK = "search.json"


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def casemap(text):
    """RFC 5051: each letter in title case, taken apart, and what comes of that in title case."""
    title = lambda letter: letter.title() if len(letter.title()) == 1 else letter
    apart = lambda letter: letter if "가" <= letter <= "힣" else unicodedata.normalize("NFKD", title(letter))
    return "".join(title(part) for letter in text for part in apart(letter))


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
        low, found = needle.lower(), lambda text: casemap(needle) in casemap(text)
        search(book, ["BODY"], needle, lambda subject, body: found(body))
        search(book, ["SUBJECT"], needle, lambda subject, body: found(subject))
        if low not in "charset=utf-8 mime-version content-transfer-encoding text/plain quoted-printable base64 8bit":
            search(book, ["TEXT"], needle, lambda *texts: any(map(found, texts)))
        search(book, ["OR", "SUBJECT", '"message 1"', "NOT", "BODY"], needle,
               lambda subject, body: "message 1" in subject or not found(body))


def titled(mailbox, subject, body="", client=client):
    text = f"Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    ok(client.append(mailbox, None, None, text.encode()))


def told(client, name, *words):
    """The untagged responses of this name to a command."""
    client.untagged_responses.pop(name, None)
    ok(client.xatom(*words))
    return [line.decode() for line in client.untagged_responses.pop(name, [])]


def bad(client, *words):
    try:
        answer = client.xatom(*words)
    except imaplib.IMAP4.error as error:
        assert "BAD [b'[CLIENTBUG]" in str(error), error
    else:
        raise AssertionError(answer)


def compare():
    """I18NLEVEL=1: what is the same to i;unicode-casemap, and what is not."""
    client._get_capabilities()
    assert "I18NLEVEL=1" in client.capabilities, client.capabilities
    titled("INBOX", "one", "ΣΊΣΥΦΟΣ Straße oﬃce")
    titled("INBOX", "two", "σίσυφος STRASSE office")
    ok(client.select())
    for needle, found in [("σίσυφος", "1 2"), ("OFFICE", "1 2"), ("straße", "1"), ("strasse", "2"), ("i\u0301", "")]:
        client.literal = needle.encode()
        assert ok(client.search("UTF-8", "BODY"))[0].decode() == found, needle


def fuzzy():
    """SEARCH=FUZZY: words with errors, in any order; how near they come; the nearest first."""
    client._get_capabilities()
    assert "SEARCH=FUZZY" in client.capabilities, client.capabilities
    for subject in "Accommodation in town", "acomodation", "town hall", "your accommodations", "nothing":
        titled("INBOX", subject, "Café Müller")
    ok(client.select())
    ask = lambda *words: told(client, "ESEARCH", *words)[0].split(") ", 1)[1]
    answer = ask("SEARCH", "RETURN (ALL RELEVANCY)", 'FUZZY SUBJECT "accommodation"')
    assert answer == "ALL 1:2,4 RELEVANCY (100 1 80)", answer
    answer = ask("SORT", "RETURN (ALL RELEVANCY)", "(RELEVANCY)", "UTF-8", "FUZZY SUBJECT accommodation")
    assert answer == "ALL 1,4,2 RELEVANCY (100 80 1)", answer
    answer = ask("SEARCH", "RETURN (ALL)", "FUZZY (SUBJECT \"twon accommodation\" UNSEEN)")
    assert answer == "ALL 1", answer
    answer = ask("SEARCH", "RETURN (COUNT)", "FUZZY BODY \"muller cafe\"")
    assert answer == "COUNT 5", answer
    bad(client, "SEARCH", "RETURN (RELEVANCY)", "SUBJECT town")


def everywhere():
    """MULTISEARCH: several mailboxes, those of others among them, as far as they may be read."""
    alan = connect(ALAN)
    client._get_capabilities()
    assert "MULTISEARCH" in client.capabilities, client.capabilities
    for name in "Work", "Work/Old", "Play":
        ok(client.create(name))
    for name in "INBOX", "Work", "Work/Old", "Work/Old", "Play":
        titled(name, f"tea in {name}")
    for name in "Plans", "Plans/Secret", "Plans/Hidden":
        ok(alan.create(name))
        titled(name, "tea, shared", client=alan)
    for name, rights in ("Plans", "lr"), ("Plans/Secret", "l"), ("Plans/Hidden", "r"):
        ok(alan.setacl(name, ADA, rights))

    def search(*words):
        lines = told(client, "ESEARCH", "ESEARCH", *words)
        found = {}
        for line in lines:
            correlators, answer = line[1:].split(") ", 1)
            mailbox = correlators.split("MAILBOX ", 1)[1].rsplit(" UIDVALIDITY ", 1)[0].strip('"')
            assert correlators.startswith('TAG "') and mailbox not in found, line
            found[mailbox] = answer.removeprefix("UID ")
        return found

    everything = {"INBOX": "ALL 1", "Play": "ALL 1", "Work": "ALL 1", "Work/Old": "ALL 1:2"}
    assert search("IN (personal)", "SUBJECT TEA") == everything
    assert search("IN (personal)", "RETURN (ALL RELEVANCY)", "FUZZY SUBJECT old") == {
        "Work/Old": "ALL 1:2 RELEVANCY (100 100)"}
    assert search("IN (subtree Work)", "RETURN (COUNT)", "ALL") == {"Work": "COUNT 1", "Work/Old": "COUNT 2"}
    assert search("IN (subtree-one (Work))", "RETURN (MAX)", "2:9") == {"Work/Old": "MAX 2"}
    assert search("IN (mailboxes (Work Nowhere))", "NOT SUBJECT tea") == {}
    ok(client.subscribe("Play"))
    assert search("IN (subscribed inboxes mailboxes Play)", "UNSEEN")["Play"] == "ALL 1"
    shared = f"Other Users/{ALAN}/Plans"
    assert search(f'IN (subtree "{shared}")', "ALL") == {shared: "ALL 1"}
    # What is named needs no right to be seen, only to be read.
    hidden, secret = f"{shared}/Hidden", f"{shared}/Secret"
    assert search(f'IN (mailboxes ("{hidden}" "{secret}" "{shared}"))', "ALL") == {hidden: "ALL 1", shared: "ALL 1"}
    bad(client, "ESEARCH", "ALL")
    ok(client.select("Work"))
    assert search("ALL") == {"Work": "ALL 1"}
    assert search("IN (selected personal)", "SUBJECT tea") == everything
    bad(client, "ESEARCH", "IN (personal)", "RETURN (SAVE)", "ALL")
    alan.logout()


for more in "ESEARCH", "SETACL":
    imaplib.Commands.setdefault(more, ("AUTH", "SELECTED"))
verbs = {"fill": fill, "change": change, "ask": ask, "compare": compare, "fuzzy": fuzzy, "everywhere": everywhere}
verbs[what]()
client.logout()
