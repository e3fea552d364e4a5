//! A letter while programs read it: in a file without a name, its lines ending as those of files
//! do.

use std::fs::OpenOptions;
use std::io::{self, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

use mail::Address;
use message::Header;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

/// Octets of a letter's beginning in which its header is looked at.
const HEADER_OCTETS_MAX: u64 = 64 * 1024;

/// A letter.
#[derive(Debug)]
pub(super) struct Body {
    file: File,
    /// A CR that came last, of which it is not known yet whether an LF follows.
    held: bool,
}

impl Body {
    pub(super) fn new() -> io::Result<Self> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let name = format!("caramel-program-{:032x}", u128::from_be_bytes(nonce));
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path)?;
        std::fs::remove_file(&path)?;
        let file = File::from_std(file);
        Ok(Self { file, held: false })
    }

    /// Takes octets in which lines end with CRLF.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(octets.len() + 1);
        for octet in octets {
            if std::mem::take(&mut self.held) && *octet != b'\n' {
                out.push(b'\r');
            }
            match octet {
                b'\r' => self.held = true,
                octet => out.push(*octet),
            }
        }
        self.file.write_all(&out).await
    }

    /// Hears that this was all.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held) {
            self.file.write_all(b"\r").await?;
        }
        self.file.flush().await
    }

    /// The letter from its beginning.
    pub(super) async fn rewound(&mut self) -> io::Result<&mut File> {
        self.file.seek(SeekFrom::Start(0)).await?;
        Ok(&mut self.file)
    }

    /// True if its header says that it was delivered to this address already.
    pub(super) async fn was_delivered_to(&mut self, address: &Address) -> io::Result<bool> {
        let mut start = Vec::new();
        let file = self.rewound().await?;
        file.take(HEADER_OCTETS_MAX).read_to_end(&mut start).await?;
        let address = address.to_string();
        let mut fields = Header::parse(&start).filter(|field| field.is("Delivered-To"));
        Ok(fields.any(|field| {
            let value = field.unfolded();
            value.trim_ascii().eq_ignore_ascii_case(address.as_bytes())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_as_those_of_files_wherever_they_are_cut() {
        let text = b"Delivered-To: Ada@h.example\r\n\r\na\rb\r\r\nc\r\n\r";
        for cut in 0..text.len() {
            let mut body = Body::new().unwrap();
            let (first, second) = text.split_at(cut);
            body.write(first).await.unwrap();
            body.write(second).await.unwrap();
            body.finish().await.unwrap();
            let mut read = Vec::new();
            let file = body.rewound().await.unwrap();
            file.read_to_end(&mut read).await.unwrap();
            let expected = "Delivered-To: Ada@h.example\n\na\rb\r\nc\n\r";
            assert_eq!(String::from_utf8(read).unwrap(), expected, "{cut}");
            for (address, was) in [("ada@h.example", true), ("ad@h.example", false)] {
                let address = Address::parse(address).unwrap();
                assert_eq!(body.was_delivered_to(&address).await.unwrap(), was);
            }
        }
    }
}
