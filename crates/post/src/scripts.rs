//! The filter scripts of an account: kept, listed, one of them made the one that runs.
//!
//! A text that is no script is never kept. Which words of the language scripts may use is what
//! delivery carries out ([`Post::script_abilities`]). A script's text lies in a row of its own,
//! under the line of the ledger that put it there; so what was compiled of it never grows old.
//!
//! Not here: the language (`sieve`), what scripts do with a message (`filter`).
//!
//! RFC 5804 §1.4–1.6, §2.5–2.12 (what may be done with scripts).

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use mail::{AccountId, ScriptName};
use sieve::{Abilities, Limits, Location, Script};

use crate::access::forbidden;
use crate::draft::Draft;
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::tables::{self, ScriptRow};
use crate::{Account, Elsewhere, Error, Fault, Outcome, Post, Rules, Why};

mod shelf;

pub(crate) use shelf::Shelf;

/// What is not carried out, for want of a queue that knows times for delivery.
const WITHOUT: [&str; 2] = ["redirect-deliverby", "envelope-deliverby"];

/// What nothing can come of where no letter is delivered.
// RFC 6785 §3.11
const AT_DELIVERY: [&str; 4] = ["reject", "ereject", "vacation", "vacation-seconds"];

/// What is carried out only where letters leave for other hosts.
const WHERE_IT_LEAVES: [&str; 5] = [
    "redirect-dsn",
    "vacation",
    "vacation-seconds",
    "enotify",
    "fcc",
];

/// What is carried out where letters leave, and where they do not.
static ABILITIES: LazyLock<Abilities> = LazyLock::new(|| Abilities::ALL.without(&WITHOUT));
static ABILITIES_WITHIN: LazyLock<Abilities> =
    LazyLock::new(|| ABILITIES.without_redirects().without(&WHERE_IT_LEAVES));

/// Steps of one run at delivery: a connection's thread carries it out.
const STEPS_MAX: u64 = 50_000;

/// A script as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptScript {
    /// Its name.
    pub name: ScriptName,
    /// Octets of its text.
    pub octets: u64,
    /// True if it is the one that runs.
    pub is_active: bool,
}

/// What there is to say of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptVerdict {
    /// It is a script; lines that say where it may not do what is meant.
    Right(Vec<String>),
    /// It is none: a line for each fault, with its place and, where one can be guessed, a hint.
    Wrong(Vec<String>),
}

impl Post {
    /// The words that scripts may require: all that delivery carries out, and nothing else.
    pub fn script_abilities(&self) -> impl Iterator<Item = &'static str> {
        self.rules().script_limits().abilities.names()
    }

    /// To how many addresses a script may send one message on, where it may at all.
    #[must_use]
    pub fn script_redirects_max(&self) -> Option<u32> {
        let limits = self.rules().script_limits();
        let most = u32::try_from(limits.redirects_max).unwrap_or(u32::MAX);
        limits.abilities.redirects().then_some(most)
    }

    /// The schemes of URIs by which a script may tell somebody.
    pub fn script_notify_methods(&self) -> impl Iterator<Item = &'static str> {
        let tells = self.script_abilities().any(|name| name == "enotify");
        tells.then_some("mailto").into_iter()
    }

    /// The schemes of URIs that name lists.
    // RFC 6134 §2.8
    pub fn script_list_schemes(&self) -> impl Iterator<Item = &'static str> {
        let asks = self.script_abilities().any(|name| name == "extlists");
        let schemes = ["tag", "urn"].into_iter();
        schemes.filter(move |_| asks)
    }

    /// A script as it is run, in memory or read now; none where it is no script any more, since
    /// this release carries out less than the one that has taken it.
    ///
    /// # Errors
    /// [`Why::Nonexistent`] if it has gone since its row was seen, or if it cannot be read.
    pub(crate) async fn compiled(
        &self,
        keeper: &Keeper,
        name: &ScriptName,
        row: ScriptRow,
    ) -> Outcome<Option<Arc<Script>>> {
        let key = (keeper.account, row.id);
        if let Some(known) = self.inner.shelf.take(key, name) {
            return Ok(known);
        }
        let text = self.script_text(keeper, row.id).await?;
        let compiled = Script::compile(name.as_str(), &text, &self.rules().script_limits());
        if let Err(faults) = &compiled {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            let account = keeper.account.0;
            tracing::warn!(account, script = %name, fault, "a script cannot be run");
        }
        let compiled = compiled.ok().map(Arc::new);
        let memory_max = self.rules().scripts_memory_octets_max;
        self.inner.shelf.put(key, compiled.clone(), memory_max);
        Ok(compiled)
    }

    /// The text of a script whose row was seen.
    async fn script_text(&self, keeper: &Keeper, id: u64) -> Outcome<Bytes> {
        // The row may have been seen before it was on the disk, and its text is read there.
        self.look(keeper, |_| ()).await?;
        let (at, key) = (keeper.partition(), tables::script_text_key(id));
        let store = self.inner.store.as_ref();
        let values = store.get(at, tables::SCRIPT_TEXTS, vec![key]).await;
        let values = values.map_err(Error::reading("reading a script"))?;
        let value = values.into_iter().next().flatten().ok_or_else(no_script)?;
        let text = tables::read_script_text(&value);
        text.ok_or_else(|| Fault::Row("a script").into())
    }
}

impl Rules {
    /// What bounds a script, in its text and when it runs.
    #[must_use]
    pub fn script_limits(&self) -> Limits {
        let abilities = match self.elsewhere {
            Elsewhere::Relay => *ABILITIES,
            _ => *ABILITIES_WITHIN,
        };
        Limits {
            abilities,
            script_octets_max: self.script_octets_max,
            redirects_max: self.redirects_max,
            steps_max: STEPS_MAX,
            ..Limits::HOUSE
        }
    }

    /// The same where no letter is delivered, but something is done with one.
    pub(crate) fn event_limits(&self) -> Limits {
        let limits = self.script_limits();
        Limits {
            abilities: limits.abilities.without(&AT_DELIVERY),
            ..limits
        }
    }
}

impl Account {
    /// Says whether a text is a script.
    ///
    /// # Errors
    /// [`Why::Policy`] for somebody else's account, or if the account cannot be read.
    pub async fn check_script(&self, text: &[u8]) -> Outcome<ScriptVerdict> {
        self.owns_scripts()?;
        let house = self.house();
        match Script::compile("", text, &house.rules().script_limits()) {
            Err(faults) => Ok(ScriptVerdict::Wrong(
                faults.iter().map(ToString::to_string).collect(),
            )),
            Ok(script) => {
                let warnings = self
                    .look(|ledger| warnings(ledger, house.rules(), &script))
                    .await?;
                Ok(ScriptVerdict::Right(warnings))
            }
        }
    }

    /// Says whether a script of this name and so many octets could be kept.
    ///
    /// # Errors
    /// [`Why::TooBig`], [`Why::Limit`] for too many scripts, [`Why::OverQuota`] for too many octets
    /// of all of them, [`Why::Policy`] for somebody else's account.
    pub async fn has_script_room(&self, name: &ScriptName, octets: u64) -> Outcome<()> {
        self.owns_scripts()?;
        let rules = self.house().rules();
        self.look(|ledger| room(ledger, name, octets, rules))
            .await?
    }

    /// Keeps a script, in the place of another of this name, if the text is one. The active script
    /// stays the active one.
    ///
    /// # Errors
    /// As [`Account::has_script_room`], or if it cannot be stored.
    pub async fn put_script(&self, name: &ScriptName, text: &Bytes) -> Outcome<ScriptVerdict> {
        let octets = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.has_script_room(name, octets).await?;
        let verdict = self.check_script(text).await?;
        if let ScriptVerdict::Wrong(_) = verdict {
            return Ok(verdict);
        }
        let rules = self.house().rules();
        self.change_scripts(|draft| {
            room(draft.ledger(), name, octets, rules)?;
            draft.put_script(name, text);
            Ok(())
        })
        .await?;
        Ok(verdict)
    }

    /// All scripts, by name.
    ///
    /// # Errors
    /// [`Why::Policy`] for somebody else's account, or if the account cannot be read.
    pub async fn scripts(&self) -> Outcome<Vec<KeptScript>> {
        self.owns_scripts()?;
        self.look(|ledger| {
            let all = ledger.scripts.iter();
            let shown = all.map(|(name, row)| KeptScript {
                name: name.clone(),
                octets: row.octets.into(),
                is_active: row.is_active,
            });
            shown.collect()
        })
        .await
    }

    /// The text of a script.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::Policy`] for somebody else's account, or if it cannot be read.
    pub async fn script(&self, name: &ScriptName) -> Outcome<Bytes> {
        self.owns_scripts()?;
        let row = self
            .look(|ledger| ledger.scripts.get(name).copied())
            .await?;
        let row = row.ok_or_else(no_script)?;
        self.house().script_text(&self.keeper, row.id).await
    }

    /// Makes a script the one that runs, or none.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::Policy`] for somebody else's account, or if it cannot be
    /// stored.
    pub async fn activate_script(&self, name: Option<&ScriptName>) -> Outcome<()> {
        self.change_scripts(|draft| {
            if let Some(name) = name {
                known(draft.ledger(), name)?;
            }
            draft.activate_script(name);
            Ok(())
        })
        .await
    }

    /// Removes a script that is not the one that runs.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::InUse`] for the active script, [`Why::Policy`] for somebody
    /// else's account, or if it cannot be stored.
    // RFC 5804 §2.10
    pub async fn remove_script(&self, name: &ScriptName) -> Outcome<()> {
        self.change_scripts(|draft| {
            if known(draft.ledger(), name)?.is_active {
                let text = "This is the script that runs; make another the active one first";
                return Err(Error::refused(Why::InUse, 550, [5, 7, 0], text));
            }
            draft.remove_script(name);
            Ok(())
        })
        .await
    }

    /// Gives a script another name; the active script stays the active one.
    ///
    /// # Errors
    /// [`Why::Nonexistent`], [`Why::AlreadyExists`], [`Why::Policy`] for somebody else's account,
    /// or if it cannot be stored.
    // RFC 5804 §2.11
    pub async fn rename_script(&self, name: &ScriptName, new: &ScriptName) -> Outcome<()> {
        self.change_scripts(|draft| {
            known(draft.ledger(), name)?;
            if draft.ledger().scripts.contains_key(new) {
                let text = "There is a script of the new name already";
                return Err(Error::refused(Why::AlreadyExists, 550, [5, 7, 0], text));
            }
            draft.rename_script(name, new);
            Ok(())
        })
        .await
    }

    async fn change_scripts(
        &self,
        change: impl FnMut(&mut Draft<'_>) -> Outcome<()> + Send,
    ) -> Outcome<()> {
        self.owns_scripts()?;
        self.change(change).await
    }

    /// Nobody but its owner has to do with an account's scripts.
    fn owns_scripts(&self) -> Outcome<()> {
        match self.visitor {
            None => Ok(()),
            Some(_) => Err(forbidden()),
        }
    }
}

/// The script of an account that runs.
pub(crate) fn active(ledger: &Ledger) -> Option<(ScriptName, ScriptRow)> {
    let mut scripts = ledger.scripts.iter();
    let found = scripts.find(|(_, row)| row.is_active);
    found.map(|(name, row)| (name.clone(), *row))
}

fn known(ledger: &Ledger, name: &ScriptName) -> Outcome<ScriptRow> {
    ledger.scripts.get(name).copied().ok_or_else(no_script)
}

fn no_script() -> Error {
    Error::nonexistent("There is no script of this name")
}

/// Checks that one more script may be kept, in the place of the one of this name.
fn room(ledger: &Ledger, name: &ScriptName, octets: u64, rules: &Rules) -> Outcome<()> {
    let octets_max = u64::try_from(rules.script_octets_max).unwrap_or(u64::MAX);
    if octets > octets_max {
        let text = format!("A script has at most {octets_max} octets");
        return Err(Error::refused(Why::TooBig, 552, [5, 3, 4], text));
    }
    let others = ledger.scripts.iter().filter(|(other, _)| *other != name);
    let (count, all) = others.fold((0, octets), |(count, all), (_, row)| {
        (count + 1, all + u64::from(row.octets))
    });
    if count >= rules.scripts_max {
        let text = format!("There are {count} scripts already, and more are not kept");
        return Err(Error::limit(text));
    }
    if all > rules.scripts_octets_max {
        let text = format!(
            "All scripts together have at most {} octets",
            rules.scripts_octets_max
        );
        return Err(Error::refused(Why::OverQuota, 552, [5, 2, 2], text));
    }
    Ok(())
}

/// Where a script may not do what is meant.
fn warnings(ledger: &Ledger, rules: &Rules, script: &Script) -> Vec<String> {
    let missing = |(location, name, line): (Location, &str, u32)| {
        let found = match (location, ScriptName::parse(name)) {
            (Location::Personal, Some(name)) => ledger.scripts.contains_key(&name),
            (Location::Global, _) => rules.sieve.global.contains_key(name),
            _ => false,
        };
        // What a variable names is known when it runs.
        let is_constant = !name.is_empty();
        (is_constant && !found)
            .then(|| format!("line {line}: there is no script \"{name}\" to include"))
    };
    script.includes().filter_map(missing).collect()
}

/// Whose script, and which.
type Key = (AccountId, u64);
