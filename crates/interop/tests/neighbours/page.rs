//! `docs/interop.md` names each test that drives another mail server, and none that is not there.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/interop.md");
const MODULES: &[(&str, &str)] = &[
    ("neighbours::certificates", include_str!("certificates.rs")),
    ("neighbours::letters", include_str!("letters.rs")),
    ("neighbours::signed", include_str!("signed.rs")),
    ("relay::postfix", include_str!("../relay/postfix.rs")),
    ("relay::tls", include_str!("../relay/tls.rs")),
];
/// Rows that the table has at least.
const ROWS_MIN: usize = 40;

#[test]
fn the_page_names_these_tests() {
    let mut here = BTreeSet::new();
    for (module, text) in MODULES {
        for part in text.split("#[test]\nfn ").skip(1) {
            let name = part.split('(').next().unwrap();
            here.insert(format!("{module}::{name}"));
        }
    }
    let words = PAGE.split('`').skip(1).step_by(2);
    let is_test = |word: &&str| MODULES.iter().any(|(name, _)| word.starts_with(name));
    let named: BTreeSet<String> = words.filter(is_test).map(str::to_owned).collect();
    assert_eq!(named, here);
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"));
    assert!(rows.count() > ROWS_MIN);
}
