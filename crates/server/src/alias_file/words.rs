//! The words of a line: names, targets, quotes.

use mail::{Address, LocalPart};
use post::AliasName;

/// Lines with those that go on with them, and the number of the first.
pub(super) fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(trimmed);
            }
            _ => lines.push((number + 1, trimmed.to_owned())),
        }
    }
    lines
}

/// The name before the colon, and what is behind it.
pub(super) fn split_name(text: &str) -> Result<(AliasName, &str), String> {
    let missing = || "no colon: write `name: target`".to_owned();
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = until_quote(quoted)?;
        let rest = rest.trim_start().strip_prefix(':').ok_or_else(missing)?;
        // What is quoted may have any letters.
        let local = LocalPart::new(&name).map(AliasName::Local);
        let name = local.map_or_else(|| name_of(&name), Ok)?;
        return Ok((name, rest));
    }
    let (name, rest) = text.split_once(':').ok_or_else(missing)?;
    match name.trim() {
        "" => Err("no name: write `name: target`".to_owned()),
        name => Ok((name_of(name)?, rest)),
    }
}

/// What is quoted, and what is behind the quote that ends it.
fn until_quote(text: &str) -> Result<(String, &str), String> {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((name, text.get(at + 1..).unwrap_or_default())),
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            letter => name.push(letter),
        }
    }
    Err("a quote is missing".to_owned())
}

/// The targets of a line: separated by commas, quoted where they have some in them.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars();
    let mut in_quotes = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                in_quotes = !in_quotes;
                // An address keeps its quotes: they are part of it.
                word.push('"');
            }
            '\\' if in_quotes => {
                word.push('\\');
                word.extend(letters.next());
            }
            ',' if !in_quotes => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    if in_quotes {
        return Err("a quote is missing".to_owned());
    }
    words.push(word);
    let words = words.iter().map(|word| unquoted(word.trim()));
    Ok(words.filter(|word| !word.is_empty()).collect())
}

/// A word that is quoted as a whole, without its quotes.
pub(super) fn unquoted(word: &str) -> String {
    let Some(inner) = word.strip_prefix('"') else {
        return word.to_owned();
    };
    match until_quote(inner) {
        Ok((name, "")) => name,
        _ => word.to_owned(),
    }
}

/// A name of this machine, or an address.
pub(super) fn name_of(word: &str) -> Result<AliasName, String> {
    let none = || format!("`{word}` is no name and no address");
    if word.contains('@') {
        return Address::parse(word)
            .map(AliasName::Address)
            .map_err(|_| none());
    }
    if word.contains([' ', '\t', '<', '>', ':', '|']) {
        return Err(none());
    }
    LocalPart::new(word).map(AliasName::Local).ok_or_else(none)
}

/// The path of a list that a word includes.
pub(super) fn include(word: &str) -> Option<&str> {
    let tag = word.get(..9)?;
    let path = word.get(9..)?;
    tag.eq_ignore_ascii_case(":include:").then_some(path)
}
