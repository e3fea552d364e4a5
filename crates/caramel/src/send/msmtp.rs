//! `msmtprc`: accounts, one setting a line, as msmtp's manual has it.
//!
//! Not here: what settings mean (`account`).

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::account::{Account, Password, Taken, first_line_of};
use crate::complaint::Complaint;
use crate::sysexits;

/// Octets of a file.
const FILE_OCTETS_MAX: usize = 1024 * 1024;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) accounts: Vec<Account>,
    /// Lines that are not followed, and why.
    pub(super) notes: Vec<String>,
}

/// Reads a file; `own` for one of the user's, which nobody else may read where it has secrets.
pub(super) fn read(path: &Path, own: bool) -> Result<Read, Complaint> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let complaint = Complaint::new(format!("{} cannot be read", path.display()));
        complaint.because(error).coded(sysexits::CONFIGURATION)
    })?;
    let read = parse(&path.display().to_string(), &text)?;
    let is_secret = |account: &Account| matches!(account.password, Password::Text(_));
    if own && read.accounts.iter().any(is_secret) {
        let mode = std::fs::metadata(path).map(|facts| facts.mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            let what = format!("{} has a password, and others can read it", path.display());
            let next = format!("chmod 600 {}; or passwordeval", path.display());
            return Err(Complaint::new(what)
                .next(next)
                .coded(sysexits::CONFIGURATION));
        }
    }
    Ok(read)
}

/// Reads the text of a file.
pub(super) fn parse(path: &str, text: &str) -> Result<Read, Complaint> {
    let mut read = Read::default();
    let mut defaults = Account::default();
    let mut is_defaults = true;
    if text.len() > FILE_OCTETS_MAX {
        let complaint = Complaint::new(format!("{path} is too long"));
        return Err(complaint.coded(sysexits::CONFIGURATION));
    }
    for (number, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", number + 1);
        let wrong = |text: String| {
            Complaint::new(format!("{place}: {text}")).coded(sysexits::CONFIGURATION)
        };
        let evaluated = match split(line) {
            Some(("eval", command)) => Some(first_line_of(command)?),
            _ => None,
        };
        let Some((key, value)) = split(evaluated.as_deref().unwrap_or(line)) else {
            continue;
        };
        match key {
            "defaults" => (defaults, is_defaults) = (Account::default(), true),
            "account" => {
                let account = begin(value, &defaults, &read.accounts).map_err(wrong)?;
                read.accounts.push(account);
                is_defaults = false;
            }
            _ => {
                let account = match (is_defaults, read.accounts.last_mut()) {
                    (false, Some(account)) => account,
                    _ => &mut defaults,
                };
                if let Taken::Ignored(why) = account.set(key, value).map_err(wrong)? {
                    read.notes.push(format!("{place}: {key}: {why}"));
                }
            }
        }
    }
    Ok(read)
}

/// The first word of a line, and what is behind it without its quotes.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    Some((key, quoted.unwrap_or(value)))
}

/// A new account: `name`, or `name : other, …` whose settings it begins with.
fn begin(text: &str, defaults: &Account, before: &[Account]) -> Result<Account, String> {
    let (name, others) = match text.split_once(':') {
        Some((name, others)) => (name.trim(), others),
        None => (text.trim(), ""),
    };
    if name.is_empty() {
        return Err("an account has a name".to_owned());
    }
    if before.iter().any(|one| one.name == name) {
        return Err(format!("there is an account {name} already"));
    }
    let mut account = defaults.clone();
    for other in others.split(',').map(str::trim) {
        if other.is_empty() {
            continue;
        }
        let found = before.iter().find(|one| one.name == other);
        let found = found.ok_or_else(|| format!("there is no account {other} above"))?;
        account = merged(account, found);
    }
    account.name = name.to_owned();
    Ok(account)
}

/// What the other sets counts more.
fn merged(account: Account, other: &Account) -> Account {
    let fresh = Account::default();
    let mut out = other.clone();
    macro_rules! keep_unset {
        ($($field:ident),*) => {
            $(if out.$field == fresh.$field { out.$field = account.$field; })*
        };
    }
    keep_unset!(
        host,
        port,
        lmtp,
        domain,
        timeout,
        tls,
        starttls,
        checks,
        authorities,
        fingerprint,
        certified_name,
        auth,
        user,
        password,
        from,
        may_override,
        from_header,
        adds_date,
        adds_id,
        removes_bcc,
        hides_recipients,
        notify,
        ret,
        log_file,
        aliases,
        local_domain
    );
    out
}

#[cfg(test)]
mod tests {
    use server::Encrypted;

    use super::*;

    #[test]
    fn accounts_inherit_and_what_is_not_followed_is_told() {
        let text = "# a comment\ndefaults\nport 587\ntls on\nsyslog on\n\naccount work\n\
                    host smtp.work.example\nfrom ada@work.example\n\
                    eval echo user ada\nauth\npassword \" spaced \"\n\
                    tls_priorities NORMAL\naccount home : work\nhost smtp.home.example\n\
                    port 25\naccount default : home\n";
        let read = parse("rc", text).unwrap();
        assert_eq!(
            read.notes,
            [
                "rc:5: syslog: only `logfile` is written",
                "rc:13: tls_priorities: TLS 1.2 and 1.3 are spoken, with what is good in them",
            ]
        );
        let [work, home, default] = read.accounts.as_slice() else {
            panic!("{read:?}");
        };
        assert_eq!((work.port(), work.encrypted()), (587, Encrypted::StartTls));
        assert_eq!(work.user.as_deref(), Some("ada"));
        assert_eq!(home.host.as_deref(), Some("smtp.home.example"));
        assert_eq!((home.port(), &home.from), (25, &work.from));
        assert_eq!(home.password, work.password);
        assert_eq!(
            Account {
                name: "home".into(),
                ..default.clone()
            },
            *home
        );
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, what) in [
            (
                "account a\naccount a\n",
                "rc:2: there is an account a already",
            ),
            ("account a : b\n", "rc:1: there is no account b above"),
            ("account\n", "rc:1: an account has a name"),
            ("account a\nhosst x\n", "rc:2: `hosst` is not known"),
            ("tls perhaps\n", "rc:1: `perhaps` is none of on, off"),
        ] {
            let complaint = parse("rc", text).unwrap_err();
            assert_eq!(complaint.code, sysexits::CONFIGURATION);
            assert!(complaint.to_string().contains(what), "{complaint}");
        }
    }

    #[test]
    fn a_password_is_for_nobody_elses_eyes() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("rc");
        std::fs::write(&path, "account default\nhost a.example\npassword secret\n").unwrap();
        let with = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
        };
        with(0o644);
        assert!(
            read(&path, true)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
        read(&path, false).unwrap();
        with(0o600);
        read(&path, true).unwrap();
    }
}
