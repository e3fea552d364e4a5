"""Says a command in the clear behind STARTTLS, in the same packet: starttls.py PROTOCOL ADDRESS COMMAND. Prints all that is
said under TLS.
"""

import socket
import ssl
import sys

PROTOCOLS = {
    # What comes first ends with, what is said then and how the answer to it ends; STARTTLS, how it is answered, the end.
    "smtp": ("220 ", "EHLO x\r\n", "250 ", "STARTTLS", "220 ", "NOOP\r\nQUIT\r\n"),
    "submission": ("220 ", "EHLO x\r\n", "250 ", "STARTTLS", "220 ", "NOOP\r\nQUIT\r\n"),
    "imap": ("* OK", "a NOOP\r\n", "a OK", "b STARTTLS", "b OK", "y NOOP\r\nz LOGOUT\r\n"),
    "pop3": ("+OK", "CAPA\r\n", ".", "STLS", "+OK", "QUIT\r\n"),
    "managesieve": ("OK", "NOOP\r\n", "OK", "STARTTLS", "OK", "NOOP \"last\"\r\nLOGOUT\r\n"),
}

protocol, address, command = sys.argv[1:4]
host, port = address.rsplit(":", 1)
greeting, first, answer, starttls, accepted, last = PROTOCOLS[protocol]
plain = socket.create_connection((host, int(port)), 30)


def hear(beginning):
    """Reads line by line, octet by octet, so that nothing of TLS is taken."""
    line = b""
    while not (line.endswith(b"\r\n") and line.startswith(beginning.encode())):
        line = b"" if line.endswith(b"\r\n") else line
        octet = plain.recv(1)
        assert octet, line
        line += octet


hear(greeting)
plain.sendall(first.encode())
hear(answer)
plain.sendall((starttls + "\r\n" + command + "\r\n").encode())
hear(accepted)
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
under = context.wrap_socket(plain)
under.sendall(last.encode())
heard = b""
while octets := under.recv(4096):
    heard += octets
print(heard.decode())
