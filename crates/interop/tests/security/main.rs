//! What is tried against mail servers, and what this one answers. Each attempt is a line of a
//! table; `docs/security.md` says the same in words.
#![expect(clippy::unwrap_used, reason = "a test")]

mod backscatter;
mod doors;
mod forwards;
mod injection;
#[path = "../sendmail/machine.rs"]
mod machine;
mod page;
mod relaying;
#[path = "../relay/sink.rs"]
mod sink;
mod smuggling;
mod upgrade;

use interop::{NameServer, Server, Talk, Tls};
use machine::Machine;
use sink::Sink;

const ADA: &str = "ada@test.localhost";
/// Somebody out there.
const STRANGER: &str = "192.0.2.66";
/// A machine that may send through us.
const FRIEND: &str = "198.51.100.7";

/// A server whose doors strangers reach through a proxy, which says who they are, and a host
/// elsewhere that takes everything.
struct House {
    machine: Machine,
    sink: Sink,
    _names: NameServer,
}

impl House {
    /// Starts both, with these lines more in the configuration.
    fn start(more: &str) -> Self {
        let sink = Sink::start("127.0.0.2", 0, None);
        let names = NameServer::start("there.example A 127.0.0.2").unwrap();
        let mut text = format!(
            "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n\
             [relay]\nport = {}\ntrusted = [\"198.51.100.0/24\"]\n[trust]\ncheck = false\n\
             {more}\n",
            names.address(),
            sink.port
        );
        for protocol in ["smtp", "submission", "imap", "pop3", "managesieve"] {
            text.push_str(&format!(
                "[[listener]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\n\
                 tls = \"starttls\"\nproxy = [\"127.0.0.0/8\"]\n"
            ));
        }
        let machine = Machine::start(&text);
        Self {
            machine,
            sink,
            _names: names,
        }
    }

    fn server(&self) -> &Server {
        &self.machine.server
    }

    /// A connection from an address; of the doors for a protocol those behind the proxy come first.
    fn call(&self, protocol: &str, caller: &str) -> (Talk, String) {
        Talk::open_from(self.server().address(protocol, Tls::Starttls), caller).unwrap()
    }

    /// A connection to the `smtp` door that has said its name.
    fn greet(&self, caller: &str) -> Talk {
        let (mut talk, greeting) = self.call("smtp", caller);
        assert!(greeting.starts_with("220 "), "{greeting}");
        says(&mut talk, "EHLO client.example", "250 ");
        talk
    }

    /// Sees that nothing has left and nothing is about to.
    fn has_sent_nothing(&self) {
        let words = ["queue", "list", "--json"];
        assert_eq!(self.server().command(&words, "").unwrap(), "");
        assert!(self.sink.taken().is_empty(), "{:?}", self.sink.taken());
    }
}

/// Says a line, and sees how the answer begins.
fn says(talk: &mut Talk, line: &str, expected: &str) -> String {
    let said = talk.smtp(line).unwrap();
    assert!(said.starts_with(expected), "{line}: {said}");
    said
}
