// Waits, without asking the server anything, until a letter with this subject is in the inbox, and
// answers with all that are there.
const [subject, done] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const root = MailServices.accounts.defaultAccount.incomingServer.rootFolder;
const inbox = root.subFolders.find((folder) => folder.flags & Ci.nsMsgFolderFlags.Inbox);
const timer = Cc["@mozilla.org/timer;1"].createInstance(Ci.nsITimer);
let left = 600;
const look = () => {
  const subjects = [...inbox.messages].map((one) => one.mime2DecodedSubject);
  if (subjects.includes(subject) || left == 0) {
    timer.cancel();
    done(subjects.join(", "));
  }
  left -= 1;
};
timer.initWithCallback(look, 50, Ci.nsITimer.TYPE_REPEATING_SLACK);
