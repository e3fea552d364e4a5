//! A plain client for any protocol of lines: says a line, hears a line.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Talk {
    reader: BufReader<TcpStream>,
}

impl Talk {
    /// Connects and hears the greeting line.
    ///
    /// # Errors
    /// Where nobody answers within ten seconds.
    pub fn open(address: SocketAddr) -> io::Result<(Self, String)> {
        Self::open_saying(address, b"")
    }

    /// The same at a door behind a proxy, as if from another IPv4 address.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_from(address: SocketAddr, caller: &str) -> io::Result<(Self, String)> {
        let header = format!("PROXY TCP4 {caller} 127.0.0.1 40000 25\r\n");
        Self::open_saying(address, header.as_bytes())
    }

    fn open_saying(address: SocketAddr, first: &[u8]) -> io::Result<(Self, String)> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut talk = Self {
            reader: BufReader::new(stream),
        };
        talk.send(first)?;
        let greeting = talk.hear()?;
        Ok((talk, greeting))
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// Where the peer is gone or does not read.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(octets)
    }

    /// Tells the peer that nothing more will be said.
    ///
    /// # Errors
    /// Where the peer is gone.
    pub fn send_no_more(&mut self) -> io::Result<()> {
        self.reader.get_mut().shutdown(Shutdown::Write)
    }

    /// Hears one line, without its end. The peer's end is an error.
    ///
    /// # Errors
    /// Where the peer is gone or is silent for a minute.
    pub fn hear(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned())
    }

    /// Hears `count` octets.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn hear_octets(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; count];
        self.reader.read_exact(&mut octets)?;
        Ok(octets)
    }

    /// Says a line and hears an SMTP reply: its last line.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn smtp(&mut self, line: &str) -> io::Result<String> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.smtp_reply()
    }

    /// Hears an SMTP reply: its last line.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn smtp_reply(&mut self) -> io::Result<String> {
        loop {
            let line = self.hear()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    /// Hears all that the peer says until it closes the connection.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn hear_to_the_end(&mut self) -> io::Result<String> {
        let mut octets = Vec::new();
        self.reader.read_to_end(&mut octets)?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// Says an IMAP command under the tag `t` and hears everything up to its tagged response,
    /// which is the last line. Literals are part of the line they stand in.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn imap(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.send(format!("t {command}\r\n").as_bytes())?;
        self.imap_response()
    }

    /// Hears everything up to the response tagged `t`.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn imap_response(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self.imap_line()?;
            let last = line.starts_with("t ") || line.starts_with("+ ");
            lines.push(line);
            if last {
                return Ok(lines);
            }
        }
    }

    /// Hears one response with its literals.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn imap_line(&mut self) -> io::Result<String> {
        let mut line = self.hear()?;
        while let Some(count) = literal(&line) {
            let octets = self.hear_octets(count)?;
            line.push('\n');
            line.push_str(&String::from_utf8_lossy(&octets));
            line.push_str(&self.hear()?);
        }
        Ok(line)
    }

    /// Logs in by IMAP's LOGIN.
    ///
    /// # Errors
    /// As [`Self::hear`], and where the server says no.
    pub fn imap_login(&mut self, user: &str, password: &str) -> io::Result<()> {
        let lines = self.imap(&format!("LOGIN {user} {password}"))?;
        expect(lines.last(), "t OK")
    }

    /// Sends one message and returns the reply to its final dot.
    ///
    /// # Errors
    /// As [`Self::hear`]; a recipient refused is an error as well.
    pub fn deliver(&mut self, from: &str, to: &[&str], message: &str) -> io::Result<String> {
        expect(Some(&self.smtp(&format!("MAIL FROM:<{from}>"))?), "250")?;
        for to in to {
            expect(Some(&self.smtp(&format!("RCPT TO:<{to}>"))?), "250")?;
        }
        expect(Some(&self.smtp("DATA")?), "354")?;
        self.send(format!("{message}\r\n.\r\n").as_bytes())?;
        self.smtp_reply()
    }
}

/// An error that shows `line` where it does not begin as it should.
///
/// # Errors
/// See above.
pub fn expect(line: Option<&String>, prefix: &str) -> io::Result<()> {
    match line {
        Some(line) if line.starts_with(prefix) => Ok(()),
        other => Err(io::Error::other(format!(
            "wanted {prefix}, heard {other:?}"
        ))),
    }
}

fn literal(line: &str) -> Option<usize> {
    let (_, count) = line.strip_suffix('}')?.rsplit_once('{')?;
    count.parse().ok()
}
