"""A mail server that does what the local part of each recipient says.

sink.py ADDRESS PORT FOLDER [CERTIFICATE KEY]: prints the port it got, and a line for each letter it takes. What
it takes is in FOLDER/taken, a line of JSON for each, on the disk before the answer. Local parts: `never` is refused for good, `later` for now,
the first time only, `always-later` each time; of a letter for `lost` the last answer is never said, once; `slow`
is answered after a second, and after a letter for `hasty` the connection ends with the answer. With a file `lmtp` LMTP is spoken:
each recipient has an answer, and the first time the connection ends where that of `lost` should come. With a file `busy` in FOLDER nobody gets past the greeting,
with `dsn` DSN is offered, and with `requiretls` under TLS REQUIRETLS. With `lenient` a letter ends at a dot between any two
of CR, LF and CRLF, NUL is not there at all, and a command that it does not know is noted like a letter from nobody.
"""

import json
import os
import re
import socket
import socketserver
import ssl
import sys
import threading
import time

ADDRESS, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TLS = sys.argv[4:6]
LOCK = threading.Lock()
SEEN = set()
END = re.compile(rb"(?:\A|[\r\n])\.[\r\n]\Z")


def first_time(what):
    with LOCK:
        new = what not in SEEN
        SEEN.add(what)
        return new


class Talk(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def handle(self):
        try:
            self.talk()
        except (OSError, ssl.SSLError):
            pass

    def talk(self):
        self.tls = None
        if os.path.exists(os.path.join(FOLDER, "busy")):
            return self.say("421 4.3.2 Busy")
        self.say("220 sink.example ESMTP")
        sender, recipients = None, []
        while line := self.rfile.readline():
            words = line.decode("utf-8", "replace").strip()
            verb = words.upper()
            if verb.startswith("LHLO" if self.is_lmtp() else "EHLO"):
                offers = ["sink.example", "PIPELINING", "8BITMIME", "SIZE 10000000", "ENHANCEDSTATUSCODES"]
                if TLS and not self.tls:
                    offers.append("STARTTLS")
                if os.path.exists(os.path.join(FOLDER, "dsn")):
                    offers.append("DSN")
                if self.tls and os.path.exists(os.path.join(FOLDER, "requiretls")):
                    offers.append("REQUIRETLS")
                for offer in offers[:-1]:
                    self.say("250-" + offer)
                self.say("250 " + offers[-1])
            elif verb == "STARTTLS" and TLS:
                self.say("220 2.0.0 Go on")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*TLS)
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.tls = self.connection.version()
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb")
            elif verb.startswith("MAIL FROM:"):
                sender, recipients = words[10:], []
                self.say("250 2.1.0 Go on")
            elif verb.startswith("RCPT TO:"):
                local = words[9:].split("@")[0].lower()
                if local == "never":
                    self.say("550 5.1.1 No such user: ünknown")
                elif local == "always-later" or local == "later" and first_time(words):
                    self.say("451 4.7.1 Not now")
                else:
                    recipients.append(words[8:])
                    self.say("250 2.1.5 Go on")
            elif verb == "DATA" and not recipients:
                self.say("554 5.5.1 Nobody is left")
            elif verb == "DATA":
                self.say("354 Go on")
                body = self.lenient() if self.is_lenient() else self.body()
                if body is None:
                    return
                self.take(sender, recipients, body)
                if self.is_lmtp():
                    for one in recipients:
                        if one.startswith("<lost@") and first_time("lost"):
                            return self.connection.shutdown(socket.SHUT_RDWR)
                        self.say(f"250 2.0.0 {one} taken")
                    continue
                if any(one.startswith("<lost@") for one in recipients) and first_time("lost"):
                    return self.connection.shutdown(socket.SHUT_RDWR)
                if any(one.startswith("<slow@") for one in recipients):
                    time.sleep(1)
                self.say("250 2.0.0 Taken")
                if any(one.startswith("<hasty@") for one in recipients):
                    return self.connection.shutdown(socket.SHUT_RDWR)
            elif verb == "RSET":
                self.say("250 2.0.0 Forgotten")
            elif verb == "QUIT":
                return self.say("221 2.0.0 Bye")
            else:
                if self.is_lenient() and verb:
                    self.take(None, [], line)
                self.say("500 5.5.2 What?")

    def is_lmtp(self):
        return os.path.exists(os.path.join(FOLDER, "lmtp"))

    def is_lenient(self):
        return os.path.exists(os.path.join(FOLDER, "lenient"))

    def body(self):
        body = b""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return None
            body += line[1:] if line.startswith(b".") else line
        return body

    def lenient(self):
        body = b""
        while not END.search(body[-3:]):
            octet = self.rfile.read(1)
            if not octet:
                return None
            body += octet.strip(b"\0")
        if body.endswith(b"\r") and self.rfile.peek(1)[:1] == b"\n":
            self.rfile.read(1)
        return body

    def take(self, sender, recipients, body):
        letter = {
            "from": sender,
            "to": recipients,
            "body": body.decode("latin-1"),
            "tls": self.tls,
            "peer": self.client_address[1],
            "host": self.client_address[0],
        }
        with LOCK, open(os.path.join(FOLDER, "taken"), "a") as taken:
            taken.write(json.dumps(letter) + "\n")
            taken.flush()
            os.fsync(taken.fileno())
            print("taken", flush=True)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    address_family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET


with Server((ADDRESS, PORT), Talk) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
