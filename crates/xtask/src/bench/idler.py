"""Opens connections, logs in, goes idle, says ready, and waits for its input's end."""
import socket, ssl, sys
host, port, count, user, kind = sys.argv[1:]
tls, port, count = kind == "tls", int(port), int(count)
context = ssl._create_unverified_context()
held = []
for index in range(count):
    link = socket.create_connection((host, port))
    if tls: link = context.wrap_socket(link)
    file = link.makefile("rb")
    file.readline()
    def run(command, until):
        link.sendall(command)
        while True:
            line = file.readline()
            if not line: sys.exit("closed at %d" % index)
            if line.startswith(until): return line
    line = run(b"a LOGIN %s secret\r\n" % user.encode(), b"a ")
    if b" OK" not in line: sys.exit(repr(line))
    run(b"b SELECT INBOX\r\n", b"b ")
    run(b"c IDLE\r\n", b"+")
    held.append((link, file))
print("ready", flush=True)
sys.stdin.read()
