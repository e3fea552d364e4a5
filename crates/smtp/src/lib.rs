//! SMTP, Submission and LMTP, both ends.
