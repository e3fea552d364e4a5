//! `docs/interop.md` names each test that drives another mail server, and none that is not there.

use interop::page::{tests_named, tests_of};

const PAGE: &str = include_str!("../../../../docs/interop.md");
const MODULES: &[(&str, &str)] = &[
    ("neighbours::certificates", include_str!("certificates.rs")),
    ("neighbours::letters", include_str!("letters.rs")),
    ("neighbours::signed", include_str!("signed.rs")),
    ("relay::gateway", include_str!("../relay/gateway.rs")),
    ("relay::postfix", include_str!("../relay/postfix.rs")),
    ("relay::tls", include_str!("../relay/tls.rs")),
    ("strangers::rspamd", include_str!("../strangers/rspamd.rs")),
];
/// Rows that the table has at least.
const ROWS_MIN: usize = 40;

#[test]
fn the_page_names_these_tests() {
    assert_eq!(tests_named(PAGE, MODULES), tests_of(MODULES));
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"));
    assert!(rows.count() > ROWS_MIN);
}
