"""Filter scripts as the library managesieve keeps them, under TLS whose certificate it checks."""
import os, sys

# It asks nobody which authorities to trust.
os.environ["SSL_CERT_FILE"] = sys.argv[1]

from managesieve import MANAGESIEVE

port = int(sys.argv[2])
ADA = "ada@test.localhost"
NAME = "thé vert"
RULES = 'require "fileinto";\r\nif header :contains "subject" "thé" { fileinto "Archive"; }\r\n'


def connected():
    return MANAGESIEVE("localhost", port, use_tls=True)


client = connected()
assert "fileinto" in client.capabilities and "PLAIN" in client.loginmechs, client.capabilities
assert client.login("", ADA, "wrong") == "NO"
assert client.login("", ADA, "secret") == "OK", client.response_text
assert client.havespace(NAME, 1000) == "OK"
assert client.havespace(NAME, 10_000_000) == "NO"
assert client.response_code.startswith("QUOTA"), client.response_code
assert client.putscript(NAME, RULES) == "OK", client.response_text
assert client.putscript("wrong", "kep;\r\n") == "NO"
assert "did you mean 'keep'?" in client.response_text, client.response_text
assert client.setactive(NAME) == "OK"
assert client.listscripts() == ("OK", [(NAME, True)]), client.listscripts()
assert client.deletescript(NAME) == "NO" and client.response_code == "ACTIVE", client.response_code

# Somebody else at the same connection has none of it.
assert client.unauthenticate() == "OK"
assert client.login("", "bob@test.localhost", "secret") == "OK"
assert client.listscripts() == ("OK", []), client.listscripts()
assert client.logout() == "OK"

client = connected()
assert client.login("", ADA, "secret") == "OK"
assert client.getscript(NAME) == ("OK", RULES), client.getscript(NAME)
assert client.setactive("") == "OK"
assert client.deletescript(NAME) == "OK"
assert client.listscripts() == ("OK", []), client.listscripts()
assert client.logout() == "OK"
