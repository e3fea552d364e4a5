//! All that a message's header says of the mailing list it came through.

use super::{ListId, list_id, list_is_closed, list_uris, one_click};
use crate::header::Header;
use crate::outline::Limits;

/// What a mailing list says of itself; of several fields of one name the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailingList {
    /// List-Id.
    pub id: Option<ListId>,
    /// List-Help: where instructions are.
    pub help: Vec<String>,
    /// List-Post: where letters for the list go.
    pub post: Vec<String>,
    /// True if List-Post says that nobody may post.
    pub is_closed: bool,
    /// List-Subscribe.
    pub subscribe: Vec<String>,
    /// List-Unsubscribe.
    pub unsubscribe: Vec<String>,
    /// List-Owner: whom to ask.
    pub owner: Vec<String>,
    /// List-Archive.
    pub archive: Vec<String>,
    /// Where one POST ends the subscription; see [`one_click`].
    pub one_click: Option<String>,
}

impl MailingList {
    /// Reads a message's header; `None` if it names no list and nothing to do about one.
    #[must_use]
    pub fn of(header: &[u8]) -> Option<Self> {
        let value = |name: &str| {
            let mut fields = Header::parse(header).take(Limits::HOUSE.header_fields_max);
            let field = fields.find(|field| field.is(name));
            field.map_or(&b""[..], |field| field.value)
        };
        let uris = |name: &str| list_uris(value(name));
        let unsubscribe = value("List-Unsubscribe");
        let list = Self {
            id: list_id(value("List-Id")),
            help: uris("List-Help"),
            post: uris("List-Post"),
            is_closed: list_is_closed(value("List-Post")),
            subscribe: uris("List-Subscribe"),
            unsubscribe: list_uris(unsubscribe),
            owner: uris("List-Owner"),
            archive: uris("List-Archive"),
            one_click: one_click(unsubscribe, value("List-Unsubscribe-Post")),
        };
        (list != Self::default()).then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_all_of_its_list() {
        let header = b"List-Id: Sea <sea.example>\r\nlist-post: NO (letters)\r\n\
            List-Unsubscribe: <mailto:off@sea.example>,\r\n <https://sea.example/off>\r\n\
            List-Unsubscribe: <https://other.example>\r\n\
            List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
            List-Help: <https://sea.example/help>\r\nList-Subscribe: <https://sea.example/on>\r\n\
            List-Owner: <mailto:own@sea.example>\r\nList-Archive: <https://sea.example/old>\r\n\r\n\
            List-Post: <mailto:body@sea.example>\r\n";
        let uri = |uri: &str| vec![uri.to_owned()];
        let expected = MailingList {
            id: Some(ListId {
                name: Some("Sea".into()),
                id: "sea.example".into(),
            }),
            help: uri("https://sea.example/help"),
            post: Vec::new(),
            is_closed: true,
            subscribe: uri("https://sea.example/on"),
            unsubscribe: vec![
                "mailto:off@sea.example".into(),
                "https://sea.example/off".into(),
            ],
            owner: uri("mailto:own@sea.example"),
            archive: uri("https://sea.example/old"),
            one_click: Some("https://sea.example/off".into()),
        };
        assert_eq!(MailingList::of(header), Some(expected));
        for header in [
            &b""[..],
            b"Subject: x\r\n",
            b"List-Post: x\r\nList-Id: two words\r\n",
        ] {
            assert_eq!(MailingList::of(header), None);
        }
    }
}
