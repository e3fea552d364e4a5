//! Settings of what happens to letters between hosts, beside those of `setting`.

use super::{Kind, Setting, settings};

settings! {
    TRANSFER:
    RELAY_SOURCE = ["relay"] "source": Kind::Many(&Kind::Ip), "[]",
        "[\"192.0.2.25\", \"2001:db8::25\"]",
        "The addresses of this machine that other hosts are called from: one of IPv4, one of IPv6, \
         or one of them. Where there is none of a host's kind, the system chooses. From one that \
         is none of this machine's nothing leaves: letters wait, and `caramel why` says so.";
    ROUTE_SOURCE = ["relay.route"] "source": Kind::Many(&Kind::Ip), "", "[\"192.0.2.26\"]",
        "As in `[relay]`; without it, what stands there.";
}
