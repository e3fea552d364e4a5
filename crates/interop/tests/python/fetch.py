"""Mail at a source and here, as imaplib sees it.

fill PORT USER MAILBOX FROM COUNT     puts numbered messages into a mailbox
save PORT USER MAILBOX FILE           notes what is in a mailbox
same FILE PORT USER MAILBOX           compares it with another mailbox: octets, each once
whole FROM COUNT PORT USER MAILBOX    says whether each number is there once
count PORT USER MAILBOX               says how many messages there are
renew PORT USER MAILBOX               deletes a mailbox
watch PORT USER SECONDS PORT USER     appends a message at the source, waits until it is here
"""

import hashlib
import imaplib
import json
import re
import sys
import time


def login(port, user):
    server = imaplib.IMAP4("127.0.0.1", int(port))
    server.login(user, "secret")
    return server


def text(number):
    lines = "".join("%d line %d\r\n" % (number, line) for line in range(number % 60))
    head = "From: a@b.example\r\nTo: ada@test.localhost\r\nSubject: number %d\r\n" % number
    received = "Received: from b.example by c.example; Mon, 23 Nov 2026 12:00:%02d +0000\r\n"
    return (received % (number % 60) + head + "\r\n" + lines + ".\r\n..\r\nend\r\n").encode()


def fill(port, user, name, first, count):
    server = login(port, user)
    server.create('"%s"' % name)
    for number in range(int(first), int(first) + int(count)):
        date = imaplib.Time2Internaldate(1500000000 + number * 60)
        answer, data = server.append('"%s"' % name, "(\\Seen)" if number % 3 else "()", date,
                                     text(number))
        assert answer == "OK", data
    server.logout()


def bodies(port, user, name):
    server = login(port, user)
    answer, data = server.select('"%s"' % name, readonly=True)
    assert answer == "OK", data
    found = []
    if int(data[0]):
        answer, data = server.fetch("1:*", "(BODY.PEEK[])")
        found = [item[1] for item in data if isinstance(item, tuple)]
    server.logout()
    return found


def save(port, user, name, path):
    hashes = sorted(hashlib.sha256(octets).hexdigest() for octets in bodies(port, user, name))
    with open(path, "w") as file:
        json.dump(hashes, file)


def same(path, port, user, name):
    with open(path) as file:
        theirs = json.load(file)
    ours = sorted(hashlib.sha256(octets).hexdigest() for octets in bodies(port, user, name))
    assert theirs, "nothing was noted"
    assert ours == theirs, (len(ours), len(theirs))


def whole(first, count, port, user, name):
    found = {}
    for octets in bodies(port, user, name):
        number = int(re.search(rb"Subject: number (\d+)", octets)[1])
        assert octets == text(number), number
        found[number] = found.get(number, 0) + 1
    wanted = range(int(first), int(first) + int(count))
    lost = [number for number in wanted if number not in found]
    twice = [number for number, times in found.items() if times > 1]
    assert not lost and not twice, ("lost", lost, "twice", twice)
    assert len(found) == int(count), len(found)


def count(port, user, name):
    server = login(port, user)
    answer, data = server.select('"%s"' % name, readonly=True)
    assert answer == "OK", data
    print(int(data[0]))
    server.logout()


def renew(port, user, name):
    server = login(port, user)
    answer, data = server.delete('"%s"' % name)
    assert answer == "OK", data
    server.logout()


def watch(port, user, seconds, there, their_user):
    """IDLE here, by hand, as imaplib of this Python has none."""
    ours = login(port, user)
    ours.select("INBOX", readonly=True)
    ours.send(b"a1 IDLE\r\n")
    assert ours.readline().startswith(b"+")
    theirs = login(there, their_user)
    ours.sock.settimeout(60)
    began = time.monotonic()
    answer, data = theirs.append("INBOX", "()", None, text(0))
    assert answer == "OK", data
    while b"EXISTS" not in ours.readline():
        pass
    took = time.monotonic() - began
    print("%.3f" % took)
    assert took < float(seconds), took


globals()[sys.argv[1]](*sys.argv[2:])
