//! Names of folders, as mailboxes.

use super::words::Piece;

/// Where a letter is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Inbox,
    /// `/dev/null`.
    Nowhere,
    Mailbox(String),
}

/// Where folders are, as whole paths.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    pub(super) home: String,
    /// The first `MAILDIR`: what lies below it is a mailbox of that name.
    pub(super) base: String,
    /// `MAILDIR` now, or why it is not known.
    pub(super) current: Result<String, String>,
    /// What is the inbox.
    pub(super) inboxes: Vec<String>,
}

/// A place, and what is to be said of it.
pub(super) type Placed = (Place, Option<String>);

impl Folders {
    /// The whole path of a name.
    pub(super) fn path(&self, name: &str) -> Result<String, String> {
        if name.starts_with('/') {
            return Ok(plain(name));
        }
        if name.starts_with('~') {
            return Err("procmail takes `~` for a name like any other".to_owned());
        }
        let current = self.current.as_ref().map_err(Clone::clone)?;
        Ok(plain(&format!("{current}/{name}")))
    }

    /// The mailbox that a folder is.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(super) fn place(&self, name: &str) -> Result<Placed, String> {
        if name == "/dev/null" {
            return Ok((Place::Nowhere, None));
        }
        let path = self.path(name)?;
        if self.inboxes.contains(&path) {
            return Ok((Place::Inbox, None));
        }
        if path == self.base {
            return Err("it is MAILDIR itself".to_owned());
        }
        let mut roots = vec![&self.base];
        roots.extend(&self.inboxes);
        let below = |root: &String| {
            let rest = path.strip_prefix(root.as_str())?.strip_prefix('/')?;
            Some(rest.to_owned())
        };
        let nearest = roots.into_iter().filter_map(below).min_by_key(String::len);
        let mut note = None;
        let inside = match nearest {
            Some(inside) => inside,
            None => {
                let inside = below(&self.home).ok_or("it lies outside of MAILDIR")?;
                note = Some("it lies outside of MAILDIR; the mailbox has its path".to_owned());
                inside
            }
        };
        let is_maildir = name.ends_with('/');
        let mut parts: Vec<String> = Vec::new();
        for part in inside.split('/') {
            match part.strip_prefix('.') {
                Some(dotted) if is_maildir && !dotted.is_empty() => {
                    if part.contains("${") {
                        note = Some("dots in what was matched make no levels here".to_owned());
                    }
                    parts.extend(dotted.split('.').map(str::to_owned));
                }
                _ => parts.push(part.to_owned()),
            }
        }
        let odd = |part: &String| {
            part.is_empty() || part == ".." || part == "." || part.contains(char::is_control)
        };
        if parts.iter().any(odd) {
            return Err("no mailbox can have this name".to_owned());
        }
        let mailbox = parts.join("/");
        if mailbox.eq_ignore_ascii_case("inbox") {
            note = Some("the mailbox of this name is the inbox".to_owned());
            return Ok((Place::Inbox, note));
        }
        Ok((Place::Mailbox(mailbox), note))
    }
}

/// A path without what says which form a folder has, and without needless parts.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if !part.is_empty() && part != "." {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

/// A text with references to variables where what they hold can be told only later.
///
/// # Errors
/// In words, if it has a text that looks like one.
pub(super) fn template(phrase: &[Piece]) -> Result<String, String> {
    let mut text = String::new();
    for piece in phrase {
        match piece {
            Piece::Text(own) if own.contains("${") => {
                return Err("a script would take `${` for a variable".to_owned());
            }
            Piece::Text(own) => text.push_str(own),
            Piece::Variable(name) | Piece::Disarmed(name) => {
                text.push_str("${");
                text.push_str(name);
                text.push('}');
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_mailboxes() {
        let folders = Folders {
            home: "/home/ada".to_owned(),
            base: "/home/ada/Mail".to_owned(),
            current: Ok("/home/ada/Mail".to_owned()),
            inboxes: vec!["/var/mail/ada".to_owned(), "/home/ada/Maildir".to_owned()],
        };
        for (name, expected) in [
            ("lists/rust", "lists/rust"),
            ("lists/rust/", "lists/rust"),
            ("./lists/rust/.", "lists/rust"),
            ("/home/ada/Mail/x", "x"),
            ("/home/ada/old/x", "old/x"),
            (".Lists.rust/", "Lists/rust"),
            (".hidden", ".hidden"),
            ("/home/ada/Maildir/.Lists.rust/", "Lists/rust"),
            ("lists/${MATCH}/", "lists/${MATCH}"),
        ] {
            let (place, _) = folders.place(name).unwrap();
            assert_eq!(place, Place::Mailbox(expected.to_owned()), "{name}");
        }
        for name in ["/var/mail/ada", "/home/ada/Maildir/", "INBOX"] {
            assert_eq!(folders.place(name).unwrap().0, Place::Inbox, "{name}");
        }
        assert_eq!(folders.place("/dev/null").unwrap().0, Place::Nowhere);
        for name in ["/etc/x", "../x", "~/x", "/home/ada/Mail"] {
            assert!(folders.place(name).is_err(), "{name}");
        }
    }
}
