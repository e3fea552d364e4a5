"""A filter by hand, from the public description of the protocol: milter.py PORT-FILE LOG RULES.

RULES is JSON: what to answer to an event (by its letter), what to say at a letter's end, and which
steps to leave out. Each packet that comes is a line of the log.
"""

import json
import os
import socket
import struct
import sys
import threading

port_file, log_file, rules = sys.argv[1:]
rules = json.loads(rules)
log = open(log_file, "a", buffering=1)
listener = socket.create_server(("127.0.0.1", 0))


def packet(kind, about=b""):
    return struct.pack(">I", len(about) + 1) + kind + about


def exactly(stream, count):
    octets = b""
    while len(octets) < count:
        more = stream.recv(count - len(octets))
        if not more:
            raise EOFError
        octets += more
    return octets


def made(change):
    """One change, as the rules have it: its letter, a number where it has one, and strings."""
    kind, *rest = change
    about = b""
    for part in rest:
        if isinstance(part, int):
            about += struct.pack(">I", part)
        elif kind == "b":
            about += part.encode()
        else:
            about += part.encode() + b"\0"
    return packet(kind.encode(), about)


def serve(stream):
    try:
        while True:
            (length,) = struct.unpack(">I", exactly(stream, 4))
            octets = exactly(stream, length)
            kind, about = octets[:1].decode(), octets[1:]
            print(kind, repr(about.decode("utf-8", "replace")), file=log)
            if kind == "O":
                version, actions, steps = struct.unpack(">III", about)
                offer = struct.pack(">III", 6, actions & 0x1FF, steps & rules.get("steps", 0))
                stream.sendall(packet(b"O", offer))
            elif kind in "DAQ":
                if kind == "Q":
                    return
            elif kind == "E":
                for change in rules.get("changes", []):
                    stream.sendall(made(change))
                stream.sendall(packet(b"p"))
                stream.sendall(made(rules.get("E", ["c"])))
            elif rules.get(kind) == "silence":
                pass
            else:
                answer = rules.get(kind, ["c"])
                unless = rules.get("unless")
                if unless and kind == "R" and unless.encode() not in about:
                    answer = ["c"]
                stream.sendall(made(answer))
    except (EOFError, OSError):
        pass
    finally:
        stream.close()


with open(port_file + ".new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(port_file + ".new", port_file)
while True:
    stream, _ = listener.accept()
    threading.Thread(target=serve, args=(stream,), daemon=True).start()
