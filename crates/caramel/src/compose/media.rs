//! Media types of files, guessed by their names; and the charset of texts, by reading them.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

/// Octets read at a time.
const PIECE_OCTETS: usize = 1 << 16;
/// Octets a character in UTF-8 has at most, less one: so many may wait for their last.
const CHARACTER_OCTETS_MAX: usize = 3;

/// Extensions in lower case, and what such files are (IANA's registry of media types).
const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("diff", "text/x-diff"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("eml", "message/rfc822"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("patch", "text/x-diff"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("wav", "audio/vnd.wave"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// The media type of a file of this name.
pub(super) fn guess(path: &Path) -> &'static str {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    let found = TYPES.binary_search_by_key(&extension.as_str(), |(known, _)| known);
    let found = found.ok().and_then(|at| TYPES.get(at));
    found.map_or("application/octet-stream", |(_, media_type)| media_type)
}

/// True for `message/*`, which nobody may encode (RFC 2046 §5.2.1).
pub(super) fn is_message(media_type: &str) -> bool {
    is(media_type, "message/")
}

/// The type with the charset of the text that `file` holds, where it is one and says none: texts
/// beyond ASCII need it (RFC 6657 §2). Other charsets than UTF-8 nobody can tell.
pub(super) fn with_charset(media_type: &str, file: &mut impl Read) -> io::Result<String> {
    let said = media_type.to_ascii_lowercase().contains("charset");
    if said || !is(media_type, "text/") || !is_utf8(file)? {
        return Ok(media_type.to_owned());
    }
    Ok(format!("{media_type}; charset=utf-8"))
}

fn is(media_type: &str, beginning: &str) -> bool {
    let begun = media_type.trim_start().get(..beginning.len());
    begun.is_some_and(|begun| begun.eq_ignore_ascii_case(beginning))
}

fn is_utf8(file: &mut impl Read) -> io::Result<bool> {
    let mut held = Vec::with_capacity(PIECE_OCTETS + CHARACTER_OCTETS_MAX);
    loop {
        let limit = u64::try_from(PIECE_OCTETS).unwrap_or(u64::MAX);
        let read = file.by_ref().take(limit).read_to_end(&mut held)?;
        let whole = match std::str::from_utf8(&held) {
            Ok(_) => held.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        held.drain(..whole);
        if read == 0 {
            return Ok(held.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_types() {
        assert!(TYPES.is_sorted());
        let guess = |name: &str| guess(Path::new(name));
        assert_eq!(guess("a/Plan.PDF"), "application/pdf");
        assert_eq!(guess("x.tar.gz"), "application/gzip");
        for none in ["README", ".png", "a.", "a.b c", ""] {
            assert_eq!(guess(none), "application/octet-stream", "{none}");
        }
    }

    #[test]
    fn texts_in_utf8_say_so() {
        let of = |media_type, octets: &[u8]| with_charset(media_type, &mut { octets }).unwrap();
        assert_eq!(of("text/csv", "ä".as_bytes()), "text/csv; charset=utf-8");
        assert_eq!(of("text/csv", b"\xe4"), "text/csv");
        assert_eq!(of("text/csv", b"a\xc3"), "text/csv");
        assert_eq!(of("image/png", b"a"), "image/png");
        assert_eq!(of("text/x; Charset=koi8-r", b"a"), "text/x; Charset=koi8-r");
        // A character across the border of two pieces.
        let cut = format!(
            "{}{}",
            "x".repeat(PIECE_OCTETS - 1),
            "ä".repeat(PIECE_OCTETS)
        );
        assert_eq!(of("TEXT/x", cut.as_bytes()), "TEXT/x; charset=utf-8");
    }
}
