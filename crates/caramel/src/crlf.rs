//! A message out of a file: its lines get the ends that they have on the wire.

use std::io::{self, Read};

/// Octets read at a time.
const READ_OCTETS: usize = 128 * 1024;

/// Reads a file, or standard input, in pieces, every line end made CRLF.
pub(crate) fn read<E: From<io::Error>>(
    mut input: impl Read,
    mut piece: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = vec![0; READ_OCTETS];
    let mut out = Vec::with_capacity(READ_OCTETS * 2);
    let mut cr = false;
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        out.clear();
        mend(buffer.get(..read).unwrap_or_default(), &mut cr, &mut out);
        piece(&out)?;
    }
}

/// Adds octets with every line end made CRLF; `cr` is true if the last octet before was CR.
pub(crate) fn mend(octets: &[u8], cr: &mut bool, out: &mut Vec<u8>) {
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                let has_cr = text.last().map_or(*cr, |last| *last == b'\r');
                out.extend_from_slice(text);
                out.extend_from_slice(if has_cr { b"\n" } else { b"\r\n" });
            }
            None => out.extend_from_slice(line),
        }
        *cr = line.ends_with(b"\r");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_lines() {
        let text = b"a\nb\r\n\n\r\nc\rd\r\r\n\ne";
        let expected = b"a\r\nb\r\n\r\n\r\nc\rd\r\r\n\r\ne";
        for cut in 1..=text.len() {
            let (mut cr, mut out) = (false, Vec::new());
            for piece in text.chunks(cut) {
                mend(piece, &mut cr, &mut out);
            }
            assert_eq!(out, expected, "{cut}");
        }
    }
}
