//! Everything that touches a socket: listeners, TLS, timers, and the one driver that runs any
//! session.
//!
//! Not here: what a protocol says (the protocol rooms), what mail is (`post`), which doors are open
//! (`server`). A session and a [`House`] meet in [`drive`], and nowhere else is there a loop that
//! reads a socket.
//!
//! RFC 8446 and 5246 by rustls, RFC 9266 (channel binding), RFC 3207 §4.2 by the driver's order.

mod clock;
mod drive;
mod error;
mod house;
mod scratch;
mod stop;
mod stream;
mod tls;

pub use clock::Clock;
pub use drive::{End, Terms, drive};
pub use error::Error;
pub use house::{Fault, House};
pub use stop::{Stop, Stopper};
pub use stream::{Encryption, Socket, Stream};
pub use tls::{Identity, roots_from_pem};
