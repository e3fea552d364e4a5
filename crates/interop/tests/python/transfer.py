"""Python's mailbox module on one side, imaplib on the other.

make FOLDER                     writes an mbox, a Maildir and a folder of MH
same FORM PATH PORT MAILBOX     compares what mailbox reads there with what IMAP has
equal USER PORT MAILBOX PORT MAILBOX [uids]
                                compares another server's mailbox with ours
fill PORT MAILBOX COUNT         puts messages into a mailbox
number FILE COUNT               writes an mbox of numbered messages
"""

import imaplib
import mailbox
import os
import re
import sys

KEPT = re.compile(rb"(?mi)^(status|x-status|x-keywords|x-uid|x-imapbase|content-length):.*\n")
SYSTEM = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "T": "\\Deleted", "D": "\\Draft"}
STATUS = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "D": "\\Deleted", "T": "\\Draft"}


def letters():
    """Messages of all kinds, and letters for their flags."""
    header = b"From: a@b.example\nSubject: number %d\nDate: Mon, 23 Nov 2026 12:00:%02d +0000\n"
    bodies = [
        b"One line.\n",
        b"",
        b"From here\n>From there\n>>From nowhere\n",
        b"caf\xc3\xa9\n",
        b"\n\nFrom the middle\n\n\n",
        b"no end of the line\n" * 200,
        b"x" * 5000 + b"\n",
        b".\n..\n",
    ]
    flags = ["", "S", "FS", "RS", "DS", "S", "FRS", "ST"]
    for number, (body, flag) in enumerate(zip(bodies * 5, flags * 5)):
        yield header % (number, number) + b"\n" + body, flag


def make(folder):
    box = mailbox.mbox(os.path.join(folder, "Letters.mbox"))
    tree = mailbox.Maildir(os.path.join(folder, "Maildir"))
    below = tree.add_folder("Below")
    mh = mailbox.MH(os.path.join(folder, "MH"))
    for text, flags in letters():
        one = mailbox.mboxMessage(text)
        one.set_from("a@b.example Mon Nov 23 12:00:00 2026")
        one.set_flags(("R" if "S" in flags else "") + "O" + ("A" if "R" in flags else "")
                      + ("F" if "F" in flags else ""))
        box.add(one)
        one = mailbox.MaildirMessage(text)
        one.set_subdir("cur")
        one.set_flags(flags)
        tree.add(one)
        below.add(one)
        one = mailbox.MHMessage(text)
        one.set_sequences((["unseen"] if "S" not in flags else [])
                          + (["replied"] if "R" in flags else [])
                          + (["flagged"] if "F" in flags else []))
        mh.add(one)
    box.flush()
    mh.flush()


def wire(text):
    return re.sub(rb"\r?\n", b"\r\n", text)


def read(form, path):
    """What mailbox reads: octets with CRLF, and flags."""
    if form == "mbox":
        box = mailbox.mbox(path, create=False)
        for key in box.keys():
            text = box.get_bytes(key)
            header, _, body = text.partition(b"\n\n")
            header = KEPT.sub(b"", header + b"\n")
            flags = {STATUS[flag] for flag in box.get_message(key).get_flags() if flag in STATUS}
            yield wire(header + b"\n" + body), frozenset(flags)
    elif form == "maildir":
        box = mailbox.Maildir(path, create=False)
        for key in box.keys():
            flags = {SYSTEM[flag] for flag in box.get_message(key).get_flags() if flag in SYSTEM}
            yield wire(box.get_bytes(key)), frozenset(flags)
    else:
        box = mailbox.MH(path, create=False)
        for key in box.keys():
            names = set(box.get_message(key).get_sequences())
            flags = {"\\Seen"} if "unseen" not in names else set()
            flags |= {"\\Answered"} if "replied" in names else set()
            flags |= {"\\Flagged"} if "flagged" in names else set()
            yield wire(box.get_bytes(key)), frozenset(flags)


def there(port, name, user="ada@test.localhost"):
    """What IMAP has: UID, octets, flags, date."""
    server = imaplib.IMAP4("127.0.0.1", int(port))
    server.login(user, "secret")
    answer, data = server.select('"%s"' % name, readonly=True)
    assert answer == "OK", data
    validity = server.response("UIDVALIDITY")[1]
    rows = []
    answer, data = server.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
    for item in data:
        if isinstance(item, tuple):
            head = item[0].decode()
            uid = int(re.search(r"UID (\d+)", head)[1])
            flags = re.search(r"FLAGS \(([^)]*)\)", head)[1].split()
            date = imaplib.Internaldate2tuple(item[0])
            flags = frozenset(flag for flag in flags if flag != "\\Recent")
            rows.append((uid, item[1], flags, date))
    server.logout()
    return rows, validity


def same(form, path, port, name):
    ours = sorted((octets, sorted(flags)) for _, octets, flags, _ in there(port, name)[0])
    theirs = sorted((octets, sorted(flags)) for octets, flags in read(form, path))
    assert theirs, "nothing was read"
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    for one, other in zip(ours, theirs):
        assert one == other, (one, other)


def equal(user, port, name, other_port, other_name, uids=None):
    one, validity = there(port, name, user)
    other, other_validity = there(other_port, other_name)
    assert one, "nothing was read"
    if uids:
        assert one == other, (one[:2], other[:2])
        assert validity == other_validity, (validity, other_validity)
    else:
        assert [row[1:] for row in one] == [row[1:] for row in other]


def fill(port, name, count):
    server = imaplib.IMAP4("127.0.0.1", int(port))
    server.login("ada", "secret")
    server.create('"%s"' % name)
    server.subscribe('"%s"' % name)
    kinds = ["()", "(\\Seen)", "(\\Flagged work)", "(\\Answered \\Seen $Forwarded)"]
    for number in range(int(count)):
        text = wire(b"Subject: number %d\n\nText.\n" % number)
        if number == 5:
            text += b"A line of a large message.\r\n" * 80000
        date = imaplib.Time2Internaldate(1500000000 + number * 86400)
        answer, data = server.append('"%s"' % name, kinds[number % 4], date, text)
        assert answer == "OK", data
    server.select('"%s"' % name)
    server.store("2,4", "+FLAGS", "\\Deleted")
    server.expunge()
    server.logout()


def number(path, count):
    with open(path, "wb") as file:
        for number in range(int(count)):
            file.write(b"From a@b.example Mon Nov 23 12:00:00 2026\nSubject: %d\n\n" % number)
            file.write(b"A line.\n" * (number % 200) + b"\n")


globals()[sys.argv[1]](*sys.argv[2:])
