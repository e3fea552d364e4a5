//! ENVELOPE, BODY and BODYSTRUCTURE, from what `message` knows (RFC 9051 §7.5.2).
