"""A round of aioimaplib: reads, writes, flags, files, deletes, is told by IDLE, and comes again.

Words: the authority's certificate and the port of IMAP over TLS.
"""
import asyncio
import ssl
import sys

from aioimaplib import IMAP4_SSL

authority, port = sys.argv[1], int(sys.argv[2])
LETTER = (b"From: ada@test.localhost\r\nSubject: Letter %d\r\n"
          b"Message-ID: <%d@test.localhost>\r\n\r\nBody %d\r\n")


async def well(command):
    response = await command
    assert response.result == "OK", response
    return response.lines


async def logged_in():
    context = ssl.create_default_context(cafile=authority)
    client = IMAP4_SSL(host="localhost", port=port, ssl_context=context, timeout=60)
    await client.wait_hello_from_server()
    await well(client.login("ada@test.localhost", "secret"))
    return client


async def append(client, number):
    await well(client.append(LETTER % (number, number, number), mailbox="INBOX"))


async def first():
    client = await logged_in()
    for capability in ("IDLE", "UIDPLUS", "MOVE", "ENABLE"):
        assert client.has_capability(capability), capability
    for number in (1, 2, 3):
        await append(client, number)
    lines = await well(client.select("INBOX"))
    assert b"3 EXISTS" in lines, lines
    assert (await well(client.uid_search("UNSEEN SUBJECT", '"Letter 3"')))[0] == b"3"
    lines = await well(client.uid("fetch", "2", "(UID BODY.PEEK[TEXT])"))
    assert bytearray(b"Body 2\r\n") in lines, lines
    lines = await well(client.uid("store", "2", "+FLAGS", r"(\Flagged work)"))
    assert rb"2 FETCH (UID 2 FLAGS (\Flagged work))" in lines, lines
    await well(client.create("Kept"))
    await well(client.rename("Kept", "Filed"))
    await well(client.subscribe("Filed"))
    assert any(b"Filed" in line for line in await well(client.lsub('""', "*")))
    await well(client.uid("move", "1", "Filed"))
    await well(client.uid("copy", "2", "Filed"))
    lines = await well(client.status("Filed", "(MESSAGES UNSEEN)"))
    assert lines[0] == b"Filed (MESSAGES 2 UNSEEN 2)", lines
    # Told of what another does.
    other = await logged_in()
    await well(other.select("INBOX"))
    idling = await client.idle_start(timeout=60)
    await append(other, 4)
    told = []
    while b"3 EXISTS" not in told:
        told += await client.wait_server_push(timeout=30)
    client.idle_done()
    await asyncio.wait_for(idling, 30)
    await well(other.uid("store", "3", "+FLAGS.SILENT", r"(\Deleted)"))
    await well(other.uid("expunge", "3"))
    lines = await well(client.noop())
    assert b"2 EXPUNGE" in lines, lines
    await well(client.close())
    await well(client.logout())
    await well(other.logout())


async def again():
    client = await logged_in()
    await well(client.enable("CONDSTORE"))
    await well(client.select("INBOX"))
    assert (await well(client.uid_search("ALL")))[0] == b"2 4"
    lines = await well(client.uid("fetch", "1:*", "(FLAGS)"))
    assert any(rb"\Flagged work" in line for line in lines), lines
    await well(client.uid("store", "1:*", "+FLAGS", r"(\Deleted)"))
    await well(client.expunge())
    assert (await well(client.uid_search("ALL")))[0] == b""
    await well(client.delete("Filed"))
    await well(client.logout())


asyncio.run(first())
asyncio.run(again())
print("good")
