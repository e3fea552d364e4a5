//! Passwords: read from standard input, or made up.

use std::io::{BufRead as _, Read as _};

use anyhow::Context as _;

use crate::cli::{PasswordSource, say};
use crate::complaint::Complaint;

/// Letters that nobody mistakes for another: five bits each.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Octets of a password that is read.
const OCTETS_MAX: u64 = 1024;

/// A password of 80 random bits: `k3fj-8hzt-pq4m-vx2c`.
pub(crate) fn invent() -> Result<String, Complaint> {
    let mut octets = [0; 16];
    if let Err(error) = getrandom::fill(&mut octets) {
        return Err(Complaint::new("no password can be made up").because(error));
    }
    let mut password = String::new();
    for (at, octet) in octets.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            password.push('-');
        }
        let letter = LETTERS
            .get(usize::from(octet % 32))
            .copied()
            .unwrap_or(b'a');
        password.push(char::from(letter));
    }
    Ok(password)
}

impl PasswordSource {
    /// Reads the password, or makes one up.
    pub(crate) fn password(&self) -> Result<String, Complaint> {
        if !self.password_stdin {
            return invent();
        }
        let mut line = String::new();
        let mut input = std::io::stdin().lock().take(OCTETS_MAX);
        input.read_line(&mut line).context("reading the password")?;
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(Complaint::usage("the password is empty")
                .because("standard input gave nothing")
                .next("leave --password-stdin off, and one is made up"));
        }
        Ok(password.to_owned())
    }

    /// Shows a password that was made up.
    pub(crate) fn tell(&self, password: &str) -> Result<(), Complaint> {
        if self.password_stdin {
            return Ok(());
        }
        say(&format!("Password: {password}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_passwords_look_the_same_and_are_not() {
        let (one, two) = (invent().unwrap(), invent().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 19);
        let letters = one.bytes().filter(|letter| LETTERS.contains(letter));
        assert_eq!(letters.count(), 16);
    }
}
