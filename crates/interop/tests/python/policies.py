"""An HTTPS server with texts: policies.py FOLDER CERTIFICATE: prints the port it got.

What is asked of the host NAME is FOLDER/NAME, as text/plain. With `html` in FOLDER/NAME.how it says that it is
text/html, with a number that is its status, and it leads to another place if that is 3xx. What is posted is
FOLDER/NAME.posted. Each question is a line of FOLDER/asked: the method, the host, the path.
"""

import http.server
import os
import ssl
import sys

FOLDER, CERTIFICATE = sys.argv[1:3]


class Talk(http.server.BaseHTTPRequestHandler):
    def host(self):
        return self.headers["Host"].split(":")[0]

    def note(self):
        with open(os.path.join(FOLDER, "asked"), "a") as asked:
            asked.write(f"{self.command} {self.host()} {self.path}\n")

    def do_GET(self):
        self.note()
        place = os.path.join(FOLDER, self.host())
        if self.path != "/.well-known/mta-sts.txt" or not os.path.exists(place):
            return self.send_error(404)
        how = ""
        if os.path.exists(place + ".how"):
            how = open(place + ".how").read().strip()
        text = open(place, "rb").read()
        self.send_response(int(how) if how.isdigit() else 200)
        if how.startswith("3"):
            self.send_header("Location", "https://mta-sts.good.example" + self.path)
        self.send_header("Content-Type", "text/html" if how == "html" else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(os.path.join(FOLDER, self.host() + ".posted"), "wb") as posted:
            posted.write(body)
        self.note()
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Talk)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
