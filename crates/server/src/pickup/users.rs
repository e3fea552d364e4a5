//! Who a user is, as the system's file of users says.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::alias_file::Seen;

/// Octets of the file that are read.
const OCTETS_MAX: u64 = 16 * 1024 * 1024;
const FILE: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemUser {
    /// The name; one that the file does not have is called by its number.
    pub name: String,
    /// What people call it; empty where nobody says.
    pub full_name: String,
}

/// The numbers of all users by their names, as the file had them when it was looked at last.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserNumbers {
    seen: Option<Seen>,
    numbers: HashMap<String, u32>,
}

impl UserNumbers {
    /// Looks at the file; true if it is another than before.
    pub(crate) fn look(&mut self) -> bool {
        let seen = Some(Seen::at(Path::new(FILE)));
        if seen == self.seen {
            return false;
        }
        self.seen = seen;
        match text() {
            Ok(text) => self.numbers = numbers_in(&text),
            // Whom nobody knows nothing belongs to.
            Err(error) => tracing::error!(%error, "{FILE} cannot be read"),
        }
        true
    }

    /// The number of a user, if the file has one of this name.
    pub(crate) fn of(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }
}

fn text() -> io::Result<String> {
    let mut octets = Vec::new();
    let file = File::open(FILE)?;
    file.take(OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

fn numbers_in(text: &str) -> HashMap<String, u32> {
    let mut numbers = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty());
        let number = fields.nth(1).and_then(|number| number.parse().ok());
        if let (Some(name), Some(number)) = (name, number) {
            // The first counts, as it does for the system.
            numbers.entry(name.to_owned()).or_insert(number);
        }
    }
    numbers
}

/// The user with this number.
#[must_use]
pub fn system_user(number: u32) -> SystemUser {
    let found = text().ok().and_then(|text| user_in(&text, number));
    found.unwrap_or_else(|| SystemUser {
        name: format!("user-{number}"),
        full_name: String::new(),
    })
}

fn user_in(text: &str, wanted: u32) -> Option<SystemUser> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        // A list of which the name is the first, in which `&` stands for the user's own.
        let about = fields.nth(1).unwrap_or_default();
        let full_name = about.split(',').next().unwrap_or_default();
        (number == wanted).then(|| SystemUser {
            name: name.to_owned(),
            full_name: full_name.replace('&', &capitalized(name)),
        })
    })
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found() {
        let text =
            "root:x:0:0:Charlie &,,,:/root:/bin/sh\nbroken\n:x:7:7::/:\nada:x:1000:1000::/:\n";
        for (number, found) in [
            (0, Some(("root", "Charlie Root"))),
            (1000, Some(("ada", ""))),
            (7, None),
            (1, None),
        ] {
            let user = user_in(text, number);
            let user = user
                .as_ref()
                .map(|user| (user.name.as_str(), user.full_name.as_str()));
            assert_eq!(user, found);
        }
        let twice = format!("{text}ada:x:7::::\n");
        let numbers = numbers_in(&twice);
        let found = ["root", "ada", "broken", ""].map(|name| numbers.get(name).copied());
        assert_eq!(found, [Some(0), Some(1000), None, None]);
    }
}
