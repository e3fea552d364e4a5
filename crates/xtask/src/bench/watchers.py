"""Opens connections by turns for each user, goes idle on all, says ready; then sends each user one
letter and waits until all who watch were told. Prints how many microseconds each telling took, from
the last octet of the letter, one to a line; then waits for its input's end."""
import resource, selectors, socket, ssl, sys, time
host, port, smtp, count, domain, users, kind = sys.argv[1:]
port, smtp, count, users = int(port), int(smtp), int(count), int(users)
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
context = ssl._create_unverified_context()


class Link:
    def __init__(self, number):
        self.user = "w%d" % (number % users)
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind == "tls":
            self.socket = context.wrap_socket(self.socket)
        self.heard = b""
        self.line()

    def line(self):
        while b"\r\n" not in self.heard:
            octets = self.socket.recv(4096)
            if not octets:
                sys.exit("closed")
            self.heard += octets
        line, _, self.heard = self.heard.partition(b"\r\n")
        return line

    def run(self, command, until):
        self.socket.sendall(command + b"\r\n")
        while True:
            line = self.line()
            if line.startswith(until):
                return line

    def watch(self):
        line = self.run(b"a LOGIN %s@%s secret" % (self.user.encode(), domain.encode()), b"a ")
        if b" OK" not in line:
            sys.exit(repr(line))
        self.run(b"b SELECT INBOX", b"b ")
        self.run(b"c IDLE", b"+")

    def told(self):
        """True once EXISTS was heard."""
        while True:
            while b"\r\n" in self.heard:
                line, _, self.heard = self.heard.partition(b"\r\n")
                if line.endswith(b" EXISTS"):
                    return True
            try:
                octets = self.socket.recv(4096)
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            if not octets:
                sys.exit("closed")
            self.heard += octets


links = []
for number in range(count):
    link = Link(number)
    link.watch()
    links.append(link)
# Only now: a handshake does not like to be asked twice.
selector = selectors.DefaultSelector()
for link in links:
    link.socket.setblocking(False)
    selector.register(link.socket, selectors.EVENT_READ, link)
print("ready", flush=True)
sys.stdin.readline()
sender = socket.create_connection((host, smtp))
sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
replies = sender.makefile("rb")


def reply():
    while True:
        line = replies.readline()
        if line[3:4] == b" ":
            return line


def say(line):
    sender.sendall(line + b"\r\n")
    return reply()


reply()
say(b"EHLO bench.localhost")
for number in range(users):
    user = "w%d" % number
    waiting = sum(1 for link in links if link.user == user)
    say(b"MAIL FROM:<sender@elsewhere.example>")
    if not say(b"RCPT TO:<%s@%s>" % (user.encode(), domain.encode())).startswith(b"250"):
        sys.exit("refused")
    say(b"DATA")
    sender.sendall(b"Subject: now\r\n\r\nNow.\r\n")
    begun = time.monotonic()
    sender.sendall(b".\r\n")
    while waiting:
        events = selector.select(60)
        if not events:
            sys.exit("%d were not told" % waiting)
        for key, _ in events:
            if key.data.told():
                waiting -= 1
                print(int((time.monotonic() - begun) * 1e6))
    reply()
print("told", flush=True)
sys.stdin.read()
