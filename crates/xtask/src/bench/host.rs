//! A host that letters are sent to, as one end of a connection: what it says is somebody else's.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

/// No line that is longer is answered.
const LINE_OCTETS_MAX: usize = 4096;
/// Octets that are read at once.
const READ_OCTETS: usize = 64 * 1024;

/// What a host says.
pub(super) trait Host {
    /// The answer to a command; a letter follows one that begins with 354.
    fn answer(&mut self, line: &[u8]) -> &'static [u8];

    /// The answer to a letter that is there whole.
    fn take(&mut self) -> &'static [u8];

    /// True where all answers are kept back.
    fn hangs(&self) -> bool {
        false
    }
}

/// Serves a connection to its end. Answers leave when no more commands wait.
pub(super) fn serve(stream: &TcpStream, mut host: impl Host) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(READ_OCTETS, stream);
    let (mut line, mut output) = (Vec::new(), b"220 host.example\r\n".to_vec());
    let mut in_data = false;
    loop {
        if !host.hangs() && input.buffer().is_empty() && !output.is_empty() {
            let mut writer = stream;
            writer.write_all(&output)?;
            output.clear();
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 || line.len() > LINE_OCTETS_MAX {
            return Ok(());
        }
        if in_data {
            if line == b".\r\n" {
                in_data = false;
                output.extend_from_slice(host.take());
            }
            continue;
        }
        let answer = host.answer(&line);
        in_data = answer.starts_with(b"354");
        output.extend_from_slice(answer);
    }
}
