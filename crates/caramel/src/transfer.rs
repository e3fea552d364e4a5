//! Mail in and out in numbers: `caramel import` and `caramel export`.
//!
//! A source is read from its beginning to its end, and what is read goes over the control socket
//! to the server, or to the store opened here; nothing of a message but a piece is in memory. How
//! far the source was read is kept in the store, in the same step as the messages.
//!
//! Not here: the forms themselves (`message::mbox`, `message::maildir`), what is kept (`post`).

mod export;
mod import;
mod key;
mod manifest;
pub(crate) mod sink;
mod source;
mod target;
mod verify;

pub(crate) use export::{Export, run as export};
pub(crate) use import::{Import, run as import};
