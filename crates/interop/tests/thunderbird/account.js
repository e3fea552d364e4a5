// Sets up an account as its settings page would: arguments are the ports of IMAP and submission.
const [imapPort, smtpPort, done] = arguments;

async function setUp() {
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  const user = "ada@test.localhost";
  for (const scheme of ["imap", "smtp"]) {
    const origin = `${scheme}://localhost`;
    const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
    login.init(origin, null, origin, user, "secret", "", "");
    await Services.logins.addLoginAsync(login);
  }
  const passwordCleartext = Ci.nsMsgAuthMethod.passwordCleartext;
  const server = MailServices.accounts.createIncomingServer(user, "localhost", "imap");
  server.port = imapPort;
  server.socketType = Ci.nsMsgSocketType.SSL;
  server.authMethod = passwordCleartext;

  const outgoing = MailServices.outgoingServer.createServer("smtp");
  const smtp = outgoing.QueryInterface(Ci.nsISmtpServer);
  smtp.hostname = "localhost";
  smtp.port = smtpPort;
  outgoing.username = user;
  outgoing.authMethod = passwordCleartext;
  outgoing.socketType = Ci.nsMsgSocketType.SSL;

  const identity = MailServices.accounts.createIdentity();
  identity.email = user;
  identity.fullName = "Ada";
  identity.smtpServerKey = outgoing.key;
  const account = MailServices.accounts.createAccount();
  account.incomingServer = server;
  account.addIdentity(identity);
  MailServices.accounts.defaultAccount = account;
  server.performExpand(null);
  return "set up";
}

setUp().then(done, (error) => done(`${error}\n${error.stack}`));
