"""Python's imaplib removes, moves and deletes; the command line undoes it; removed mail is copied back."""
import imaplib, json, ssl, subprocess, sys
caramel, config, ca, imap = sys.argv[1:5]
count = int(sys.argv[5])
host, port = imap.split(":")
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False


def undo(*words):
    done = subprocess.run([caramel, "--config", config, "undo", "ada@test.localhost", *words],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest():
    return json.loads(undo("--json"))["list"][0]


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def subjects():
    rows = ok(client.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    return sorted(row[1].strip() for row in rows if isinstance(row, tuple))


client = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
client.login("ada@test.localhost", "secret")
ok(client.xatom("ID", '("name" "Wild" "version" "3")'))
ok(client.select("INBOX"))
for number in range(4):
    letter = b"Subject: no %d\r\n\r\nhi\r\n" % number
    ok(client.append("INBOX", "(\\Flagged)", None, letter))
while len(ok(client.uid("SEARCH", "ALL"))[0].split()) < count:
    ok(client.uid("COPY", "1:*", "INBOX"))
before = subjects()
assert len(before) >= count

# Everything is expunged.
ok(client.uid("STORE", "1:*", "+FLAGS.SILENT", "(\\Deleted)"))
ok(client.expunge())
assert ok(client.uid("SEARCH", "ALL")) == [b""]
gone = newest()
assert (gone["kind"], gone["messages"]) == ("expunge", len(before)), gone
assert gone["client"]["name"] == "Wild 3" and gone["who"] == "ada@test.localhost", gone

# It is there as removed mail, but only for who asks for it.
names = b" ".join(ok(client.list('""', '"*"')))
assert b"Removed" not in names, names
assert b"Removed Mail/" in ok(client.namespace())[0]
assert b"Removed Mail/INBOX" in ok(client.list('"Removed Mail/"', '"*"'))[0]
ok(client.select('"Removed Mail/INBOX"', readonly=True))
assert subjects() == before
assert client.uid("STORE", "1", "+FLAGS", "(\\Seen)")[0] == "NO"
ok(client.uid("COPY", "1:2", "INBOX"))
ok(client.select("INBOX"))
assert subjects() == before[:2] or len(subjects()) == 2
ok(client.uid("STORE", "1:*", "+FLAGS.SILENT", "(\\Deleted)"))
ok(client.expunge())
undo(str(gone["operation"]))
ok(client.noop())
assert subjects() == before
flags = ok(client.uid("FETCH", "1:*", "(FLAGS)"))
assert all(b"\\Flagged" in row and b"\\Deleted" not in row for row in flags), flags[:2]

# Everything is moved, and goes back; a mailbox is deleted, and comes back with its UIDs.
ok(client.create("Work"))
ok(client.uid("MOVE", "1:*", "Work"))
moved = newest()
assert (moved["kind"], moved["messages"]) == ("move", len(before)), moved
undo(str(moved["operation"]))
ok(client.noop())
assert subjects() == before
ok(client.uid("COPY", "1:*", "Work"))
ok(client.select("Work"))
uids = ok(client.uid("SEARCH", "ALL"))
validity = client.response("UIDVALIDITY")
ok(client.select("INBOX"))
ok(client.delete("Work"))
undo(str(newest()["operation"]))
ok(client.select("Work"))
assert ok(client.uid("SEARCH", "ALL")) == uids and client.response("UIDVALIDITY") == validity
client.logout()
print("good")
