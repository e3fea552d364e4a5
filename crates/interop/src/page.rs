//! Pages that name tests: each that is there, and none that is not.

use std::collections::BTreeSet;

/// The tests in these modules, as `module::test`; a module comes with its text.
#[must_use]
pub fn tests_of(modules: &[(&str, &str)]) -> BTreeSet<String> {
    let tests = modules.iter().flat_map(|(module, text)| {
        let parts = text.split("#[test]\nfn ").skip(1);
        parts.map(move |part| {
            let name = part.split('(').next().unwrap_or_default();
            format!("{module}::{name}")
        })
    });
    tests.collect()
}

/// Those that a page names, in backquotes.
#[must_use]
pub fn tests_named(page: &str, modules: &[(&str, &str)]) -> BTreeSet<String> {
    let is_test = |word: &&str| {
        let mut modules = modules.iter();
        modules.any(|(module, _)| word.starts_with(&format!("{module}::")))
    };
    let words = page.split('`').skip(1).step_by(2);
    words.filter(is_test).map(str::to_owned).collect()
}
