//! Man pages and completions, made from the table of commands.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::complaint::Complaint;
use crate::files;

/// Writes a page for each command into a folder, or the first to standard output.
pub(crate) fn man(folder: &Path) -> Result<(), Complaint> {
    let command = Cli::command();
    if folder == Path::new("-") {
        let written = Man::new(command).render(&mut std::io::stdout());
        return Ok(written.context("writing to standard output")?);
    }
    files::make_folder(folder)?;
    let written = clap_mangen::generate_to(command, folder);
    Ok(written.with_context(|| format!("writing into {}", folder.display()))?)
}

/// Writes a shell's completions to standard output.
pub(crate) fn completions(shell: Shell) -> Result<(), Complaint> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "caramel", &mut script);
    let written = std::io::Write::write_all(&mut std::io::stdout(), &script);
    Ok(written.context("writing to standard output")?)
}
