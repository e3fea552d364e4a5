//! `caramel sieve from-procmail`: recipes of procmail as a script.
//!
//! What a recipe says and what the script says is the same, or the line is reported, and stands in
//! the script as a comment. Not here: programs, which a script cannot run.
//!
//! procmailrc(5), procmailex(5) and procmailsc(5) are what is followed.

use std::fs;
use std::path::{Path, PathBuf};

use ::sieve::{Limits, Script};
use clap::Args;

use super::show;
use crate::cli::say;
use crate::complaint::Complaint;

mod action;
mod area;
mod chain;
mod condition;
mod convert;
mod field;
mod folder;
mod pattern;
mod rc;
mod report;
mod script;
mod words;

use convert::{Converted, Settings, convert};

/// Octets of an rc file.
const FILE_OCTETS_MAX: u64 = 1024 * 1024;

/// An rc file to be carried over.
#[derive(Debug, Args)]
pub(crate) struct Recipes {
    /// The rc file.
    #[arg(value_name = "RCFILE")]
    file: PathBuf,
    /// What HOME is for it; else the folder it lies in.
    #[arg(long, value_name = "FOLDER")]
    home: Option<PathBuf>,
    /// What LOGNAME is for it; else as the home folder is called.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Where the script is written; standard output unless given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The script and what is to be said of it as JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Writes the script, and says what it does not have.
pub(super) fn run(recipes: &Recipes) -> Result<(), Complaint> {
    let text = read(&recipes.file).map_err(|why| {
        let complaint = Complaint::new(format!("{} cannot be read", recipes.file.display()));
        complaint.because(why)
    })?;
    let folder = match &recipes.home {
        Some(home) => home.clone(),
        None => fs::canonicalize(&recipes.file)
            .ok()
            .and_then(|file| file.parent().map(Path::to_owned))
            .unwrap_or_default(),
    };
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let file = name(&recipes.file);
    let converted = convert(
        &text,
        &Settings {
            home: folder.to_string_lossy().into_owned(),
            user: recipes.user.clone().unwrap_or_else(|| name(&folder)),
            file: file.clone(),
            read: &|path| read(Path::new(path)).ok(),
        },
    );
    let script = whole(&file, &converted);
    if let Some(output) = &recipes.output {
        fs::write(output, &script).map_err(|why| {
            let complaint = Complaint::new(format!("{} cannot be written", output.display()));
            complaint.because(why)
        })?;
    }
    if recipes.json {
        say(&converted.report.json(&script).to_string())?;
    } else {
        if recipes.output.is_none() {
            say(script.trim_end())?;
        }
        for line in converted.report.words() {
            eprintln!("{line}");
        }
    }
    // Whoever puts it is told the same, but in terms of lines that they did not write.
    if let Err(faults) = Script::compile(&file, script.as_bytes(), &Limits::HOUSE) {
        let shown = show::faults(&recipes.file, script.as_bytes(), &faults);
        let complaint = Complaint::new("the script that these recipes make is not taken");
        return Err(complaint.because(shown.trim_end()));
    }
    match converted.report.lost.len() {
        0 => Ok(()),
        1 => Err(Complaint::new(
            "a line is not carried; it stands in the script as a comment",
        )),
        many => Err(Complaint::new(format!(
            "{many} lines are not carried; they stand in the script as comments"
        ))),
    }
}

/// The script with where it comes from.
fn whole(file: &str, converted: &Converted) -> String {
    let mut script = format!("# Made of {file} by caramel sieve from-procmail.\n");
    match converted.report.lost.len() {
        0 => {}
        1 => script.push_str("# One line is not carried: it stands here as a comment.\n"),
        many => script.push_str(&format!(
            "# {many} lines are not carried: they stand here as comments.\n"
        )),
    }
    let text = script::write(&converted.steps);
    if !text.is_empty() {
        script.push_str(&text);
    }
    script
}

fn read(path: &Path) -> Result<String, String> {
    let facts = fs::metadata(path).map_err(|error| error.to_string())?;
    if !facts.is_file() || facts.len() > FILE_OCTETS_MAX {
        return Err(format!("it is no file of at most {FILE_OCTETS_MAX} octets"));
    }
    let octets = fs::read(path).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests;
