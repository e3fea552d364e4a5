//! What became of the lines of an rc file: what is not in the script, and what is to be looked at.

use serde_json::{Value, json};

/// What is said of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) file: String,
    pub(super) line: usize,
    /// The line, or its beginning.
    pub(super) text: String,
    pub(super) why: String,
}

/// All that is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Lines whose meaning the script does not have.
    pub(super) lost: Vec<Remark>,
    /// Lines whose meaning it has, with a difference or without need.
    pub(super) notes: Vec<Remark>,
}

impl Report {
    /// One line for each.
    pub(super) fn words(&self) -> Vec<String> {
        let line = |kind: &str, remark: &Remark| {
            let Remark {
                file,
                line,
                text,
                why,
            } = remark;
            format!("{file}:{line}: {kind}: {text}\n  {why}")
        };
        let lost = self.lost.iter().map(|remark| line("not carried", remark));
        let notes = self.notes.iter().map(|remark| line("note", remark));
        lost.chain(notes).collect()
    }

    pub(super) fn json(&self, script: &str) -> Value {
        let all = |remarks: &[Remark]| -> Vec<Value> {
            let one = |remark: &Remark| {
                json!({
                    "file": remark.file,
                    "line": remark.line,
                    "text": remark.text,
                    "why": remark.why,
                })
            };
            remarks.iter().map(one).collect()
        };
        json!({
            "carried": self.lost.is_empty(),
            "lost": all(&self.lost),
            "notes": all(&self.notes),
            "script": script,
        })
    }
}
