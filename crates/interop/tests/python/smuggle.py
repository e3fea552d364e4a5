"""Hands letters in octet by octet as they are: smuggle.py ADDRESS AUTHORITY, a JSON list of pairs on standard input, the
way (data, bdat, binary) and the letter. Prints the answer to each, and sees that there is one and no more.
"""

import json
import smtplib
import ssl
import sys

address, authority = sys.argv[1:3]
host, port = address.rsplit(":", 1)
context = ssl.create_default_context(cafile=authority)
context.check_hostname = False


def begin():
    server = smtplib.SMTP_SSL(host, int(port), context=context)
    server.login("ada@test.localhost", "secret")
    return server


def expect(server, line, code):
    answer = server.docmd(line)
    assert answer[0] == code, (line, answer)


def hand_in(server, way, octets):
    body = "BINARYMIME" if way == "binary" else "8BITMIME"
    answer = server.docmd("MAIL FROM:<ada@test.localhost> BODY=" + body)
    if answer[0] != 250:
        return answer
    expect(server, "RCPT TO:<user@there.example>", 250)
    if way == "data":
        expect(server, "DATA", 354)
        server.send(octets + b"\r\n.\r\n")
    else:
        half = len(octets) // 2
        server.send(b"BDAT %d\r\n" % half + octets[:half])
        answer = server.getreply()
        if answer[0] != 250:
            expect(server, "RSET", 250)
            return answer
        server.send(b"BDAT %d LAST\r\n" % (len(octets) - half) + octets[half:])
    return server.getreply()


for number, (way, text) in enumerate(json.load(sys.stdin)):
    # So many refusals are too many for one connection.
    if number % 15 == 0:
        server = begin()
    code, words = hand_in(server, way, text.encode())
    print(code, words.decode().split("\n")[0])
    expect(server, "VRFY next", 252)
