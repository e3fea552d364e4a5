//! The text of messages, as it is told.

use message::Specifier;
use post::{Data, FetchPlan};

use crate::catenate::part;
use crate::world::{World, append, rules};

#[tokio::test]
async fn small_messages_are_told_from_memory_and_large_ones_from_where_they_are() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let sizes = [10, 64 * 1024, 64 * 1024 + 1, 300, 2 << 20, 40_000, 50_000];
    let mut letters = Vec::new();
    for size in sizes {
        let mut letter = "a: b\r\n\r\n".to_owned();
        letter.extend(std::iter::repeat_n('x', size - letter.len()));
        append(&ada, "INBOX", &[], &letter).await;
        letters.push(letter);
    }
    let opened = ada.open("INBOX").await.unwrap();
    for in_place in [false, true] {
        let plan = FetchPlan {
            items: vec![
                part(Specifier::All, None),
                part(Specifier::Text, Some((1, 2))),
            ],
            in_place,
            ..FetchPlan::default()
        };
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let page = ada
                .fetch(opened.id, &opened.uids, after, &plan)
                .await
                .unwrap();
            told.extend(page.rows);
            after = page.more_after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(told.len(), letters.len());
        for (row, letter) in told.iter().zip(&letters) {
            let in_memory = matches!(row.data[0], Data::Octets(_));
            assert_eq!(in_memory, !in_place && letter.len() <= 64 * 1024);
            let mut texts = Vec::new();
            for data in &row.data {
                texts.push(match data {
                    Data::Stored(range) => ada.house().read(*range).await.unwrap(),
                    Data::Octets(octets) => octets.clone(),
                    other => panic!("{other:?}"),
                });
            }
            let piece = letter.get(9..11.min(letter.len())).unwrap_or_default();
            assert_eq!(texts, [letter.as_bytes(), piece.as_bytes()]);
        }
    }
}
