//! The log: events on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::Config;

/// Begins to log as the configuration says; `CARAMEL_LOG` overrules it.
pub(crate) fn begin(config: &Config) {
    // The index's engine is talkative about its own housekeeping.
    let usual = format!("{},fjall=warn,lsm_tree=warn", config.log_level());
    begin_as(usual, config.logs_json());
}

/// Begins to log where there is no configuration.
pub(crate) fn begin_alone() {
    begin_as("info".to_owned(), false);
}

fn begin_as(usual: String, as_json: bool) {
    let directives = std::env::var("CARAMEL_LOG").unwrap_or(usual);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        // To say so would fail as well: it panics where nobody reads the log any more.
        .log_internal_errors(false);
    // A second begin, in tests, leaves the first as it is.
    let begun = if as_json {
        builder.json().try_init()
    } else {
        builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    };
    drop(begun);
}
