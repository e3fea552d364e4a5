//! Who may come in by which door.

use std::os::unix::fs::PermissionsExt as _;

use net::Endpoint;
use server::Protocol;

use crate::town::Town;

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_administers() {
    let town = Town::found().await;
    let modes = town.running.addresses().iter().filter_map(|(door, at)| {
        let Endpoint::Unix(path) = at else {
            return None;
        };
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        Some((*door, mode))
    });
    let modes: Vec<_> = modes.collect();
    assert_eq!(modes, [(Protocol::Lmtp, 0o660), (Protocol::Control, 0o600)]);
}
