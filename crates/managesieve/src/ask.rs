//! What a session asks the house, and what it may hear.

use bytes::Bytes;
use mail::{Refusal, ScriptName};
use wire::sasl::{Question, Verdict};

/// A question for the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A question of an exchange. Answer: [`Answer::Sasl`].
    Sasl(Question),
    /// Whose scripts these are, now that somebody has logged in.
    ///
    /// Answer: [`Answer::Opened`] or [`Answer::Refused`].
    Open,
    /// Whether a script of this name with so many octets would fit.
    ///
    /// Answer: [`Answer::Done`] or [`Answer::No`].
    HaveSpace(ScriptName, u64),
    /// Whether this is a script. Answer: [`Answer::Done`], [`Answer::Warned`] or [`Answer::No`].
    Check(Bytes),
    /// Keeps a script, in the place of another of this name, if it is one.
    ///
    /// Answer: [`Answer::Done`], [`Answer::Warned`] or [`Answer::No`].
    Put(ScriptName, Bytes),
    /// All scripts. Answer: [`Answer::Listed`] or [`Answer::No`].
    List,
    /// Makes a script the active one, or none of them. Answer: [`Answer::Done`] or [`Answer::No`].
    Activate(Option<ScriptName>),
    /// A script's text. Answer: [`Answer::Script`] or [`Answer::No`].
    Get(ScriptName),
    /// Removes a script. Answer: [`Answer::Done`] or [`Answer::No`].
    Delete(ScriptName),
    /// Gives a script another name. Answer: [`Answer::Done`] or [`Answer::No`].
    Rename(ScriptName, ScriptName),
    /// Forgets who has logged in. Answer: [`Answer::Done`].
    Leave,
}

/// The house's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The verdict on a login.
    Sasl(Verdict),
    /// The scripts of this user, by the name that the house has for them.
    Opened(String),
    /// It is done; or it fits, or is right.
    Done,
    /// It is done, but the script may not do what was meant: words for its owner.
    Warned(String),
    /// All scripts.
    Listed(Vec<Listed>),
    /// The text of a script.
    Script(Bytes),
    /// No: why, and words for people, in one line or several.
    No(Cause, String),
    /// No, or not now.
    Refused(Refusal),
}

/// A script in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ScriptName,
    /// True if this is the one that runs.
    pub is_active: bool,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no script of this name.
    Nonexistent,
    /// There is one of this name.
    AlreadyExists,
    /// It is the active script.
    Active,
    /// There would be too many scripts.
    TooMany,
    /// The script is too large.
    TooLarge,
    /// All scripts together would be too large.
    OverQuota,
    /// The text is no script.
    Faulty,
    /// Not now; it may pass.
    Unavailable,
    /// Something else.
    Other,
}
