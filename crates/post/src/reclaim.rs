//! What rows mention, so that a store can free the rest.
//!
//! This is the only place that knows which rows are about letters: a table that is added and may
//! mention one has to be said here. A table that is not known, and a row that cannot be read, may
//! mention any letter; then nothing is freed.
//!
//! Not here: how the rest is freed (`store`), and when (`server`).

use std::time::Duration;

use store::{Boxed, Mention, Partition, RateLimit, Reclaim, Reclaimed, Survey, Table};

use crate::audit::Pace;
use crate::directory::rows;
use crate::queue;
use crate::tables::{self, EmailRow};
use crate::{Error, Outcome, Post};

/// Which letter a row mentions.
#[must_use]
pub fn mention(partition: Partition, table: Table, value: &[u8]) -> Mention {
    if partition == Partition::DIRECTORY {
        return match rows::ALL.contains(&table) {
            true => Mention::Nothing,
            false => Mention::Unreadable,
        };
    }
    if partition == Partition::QUEUE {
        return match table {
            queue::LETTERS => {
                let body = queue::Entry::body(value);
                body.map_or(Mention::Unreadable, |(blob, ..)| Mention::Blob(blob))
            }
            table if queue::ALL.contains(&table) => Mention::Nothing,
            _ => Mention::Unreadable,
        };
    }
    match table {
        tables::EMAILS => EmailRow::blob(value).map_or(Mention::Unreadable, Mention::Blob),
        table if tables::ALL.contains(&table) => Mention::Nothing,
        _ => Mention::Unreadable,
    }
}

/// The pace of whoever asks, as a store asks for it.
#[derive(Debug)]
struct Limit<'a>(&'a dyn Pace);

impl RateLimit for Limit<'_> {
    fn spend(&self, octets: u64) -> Boxed<'_, ()> {
        self.0.spend(octets)
    }
}

impl Post {
    /// Finds out how much of the store is used, and how much is dead.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn survey(&self, pace: &dyn Pace) -> Outcome<Survey> {
        let survey = self.inner.store.survey(mention, &Limit(pace)).await;
        survey.map_err(Error::reading("looking for what is dead"))
    }

    /// Frees what no row mentions, beside the work. For so long after a letter was found dead it
    /// can still be read by those who were reading it.
    ///
    /// # Errors
    /// If the store cannot be read or written, or a row cannot be read: then what was freed until
    /// then is.
    pub async fn reclaim(&self, pace: &dyn Pace, grace: Duration) -> Outcome<Reclaimed> {
        let limit = Limit(pace);
        let how = Reclaim {
            mentions: mention,
            limit: &limit,
            grace,
        };
        let done = self.inner.store.reclaim(how).await;
        done.map_err(Error::reading("freeing what is dead"))
    }

    /// What was freed since the house was opened.
    #[must_use]
    pub fn reclaimed(&self) -> Reclaimed {
        self.inner.store.reclaimed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use mail::{BlobId, EmailId};
    use store::{Hint, Write};

    #[test]
    fn only_rows_of_messages_mention_letters_and_what_is_not_known_may() {
        let row = EmailRow {
            blob: BlobId([7; 32]),
            hint: Hint::NONE,
            size: 9,
            outline: None,
            bare: false,
            preview: None,
        };
        let write = row.put(EmailId(1)).next();
        let Some(Write::PutBeside { table, value, .. }) = write else {
            panic!("no row about a letter");
        };
        let account = Partition(3);
        let told = |table, value: &[u8]| mention(account, table, value);
        assert_eq!(told(table, &value), Mention::Blob(BlobId([7; 32])));
        // As versions 1 and 2 have it.
        for version in [1, 2] {
            let older = [&[version][..], &[8; 32], &[9, 0, 0]].concat();
            assert_eq!(told(table, &older), Mention::Blob(BlobId([8; 32])));
        }
        // As version 4 has it, with a part of no kind.
        let newest = [&[4][..], &[8; 32], &[0; 8], &[9, 0]].concat();
        assert_eq!(told(table, &newest), Mention::Blob(BlobId([8; 32])));
        let later = [&[5][..], value.get(1..).unwrap_or_default()].concat();
        for unreadable in [&later[..], &[], &[1; 20]] {
            assert_eq!(told(table, unreadable), Mention::Unreadable);
        }
        for known in tables::ALL.into_iter().filter(|known| *known != table) {
            assert_eq!(told(known, &Bytes::new()), Mention::Nothing);
        }
        assert_eq!(told(Table(200), &value), Mention::Unreadable);
        for known in rows::ALL {
            let told = mention(Partition::DIRECTORY, known, &value);
            assert_eq!(told, Mention::Nothing);
        }
        let told = mention(Partition::DIRECTORY, Table(99), &value);
        assert_eq!(told, Mention::Unreadable);
    }
}
