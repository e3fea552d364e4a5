//! The post office: accounts, mailboxes, messages, delivery. The only place with mail rules.
