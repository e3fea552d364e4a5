//! IMAP4rev2 and IMAP4rev1, both ends.
