"""An issuer that is asked about access tokens (RFC 7662), on a port of its own.

Words: a folder, where each token that is asked about becomes a line of `asked`; then, for TLS, a
certificate and its key. The first line it prints is its URL.
"""
import http.server, json, os, ssl, sys, time, urllib.parse

folder, *tls = sys.argv[1:]
SAID = {"active": True, "iss": "https://login.test.localhost", "aud": ["mail"],
        "email": "ada@test.localhost", "scope": "openid mail", "exp": int(time.time()) + 600}
ANSWERS = {
    "good": SAID, "other": SAID, "late": {**SAID, "exp": 1}, "ended": {"active": False},
    "foreign": {**SAID, "aud": "web"}, "empty": {}, "long": {**SAID, "more": "x" * 100_000},
}


class Issuer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = urllib.parse.parse_qs(body, strict_parsing=True)
        token = form["token"][0]
        with open(os.path.join(folder, "asked"), "a") as asked:
            asked.write(token + "\n")
        # `mail-server` and `hush+hush`, each as a form has it.
        known = "Basic bWFpbC1zZXJ2ZXI6aHVzaCUyQmh1c2g="
        if self.headers["Authorization"] != known or self.path != "/introspect?realm=mail":
            return self.answer(401, b"{}")
        if form["token_type_hint"] != ["access_token"] or token == "broken":
            return self.answer(500, b"{}")
        if "." in token:
            return self.answer(200, json.dumps(SAID).encode())
        self.answer(200, json.dumps(ANSWERS[token]).encode())

    def answer(self, status, body):
        """In chunks, and the connection stays open: it is the caller who has had enough."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (body[:7], body[7:]):
            if part:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
# Whoever has had enough of an answer hangs up.
server.handle_error = lambda *_: None
scheme = "http"
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https"
print(f"{scheme}://localhost:{server.server_port}/introspect?realm=mail", flush=True)
server.serve_forever()
