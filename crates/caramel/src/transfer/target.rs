//! Where messages go: which mailbox here for which one there.

use std::path::Path;

use mail::Role;
use message::mbox::{Storing, Variant};
use serde_json::json;

use super::sink::{Opening, Sink};
use crate::complaint::Complaint;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) account: String,
    /// The mailbox that the source itself becomes.
    pub(super) mailbox: Option<String>,
    /// Old names and new ones.
    pub(super) map: Vec<(String, String)>,
    pub(super) keep_uids: bool,
    pub(super) variant: Option<Variant>,
    pub(super) storing: Storing,
}

impl Target {
    /// What is to be known of a mailbox before its messages come.
    pub(super) fn opening(
        &self,
        kind: &str,
        identity: &Path,
        levels: &[String],
        path: &Path,
    ) -> Opening {
        let new = self.name(levels, path);
        let place = identity.canonicalize();
        let place = place.as_deref().unwrap_or(identity);
        let mut hash = blake3::Hasher::new();
        for word in [kind, &place.to_string_lossy(), &new] {
            hash.update(word.as_bytes());
            hash.update(&[0]);
        }
        let source = hash.finalize().to_hex();
        let role = match levels {
            [name] => Role::parse(name).filter(|role| named(*role)),
            _ => None,
        };
        Opening {
            old: place.display().to_string(),
            new,
            source: source.get(..32).unwrap_or_default().to_owned(),
            role,
            subscribed: false,
            uidvalidity: None,
        }
    }

    /// The name here of a mailbox with these levels there.
    pub(super) fn name(&self, levels: &[String], path: &Path) -> String {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let own = match levels {
            [] if path.is_file() && !is_inbox(stem) => stem.to_owned(),
            [] => "INBOX".to_owned(),
            levels => levels.join("/"),
        };
        let own = if is_inbox(&own) {
            "INBOX".to_owned()
        } else {
            own
        };
        let own = match (&self.mailbox, levels) {
            (Some(mailbox), []) => mailbox.clone(),
            (Some(mailbox), _) => format!("{mailbox}/{own}"),
            (None, _) => own,
        };
        for (old, new) in &self.map {
            if let Some(rest) = own.strip_prefix(old.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{new}{rest}");
            }
        }
        own
    }

    /// Subscribes to a name.
    pub(super) fn subscribe(&self, name: &str, sink: &mut Sink) -> Result<(), Complaint> {
        let arguments = json!({ "account": self.account, "mailbox": name });
        match sink.line() {
            Some(line) => line.call("Import/subscribe", &arguments).map(drop),
            None => Ok(()),
        }
    }
}

/// Roles that a mailbox's name tells, where nothing else does.
const fn named(role: Role) -> bool {
    matches!(
        role,
        Role::Archive | Role::Drafts | Role::Junk | Role::Sent | Role::Trash
    )
}

fn is_inbox(name: &str) -> bool {
    name.eq_ignore_ascii_case("INBOX") || name == "mbox"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped() {
        let levels = |name: &str| -> Vec<String> {
            let levels = name.split('/').filter(|level| !level.is_empty());
            levels.map(str::to_owned).collect()
        };
        let mut target = Target {
            account: String::new(),
            mailbox: None,
            map: vec![
                ("Sent Items".into(), "Sent".into()),
                ("Old".into(), "New/Place".into()),
            ],
            keep_uids: false,
            variant: None,
            storing: Storing::Taken,
        };
        let nowhere = Path::new("/nowhere");
        for (old, new) in [
            ("", "INBOX"),
            ("inbox", "INBOX"),
            ("Work/2026", "Work/2026"),
            ("Sent Items", "Sent"),
            ("Sent Items 2", "Sent Items 2"),
            ("Old/Sub", "New/Place/Sub"),
        ] {
            assert_eq!(target.name(&levels(old), nowhere), new, "{old}");
        }
        target.mailbox = Some("From home".into());
        assert_eq!(target.name(&[], nowhere), "From home");
        assert_eq!(target.name(&levels("Work"), nowhere), "From home/Work");
    }
}
