//! What ManageSieve asks, answered by the post.

use managesieve::{Answer, Ask, Cause, Listed, Policy, Session};
use net::Onlooker;
use post::{Account, Error, Outcome, ScriptVerdict, Why};

use crate::guest::Guest;
use crate::visit::{Hall, Visit};

/// What a session behind this door may do.
fn policy(hall: &Hall) -> Policy {
    let rules = hall.post.rules();
    let usual = Policy::new(hall.settings.host.to_string());
    Policy {
        tls_offered: hall.offers_starttls(),
        mechanisms: hall.mechanisms(),
        cleartext_passwords: hall.door.is_indoors(),
        extensions: hall.post.script_abilities().map(str::to_owned).collect(),
        redirects_max: hall.post.script_redirects_max(),
        notify_methods: hall
            .post
            .script_notify_methods()
            .map(str::to_owned)
            .collect(),
        list_schemes: hall.post.script_list_schemes().map(str::to_owned).collect(),
        script_octets_max: rules.script_octets_max,
        ..usual
    }
}

/// Talks with one peer until it has gone.
pub(crate) fn converse(visit: Visit) -> impl Future<Output = ()> + Send + 'static {
    let session = Session::new(policy(&visit.hall));
    let house = House {
        guest: visit.guest(),
    };
    visit.converse(session, house)
}

#[derive(Debug)]
struct House {
    guest: Guest,
}

impl net::House<Session> for House {
    async fn ask(&mut self, ask: Ask) -> Answer {
        let answer = match ask {
            Ask::Sasl(question) => return Answer::Sasl(self.guest.verdict(question).await),
            Ask::Leave => {
                self.guest.leave();
                return Answer::Done;
            }
            ask => self.scripts(ask).await,
        };
        answer.unwrap_or_else(|error| {
            let conn = self.guest.peer.conn;
            tracing::info!(%conn, %error, "refused");
            refused(&error)
        })
    }

    fn is_dismissed(&mut self) -> bool {
        self.guest.is_dismissed()
    }

    fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        self.guest.onlooker()
    }

    fn rests(&mut self, whereabouts: &'static str, encrypted: bool) {
        self.guest.rests(whereabouts, encrypted);
    }
}

impl House {
    async fn scripts(&self, ask: Ask) -> Outcome<Answer> {
        let account = self.guest.account().ok_or_else(nobody)?;
        Ok(match ask {
            // RFC 5804 §1.7
            Ask::Open => Answer::Opened(account.address().to_string()),
            Ask::HaveSpace(name, octets) => {
                account.has_script_room(&name, octets).await?;
                Answer::Done
            }
            Ask::Check(text) => judged(account.check_script(&text).await?),
            Ask::Put(name, text) => judged(account.put_script(&name, &text).await?),
            Ask::List => list(account).await?,
            Ask::Activate(name) => {
                account.activate_script(name.as_ref()).await?;
                Answer::Done
            }
            Ask::Get(name) => Answer::Script(account.script(&name).await?),
            Ask::Delete(name) => {
                account.remove_script(&name).await?;
                Answer::Done
            }
            Ask::Rename(name, new) => {
                account.rename_script(&name, &new).await?;
                Answer::Done
            }
            // Answered before.
            Ask::Sasl(_) | Ask::Leave => return Err(nobody()),
        })
    }
}

async fn list(account: &Account) -> Outcome<Answer> {
    let scripts = account.scripts().await?.into_iter();
    let listed = scripts.map(|script| Listed {
        name: script.name,
        is_active: script.is_active,
    });
    Ok(Answer::Listed(listed.collect()))
}

// RFC 5804 §2.6
fn judged(verdict: ScriptVerdict) -> Answer {
    match verdict {
        ScriptVerdict::Right(warnings) if warnings.is_empty() => Answer::Done,
        ScriptVerdict::Right(warnings) => Answer::Warned(warnings.join("\r\n")),
        ScriptVerdict::Wrong(faults) => Answer::No(Cause::Faulty, faults.join("\r\n")),
    }
}

fn refused(error: &Error) -> Answer {
    let cause = match error.why() {
        Why::Nonexistent => Cause::Nonexistent,
        Why::AlreadyExists => Cause::AlreadyExists,
        Why::InUse => Cause::Active,
        Why::Limit => Cause::TooMany,
        Why::TooBig => Cause::TooLarge,
        Why::OverQuota => Cause::OverQuota,
        _ => return Answer::Refused(error.refusal()),
    };
    Answer::No(cause, error.refusal().text)
}

/// A session that asks out of turn.
fn nobody() -> Error {
    Error::Fault(post::Fault::Row("an account that nobody is logged in to"))
}

#[cfg(test)]
mod tests {
    use mail::{Enhanced, Refusal};

    use super::*;

    #[test]
    fn refusals_and_verdicts_have_their_words() {
        let refusal = || Refusal::new(550, Enhanced::new(5, 7, 0), "No");
        for (why, cause) in [
            (Why::Nonexistent, Some(Cause::Nonexistent)),
            (Why::InUse, Some(Cause::Active)),
            (Why::Limit, Some(Cause::TooMany)),
            (Why::TooBig, Some(Cause::TooLarge)),
            (Why::OverQuota, Some(Cause::OverQuota)),
            (Why::Policy, None),
        ] {
            let expected = match cause {
                Some(cause) => Answer::No(cause, "No".to_owned()),
                None => Answer::Refused(refusal()),
            };
            assert_eq!(refused(&Error::Refused(why, refusal())), expected);
        }
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        for (verdict, answer) in [
            (ScriptVerdict::Right(Vec::new()), Answer::Done),
            (
                ScriptVerdict::Right(lines(&["a", "b"])),
                Answer::Warned("a\r\nb".to_owned()),
            ),
            (
                ScriptVerdict::Wrong(lines(&["a", "b"])),
                Answer::No(Cause::Faulty, "a\r\nb".to_owned()),
            ),
        ] {
            assert_eq!(judged(verdict), answer);
        }
    }
}
