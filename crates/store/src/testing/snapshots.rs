//! What a snapshot promises.

use bytes::Bytes;

use super::{Kept, OTHER, TABLE, Violation, batch, broken, delete, put, put_in, same};
use crate::backend::{Partition, Store};
use crate::snapshot::{Snapshot, SnapshotRow};

/// Table, key and value of each row.
type Rows = Vec<(u8, String, String)>;

pub(super) async fn a_snapshot_stays_as_it_was(store: &dyn Store, at: Partition) -> Kept {
    let many = (0..40).map(|number| put(&format!("row {number:02}"), "before"));
    let writes = many.chain([put_in(OTHER, "", "empty key")]).collect();
    // Asked for before the commit is answered: what was handed over before is in it.
    let commit = store.commit(batch(at, 0, writes));
    let snapshot = store.snapshot().await?;
    commit.await?;
    let before = rows(&*snapshot, at, 1 << 20).await?;
    same("a snapshot has all rows", &before.len(), &41)?;
    let changes = vec![put("row 07", "after"), delete("row 08"), put("row 99", "")];
    store.commit(batch(at, 1, changes)).await?;
    for octets in [0, 100, 1000] {
        let found = rows(&*snapshot, at, octets).await?;
        same("a snapshot stays as it was", &found, &before)?;
    }
    let later = store.snapshot().await?;
    if later.sequence() <= snapshot.sequence() {
        let found = format!("{} and {}", snapshot.sequence(), later.sequence());
        return broken("a later snapshot has a higher number", found);
    }
    let found = rows(&*later, at, 500).await?;
    let seven = (TABLE.0, "row 07".to_owned(), "after".to_owned());
    same("a later one has the change", &found.get(7), &Some(&seven))?;
    same("and not what is gone", &found.len(), &41)
}

/// Reads a partition's rows in pages of so many octets.
async fn rows(snapshot: &dyn Snapshot, at: Partition, octets: usize) -> Result<Rows, Violation> {
    let (mut found, mut last) = (Rows::new(), Vec::new());
    let mut next = Some(Bytes::new());
    while let Some(from) = next {
        let page = snapshot.rows(from, octets).await?;
        let mut rest = &page.octets[..];
        while let Some(row) = SnapshotRow::take(&mut rest) {
            let name = row.name();
            if *name <= *last {
                broken("rows rise", format!("{name:?} behind {last:?}"))?;
            }
            last = name.to_vec();
            if row.partition == at {
                let text = |octets| String::from_utf8_lossy(octets).into_owned();
                found.push((row.table.0, text(row.key), text(row.value)));
            }
        }
        same("a page is whole rows", &rest.len(), &0)?;
        next = page.next;
    }
    Ok(found)
}
