//! rspamd, with rules of a test's own: no network, no database, nothing learned.
//!
//! Not here: how its package comes to be unpacked (`cargo xtask test`).

use std::fs;
use std::io;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::confined::{Confined, libraries, stranger};
use crate::port::free_address;

/// One that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Rspamd {
    folder: TempDir,
    address: SocketAddr,
    _running: Confined,
}

impl Rspamd {
    /// Starts one with rules in Lua; nothing where its package is not unpacked, or where it cannot
    /// be confined.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(rules: &str) -> io::Result<Option<Self>> {
        let Some(program) = stranger("usr/bin/rspamd") else {
            return Ok(None);
        };
        let folder = TempDir::new()?;
        let home = folder.path();
        let address = free_address()?;
        fs::write(home.join("rspamd.conf"), configuration(home, address))?;
        fs::write(home.join("rules.lua"), rules)?;
        // The list of all domains that are registered takes seconds to read.
        fs::write(home.join("domains"), "com\nexample\nlocalhost\norg\n")?;
        let root = program.ancestors().nth(3).unwrap_or(&program);
        let usr = root.join("usr").display().to_string();
        let script = format!(
            "LD_LIBRARY_PATH={}:{usr}/lib/rspamd {} -f -i -u root -g root -c {}/rspamd.conf \
             --var=SHAREDIR={usr}/share/rspamd --var=LUALIBDIR={usr}/share/rspamd/lualib \
             --var=PLUGINSDIR={usr}/share/rspamd/plugins --var=RULESDIR={usr}/share/rspamd/rules",
            libraries(),
            program.display(),
            home.display(),
        );
        let log = home.join("log");
        let mut running = Confined::start(home, &script, &log)?;
        if let Err(error) = running.listens(address) {
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::other(format!("rspamd: {error}\n{said}")));
        }
        Ok(Some(Self {
            folder,
            address,
            _running: running,
        }))
    }

    /// Where it is asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has written down.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn configuration(home: &std::path::Path, address: SocketAddr) -> String {
    let home = home.display();
    format!(
        "options {{\n\
         pidfile = \"{home}/pid\";\n\
         tempdir = \"{home}\";\n\
         url_tld = \"{home}/domains\";\n\
         hs_cache_dir = \"{home}/\";\n\
         control_socket = \"{home}/control mode=0600\";\n\
         filters = \"\";\n\
         dns {{ nameserver = [\"127.0.0.1:1:1\"]; timeout = 0.1; retransmits = 1; }}\n\
         }}\n\
         logging {{ type = \"console\"; level = \"info\"; }}\n\
         worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; }}\n\
         actions {{ reject = 15; add_header = 6; }}\n\
         lua = \"{home}/rules.lua\";\n"
    )
}
