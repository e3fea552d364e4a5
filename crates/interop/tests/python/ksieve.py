"""What KSieve Editor says, as a dialogue has it, said to a running server: are its answers those?

Of an answer only the first word counts (OK, NO): what it says behind it depends on the script.
"""
import base64, socket, ssl, sys

address, dialogue, ca = sys.argv[1:4]
host, port = address.rsplit(":", 1)
LOGIN = base64.b64encode(b"ada@test.localhost\0ada@test.localhost\0secret").decode()


def answer(stream):
    """The first word of the line that ends an answer; literals are gone by."""
    while True:
        line = stream.readline()
        assert line, "the server has gone"
        word = line.split(b" ")[0].strip()
        if line.rstrip().endswith(b"}"):
            stream.read(int(line.rstrip()[:-1].rsplit(b"{", 1)[1]))
            stream.readline()
        if word in (b"OK", b"NO", b"BYE"):
            return word.decode()


def commands():
    """Each command of the dialogue with the first word of what it got."""
    said, got = [], None
    for line in open(dialogue):
        mark, text = line[:2], line[3:].rstrip("\n")
        if mark == "C:":
            if got is not None:
                yield said, got
                said, got = [], None
            said.append(text)
        elif mark == "S:" and said and text.split(" ")[0] in ("OK", "NO", "BYE"):
            # What is said after TLS has begun is no answer to anything.
            got = got or text.split(" ")[0]
    yield said, got


plain = socket.create_connection((host, int(port)), timeout=60)
stream = plain.makefile("rwb")
assert answer(stream) == "OK"
count = 0
for said, wanted in commands():
    if said[0].startswith("AUTHENTICATE"):
        said = [f'AUTHENTICATE "PLAIN" "{LOGIN}"']
    stream.write(("\r\n".join(said) + "\r\n").encode())
    stream.flush()
    got = answer(stream)
    assert got == wanted, (said, got, wanted)
    count += 1
    if said == ["STARTTLS"]:
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False
        stream = context.wrap_socket(plain).makefile("rwb")
        assert answer(stream) == "OK"
print(count)
