// A round of an account's mail: reads, flags, files, sends, deletes. Answers what was seen, line by
// line. The argument is a file with a letter to be put into a folder.
const [letterPath, done] = arguments;

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const seen = [];

// Asks again and again until it holds, for half a minute.
function until(what, holds) {
  return new Promise((resolve, reject) => {
    const timer = Cc["@mozilla.org/timer;1"].createInstance(Ci.nsITimer);
    let left = 600;
    const ask = () => {
      const value = holds();
      if (value || left == 0) {
        timer.cancel();
        value ? resolve(value) : reject(new Error(`never: ${what}`));
      }
      left -= 1;
    };
    timer.initWithCallback(ask, 50, Ci.nsITimer.TYPE_REPEATING_SLACK);
  });
}

const server = MailServices.accounts.defaultAccount.incomingServer;
const root = server.rootFolder;
const find = (name) => root.subFolders.find((folder) => folder.name == name);
const withFlag = (flag) => root.subFolders.find((folder) => folder.flags & flag);
const messages = (folder) => [...folder.messages];
const subjects = (folder) => messages(folder).map((one) => one.mime2DecodedSubject).join(", ");

// Selects a folder and hears what is in it.
function update(folder) {
  return new Promise((resolve) => {
    folder.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, {
      OnStartRunningUrl() {},
      OnStopRunningUrl(url, status) {
        resolve(status);
      },
    });
  });
}

// Looks into a folder until it has so many messages.
async function holds(folder, count) {
  for (let looks = 0; looks < 50; looks += 1) {
    await update(folder);
    if (messages(folder).length == count) {
      return;
    }
  }
  throw new Error(`never ${count} messages: ${subjects(folder)}`);
}

function text(folder, header) {
  const uri = folder.getUriForMsg(header);
  return new Promise((resolve) => {
    let octets = "";
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
      onStartRequest() {},
      onStopRequest: () => resolve(octets),
      onDataAvailable(request, input, offset, count) {
        const stream = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(
          Ci.nsIScriptableInputStream
        );
        stream.init(input);
        octets += stream.read(count);
      },
    };
    const service = MailServices.messageServiceFromURI(uri);
    service.streamMessage(uri, listener, null, null, false, "");
  });
}

function put(file, folder) {
  return new Promise((resolve) => {
    const told = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
      onStartCopy() {},
      onProgress() {},
      setMessageKey() {},
      getMessageId: () => null,
      onStopCopy: resolve,
    };
    MailServices.copy.copyFileMessage(file, folder, null, false, 0, "", told, null);
  });
}

function send(identity) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(
    Ci.nsIMsgCompFields
  );
  fields.from = identity.email;
  fields.to = "alan@test.localhost";
  fields.subject = "From a window";
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(letterPath);
  return new Promise((resolve) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
      onStartSending() {},
      onProgress() {},
      onStatus() {},
      onStopSending: (id, status) => resolve(status),
      onTransportSecurityError() {},
      onGetDraftFolderURI() {},
      onSendNotPerformed() {},
    };
    const sender = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    const now = Ci.nsIMsgSend.nsMsgDeliverNow;
    const key = MailServices.accounts.defaultAccount.key;
    sender.sendMessageFile(
      identity, key, fields, file, false, false, now, null, listener, null, ""
    );
  });
}

async function round() {
  const inbox = await until("an inbox", () => withFlag(Ci.nsMsgFolderFlags.Inbox));
  await update(inbox);
  await until("a bin", () => withFlag(Ci.nsMsgFolderFlags.Trash));
  await until("three letters", () => messages(inbox).length == 3);
  seen.push(`inbox: ${subjects(inbox)}`);
  const [first, second] = messages(inbox);
  seen.push(`text: ${(await text(inbox, first)).trimEnd().split("\n").pop()}`);
  inbox.markMessagesRead([first], true);
  inbox.markMessagesFlagged([first], true);
  inbox.addKeywordsToMessages([first], "$label1");
  // What was said of a letter goes ahead of this; a copy may take another connection.
  await update(inbox);

  root.createSubfolder("Thé", null);
  const tea = await until("the new folder", () => find("Thé"));
  const { copy } = MailServices;
  copy.copyMessages(inbox, [first], tea, false, null, null, false);
  await holds(tea, 1);
  const [one] = messages(tea);
  await until("its keyword", () => one.getStringProperty("keywords"));
  seen.push(`copied: ${one.isRead} ${one.isFlagged} ${one.getStringProperty("keywords")}`);
  copy.copyMessages(inbox, [second], tea, true, null, null, false);
  await holds(tea, 2);
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(letterPath);
  seen.push(`put: ${await put(file, tea)}`);
  await holds(tea, 3);
  tea.deleteMessages([messages(tea)[0]], null, true, false, null, false);
  await until("two there", () => messages(tea).length == 2);
  tea.rename("Thé vert", null);
  const green = await until("the new name", () => find("Thé vert"));
  await update(green);
  seen.push(`renamed: ${subjects(green)}`);
  const identity = MailServices.accounts.defaultAccount.defaultIdentity;
  seen.push(`sent: ${await send(identity)}`);
  return seen.join("\n");
}

round().then(done, (error) => done(`${error}\n${error.stack}\n${seen.join("\n")}`));
