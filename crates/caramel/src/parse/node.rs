//! The parts of a message with their numbers (RFC 9051 §6.4.5.1).

use message::{Content, Part};

/// A part and what it is called.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) part: &'a Part,
    /// `2.1`; a multipart that is a message's body has none.
    pub(super) number: Option<String>,
    /// What the numbers of the parts inside begin with.
    within: String,
}

impl<'a> Node<'a> {
    /// The body of a message, enclosed by the part of the number `within`.
    pub(super) fn root(root: &'a Part, within: &str) -> Self {
        match root.content {
            Content::Multipart(_) => Self {
                part: root,
                number: None,
                within: within.to_owned(),
            },
            // A message that is no multipart has itself as its part 1.
            Content::Leaf | Content::Message(_) => Self::nth(root, within, 1),
        }
    }

    fn nth(part: &'a Part, within: &str, number: usize) -> Self {
        let dot = if within.is_empty() { "" } else { "." };
        let within = format!("{within}{dot}{number}");
        let number = Some(within.clone());
        Self {
            part,
            number,
            within,
        }
    }

    /// The parts directly inside.
    pub(super) fn children(&self) -> Vec<Self> {
        match &self.part.content {
            Content::Leaf => Vec::new(),
            Content::Multipart(parts) => {
                let numbered = parts.iter().enumerate();
                let nodes = numbered.map(|(index, part)| Self::nth(part, &self.within, index + 1));
                nodes.collect()
            }
            Content::Message(inner) => vec![Self::root(&inner.root, &self.within)],
        }
    }
}
