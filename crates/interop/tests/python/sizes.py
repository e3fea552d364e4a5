"""Python's poplib counts what RETR sends of messages with and without a last line end."""
import imaplib, poplib, ssl, sys
ca, imap, pop = sys.argv[1], *[(a.split(":")[0], int(a.split(":")[1])) for a in sys.argv[2:]]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
client = imaplib.IMAP4_SSL(*imap, ssl_context=context)
client.login("ada@test.localhost", "secret")
letters = [b"Subject: ends\r\n\r\n.\r\n..dots\r\n", b"Subject: breaks off\r\n\r\n.\r\nhere"]
letters += [letter.replace(b"dots", b"...\r\n" * 600000).replace(b"here", b"...\r\n" * 600000 + b"here") for letter in letters]
for letter in letters:
    assert client.append("INBOX", None, None, letter)[0] == "OK"
client.logout()
client = poplib.POP3_SSL(*pop, context=context)
client.user("ada@test.localhost"); client.pass_("secret")
listed = [int(line.split()[1]) for line in client.list()[1]]
assert client.stat() == (len(letters), sum(listed)), (client.stat(), listed)
for number, letter in enumerate(letters, 1):
    said, lines, octets = client.retr(number)
    assert octets == listed[number - 1], (number, octets, listed)
    assert said == b"+OK %d octets" % octets, said
    whole = letter if letter.endswith(b"\r\n") else letter + b"\r\n"
    assert b"".join(line + b"\r\n" for line in lines) == whole and octets == len(whole)
client.quit()
print("good")
