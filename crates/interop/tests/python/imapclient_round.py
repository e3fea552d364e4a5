"""A round of IMAPClient: reads, writes, flags, files, deletes, is told by IDLE, and comes again.

Words: the authority's certificate and the port of IMAP over TLS.
"""
import ssl
import sys

from imapclient import DELETED, FLAGGED, SEEN, IMAPClient

authority, port = sys.argv[1], int(sys.argv[2])
LETTER = (b"From: ada@test.localhost\r\nSubject: Letter %d\r\n"
          b"Message-ID: <%d@test.localhost>\r\n\r\nBody %d\r\n")


def logged_in():
    context = ssl.create_default_context(cafile=authority)
    client = IMAPClient("localhost", port=port, ssl_context=context, timeout=60)
    client.plain_login("ada@test.localhost", "secret")
    return client


def append(client, mailbox, number, flags=()):
    client.append(mailbox, LETTER % (number, number, number), flags)


with logged_in() as client:
    for capability in (b"IDLE", b"UIDPLUS", b"MOVE", b"CONDSTORE", b"ENABLE"):
        assert client.has_capability(capability.decode()), client.capabilities()
    # Written and read.
    for number in (1, 2, 3):
        append(client, "INBOX", number, (SEEN,) if number == 1 else ())
    opened = client.select_folder("INBOX")
    assert opened[b"EXISTS"] == 3, opened
    first, second, third = client.search()
    assert client.search(["UNSEEN", "SUBJECT", "Letter 3"]) == [third]
    read = client.fetch([second], ["BODY.PEEK[TEXT]", "ENVELOPE", "BODYSTRUCTURE", "MODSEQ"])[second]
    assert read[b"BODY[TEXT]"] == b"Body 2\r\n", read
    assert read[b"ENVELOPE"].subject == b"Letter 2", read
    assert read[b"BODYSTRUCTURE"].is_multipart is False, read
    # Flags, and a keyword.
    assert client.add_flags([second], [FLAGGED, "work"])[second] == (FLAGGED, b"work")
    assert client.remove_flags([second], [FLAGGED])[second] == (b"work",)
    assert client.sort("REVERSE SUBJECT") == [third, second, first]
    assert client.thread("REFERENCES", "ALL") == ((first,), (second,), (third,))
    # Mailboxes with names beyond ASCII.
    client.create_folder("Größe/Innen")
    client.rename_folder("Größe/Innen", "Größe/Außen")
    names = {name for _, _, name in client.list_folders("", "Größe*")}
    assert names == {"Größe", "Größe/Außen"}, names
    client.subscribe_folder("Größe/Außen")
    assert "Größe/Außen" in [name for _, _, name in client.list_sub_folders()]
    client.move([first], "Größe/Außen")
    client.copy([second], "Größe/Außen")
    assert client.folder_status("Größe/Außen", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 2, b"UNSEEN": 1}
    # Told of what another does.
    with logged_in() as other:
        client.idle()
        append(other, "INBOX", 4)
        other.select_folder("INBOX")
        told = client.idle_check(timeout=30)
        while (3, b"EXISTS") not in told:
            told += client.idle_check(timeout=30)
        client.idle_done()
        # Deleted by one, and gone for the other.
        other.delete_messages([third])
        other.uid_expunge([third])
    assert (2, b"EXPUNGE") in client.noop()[1]
    left = client.search()
    seen = client.folder_status("INBOX", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]

with logged_in() as other:
    other.select_folder("INBOX")
    other.set_flags([left[0]], [SEEN])

with logged_in() as client:
    # Come again, it asks for what has changed since.
    client.enable("CONDSTORE")
    client.select_folder("INBOX")
    assert client.search() == left
    changed = client.fetch(left, ["FLAGS"], [f"CHANGEDSINCE {seen}"])
    assert list(changed) == [left[0]] and changed[left[0]][b"FLAGS"] == (SEEN,), changed
    client.add_flags(left, [DELETED])
    client.close_folder()
    client.delete_folder("Größe/Außen")
    assert not client.folder_exists("Größe/Außen")
    assert client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"] == 0
print("good")
