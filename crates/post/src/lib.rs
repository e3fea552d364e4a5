//! The post office: accounts, mailboxes, messages, delivery, submission. The only place with mail rules.
