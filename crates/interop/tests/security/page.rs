//! `docs/security.md` names each of these tests, and none that is not there.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/security.md");
const MODULES: &[(&str, &str)] = &[
    ("backscatter", include_str!("backscatter.rs")),
    ("doors", include_str!("doors.rs")),
    ("injection", include_str!("injection.rs")),
    ("relaying", include_str!("relaying.rs")),
    ("smuggling", include_str!("smuggling.rs")),
    ("upgrade", include_str!("upgrade.rs")),
];

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
    let named: BTreeSet<String> = words
        .filter(|word| {
            MODULES
                .iter()
                .any(|(name, _)| word.starts_with(&format!("{name}::")))
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(named, here);
}
