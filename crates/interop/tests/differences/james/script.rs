//! A script as it is written: what is said, what is to be heard, and on which connection.

use std::fs;
use std::path::Path;

/// One step: lines said together, then everything that is to be heard.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Which connection, from zero; a script that begins again goes on with the next one.
    pub(crate) connection: usize,
    pub(crate) said: Vec<String>,
    /// Whole responses: lines of a literal are in the one they belong to.
    pub(crate) wanted: Vec<String>,
}

/// Reads a script. `\r\n` written out in a line stands for a line end.
pub(crate) fn read(path: &Path) -> Vec<Exchange> {
    let octets = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&octets).replace("\r\n", "\n");
    let mut exchanges: Vec<Exchange> = Vec::new();
    let (mut connection, mut again) = (0, 0);
    let mut open = false;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("SESSION:") {
            connection = number.trim().parse::<usize>().unwrap() - 1;
            open = false;
        } else if line == "REINIT" {
            again += 1;
            open = false;
        } else if let Some(said) = after(line, "C:") {
            if !open {
                exchanges.push(Exchange {
                    connection: connection + again,
                    ..Exchange::default()
                });
                open = true;
            }
            let last = exchanges.last_mut().unwrap();
            let lines = said.trim_end_matches("\\r\\n").split("\\r\\n");
            last.said.extend(lines.map(str::to_owned));
        } else if let Some(wanted) = after(line, "S:") {
            // Everything but a quote is, up to a quote, as good as anything.
            let wanted = &wanted.replace("[^\"]*", ".*").replace("[^\\\"]*", ".*");
            open = false;
            if exchanges.is_empty() {
                exchanges.push(Exchange::default());
            }
            let last = exchanges.last_mut().unwrap();
            match last.wanted.last_mut() {
                Some(whole) if !begins(wanted) => {
                    whole.push_str("\r\n");
                    whole.push_str(wanted);
                }
                _ => last.wanted.push(wanted.to_owned()),
            }
        }
    }
    exchanges
}

fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(mark)?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// True for the first line of an IMAP response or an SMTP reply.
fn begins(wanted: &str) -> bool {
    let mut words = wanted.split(' ');
    let first = words.next().unwrap_or_default();
    let second = words.next().unwrap_or_default();
    let code = wanted
        .get(..3)
        .is_some_and(|code| code.parse::<u16>().is_ok())
        && matches!(wanted.as_bytes().get(3), Some(b' ' | b'-' | b'.'));
    let tagged = ["OK", "NO", "BAD"].contains(&second) && !first.ends_with(':');
    ["\\*", "\\+", ".*"].contains(&first) || first.starts_with('^') || tagged || code
}
