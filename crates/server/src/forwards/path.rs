//! Paths with a user's name in them.

use std::fmt;
use std::path::PathBuf;

use post::UserName;

/// Where the name stands.
const PLACE: &str = "{user}";

/// A whole path in which `{user}` stands for a user's name, once: `/home/{user}/.forward`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPath {
    before: String,
    after: String,
}

impl UserPath {
    /// The path, where it is such a one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(PLACE)?;
        let is_whole = before.starts_with('/') && !text.contains(char::is_control);
        (is_whole && !after.contains(PLACE)).then(|| Self {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// That of a user.
    #[must_use]
    pub fn of(&self, user: &UserName) -> PathBuf {
        format!("{}{user}{}", self.before, self.after).into()
    }
}

impl fmt::Display for UserPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{PLACE}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_name_stands_in_a_path_once() {
        let ada = UserName::parse("Ada").unwrap();
        for (text, path) in [
            ("/home/{user}/.forward", Some("/home/ada/.forward")),
            ("/etc/forward/{user}", Some("/etc/forward/ada")),
            ("/run/forward-{user}/lmtp", Some("/run/forward-ada/lmtp")),
            ("home/{user}/.forward", None),
            ("{user}/.forward", None),
            ("/home/ada/.forward", None),
            ("/home/{user}/{user}", None),
            ("/home/{User}/.forward", None),
            ("/home/{user}/\n", None),
            ("", None),
        ] {
            let parsed = UserPath::parse(text);
            let of_ada = parsed.as_ref().map(|path| path.of(&ada));
            assert_eq!(of_ada.as_deref(), path.map(Path::new), "{text}");
            assert!(parsed.is_none_or(|path| path.to_string() == text), "{text}");
        }
    }
}
