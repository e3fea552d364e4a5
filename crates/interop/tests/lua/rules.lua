-- Rules as people write them: read, flag, copy, move, delete. PORT is filled in.
options.timeout = 60
options.create = true
options.subscribe = true
options.info = false

account = IMAP {
  server = "localhost",
  port = PORT,
  username = "ada@test.localhost",
  password = "secret",
  ssl = "auto",
}

inbox, kept = account.INBOX, account.Kept
assert(#inbox:select_all() == 5)
wanted = inbox:contain_subject("Letter 1") + inbox:contain_subject("Letter 2")
assert(#wanted == 2)
assert(wanted:mark_seen())
assert(wanted:add_flags({ "work" }))
assert(inbox:contain_subject("Letter 1"):copy_messages(kept))
assert(inbox:contain_subject("Letter 2"):move_messages(kept))
assert(inbox:contain_subject("Letter 3"):delete_messages())
for number, message in ipairs(kept:select_all()) do
  mailbox, uid = table.unpack(message)
  assert(mailbox[uid]:fetch_field("Subject") == "Subject: Letter " .. number)
  assert(mailbox[uid]:fetch_body() == "Body " .. number .. "\r\n")
  assert(#mailbox[uid]:fetch_flags() >= 2)
end
exist, recent, unseen, uid_next = inbox:check_status()
assert(exist == 3 and unseen == 2 and uid_next == 6)
-- A second look finds nothing left to do.
assert(#(inbox:is_unseen() * inbox:contain_subject("Letter 1")) == 0)
print("good")
