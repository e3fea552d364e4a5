"""Extensions of IMAP as Python's imaplib drives them, one function each: the first argument names it."""
import imaplib, random, re, smtplib, socket, ssl, sys, time, zlib
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


ADA, ALAN = "ada@test.localhost", "alan@test.localhost"


def names(client, pattern, verb="LIST"):
    answer = ok(client._simple_command(verb, '""', pattern)) and client._untagged_response("OK", [None], verb)[1]
    return sorted(line.decode().split(' "/" ')[1].strip('"') for line in answer if line)


def untagged(client, name, *words):
    """What is told in untagged responses of this name after a command of the same or the given one."""
    ok(client._simple_command(*words))
    return client._untagged_response("OK", [None], name)[1]


def denied(client, code, *words):
    kind, (text,) = client._simple_command(*words)
    assert kind == "NO" and f"[{code}]".encode() in text, (words, kind, text)


def share():
    for name in "SETACL", "DELETEACL", "GETACL", "LISTRIGHTS", "MYRIGHTS", "IDLE", "GETMETADATA", "SETMETADATA":
        imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
    ada, alan = connect(ADA), connect(ALAN)
    for capability in "ACL", "RIGHTS=KXTE", "LIST-MYRIGHTS":
        assert capability in ada.capabilities, ada.capabilities
    assert untagged(ada, "NAMESPACE", "NAMESPACE") == [
        b'(("" "/")) (("Other Users/" "/")) (("Shared/" "/")("Removed Mail/" "/"))']
    ok(ada.create("Plans"))
    ok(ada.append("Plans", None, None, b"Subject: tea\r\n\r\nAt five\r\n"))
    plans = f'"Other Users/{ADA}/Plans"'
    denied(alan, "NONEXISTENT", "SELECT", plans)
    assert names(alan, '"*Plans"') == []
    ok(ada.setacl("Plans", ALAN, "lrs"))
    acl = ok(ada.getacl("Plans"))
    assert acl == [f"Plans {ADA} lrswipkxteacd {ALAN} lrs".encode()], acl
    assert names(alan, '"*Plans"') == [plans.strip('"')]
    assert names(alan, "%")[-2:] == ["Other Users", "Sent"] or "Other Users" in names(alan, "%")
    assert ok(alan.myrights(plans)) == [f"{plans} lrs".encode()]
    ok(alan.subscribe(plans))
    assert plans.strip('"') in names(alan, "*", "LSUB")

    # Open at both: flags that may be set are, and each hears of the other.
    assert ok(alan.select(plans)) == [b"1"]
    assert alan.response("PERMANENTFLAGS")[1] == [b"(\\Seen)"]
    ok(ada.select("Plans"))
    ok(alan.store("1", "+FLAGS", "(\\Seen \\Flagged)"))
    ok(ada.noop())
    assert b"\\Seen" in ada.response("FETCH")[1][-1]
    assert b"\\Flagged" not in ok(ada.fetch("1", "(FLAGS)"))[0]
    denied(alan, "NOPERM", "EXPUNGE")
    denied(alan, "NOPERM", "STORE", "1", "+FLAGS", "(\\Deleted)")
    kind, (text,) = alan.append(plans, None, None, b"Subject: no\r\n\r\n")
    assert kind == "NO" and b"[NOPERM]" in text, text
    for command in ("GETACL", plans), ("SETACL", plans, ALAN, "lrswipkxtea"), ("DELETE", plans), ("CREATE", plans[:-1] + '/x"'):
        denied(alan, "NOPERM", *command)
    # Notes and quotas are their owner's.
    denied(alan, "NONEXISTENT", "GETMETADATA", plans, "/shared/comment")
    denied(alan, "NONEXISTENT", "SETMETADATA", plans, '(/shared/comment "x")')
    assert untagged(alan, "QUOTAROOT", "GETQUOTAROOT", plans) == [plans.encode()]
    # News of the other's account comes in IDLE, from rights to new letters.
    tag = alan._new_tag()
    alan.send(tag + b" IDLE\r\n")
    assert alan.readline().startswith(b"+")
    ok(ada.setacl("Plans", ALAN, "lrswite"))
    assert alan.readline().startswith(b"* FLAGS ")
    assert b"[PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)]" in alan.readline()
    ok(ada.append("Plans", None, None, b"Subject: more tea\r\n\r\n"))
    assert alan.readline() == b"* 2 EXISTS\r\n"
    alan.send(b"DONE\r\n")
    assert alan.readline().startswith(tag + b" OK")

    # Messages go both ways, and identities do not collide.
    ok(alan.append(plans, "\\Seen", None, b"Subject: mine\r\n\r\n"))
    ok(alan.copy("1", "INBOX"))
    ok(alan._simple_command("MOVE", "2", "INBOX"))
    own = untagged(alan, "STATUS", "STATUS", "INBOX", "(MESSAGES MAILBOXID)")
    other = untagged(alan, "STATUS", "STATUS", plans, "(MESSAGES MAILBOXID)")
    assert b"MESSAGES 2" in own[0] and b"MESSAGES 2" in other[0], (own, other)
    assert own[0].split(b"MAILBOXID")[1] != other[0].split(b"MAILBOXID")[1]
    assert ok(alan.search(None, "SUBJECT", "mine")) == [b"2"]
    ok(ada.noop())
    # What is taken away is gone at once.
    ok(ada.deleteacl("Plans", ALAN))
    try:
        alan.noop()
        raise AssertionError("still there")
    except imaplib.IMAP4.abort:
        pass
    alan = connect(ALAN)
    denied(alan, "NONEXISTENT", "SELECT", plans)
    assert names(alan, '"Other*"') == []
    ada.logout()
    alan.logout()


TEAM = "team@test.localhost"


def team():
    for name in "SETACL", "DELETEACL", "GETACL", "MYRIGHTS":
        imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
    try:
        connect(TEAM)
        raise AssertionError("nobody logs in as it")
    except imaplib.IMAP4.error:
        pass
    # A letter to its address is there for those who may, once for all.
    with smtplib.LMTP(*sys.argv[5].split(":")) as client:
        client.sendmail("eve@elsewhere.example", [TEAM], "Subject: an offer\r\n\r\nTea\r\n")
    ada, alan = connect(ADA), connect(ALAN)
    inbox, offers = (f'"Shared/{TEAM}/{name}"' for name in ("INBOX", "Offers"))
    assert names(ada, '"Shared/*"') == [f"Shared/{TEAM}", f"Shared/{TEAM}/INBOX"]
    assert "Shared" in names(ada, "%") and "Other Users" not in names(ada, "%")
    assert ok(ada.select(inbox)) == [b"1"]
    assert ok(ada.search(None, "SUBJECT", "offer")) == [b"1"]
    denied(alan, "NOPERM", "SELECT", inbox)
    # Who may administer it gives rights, and a mailbox beside it begins with them.
    ok(ada.setacl(inbox, ALAN, "lrs"))
    ok(ada.create(offers))
    ok(ada._simple_command("MOVE", "1", offers))
    assert ok(alan.select(offers)) == [b"1"]
    denied(alan, "NOPERM", "CREATE", f'"Shared/{TEAM}/More"')
    denied(ada, "NOPERM", "CREATE", '"Shared/mine"')
    denied(ada, "NOPERM", "CREATE", '"Shared/nobody@test.localhost/x"')
    assert ok(alan.myrights(offers)) == [f"{offers} lrs".replace('"', "").encode()]
    ok(alan.subscribe(offers))
    assert offers.strip('"') in names(alan, "*", "LSUB")
    assert untagged(ada, "QUOTAROOT", "GETQUOTAROOT", offers) == [offers.strip('"').encode()]
    ada.logout()
    alan.logout()


def team_taken():
    alan = connect(ALAN)
    denied(alan, "NOPERM", "SELECT", f'"Shared/{TEAM}/INBOX"')
    assert ok(alan.select(f'"Shared/{TEAM}/Offers"')) == [b"1"]
    alan.logout()


def keep_apart():
    ada, alan = connect(ADA), connect(ALAN)
    for name in "SETACL", "DELETEACL", "GETACL", "LISTRIGHTS", "MYRIGHTS":
        imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
    ok(ada.create("Secret"))
    ok(ada.setacl("INBOX", "anyone", "lr"))
    there = lambda name: f'"Other Users/{ADA}/{name}"'
    commands = (
        lambda name: ("SELECT", name), lambda name: ("EXAMINE", name), lambda name: ("STATUS", name, "(MESSAGES)"),
        lambda name: ("DELETE", name), lambda name: ("RENAME", name, there("INBOX/x")), lambda name: ("GETACL", name),
        lambda name: ("RENAME", name, "mine"), lambda name: ("MYRIGHTS", name), lambda name: ("LISTRIGHTS", name, ALAN),
        lambda name: ("SETACL", name, ALAN, "lr"), lambda name: ("DELETEACL", name, ALAN),
        lambda name: ("CREATE", name[:-1] + '/x"'),
    )
    for command in commands:
        one, other = (alan._simple_command(*command(there(name))) for name in ("Secret", "Nowhere"))
        assert one[0] == "NO" and one == other, (command("x"), one, other)
    ok(alan.append("INBOX", None, None, b"Subject: x\r\n\r\n"))
    ok(alan.select())
    for verb in "COPY", "MOVE":
        one, other = (alan._simple_command(verb, "1", there(name)) for name in ("Secret", "Nowhere"))
        assert one[0] == "NO" and one == other and b"TRYCREATE" in one[1][0], (one, other)
    answers = [alan.append(there(name), None, None, b"Subject: x\r\n\r\n") for name in ("Secret", "Nowhere")]
    assert answers[0] == answers[1] and answers[0][0] == "NO", answers
    assert names(alan, '"Other Users/*"') == [f"Other Users/{ADA}", f"Other Users/{ADA}/INBOX"]
    # Subscribing tells nothing either.
    for name in "Secret", "Nowhere":
        ok(alan.subscribe(there(name)))
        ok(alan.unsubscribe(there(name)))
    denied(alan, "NOPERM", "CREATE", '"Other Users/mine"')
    ada.logout()
    alan.logout()


def sort_and_thread():
    client = connect()
    for capability in "SORT", "SORT=DISPLAY", "ESORT", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "THREAD=REFS":
        assert capability in client.capabilities, capability
    raw = "Subject: Äpfel\r\n\r\n".encode()
    refused(client.append("INBOX", None, None, raw), b"[CANNOT]")
    # Its own `enable` would have it send what is no literal.
    assert client._simple_command("ENABLE", "UTF8=ACCEPT")[0] == "OK"
    for minute, letter in enumerate((
        b"From: Zoe <a@x>\r\nMessage-ID: <1@x>\r\nSubject: pears\r\n\r\n",
        b"From: Bob <b@x>\r\nMessage-ID: <2@x>\r\nSubject: apples\r\n\r\n",
        "From: c@x\r\nReferences: <1@x>\r\nSubject: Äpfel\r\n\r\n".encode(),
        b"From: Ann <z@x>\r\nSubject: Re: [fruit] PEARS\r\n\r\n",
    )):
        ok(client.append("INBOX", None, imaplib.Time2Internaldate(1_700_000_000 + 60 * minute), letter))
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
    assert thread("REFS") == [b"(2)(1 3)(4)"]
    assert thread("REFERENCES", "2:*") == [b"(2)(3)(4)"]
    try:
        client.sort("(SUBJECT)", "KOI8-R", "ALL")
        raise AssertionError("a charset beside UTF-8")
    except imaplib.IMAP4.error as error:
        # RFC 9755 §3
        assert "BAD" in str(error), error
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
def imapsieve():
    for name in "SETMETADATA", "MOVE":
        imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
    client = connect()
    place = [name for name in client.capabilities if name.startswith("IMAPSIEVE=")]
    assert len(place) == 1 and place[0].startswith("IMAPSIEVE=SIEVE://MAIL.TEST.LOCALHOST:"), client.capabilities

    def flags(number):
        return ok(client.fetch(str(number), "(FLAGS)"))[0].decode()

    ok(client.create("Work"))
    ok(client.append("Work", None, None, b"Subject: before\r\n\r\n"))
    ok(client.xatom("SETMETADATA", 'Work (/shared/imapsieve/script "event")'))
    ok(client.append("Work", None, None, b"Subject: one\r\n\r\n"))
    assert ok(client.select("Work")) == [b"2"]
    assert "appended" not in flags(1) and "appended" in flags(2), (flags(1), flags(2))
    for number in range(2):
        ok(client.append("INBOX", None, None, b"Subject: %d\r\n\r\n" % number))
    assert ok(client.select("INBOX")) == [b"2"]
    ok(client.copy("1", "Work"))
    ok(client._simple_command("MOVE", "2", "Work"))
    assert ok(client.select("Archive")) == [b"2"]
    assert ok(client.select("Work")) == [b"4"]
    assert "copied" in flags(3) and "copied" in flags(4)
    # What the script does is told like what anybody does.
    other = connect()
    ok(other.select("Work"))
    ok(client.store("2", "+FLAGS", "(\\Flagged)"))
    ok(client.noop())
    assert "\\Deleted" in flags(2), flags(2)
    other.untagged_responses.clear()
    ok(other.noop())
    assert b"\\Deleted" in other.untagged_responses["FETCH"][-1], other.untagged_responses
    assert ok(client.select("Archive")) == [b"3"]
    # Reading is a change of flags as well, but not of that one.
    ok(client.select("Work"))
    ok(client.fetch("2", "(BODY[])"))
    assert "seen" in flags(2), flags(2)
    assert ok(client.select("Archive")) == [b"3"]


class Plain:
    """IMAP over a socket: what is told without a command is read as it comes."""

    def __init__(self, user=ADA):
        stream = context.wrap_socket(socket.create_connection((host, int(port))))
        stream.settimeout(60)
        self.stream, self.lines = stream, stream.makefile("rb")
        assert self.line().startswith("* OK")
        self.command(f"LOGIN {user} secret")

    def line(self):
        line = self.lines.readline().decode()
        assert line.endswith("\r\n"), line
        return line[:-2]

    def send(self, text):
        self.stream.sendall(text.encode())

    def command(self, text):
        """What is told before the OK of a command."""
        self.send(f"x {text}\r\n")
        told = []
        while not (line := self.line()).startswith("x "):
            told.append(line)
        assert line.startswith("x OK"), (text, line)
        return told

    def refused(self, text):
        self.send(f"x {text}\r\n")
        return self.line()


def notify():
    deliver = connect(ADA)
    assert "NOTIFY" in deliver.capabilities
    watcher = Plain()
    ok(deliver.create("Lists/Tea"))
    # RFC 5465 §3.1: how everything stands, then each event as it happens, without a command.
    told = watcher.command("NOTIFY SET STATUS (selected (MessageNew (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]) "
                           "MessageExpunge FlagChange)) (subtree Lists (MessageNew MessageExpunge FlagChange MailboxName)) "
                           "(personal (SubscriptionChange MailboxMetadataChange ServerMetadataChange))")
    assert [line.split(" UIDVALIDITY")[0] for line in told] == [
        "* STATUS Lists (MESSAGES 0 UIDNEXT 1", "* STATUS Lists/Tea (MESSAGES 0 UIDNEXT 1"], told
    ok(deliver.append("Lists/Tea", None, None, b"Subject: first\r\n\r\n"))
    line = watcher.line()
    assert line.startswith("* STATUS Lists/Tea (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ") and "UNSEEN 1" in line, line
    ok(deliver.select("Lists/Tea"))
    ok(deliver.store("1", "+FLAGS", "(\\Seen \\Deleted)"))
    line = watcher.line()
    assert line.startswith("* STATUS Lists/Tea (UIDVALIDITY ") and "UNSEEN 0" in line, line
    ok(deliver.expunge())
    assert watcher.line().startswith("* STATUS Lists/Tea (MESSAGES 0 UIDNEXT 2 ")
    # Names, subscriptions and notes.
    ok(deliver.create("Lists/Milk"))
    assert watcher.line() == '* LIST (\\HasNoChildren) "/" Lists/Milk'
    assert watcher.line() == '* LIST (\\HasChildren) "/" Lists'
    assert watcher.line().startswith("* STATUS Lists/Milk (UIDVALIDITY ")
    ok(deliver.rename("Lists/Milk", "Lists/Cream"))
    assert watcher.line() == '* LIST (\\HasNoChildren) "/" Lists/Cream (OLDNAME (Lists/Milk))'
    assert watcher.line().startswith("* STATUS Lists/Cream (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ")
    ok(deliver.subscribe("Lists/Cream"))
    assert watcher.line() == '* LIST (\\HasNoChildren \\Subscribed) "/" Lists/Cream'
    ok(deliver.delete("Lists/Cream"))
    assert watcher.line() == '* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" Lists/Cream'
    assert watcher.line() == '* LIST (\\HasChildren) "/" Lists'
    for command in "GETMETADATA", "SETMETADATA":
        imaplib.Commands.setdefault(command, ("AUTH", "SELECTED"))
    ok(deliver._simple_command("SETMETADATA", "INBOX", '(/private/comment "tea")'))
    assert watcher.line() == "* METADATA INBOX /private/comment"
    ok(deliver._simple_command("SETMETADATA", '""', '(/private/comment "house")'))
    assert watcher.line() == '* METADATA "" /private/comment'
    # The mailbox that is open: new letters with what was asked for, flags, removals.
    watcher.command("SELECT INBOX")
    ok(deliver.append("INBOX", None, None, b"Subject: second\r\n\r\n"))
    assert watcher.line() == "* 1 EXISTS"
    assert watcher.line() == "* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] {19}"
    assert [watcher.line() for _ in range(3)] == ["Subject: second", "", ")"]
    ok(deliver.select("INBOX"))
    ok(deliver.store("1", "+FLAGS", "(\\Deleted)"))
    assert watcher.line() == "* 1 FETCH (UID 1 FLAGS (\\Deleted))"
    ok(deliver.expunge())
    assert watcher.line() == "* 1 EXPUNGE"
    # What it does itself it is not told; the next thing it hears is the other's.
    watcher.command("CREATE Lists/Mine")
    watcher.command("SUBSCRIBE Lists/Mine")
    ok(deliver.append("Lists/Mine", None, None, b"Subject: third\r\n\r\n"))
    assert watcher.line().startswith("* STATUS Lists/Mine (MESSAGES 1 ")
    watcher.command("NOTIFY NONE")
    ok(deliver.append("Lists/Mine", None, None, b"Subject: fourth\r\n\r\n"))
    ok(deliver.append("INBOX", None, None, b"Subject: fifth\r\n\r\n"))
    assert watcher.command("NOOP") == []
    assert watcher.refused("NOTIFY SET (personal (MessageNew MessageExpunge AnnotationChange))").startswith(
        "x NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
        "ServerMetadataChange)]")


def notify_shared():
    imaplib.Commands.setdefault("SETACL", ("AUTH", "SELECTED"))
    ada, alan = connect(ADA), Plain(ALAN)
    ok(ada.create("Plans"))
    plans = f'"Other Users/{ADA}/Plans"'
    assert alan.command(f"NOTIFY SET STATUS (mailboxes {plans} (MessageNew MessageExpunge MailboxName))") == []
    # Sharing it makes it.
    ok(ada.setacl("Plans", ALAN, "l"))
    assert alan.line() == f'* LIST (\\HasNoChildren) "/" {plans}'
    ok(ada.setacl("Plans", ALAN, "lr"))
    ok(ada.append("Plans", None, None, b"Subject: tea\r\n\r\n"))
    assert alan.line().startswith(f"* STATUS {plans} (MESSAGES 1 UIDNEXT 2 ")
    ok(ada.create("Secret"))
    ok(ada.rename("Plans", "Ideas"))
    ideas = f'"Other Users/{ADA}/Ideas"'
    assert alan.line() == f'* LIST (\\HasNoChildren) "/" {ideas} (OLDNAME ({plans}))'
    ok(ada.rename("Ideas", "Plans"))
    assert alan.line() == f'* LIST (\\HasNoChildren) "/" {plans} (OLDNAME ({ideas}))'
    # Who hears a new name hears how many letters it holds.
    assert alan.line().startswith(f"* STATUS {plans} (MESSAGES 1 UIDNEXT 2 ")
    ok(ada.deleteacl("Plans", ALAN))
    assert alan.line() == f'* LIST (\\NonExistent \\HasNoChildren \\NoAccess) "/" {plans}'
    ok(ada.append("Plans", None, None, b"Subject: hidden\r\n\r\n"))
    ok(ada.setacl("Plans", ALAN, "l"))
    assert alan.line() == f'* LIST (\\HasNoChildren) "/" {plans}'
    told = alan.command(f"NOTIFY SET STATUS (mailboxes {plans} (MessageNew MessageExpunge))")
    assert told == [f'* LIST (\\HasNoChildren \\NoAccess) "/" {plans}'], told


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


def list_metadata():
    client = connect()
    assert "LIST-METADATA" in client.capabilities
    imaplib.Commands.setdefault("SETMETADATA", ("AUTH", "SELECTED"))
    ok(client.create("Work/Old"))
    ok(client.xatom("SETMETADATA", 'Work/Old (/private/comment "mine" /shared/comment "ours")'))
    told = untagged(client, "METADATA", "LIST", '""', "Work*", "RETURN (METADATA (/private/comment /shared/x))")
    assert told == [
        b"Work (/private/comment NIL /shared/x NIL)",
        b'Work/Old (/private/comment "mine" /shared/x NIL)',
    ], told
    client.logout()


def uid_only():
    client = connect()
    assert "UIDONLY" in client.capabilities
    other = connect()
    for subject in b"one", b"two", b"three":
        ok(client.append("INBOX", None, None, b"Subject: %s\r\n\r\n" % subject))
    ok(client.enable("UIDONLY"))
    ok(client.select())
    assert client.response("UNSEEN")[1] == [None]
    for command in ("FETCH", "1", "FLAGS"), ("SEARCH", "ALL"), ("STORE", "1", "FLAGS", "()"), ("COPY", "1", "Sent"):
        try:
            client._simple_command(*command)
            raise AssertionError(command)
        except imaplib.IMAP4.error as error:
            assert "[UIDREQUIRED]" in str(error), error

    def told(name, *words):
        client.untagged_responses.clear()
        ok(client.uid(*words))
        return client.response(name)[1]

    assert told("UIDFETCH", "FETCH", "2:3", "(FLAGS)") == [b"2 (FLAGS ())", b"3 (FLAGS ())"]
    assert told("UIDFETCH", "STORE", "2", "+FLAGS", "(\\Deleted)") == [b"2 (FLAGS (\\Deleted))"]
    assert ok(client.uid("SEARCH", "UID", "1:2")) == [b"1 2"]
    ok(other.select())
    ok(other.expunge())
    ok(other.store("1", "+FLAGS", "(\\Flagged)"))
    client.untagged_responses.clear()
    ok(client.noop())
    assert client.response("VANISHED")[1] == [b"2"]
    assert client.response("UIDFETCH")[1] == [b"1 (FLAGS (\\Flagged))"]
    assert client.response("FETCH")[1] == client.response("EXPUNGE")[1] == [None]
    client.logout()


def within():
    client, now = connect(), time.time()
    for age in 5, 3600, 86400 * 30:
        ok(client.append("INBOX", None, imaplib.Time2Internaldate(now - age), b"Subject: x\r\n\r\n"))
    ok(client.select())
    for keys, wanted in (("YOUNGER 1800", b"1"), ("OLDER 1800", b"2 3"), ("OLDER 1800 YOUNGER 86400", b"2"),
                         ("NOT YOUNGER 86400", b"3"), ("OR YOUNGER 1800 OLDER 86400", b"1 3")):
        assert ok(client.search(None, keys)) == [wanted], keys
    client.logout()


def expanded(written):
    """The numbers of a set as it is written, in its order."""
    for part in written.split(","):
        low, _, high = part.partition(":")
        yield from range(int(low), int(high or low) + 1)


def told_anew(results, line):
    """Does to a result what an ESEARCH response says has changed of it."""
    result = results[re.search(r'\(TAG "(\w+)"\) UID', line)[1]]
    for verb, places in re.findall(r"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
        words = places.split()
        for place, uids in zip(map(int, words[::2]), map(list, map(expanded, words[1::2]))):
            if verb == "ADDTO" and place:
                result[place - 1:place - 1] = uids
            elif verb == "ADDTO":
                result[:] = sorted(result + uids)
            elif place:
                assert result[place - 1:place - 1 + len(uids)] == uids, (result, line)
                del result[place - 1:place - 1 + len(uids)]
            else:
                for uid in uids:
                    result.remove(uid)


def contexts():
    imaplib.Commands.setdefault("CANCELUPDATE", ("SELECTED",))
    client, other = connect(), connect()
    for capability in "CONTEXT=SEARCH", "CONTEXT=SORT":
        assert capability in client.capabilities, capability
    letter = lambda: b"Subject: %s\r\n\r\n%s" % (random.choice(b"apple pear fig".split()), b"x" * random.randrange(99))
    random.seed(7)
    for _ in range(5):
        ok(other.append("INBOX", None, None, letter()))
    for one in client, other:
        ok(one.select())
    esearch = lambda: [line.decode() for line in client.response("ESEARCH")[1] if line]
    searches, results = {}, {}
    for words in (
        ("SEARCH", "UNSEEN OR SUBJECT pear FLAGGED"),
        ("SEARCH", "UID 3:*"),
        ("SORT", "(SUBJECT REVERSE SIZE)", "UTF-8", "ALL"),
        ("SORT", "(REVERSE ARRIVAL)", "UTF-8", "UNSEEN"),
    ):
        ok(client.uid(words[0], "RETURN (UPDATE CONTEXT ALL)", *words[1:]))
        [line] = esearch()
        tag, found = re.fullmatch(r'\(TAG "(\w+)"\) UID(?: ALL (\S+))?', line).groups()
        searches[tag], results[tag] = words, list(expanded(found)) if found else []
    for step in range(60):
        count = int(ok(other.select())[0])
        deed = random.randrange(5)
        if deed < 2 or count < 3:
            ok(other.append("INBOX", None, None, letter()))
        elif deed < 4:
            some = f"{random.randint(1, count)}:{random.randint(1, count)}"
            ok(other.store(some, random.choice("+-") + "FLAGS", random.choice((r"(\Seen)", r"(\Flagged)"))))
        else:
            ok(other.store(str(random.randint(1, count)), "+FLAGS", r"(\Deleted)"))
            ok(other.expunge())
        ok(client.noop())
        for line in esearch():
            told_anew(results, line)
        for tag, words in searches.items():
            found = ok(client.uid(*words))[0]
            assert results[tag] == list(map(int, (found or b"").split())), (step, words, results[tag], found)
            assert not esearch()
    [first, *_] = searches
    ok(client._simple_command("CANCELUPDATE", f'"{first}"'))
    ok(other.append("INBOX", None, None, letter()))
    ok(client.noop())
    assert not any(first in line for line in esearch())
    client.logout()
    other.logout()


def conversations():
    client = connect()
    assert "OBJECTID" in client.capabilities
    letters = {
        "INBOX": (b"Message-ID: <a@x>", b"Message-ID: <b@x>\r\nIn-Reply-To: <a@x>", b"Message-ID: <c@x>"),
        "Sent": (b"Message-ID: <d@x>\r\nReferences: <a@x> <b@x>", b"References: <c@x>"),
    }
    threads = {}
    for mailbox, headers in letters.items():
        for header in headers:
            ok(client.append(mailbox, None, None, header + b"\r\n\r\nText\r\n"))
        ok(client.select(mailbox))
        told = [re.search(rb"THREADID \((\w+)\)", line)[1].decode() for line in ok(client.fetch("1:*", "(THREADID)"))]
        for number, thread in enumerate(told, 1):
            found = ok(client.search(None, "THREADID", thread))[0].split()
            assert found == [b"%d" % at for at, one in enumerate(told, 1) if one == thread], (thread, found)
            assert str(number).encode() in found
        threads[mailbox] = told
    (a, b, c), (d, e) = threads["INBOX"], threads["Sent"]
    assert a == b == d and c == e and a != c, threads
    assert ok(client.search(None, "THREADID", "t_0"))[0] in (None, b"")
    client.logout()


globals()[what]()
