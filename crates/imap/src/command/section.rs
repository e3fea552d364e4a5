//! Which part of a message's body (RFC 9051 §6.4.5.1).

/// A part of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Section {
    /// Part numbers from the outside in, each from 1; none for the message itself.
    pub parts: Vec<u32>,
    /// What of that part.
    pub specifier: Specifier,
}

/// What of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Specifier {
    /// All of it; below the top: its content without its own header.
    #[default]
    All,
    /// The header of the message it is or holds.
    Header,
    /// Of that header, the fields with these names.
    HeaderFields(Vec<String>),
    /// Of that header, the fields with other names.
    HeaderFieldsNot(Vec<String>),
    /// The body of the message it is or holds.
    Text,
    /// The part's own MIME header.
    Mime,
}
