//! The text of an HTML document, for searching and for reading.
//!
//! A tokenizer reads the document as browsers do; no tree is built, so that nesting costs nothing
//! and nothing recurses. Scripts, styles, comments and what stands in attributes are no text. Not
//! here: cleaning HTML for showing it.

use html5gum::emitters::Emitter;
use html5gum::{Error, State, Tokenizer};

/// Octets of a tag's name that are kept; longer ones are no tag that matters.
const TAG_OCTETS_MAX: usize = 16;
/// Quotation marks before a line.
const QUOTES_MAX: usize = 8;

/// The words of an HTML document, for searching: runs of white space and the edges of blocks are
/// one space.
#[must_use]
pub fn words(html: &str) -> String {
    read(html, Shape::Words)
}

/// The text of an HTML document, for reading: blocks begin on lines of their own, items of lists
/// with a dash, quoted lines with `>`.
///
/// The document's title, pictures and the targets of links are left out.
#[must_use]
pub fn lines(html: &str) -> String {
    read(html, Shape::Lines)
}

fn read(html: &str, shape: Shape) -> String {
    let mut text = Text {
        out: String::with_capacity(html.len() / 2),
        shape,
        gap: Gap::None,
        item: false,
        quotes: 0,
        preformatted: 0,
        unread: false,
        pending: Vec::new(),
        tag: Tag::default(),
        opened: Tag::default(),
    };
    // Reading from memory cannot fail.
    let Ok(()) = Tokenizer::new_with_emitter(html, Sink(&mut text)).finish();
    text.out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Words,
    Lines,
}

/// What parts two pieces of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    BlankLine,
}

/// A tag's name, in lower case as the tokenizer gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tag {
    name: [u8; TAG_OCTETS_MAX],
    len: usize,
    end: bool,
}

impl Tag {
    fn push(&mut self, piece: &[u8]) {
        for octet in piece {
            // A name that is too long loses its first letter, so that it is none we know.
            let at = if self.len < TAG_OCTETS_MAX {
                self.len
            } else {
                0
            };
            if let Some(place) = self.name.get_mut(at) {
                *place = if self.len < TAG_OCTETS_MAX {
                    *octet
                } else {
                    b'?'
                };
            }
            self.len = TAG_OCTETS_MAX.min(self.len + 1);
        }
    }

    fn name(&self) -> &[u8] {
        self.name.get(..self.len).unwrap_or_default()
    }
}

struct Text {
    out: String,
    shape: Shape,
    /// What must be written before the next text.
    gap: Gap,
    /// True where the next text is an item of a list.
    item: bool,
    /// Quotations, and preformatted texts, inside one another here.
    quotes: usize,
    preformatted: usize,
    /// True inside a script and the like.
    unread: bool,
    /// Octets of text not written yet: the tokenizer may cut inside a letter.
    pending: Vec<u8>,
    tag: Tag,
    /// The start tag read last.
    opened: Tag,
}

impl Text {
    fn widen(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// Writes what parts the next text from the last.
    fn part(&mut self) {
        let first = self.out.is_empty();
        match (self.gap, self.shape) {
            (Gap::None, _) => {}
            (_, Shape::Words) | (Gap::Space, _) if first => {}
            (_, Shape::Words) | (Gap::Space, _) => self.out.push(' '),
            (_, Shape::Lines) if first => {}
            (Gap::BlankLine, _) => self.out.push_str("\n\n"),
            (Gap::Line, _) => self.out.push('\n'),
        }
        if self.shape == Shape::Lines && (first || self.gap >= Gap::Line) {
            self.out
                .extend(std::iter::repeat_n("> ", self.quotes.min(QUOTES_MAX)));
        }
        if std::mem::take(&mut self.item) {
            self.out.push_str("- ");
        }
        self.gap = Gap::None;
    }

    fn push(&mut self, text: &str) {
        if self.preformatted > 0 && self.shape == Shape::Lines {
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    let wider = if self.gap == Gap::Line {
                        Gap::BlankLine
                    } else {
                        Gap::Line
                    };
                    self.widen(wider);
                }
                self.push_word(line.trim_end());
            }
            return;
        }
        for (index, word) in text.split(char::is_whitespace).enumerate() {
            if index > 0 {
                self.widen(Gap::Space);
            }
            self.push_word(word);
        }
    }

    fn push_word(&mut self, word: &str) {
        if word.is_ascii() {
            if !word.is_empty() {
                self.part();
                self.out.push_str(word);
            }
            return;
        }
        let mut seen = word.chars().filter(|letter| !is_unseen(*letter)).peekable();
        if seen.peek().is_some() {
            self.part();
            self.out.extend(seen);
        }
    }

    fn settle(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        self.push(&String::from_utf8_lossy(&pending));
        pending.clear();
        self.pending = pending;
    }

    /// Does what a tag asks for; gives the state in which browsers read on behind it.
    fn tag(&mut self) -> Option<State> {
        self.settle();
        let Tag { end, .. } = self.tag;
        let tag = std::mem::take(&mut self.tag);
        let gap = gap(tag.name());
        self.widen(if self.shape == Shape::Words {
            gap.min(Gap::Space)
        } else {
            gap
        });
        if end {
            self.unread = false;
        }
        match (tag.name(), end) {
            (b"br", _) if self.gap == Gap::Line && self.shape == Shape::Lines => {
                self.gap = Gap::BlankLine;
            }
            (b"br", _) => self.widen(Gap::Line),
            (b"li", false) => self.item = self.shape == Shape::Lines,
            (b"blockquote", false) => self.quotes += 1,
            (b"blockquote", true) => self.quotes = self.quotes.saturating_sub(1),
            (b"pre", false) => self.preformatted += 1,
            (b"pre", true) => self.preformatted = self.preformatted.saturating_sub(1),
            _ => {}
        }
        if end {
            return None;
        }
        self.opened = tag;
        let state = match tag.name() {
            b"title" | b"textarea" => State::RcData,
            b"script" => State::ScriptData,
            b"style" | b"iframe" | b"xmp" | b"noembed" | b"noframes" => State::RawText,
            b"plaintext" => State::PlainText,
            _ => return None,
        };
        self.unread = match tag.name() {
            b"textarea" | b"xmp" | b"plaintext" => false,
            b"title" => self.shape == Shape::Lines,
            _ => true,
        };
        Some(state)
    }
}

/// Letters that are not seen: soft hyphens, and what fills the previews of circulars.
const fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{200b}' | '\u{2060}' | '\u{feff}'
    )
}

/// What a tag parts; words go on where an unknown one stands for a letter's form.
const fn gap(name: &[u8]) -> Gap {
    match name {
        b"a" | b"abbr" | b"b" | b"bdi" | b"bdo" | b"big" | b"cite" | b"code" | b"del" | b"dfn"
        | b"em" | b"font" | b"i" | b"ins" | b"kbd" | b"label" | b"mark" | b"o:p" | b"q" | b"s"
        | b"samp" | b"small" | b"span" | b"strike" | b"strong" | b"sub" | b"sup" | b"tt" | b"u"
        | b"var" | b"wbr" | b"br" => Gap::None,
        b"address" | b"article" | b"aside" | b"body" | b"caption" | b"center" | b"dd" | b"div"
        | b"dt" | b"fieldset" | b"footer" | b"form" | b"head" | b"header" | b"html" | b"li"
        | b"main" | b"nav" | b"section" | b"title" | b"tr" => Gap::Line,
        b"blockquote" | b"dl" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"hr" | b"ol"
        | b"p" | b"pre" | b"table" | b"ul" => Gap::BlankLine,
        _ => Gap::Space,
    }
}

/// What the tokenizer tells of; attributes, comments and faults are passed over.
struct Sink<'a>(&'a mut Text);

impl Emitter for Sink<'_> {
    type Token = std::convert::Infallible;

    fn emit_string(&mut self, text: &[u8]) {
        if !self.0.unread {
            self.0.pending.extend_from_slice(text);
        }
    }

    fn init_start_tag(&mut self) {
        self.0.tag = Tag::default();
    }

    fn init_end_tag(&mut self) {
        self.0.tag = Tag {
            end: true,
            ..Tag::default()
        };
    }

    fn push_tag_name(&mut self, piece: &[u8]) {
        self.0.tag.push(piece);
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.0.tag()
    }

    fn emit_eof(&mut self) {
        self.0.settle();
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.0.tag.end && self.0.tag.name() == self.0.opened.name()
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn pop_token(&mut self) -> Option<Self::Token> {
        None
    }

    fn set_last_start_tag(&mut self, _: Option<&[u8]>) {}
    fn emit_error(&mut self, _: Error) {}
    fn init_comment(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn emit_current_comment(&mut self) {}
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn emit_current_doctype(&mut self) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn set_force_quirks(&mut self) {}
    fn set_self_closing(&mut self) {}
    fn init_attribute(&mut self) {}
    fn push_attribute_name(&mut self, _: &[u8]) {}
    fn push_attribute_value(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_document() {
        let cases = [
            ("<p>a<b>b</b>c</p>d", "abc d"),
            ("x<br>y<td>z", "x y z"),
            (
                "a &amp; b &lt;i&gt; &#233;&#xE9; &bogus; &eacute; &Sigma;",
                "a & b <i> éé &bogus; é Σ",
            ),
            (
                "a<!-- <b> -->b<script>if (a<b) '</p>'</script>c<STYLE>x</style >d",
                "ab c d",
            ),
            ("1 < 2 & 3", "1 < 2 & 3"),
            ("open <tag", "open"),
            ("a\r\n\t b", "a b"),
            ("<script>never closed", ""),
            ("<a title='a>b' href=x>c</a>", "c"),
            ("Donau&shy;dampf&#8203;er", "Donaudampfer"),
            ("a<noscript><p>b</noscript>", "a b"),
            ("<title>t</title><textarea>x</textarea>", "t x"),
            ("<abcdefghijklmnopqrstuvwxyz>a", "a"),
            ("<![CDATA[x]]>a<?xml b?>c", "ac"),
            ("a&nbsp;\u{34f}ü&b;ü&#252ü&ampü", "a ü&b;üüü&ü"),
            ("", ""),
        ];
        for (html, text) in cases {
            assert_eq!(words(html), text, "{html}");
        }
    }

    #[test]
    fn the_lines_of_a_document() {
        let cases = [
            (
                "<title>t</title><p>one <i>two</i>\n three<br>four<p>five",
                "one two three\nfour\n\nfive",
            ),
            ("a<br><br><br>b", "a\n\nb"),
            ("<ul><li>x</li><li>y</ul>z", "- x\n- y\n\nz"),
            ("<div><div>a</div></div><div>b</div>", "a\nb"),
            ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"),
            ("a<blockquote>b<br>c</blockquote>d", "a\n\n> b\n> c\n\nd"),
            ("<pre>  a\n\n\n  b\n</pre>c", "  a\n\n  b\n\nc"),
            ("a <img alt=x> b", "a b"),
        ];
        for (html, text) in cases {
            assert_eq!(lines(html), text, "{html}");
        }
    }

    #[test]
    fn nesting_costs_nothing() {
        for unit in [
            "<div>",
            "<blockquote>a<br>",
            "<table><tr><td>",
            "<ul><li>x",
            "<pre>",
            "<b",
        ] {
            let html = unit.repeat(20_000);
            assert!(lines(&html).len() <= 2 * html.len(), "{unit}");
            assert!(words(&html).len() <= html.len(), "{unit}");
        }
    }
}
