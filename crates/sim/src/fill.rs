//! Letters: each has a token of its own, from which all of it follows.

/// What a letter is written to be, before a server puts its own fields in front.
pub(crate) fn letter(token: &str, octets: usize) -> String {
    let mut text = format!("Subject: {token}\r\n\r\n");
    let mut line = 0;
    while text.len() < octets {
        text.push_str(&format!(
            "{line:06} of the letter {token}, which nobody else wrote\r\n"
        ));
        line += 1;
    }
    text
}

/// The token of a letter.
pub(crate) fn token(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("Subject: ")?;
    let (token, _) = rest.split_once("\r\n")?;
    Some(token.to_owned())
}

/// What is behind the header.
pub(crate) fn behind_header(text: &[u8]) -> &[u8] {
    let end = text.windows(4).position(|window| window == b"\r\n\r\n");
    end.and_then(|end| text.get(end + 4..)).unwrap_or_default()
}
