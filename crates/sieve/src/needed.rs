//! What a text must have in it for a regular expression to be found there: looking for that takes
//! less than running the expression, and most texts do not have it.

use regex_syntax::hir::{Hir, HirKind};

/// Texts one of which is needed, of one expression.
const NEEDED_MAX: usize = 16;

/// Texts of which one is in every text that an expression is found in; none where that cannot be
/// said. All are ASCII: of others it is not known what they are in another case.
pub(crate) fn needed(expression: &str) -> Option<Vec<Vec<u8>>> {
    let read = regex_syntax::parse(expression).ok()?;
    let texts = of(&read)?;
    let fits = texts.len() <= NEEDED_MAX && texts.iter().all(|text| text.is_ascii());
    fits.then_some(texts)
}

fn of(part: &Hir) -> Option<Vec<Vec<u8>>> {
    match part.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(group) => of(&group.sub),
        HirKind::Repetition(repeated) if repeated.min > 0 => of(&repeated.sub),
        // Each is needed: the one that says most.
        HirKind::Concat(parts) => {
            let texts = parts.iter().filter_map(of);
            texts.max_by_key(|texts| texts.iter().map(Vec::len).min())
        }
        HirKind::Alternation(parts) => {
            let texts: Vec<_> = parts.iter().map(of).collect::<Option<_>>()?;
            Some(texts.concat())
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) | HirKind::Repetition(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_in_all_that_is_found() {
        let nothing = Vec::new();
        for (expression, wanted) in [
            (r"^\[[a-z]+-?[a-z]*\]", vec!["]"]),
            (
                r"(^|[^-a-z0-9_.])sales@example\.org",
                vec!["sales@example.org"],
            ),
            ("(spam|junk) mail", vec![" mail"]),
            ("(unwanted|junk)", vec!["unwanted", "junk"]),
            ("(unwanted|[a-z]+)", nothing.clone()),
            ("(ab)+x?", vec!["ab"]),
            ("(ab)*x{2}", vec!["x"]),
            ("(?i)ab", nothing.clone()),
            ("é", nothing.clone()),
            ("", nothing.clone()),
            ("(", nothing),
        ] {
            let found = needed(expression).unwrap_or_default();
            let found: Vec<_> = found
                .iter()
                .map(|text| text.escape_ascii().to_string())
                .collect();
            assert_eq!(found, wanted, "{expression}");
        }
    }
}
