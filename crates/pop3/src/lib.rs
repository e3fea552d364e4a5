//! POP3, both ends. The teaching room: read it first.
