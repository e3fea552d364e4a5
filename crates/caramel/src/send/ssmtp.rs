//! `ssmtp.conf` and `revaliases`, as ssmtp's manual has them.
//!
//! Not here: what settings mean (`account`).

use std::path::Path;

use wire::sasl::Secret;

use super::account::{Account, Adding, Auth, Password, home_path, host_name, user_name};
use crate::complaint::Complaint;
use crate::sysexits;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) account: Account,
    /// Lines that are not followed, and why.
    pub(super) notes: Vec<String>,
}

/// What is known only when all of the file is read.
#[derive(Default)]
struct Whole {
    hostname: Option<String>,
    rewrite_domain: Option<String>,
    from_line_counts: bool,
    is_encrypted: bool,
    is_starttls: bool,
}

/// Reads a file, and `revaliases` beside it for who calls.
pub(super) fn read(path: &Path) -> Result<Read, Complaint> {
    let unreadable = |error| {
        let complaint = Complaint::new(format!("{} cannot be read", path.display()));
        complaint.because(error).coded(sysexits::CONFIGURATION)
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut read = parse(&path.display().to_string(), &text)?;
    let beside = path.with_file_name("revaliases");
    if let Ok(text) = std::fs::read_to_string(&beside) {
        let shown = beside.display().to_string();
        revaliases(&shown, &text, &user_name(), &mut read);
    }
    Ok(read)
}

/// Reads the text of a file.
pub(super) fn parse(path: &str, text: &str) -> Result<Read, Complaint> {
    let mut read = Read::default();
    let mut whole = Whole::default();
    read.account.name = "ssmtp".to_owned();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{path}:{}", number + 1);
        let wrong = |text: String| {
            Complaint::new(format!("{place}: {text}")).coded(sysexits::CONFIGURATION)
        };
        let Some((key, value)) = line.split_once('=') else {
            return Err(wrong("write `keyword=value`".to_owned()));
        };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let value = value.trim_matches('"');
        let note = take(&mut read.account, &mut whole, &key, value).map_err(wrong)?;
        read.notes
            .extend(note.map(|why| format!("{place}: {key}: {why}")));
    }
    finish(&mut read.account, whole);
    Ok(read)
}

/// Takes one setting; tells why it is not followed, where it is not.
fn take(
    account: &mut Account,
    whole: &mut Whole,
    key: &str,
    value: &str,
) -> Result<Option<&'static str>, String> {
    let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
    let yes = || match value.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "1" => Ok(true),
        "no" | "off" | "false" | "0" | "" => Ok(false),
        other => Err(format!("`{other}` is neither YES nor NO")),
    };
    match key {
        "root" => account.root = text(),
        "mailhub" | "relayhost" => mailhub(account, value)?,
        "remoteport" => {
            let port = value.parse().map_err(|_| format!("`{value}` is no port"))?;
            account.port = Some(port);
        }
        "rewritedomain" => whole.rewrite_domain = text(),
        "hostname" => whole.hostname = text(),
        "fromlineoverride" => whole.from_line_counts = yes()?,
        "usetls" => whole.is_encrypted = yes()?,
        "usestarttls" => whole.is_starttls = yes()?,
        "tls_ca_file" => {
            account.authorities = text().as_deref().map(home_path);
        }
        "authuser" => account.user = text(),
        "authpass" => {
            account.password = text().map_or(Password::None, |text| Password::Text(Secret(text)));
        }
        "authmethod" => match value.to_ascii_lowercase().as_str() {
            "login" | "plain" | "" => {}
            "cram-md5" => {
                return Ok(Some(
                    "CRAM-MD5 is not known; the strongest offered is taken",
                ));
            }
            other => return Err(format!("`{other}` is no way to log in")),
        },
        "tlscert" | "tlskey" => return Ok(Some("logging in by a certificate is not known")),
        "tls_ca_dir" => return Ok(Some("TLS_CA_File names one file with authorities")),
        "minuserid" => return Ok(Some("users below 1000 are the machine's own")),
        "useoldauth" => return Ok(Some("AUTH is spoken as RFC 4954 has it")),
        "debug" => return Ok(Some("-v tells what is done")),
        "addheader" => return Ok(Some("nothing is added to headers but what they lack")),
        _ => return Ok(Some("it is not known")),
    }
    Ok(None)
}

/// `host`, `host:port`, `[address]:port`.
fn mailhub(account: &mut Account, value: &str) -> Result<(), String> {
    let none = || format!("`{value}` is no host");
    let (host, port) = match value.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(none)?;
            (host, rest.strip_prefix(':'))
        }
        None => match value.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (value, None),
        },
    };
    if host.is_empty() {
        return Err(none());
    }
    account.host = Some(host.to_owned());
    if let Some(port) = port {
        account.port = Some(port.parse().map_err(|_| format!("`{port}` is no port"))?);
    }
    Ok(())
}

fn finish(account: &mut Account, whole: Whole) {
    account.tls = whole.is_encrypted || whole.is_starttls;
    account.starttls = whole.is_starttls;
    if account.host.is_none() {
        account.host = Some("mailhub".to_owned());
    }
    if account.user.is_some() {
        account.auth = Auth::Any;
    }
    let hostname = whole.hostname.unwrap_or_else(host_name);
    let domain = whole.rewrite_domain.unwrap_or_else(|| hostname.clone());
    account.domain = Some(hostname);
    account.from = Some(format!("{}@{domain}", user_name()));
    account.local_domain = Some(domain);
    // What programs write as their sender counts only where somebody allows it.
    account.from_header = match whole.from_line_counts {
        true => Adding::Missing,
        false => Adding::Always,
    };
    account.may_override = whole.from_line_counts;
    account.author_sends = whole.from_line_counts;
}

/// `user:address[:mailhub[:port]]`.
fn revaliases(path: &str, text: &str, user: &str, read: &mut Read) {
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.splitn(3, ':');
        let (name, address) = (fields.next().unwrap_or_default(), fields.next());
        let Some(address) = address.filter(|address| address.contains('@')) else {
            let note = format!("{path}:{}: write `user:address:mailhub`", number + 1);
            read.notes.push(note);
            continue;
        };
        if name != user {
            continue;
        }
        read.account.from = Some(address.to_owned());
        if let Some(Err(why)) = fields.next().map(|hub| mailhub(&mut read.account, hub)) {
            read.notes.push(format!("{path}:{}: {why}", number + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use server::Encrypted;

    use super::*;

    #[test]
    fn a_file_is_an_account() {
        let text = "# ssmtp\nroot=postmaster@example.org\nMailHub=smtp.example.org:587\n\
                    RewriteDomain=example.org\nHostname=web.example.org\nUseTLS=YES\n\
                    UseSTARTTLS=yes\nAuthUser=ada\nAuthPass=se=cret\nAuthMethod=CRAM-MD5\n\
                    TLSCert=/etc/ssl/x\nFromLineOverride=NO\nWombat=1\n";
        let mut read = parse("ssmtp.conf", text).unwrap();
        let account = &read.account;
        assert_eq!(
            (account.port(), account.encrypted()),
            (587, Encrypted::StartTls)
        );
        assert_eq!(account.password, Password::Text(Secret("se=cret".into())));
        assert_eq!(account.domain.as_deref(), Some("web.example.org"));
        assert!(account.from.as_deref().unwrap().ends_with("@example.org"));
        assert_eq!(
            (account.from_header, account.may_override),
            (Adding::Always, false)
        );
        assert_eq!(
            read.notes,
            [
                "ssmtp.conf:10: authmethod: CRAM-MD5 is not known; the strongest offered is taken",
                "ssmtp.conf:11: tlscert: logging in by a certificate is not known",
                "ssmtp.conf:13: wombat: it is not known",
            ]
        );
        let text = "# who\nbob:b@other.example:hub.example:2525\nada:ada@example.net\nwrong\n";
        revaliases("revaliases", text, "ada", &mut read);
        assert_eq!(read.account.from.as_deref(), Some("ada@example.net"));
        assert_eq!(read.notes[3], "revaliases:4: write `user:address:mailhub`");
        revaliases("revaliases", text, "bob", &mut read);
        assert_eq!(read.account.host.as_deref(), Some("hub.example"));
        assert_eq!(read.account.port(), 2525);
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, what) in [
            ("\nmailhub\n", "f:2: write `keyword=value`"),
            ("usetls=perhaps\n", "f:1: `perhaps` is neither YES nor NO"),
            ("mailhub=a:b\n", "f:1: `b` is no port"),
            ("authmethod=ntlm\n", "f:1: `ntlm` is no way to log in"),
        ] {
            let complaint = parse("f", text).unwrap_err();
            assert!(complaint.to_string().contains(what), "{complaint}");
        }
        let implicit = parse("f", "mailhub=[::1]:2465\nUseTLS=YES\n")
            .unwrap()
            .account;
        assert_eq!(implicit.encrypted(), Encrypted::Implicit);
        assert_eq!(
            (implicit.host.as_deref(), implicit.port()),
            (Some("::1"), 2465)
        );
    }
}
