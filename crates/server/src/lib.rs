//! Joins sessions to the post: one file of answers per protocol.
