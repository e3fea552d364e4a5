//! What proves who logs in at a source: a password or a token, from wherever it is kept.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use wire::sasl::Secret;

use super::source::{Source, SourceSecret};
use super::trouble::{Trouble, TroubleKind};

/// Octets of a password or a token.
const SECRET_OCTETS_MAX: u64 = 16 * 1024;
/// How long a command may take that tells one.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// A password, or an access token.
#[derive(Debug)]
pub(super) enum Proof {
    Password(Secret),
    Token(String),
}

/// Finds out what proves who logs in.
pub(super) async fn proof(source: &Source) -> Result<Proof, Trouble> {
    Ok(match &source.secret {
        SourceSecret::Password(password) => Proof::Password(Secret(password.clone())),
        SourceSecret::File(path) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                let what = format!("{} cannot be read", path.display());
                Trouble::new(TroubleKind::Lasting, what).because(error)
            })?;
            Proof::Password(Secret(first_line(&text)))
        }
        SourceSecret::Command(command) => Proof::Password(Secret(ask(command).await?)),
        SourceSecret::TokenCommand(command) => Proof::Token(ask(command).await?),
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The first line of what a command of the shell writes.
async fn ask(command: &str) -> Result<String, Trouble> {
    let failed = || {
        Trouble::new(
            TroubleKind::Lasting,
            format!("`{command}` tells no password"),
        )
        .next("run it by hand, as the user that fetches")
    };
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed().because(error))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let told = async {
        let (mut text, mut complaint) = (String::new(), String::new());
        if let Some(out) = out {
            out.take(SECRET_OCTETS_MAX)
                .read_to_string(&mut text)
                .await?;
        }
        if let Some(err) = err {
            err.take(SECRET_OCTETS_MAX)
                .read_to_string(&mut complaint)
                .await?;
        }
        Ok::<_, std::io::Error>((text, complaint, child.wait().await?))
    };
    let told = timeout(COMMAND_MAX, told).await;
    let told = told.map_err(|_| failed().because("it does not end"))?;
    let (text, complaint, status) = told.map_err(|error| failed().because(error))?;
    let secret = first_line(&text);
    if !status.success() {
        let said = first_line(&complaint);
        return Err(failed().because(format!("{status} {said}")));
    }
    match secret.is_empty() {
        true => Err(failed().because("it writes nothing")),
        false => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    #[tokio::test]
    async fn commands_tell_their_first_line_or_what_is_wrong() {
        let of = async |command: &str| {
            let secret = SourceSecret::Command(command.into());
            let asked = proof(&Source { secret, ..source() }).await;
            match asked {
                Ok(Proof::Password(secret)) => secret.0,
                Ok(Proof::Token(_)) => "a token".into(),
                Err(trouble) => trouble.line(),
            }
        };
        assert_eq!(of("printf 'with space\\nmore\\n'").await, "with space");
        assert_eq!(
            of("true").await,
            "`true` tells no password: it writes nothing"
        );
        let said = of("echo no such key >&2; exit 3").await;
        assert!(said.ends_with("exit status: 3 no such key"), "{said}");
    }
}
