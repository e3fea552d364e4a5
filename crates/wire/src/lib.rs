//! What all protocols share: the [`Session`] contract, line framing, SASL exchanges, dialogues and
//! recordings of them, drawings.
//!
//! Not here: sockets, clocks, disks; any single protocol's words.
//!
//! RFC 4422, 4505, 4616, 5802, 7677, 7628 (SASL).

pub mod dialogue;
pub mod drawing;
mod line;
pub mod recording;
pub mod sasl;
mod session;
pub mod witness;

pub use line::{Line, LineBuffer};
pub use session::{ChannelBinding, Security, Session, Step, Upgrade};
pub use witness::Witness;
