//! `docs/security.md` names each of these tests, and none that is not there.

use interop::page::{tests_named, tests_of};

const PAGE: &str = include_str!("../../../../docs/security.md");
const MODULES: &[(&str, &str)] = &[
    ("backscatter", include_str!("backscatter.rs")),
    ("doors", include_str!("doors.rs")),
    ("forwards", include_str!("forwards.rs")),
    ("injection", include_str!("injection.rs")),
    ("relaying", include_str!("relaying.rs")),
    ("smuggling", include_str!("smuggling.rs")),
    ("upgrade", include_str!("upgrade.rs")),
];

#[test]
fn the_page_names_these_tests() {
    assert_eq!(tests_named(PAGE, MODULES), tests_of(MODULES));
}
