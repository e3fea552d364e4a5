"""Another password ends what is open, as imaplib, poplib and smtplib see it; so does removal."""
import imaplib, poplib, smtplib, ssl, subprocess, sys
caramel, ca = sys.argv[1:2] + ["--config", sys.argv[2], "account"], sys.argv[3]
imap, pop, smtp = [(place.split(":")[0], int(place.split(":")[1])) for place in sys.argv[4:]]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False


def come(user):
    reader = imaplib.IMAP4_SSL(*imap, ssl_context=context)
    assert reader.login(user, "secret")[0] == "OK"
    reader.send(b"x IDLE\r\n")
    assert reader.readline().startswith(b"+")
    collector = poplib.POP3_SSL(*pop, context=context)
    collector.user(user); collector.pass_("secret")
    sender = smtplib.SMTP_SSL(*smtp, context=context)
    sender.login(user, "secret")
    assert sender.noop()[0] == 250
    return reader, collector, sender


def gone(reader, collector, sender):
    said = reader.readline()
    assert said.startswith(b"* BYE "), said
    assert reader.readline() == b""
    try:
        assert False, collector.stat()
    except poplib.error_proto as error:
        assert error.args[0].startswith(b"-ERR [AUTH] "), error
    code, text = sender.mail("ada@test.localhost")
    assert code == 421 and text.startswith(b"4.7.0 "), (code, text)


ada, alan = come("ada@test.localhost"), come("alan@test.localhost")
subprocess.run(caramel + ["passwd", "ada@test.localhost", "--password-stdin"], input=b"another", check=True)
gone(*ada)
# Nobody else is disturbed.
assert alan[1].stat() == (0, 0) and alan[2].noop()[0] == 250
subprocess.run(caramel + ["rm", "alan@test.localhost"], check=True)
gone(*alan)
again = imaplib.IMAP4_SSL(*imap, ssl_context=context)
assert again.login("ada@test.localhost", "another")[0] == "OK"
print("good")
