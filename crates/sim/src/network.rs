//! The network: octets take their time, arrive in other pieces than they were sent in, and at
//! times the connection is cut.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};

use crate::Dice;

/// Octets on their way at once.
const AFLOAT_OCTETS: usize = 64 << 10;
/// The longest time one piece takes, in milliseconds.
const LATENCY_MILLIS: u64 = 6;

/// A new connection: its two ends, and what carries the octets between them as long as it is run.
pub fn connection(dice: &Dice, cut_percent: u64) -> (DuplexStream, DuplexStream, Cable) {
    let (near, near_end) = tokio::io::duplex(AFLOAT_OCTETS);
    let (far_end, far) = tokio::io::duplex(AFLOAT_OCTETS);
    let octets = [500, 5000, 100_000, 600_000];
    let cut = dice.percent(cut_percent);
    let cut = cut.then(|| dice.below(*dice.of(&octets).unwrap_or(&500)));
    let cable = Cable {
        ends: (near_end, far_end),
        dice: dice.clone(),
        cut,
    };
    (near, far, cable)
}

/// What carries the octets.
#[derive(Debug)]
pub struct Cable {
    ends: (DuplexStream, DuplexStream),
    dice: Dice,
    /// After so many octets one way it is cut.
    cut: Option<u64>,
}

impl Cable {
    /// Carries octets until both ends have said all, or it is cut.
    pub async fn run(self) {
        let (near_in, near_out) = tokio::io::split(self.ends.0);
        let (far_in, far_out) = tokio::io::split(self.ends.1);
        let there = carry(near_in, far_out, self.dice.clone(), self.cut);
        let back = carry(far_in, near_out, self.dice.clone(), self.cut);
        // A cut either way is the end of both.
        drop(tokio::try_join!(biased; there, back));
    }
}

async fn carry(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    dice: Dice,
    mut left: Option<u64>,
) -> io::Result<()> {
    let mut room = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut room).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let (mut rest, _) = room.split_at(read);
        while !rest.is_empty() {
            // Mostly large pieces: small ones everywhere would only take long.
            let most = if dice.percent(10) { 40 } else { rest.len() };
            let len = (dice.place(most) + 1).min(rest.len());
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            tokio::time::sleep(dice.millis(LATENCY_MILLIS)).await;
            if let Some(left) = &mut left {
                let Some(less) = left.checked_sub(len as u64) else {
                    return Err(io::ErrorKind::ConnectionReset.into());
                };
                *left = less;
            }
            to.write_all(piece).await?;
        }
    }
}
