"""Stands between a client and a server, and says something in the clear behind the server's answer to STARTTLS, in the same
packet: starttls_proxy.py ADDRESS HOST PORT WORDS. Prints the port that it got, and a line for each time it did so.
"""

import re
import socket
import sys
import threading

ADDRESS, HOST, PORT, WORDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
STARTTLS = re.compile(rb"(?:\A|\A\S+ )(?:STARTTLS|STLS)\r\n\Z", re.IGNORECASE)


def carry(source, target, passing=lambda octets: octets):
    try:
        while octets := source.recv(65536):
            target.sendall(passing(octets))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    server = socket.create_connection((HOST, PORT))
    asked = threading.Event()

    def note(octets):
        if STARTTLS.match(octets):
            asked.set()
        return octets

    def add(octets):
        if not asked.is_set():
            return octets
        asked.clear()
        print("added", flush=True)
        return octets + WORDS.replace("\\r\\n", "\r\n").encode()

    back = threading.Thread(target=carry, args=(server, client, add), daemon=True)
    back.start()
    carry(client, server, note)
    back.join()


listener = socket.create_server((ADDRESS, 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
