"""Signatures and chains by dkimpy: signatures.py verify|chain|sign|seal ZONE [DOMAIN SELECTOR KEY].

The letter comes on standard input; verdicts or a letter go to standard output. ZONE has a record a
line, as `caramel dkim record` writes them; KEY is the file that `caramel dkim key` has made.
"""

import base64
import re
import sys

import dkim

what, zone, *rest = sys.argv[1:]
letter = sys.stdin.buffer.read()
records = {}
with open(zone, encoding="ascii") as lines:
    for line in lines:
        name, text = line.split(" ", 1)
        strings = re.findall(r'"([^"]*)"', text)
        records[name.rstrip(".").lower()] = "".join(strings).encode()


def answer(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return records.get(name.rstrip(".").lower())


def holds(index):
    """True if the signature is right; a body that was changed is an exception of dkimpy's."""
    try:
        return dkim.DKIM(letter).verify(idx=index, dnsfunc=answer)
    except dkim.ValidationError:
        return False


def key(path):
    """As dkimpy wants it: PEM for RSA, the seed in base64 for Ed25519."""
    with open(path, "rb") as file:
        pem = file.read()
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    if len(der) > 100:
        return pem, b"rsa-sha256"
    return base64.b64encode(der[16:48]), b"ed25519-sha256"


if what == "verify":
    signatures = letter.lower().count(b"dkim-signature:")
    for index in range(signatures):
        print("pass" if holds(index) else "fail")
elif what == "chain":
    verdict, _, why = dkim.arc_verify(letter, dnsfunc=answer)
    print(verdict.decode() if verdict else "none")
    print(why, file=sys.stderr)
elif what == "sign":
    domain, selector, path = rest
    private, algorithm = key(path)
    field = dkim.sign(
        letter,
        selector.encode(),
        domain.encode(),
        private,
        canonicalize=(b"relaxed", b"simple"),
        signature_algorithm=algorithm,
    )
    sys.stdout.buffer.write(field + letter)
elif what == "seal":
    domain, selector, path = rest
    private, algorithm = key(path)
    fields = dkim.arc_sign(
        letter,
        selector.encode(),
        domain.encode(),
        private,
        domain.encode(),
        signature_algorithm=algorithm,
    )
    sys.stdout.buffer.write(b"".join(fields) + letter)
