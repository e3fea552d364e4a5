//! The commands: what is written here is also the help, the man pages and the completions.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::audit::{self, Audit};
use crate::backup::BackupCommand;
use crate::complaint::Complaint;
use crate::compose::{self, Compose};
use crate::config::Config;
use crate::deliver::Dialect;
use crate::dialogue::{self, Dialogue};
use crate::dkim::{self, DkimCommand};
use crate::dmarc::{self, DmarcCommand};
use crate::domains::{self, DomainCommand};
use crate::fetch::{self, FetchCommand};
use crate::junk::{self, SpamCommand};
use crate::link::{self, Link};
use crate::names::Called;
use crate::parse::{self, Parse};
use crate::place::Place;
use crate::programs::{self, Asked as Programs};
use crate::queue::{self, QueueCommand};
use crate::sendmail::{Name, Words};
use crate::sieve::{self, SieveCommand};
use crate::tls::{self, TlsCommand};
use crate::undo::{self, Purge, Undo};
use crate::upgrade::{self, Upgrade};
use crate::verdicts::{self, TrustCommand};
use crate::verify::{self, VerifyDisk};
use crate::why::{self, Why};
use crate::{
    certificate, config, demo, directory, inspect, papers, reclaim, send, serve, stats, transfer,
};

/// Electronic mail as one program: SMTP, IMAP and POP3.
///
/// Without a configuration file it is a demonstration: two accounts with sample mail, reachable
/// from this machine only, and nothing ever leaves it.
#[derive(Debug, Parser)]
#[command(name = "caramel", version, propagate_version = true)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for all data, whatever the configuration says.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server until it is told to stop (the default).
    Serve,
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Domains whose mail is taken: for accounts here, or for other hosts.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// People who have mail here.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Addresses that lead to accounts.
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Letters that wait to leave for other hosts.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Tells what happened to a letter: how it came, what was checked, what a script did with it,
    /// where it was filed, who was asked to take it and what they said, and what comes next.
    ///
    /// Refused letters are not remembered; the log has them. What is told is kept for a while
    /// (`[journeys] window`).
    Why(Why),
    /// Lists the connections that are open.
    Connections(Listing),
    /// Shows what is being said, live, as a dialogue.
    ///
    /// `C:` is the client's line and `S:` the server's, of all connections or of those that the
    /// options name. Passwords are never shown: `<left-out>` stands for them. What is in messages
    /// is shown as its length unless `--bodies` asks for it. That somebody looks on is logged.
    Dialogue(Dialogue),
    /// Brings mail in from elsewhere: mbox files, Maildirs, folders of messages, other servers.
    ///
    /// It works beside a server that runs, and where none does. What was committed is on the disk;
    /// a command that was broken off, given again, goes on where it was.
    Import(Box<transfer::Import>),
    /// Fetches mail from accounts elsewhere, by POP3 and IMAP (`[[source]]`).
    ///
    /// A running server does it by itself; this does it now, and says how it stands. Killed at any
    /// moment it goes on where it was: no message is lost, and none comes twice.
    #[command(subcommand)]
    Fetch(FetchCommand),
    /// Writes mailboxes as mbox files, a Maildir, or folders of messages.
    Export(Box<transfer::Export>),
    /// Lists what was done in an account, by whom and by what, and undoes it.
    ///
    /// Without OPERATION it lists; with one it undoes it, and says what came back. Removing
    /// messages, moving them, deleting and renaming mailboxes, and flags and copies of 32 messages
    /// and more are operations; so is undoing. They are remembered for a while (`[undo]`).
    Undo(Undo),
    /// Forgets operations for good, so that nobody can undo them.
    ///
    /// What it removes, and a proof of it, is written down as an operation that stays.
    Purge(Purge),
    /// Verifies what is kept of each account, repairs what can be, and names what cannot.
    ///
    /// A running server does this by itself, slowly (`[store] audit`); this asks for it now. Where
    /// no server runs the store is opened for it. It ends with 1 where something is not repaired.
    Audit(Audit),
    /// Backups of everything: made beside the work, verified, restored.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// TLS with other domains: what they want, what came of it, and reports about it.
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Looks after the store.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Says which forms the parts of the store have, and brings them to this release's.
    ///
    /// A server does the same at its start. With `--dry-run` nothing is changed or locked, and a
    /// server may run: it says what the first start would rewrite, what room that needs, and
    /// whether an older release that reads the store now still does afterwards. It ends with 0
    /// where nothing is rewritten or all was, with 3 where `--dry-run` says that something would
    /// be, and with 1 where a later release wrote the store: that is left as it is.
    Upgrade(Upgrade),
    /// Certificates.
    #[command(subcommand)]
    Cert(CertCommand),
    /// Shows what is in a message: its parts, and what had to be repaired to read it.
    ///
    /// One file is one message, as it travels or as it is stored; no configuration is needed.
    Parse(Parse),
    /// Makes a message and writes it to standard output.
    ///
    /// Its text comes from standard input unless an option says otherwise. Nothing is sent: what is
    /// written goes on to curl, sendmail, or a folder. No configuration is needed.
    Compose(Box<Compose>),
    /// Filter scripts: checked, tried on a message, tested. No configuration is needed.
    #[command(subcommand)]
    Sieve(SieveCommand),
    /// What was learned about junk: taught, shown, and forgotten.
    ///
    /// Moving letters into the mailbox for junk and out of it teaches as well (`[spam]`).
    #[command(subcommand)]
    Spam(SpamCommand),
    /// Keys for signing letters, signatures, and what they are worth (DKIM).
    ///
    /// No configuration is needed, and nothing is looked up: DNS is what `--zone` and `--record`
    /// say.
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Reports of DMARC: those that came, read; those that are due, listed and sent.
    #[command(subcommand)]
    Dmarc(DmarcCommand),
    /// Says who sent a letter and whether they may: SPF, DKIM, DMARC, ARC.
    ///
    /// No configuration is needed, and nothing is looked up: DNS is what `--zone` and `--record`
    /// say.
    #[command(subcommand)]
    Trust(Box<TrustCommand>),
    /// Hands in the message on standard input, as programs of this machine do.
    ///
    /// `caramel sendmail --help` lists its options: those of sendmail. A link to this program with
    /// the name `sendmail` is the same; `caramel link` makes it. Exit code 0 says that the message
    /// is on the disk, whether the server runs or not; others are those of sysexits.
    Sendmail(Words),
    /// Lists the queue as programs of this machine know it: `sendmail -bp`.
    Mailq(Words),
    /// Checks the file of aliases, and has the server read it anew: `sendmail -bi`.
    ///
    /// Where no `[local] aliases` is set it says how many are in effect, which are in the store. It
    /// ends with 65 where a line of the file is not right; then what was read before stays.
    Newaliases(Words),
    /// Delivers the message on standard input to people here, for other mailers.
    ///
    /// `caramel deliver --help` lists its options. It may be Postfix's `mailbox_command`, stand in
    /// a `.forward`, or be fetchmail's `mda`; called `procmail` or `maildrop` it takes their
    /// options.
    Deliver(Words),
    /// Runs the programs that aliases name (`|program` in a file like `/etc/aliases`), or a user's
    /// `.forward`, for a server that hands letters over (`[local] programs`, `forward_programs`).
    ///
    /// It is started beside the server, never as root: for aliases as a user of its own, best as
    /// nobody who may do anything else, and for a `.forward` as the user whose it is. Each program
    /// is a command of the shell; it gets the letter on its standard input, behind a line `From `,
    /// and whom it is for in its environment. Its exit code decides: 0, the letter is taken; 75, it
    /// is tried again; others, its sender is told what the program wrote. No configuration is
    /// needed.
    Programs(Programs),
    /// Hands the message on standard input to a mail host, without a server or a store here.
    ///
    /// `caramel send --help` lists its options: those of msmtp, whose files it reads, and ssmtp's.
    /// Called `msmtp` or `ssmtp` it is the same. Exit code 0 says that the host has taken the
    /// message; nothing is kept here.
    Send(Words),
    /// Makes links to this program with the names that programs of this machine call.
    Link(Link),
    /// Writes the man pages into a folder, or the first to standard output.
    Man {
        /// The folder; `-` for standard output.
        folder: PathBuf,
    },
    /// Writes a shell's completions to standard output.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Says whether the configuration file is right, and where it is not.
    Check,
    /// Shows all settings with their effective values.
    Show,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// Makes an account; a password is made up and shown unless it is given.
    Add {
        /// Its address: ada@example.org.
        address: String,
        /// It is nobody's own: nobody logs in as it, it has no password, and whoever is given
        /// rights finds its mailboxes under `Shared`.
        #[arg(long, conflicts_with = "password_stdin")]
        shared: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Lists the accounts.
    List(Listing),
    /// Gives an account another password.
    Passwd {
        /// Its address.
        address: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Shows how much mail an account holds and may hold, or says how much it may.
    Quota {
        /// Its address.
        address: String,
        #[command(flatten)]
        change: QuotaChange,
    },
    /// Shows who may do what with a mailbox of an account, or gives and takes rights.
    Rights {
        /// The account's address.
        address: String,
        /// The mailbox, as its owner calls it: INBOX.
        mailbox: String,
        #[command(flatten)]
        change: RightsChange,
    },
    /// Removes an account: nobody logs in to it, nothing is delivered to it. As long as operations
    /// are remembered, `caramel undo ADDRESS account` brings it back.
    Rm {
        /// Its address.
        address: String,
    },
}

#[derive(Debug, Subcommand)]
enum AliasCommand {
    /// Sets an alias.
    Add {
        /// The address that stands for others; `@example.org` for all that are nobody else's.
        source: String,
        /// Where its mail goes.
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// Lists the aliases.
    List(Listing),
    /// Removes an alias.
    Rm {
        /// The alias.
        source: String,
    },
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Reads everything that is stored and says what is damaged or differs; no server may run.
    Check {
        /// Makes anew what was made of every message as well, not of one in 64.
        #[arg(long)]
        deep: bool,
    },
    /// Makes the store's index anew from its log; no server may run.
    Rebuild,
    /// Leaves out what is damaged in the middle of the log, so that the rest serves; no server may
    /// run.
    ///
    /// `store check` says what is damaged. Without `--yes` it asks first. `audit --deep` then names
    /// the letters that cannot be read any more.
    Repair {
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Shows what the store has: its files, how much of them is dead, and its rows by table.
    Stats(Listing),
    /// Frees now what no mailbox has any more.
    ///
    /// A running server does this by itself (`[store] reclaim`). Where none runs the store is
    /// opened
    /// for it. It writes at most two octets for each that it frees; where that is not enough to be
    /// worth it, it leaves segments as they are.
    Reclaim(Listing),
    /// Finds out whether a disk keeps what it acknowledges.
    ///
    /// It writes as the store does, measures how long the disk takes, and says whether that can be:
    /// 0 nothing speaks against it, 1 something was lost, 3 it is too fast to be true. No
    /// configuration is needed.
    VerifyDisk(VerifyDisk),
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Prints the path of the authority's certificate: programs that trust it trust the server.
    Ca,
}

/// How a list is shown.
#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much an account may hold from now on; of what is not named, any number.
#[derive(Debug, Args)]
pub(crate) struct QuotaChange {
    /// Octets of all its messages: 500M, 2G.
    #[arg(long, value_name = "OCTETS", value_parser = config::octets)]
    pub(crate) octets: Option<u64>,
    /// Messages, counted once for each mailbox they are in.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) messages: Option<u64>,
    /// No limit, whatever the configuration says.
    #[arg(long, conflicts_with_all = ["octets", "messages", "default"])]
    pub(crate) none: bool,
    /// The limits that the configuration gives to all.
    #[arg(long, conflicts_with_all = ["octets", "messages"])]
    pub(crate) default: bool,
}

/// What somebody may do from now on.
#[derive(Debug, Args)]
pub(crate) struct RightsChange {
    /// Whose rights change: an address, or `anyone`; behind `-` those that are taken from them,
    /// whatever else they are given.
    #[arg(requires = "rights", allow_hyphen_values = true)]
    pub(crate) identifier: Option<String>,
    /// Letters of RFC 4314: l (sees it), r (reads), s (marks as read), w (other flags), i (puts
    /// messages in), k (makes mailboxes below it), x (deletes it), t (marks as deleted), e
    /// (expunges), a (gives rights); or `all`, or `none`. `+` before letters adds them to those
    /// there are, `-` takes them away.
    #[arg(allow_hyphen_values = true)]
    pub(crate) rights: Option<String>,
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from standard input, up to the end of its first line.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> Result<(), Complaint> {
        match self.command {
            Some(Command::Man { folder }) => papers::man(&folder),
            Some(Command::Completions { shell }) => papers::completions(shell),
            Some(Command::Link(asked)) => link::run(&asked),
            Some(Command::Sendmail(ref words)) => {
                Called::Sendmail(Name::Sendmail).run(words, self.place())
            }
            Some(Command::Mailq(ref words)) => {
                Called::Sendmail(Name::Mailq).run(words, self.place())
            }
            Some(Command::Newaliases(ref words)) => {
                Called::Sendmail(Name::Newaliases).run(words, self.place())
            }
            Some(Command::Deliver(ref words)) => {
                Called::Deliver(Dialect::Deliver).run(words, self.place())
            }
            Some(Command::Send(ref words)) => {
                Called::Send(send::Dialect::Send).run(words, self.place())
            }
            Some(Command::Programs(ref asked)) => programs::run(asked),
            Some(Command::Parse(parse)) => parse::run(&parse),
            Some(Command::Compose(compose)) => compose::run(&compose),
            Some(Command::Dkim(asked)) => dkim::run(&asked),
            Some(Command::Trust(asked)) => verdicts::run(&asked),
            Some(Command::Store(StoreCommand::VerifyDisk(asked))) => verify::run(&asked),
            Some(Command::Sieve(ref asked)) => match sieve::run_without_configuration(asked) {
                Some(done) => done,
                None => sieve::run(&self.configuration()?, asked),
            },
            Some(Command::Dmarc(ref asked)) => match asked.run_without_configuration() {
                Some(done) => done,
                None => dmarc::run(&self.configuration()?, asked),
            },
            Some(Command::Tls(ref asked)) => match asked.run_without_configuration() {
                Some(done) => done,
                None => tls::run(&self.configuration()?, asked),
            },
            Some(Command::Backup(ref asked)) => match asked.run_without_configuration() {
                Some(done) => done,
                None => asked.run(&self.configuration()?),
            },
            ref command => {
                let config = self.configuration()?;
                match command {
                    None | Some(Command::Serve) => serve::run(&config),
                    Some(command) => carry_out(command, &config),
                }
            }
        }
    }

    /// Where the commands that everybody may use find the server.
    fn place(&self) -> Place {
        Place {
            config: self.config.clone(),
            data: self.data.clone(),
        }
    }

    /// What the file says, or the demonstration where there is none.
    fn configuration(&self) -> Result<Config, Complaint> {
        let mut config = match &self.config {
            Some(path) => config::read(path)?,
            None => demo::configuration()?,
        };
        if let Some(data) = &self.data {
            config.move_data(data)?;
        }
        Ok(config)
    }
}

fn carry_out(command: &Command, config: &Config) -> Result<(), Complaint> {
    match command {
        Command::Config(ConfigCommand::Check) => say("The configuration is right."),
        Command::Config(ConfigCommand::Show) => say(config.show().trim_end()),
        Command::Domain(asked) => domains::run(config, asked),
        Command::Account(command) => carry_out_account(command, config),
        Command::Alias(AliasCommand::Add { source, targets }) => {
            directory::add_alias(config, source, targets)
        }
        Command::Alias(AliasCommand::List(listing)) => directory::list_aliases(config, listing),
        Command::Alias(AliasCommand::Rm { source }) => directory::remove_alias(config, source),
        Command::Queue(asked) => queue::run(config, asked),
        Command::Why(asked) => why::run(config, asked),
        Command::Dmarc(asked) => dmarc::run(config, asked),
        Command::Spam(asked) => junk::run(config, asked),
        Command::Connections(listing) => dialogue::connections(config, listing),
        Command::Dialogue(dialogue) => dialogue::run(config, dialogue),
        Command::Import(import) => transfer::import(config, import),
        Command::Fetch(asked) => fetch::run(config, asked),
        Command::Export(export) => transfer::export(config, export),
        Command::Audit(asked) => audit::run(config, asked),
        Command::Undo(asked) => undo::run(config, asked),
        Command::Purge(asked) => undo::purge(config, asked),
        Command::Store(StoreCommand::Check { deep }) => inspect::check(config, *deep),
        Command::Store(StoreCommand::Rebuild) => inspect::rebuild(config),
        Command::Store(StoreCommand::Repair { yes }) => inspect::repair(config, *yes),
        Command::Store(StoreCommand::Stats(listing)) => stats::run(config, listing),
        Command::Store(StoreCommand::Reclaim(listing)) => reclaim::run(config, listing),
        Command::Upgrade(asked) => upgrade::run(config, asked),
        Command::Cert(CertCommand::Ca) => certificate::authority(config),
        Command::Serve
        | Command::Backup(_)
        | Command::Store(StoreCommand::VerifyDisk(_))
        | Command::Parse(_)
        | Command::Tls(_)
        | Command::Compose(_)
        | Command::Sieve(_)
        | Command::Dkim(_)
        | Command::Trust(_)
        | Command::Sendmail(_)
        | Command::Mailq(_)
        | Command::Newaliases(_)
        | Command::Deliver(_)
        | Command::Programs(_)
        | Command::Send(_)
        | Command::Link(_)
        | Command::Man { .. }
        | Command::Completions { .. } => Ok(()),
    }
}

fn carry_out_account(command: &AccountCommand, config: &Config) -> Result<(), Complaint> {
    match command {
        AccountCommand::Add {
            address,
            shared: true,
            ..
        } => directory::add_shared_account(config, address),
        AccountCommand::Add {
            address, password, ..
        } => directory::add_account(config, address, password),
        AccountCommand::List(listing) => directory::list_accounts(config, listing),
        AccountCommand::Passwd { address, password } => {
            directory::change_password(config, address, password)
        }
        AccountCommand::Quota { address, change } => directory::quota(config, address, change),
        AccountCommand::Rights {
            address,
            mailbox,
            change,
        } => directory::rights(config, address, mailbox, change),
        AccountCommand::Rm { address } => directory::remove_account(config, address),
    }
}

/// Writes a line, or several, to standard output.
pub(crate) fn say(text: &str) -> Result<(), Complaint> {
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "{text}").and_then(|()| output.flush());
    Ok(written.context("writing to standard output")?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_table_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }
}
