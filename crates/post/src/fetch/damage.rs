//! Messages that are not what was stored: their text is not told, and that of all others is.

use bytes::Bytes;
use mail::{BlobRange, MailboxId};
use message::Specifier;
use store::Sought;

use super::{Data, FetchPlan, FetchRow, Item};
use crate::{Account, Outcome};

/// Octets of a message that is read at once to be compared: it is told from memory then, and not
/// read again. A larger one is compared piece by piece, and told from where it is.
const AT_ONCE_OCTETS_MAX: u64 = 64 * 1024;
/// Octets of messages that are read together.
const TOGETHER_OCTETS_MAX: u64 = 1024 * 1024;

impl Account {
    /// Looks whether the messages of which text is told are what was stored, before the first
    /// octet of them is on its way: of a damaged one no text is told.
    pub(super) async fn find_damage(
        &self,
        mailbox: MailboxId,
        told: Vec<Sought>,
        rows: &mut [FetchRow],
        plan: &FetchPlan,
    ) -> Outcome<()> {
        let (mut told, mut rows) = (told.as_slice(), rows);
        while !told.is_empty() {
            let count = together(told, plan.in_place);
            let (these, others) = told.split_at_checked(count).unwrap_or((told, &[]));
            let (of_these, of_others) = rows.split_at_mut(count.min(rows.len()));
            (told, rows) = (others, of_others);
            if !plan.in_place && is_small(these)
                // Where one is damaged, it takes a look at each to know which.
                && let Ok(read) = self.house.read_sought(these.to_vec()).await
            {
                for (row, octets) in of_these.iter_mut().zip(&read) {
                    tell(row, octets, plan);
                }
                continue;
            }
            let sound = self.house.sound(these.to_vec()).await?;
            for (row, is_sound) in of_these.iter_mut().zip(sound) {
                if !is_sound {
                    let (account, uid) = (self.address(), row.uid);
                    tracing::error!(%account, %mailbox, %uid, "a message is damaged");
                    conceal(row, plan);
                }
            }
        }
        Ok(())
    }
}

/// How many of the first ones are looked at together: at least one.
fn together(told: &[Sought], in_place: bool) -> usize {
    let small = |one: &Sought| one.len <= AT_ONCE_OCTETS_MAX;
    let Some(first) = told.first() else { return 0 };
    let mut octets = 0_u64;
    let alike = told.iter().take_while(|one| {
        octets = octets.saturating_add(one.len);
        in_place || small(one) == small(first) && octets <= TOGETHER_OCTETS_MAX
    });
    alike.count().max(1)
}

fn is_small(told: &[Sought]) -> bool {
    told.iter().all(|one| one.len <= AT_ONCE_OCTETS_MAX)
}

/// Tells the text of a message from its octets.
fn tell(row: &mut FetchRow, octets: &Bytes, plan: &FetchPlan) {
    for (item, data) in plan.items.iter().zip(&mut row.data) {
        if let (true, Data::Stored(range)) = (tells_body(item), &*data)
            && let Some(piece) = piece(octets, *range)
        {
            *data = Data::Octets(piece);
        }
    }
}

fn piece(octets: &Bytes, range: BlobRange) -> Option<Bytes> {
    let from = usize::try_from(range.offset).ok()?;
    let to = from.checked_add(usize::try_from(range.len).ok()?)?;
    (to <= octets.len()).then(|| octets.slice(from..to))
}

/// Tells no text of a message.
fn conceal(row: &mut FetchRow, plan: &FetchPlan) {
    for (item, data) in plan.items.iter().zip(&mut row.data) {
        if tells_body(item) {
            *data = Data::Damaged;
        }
    }
}

/// True for what is more than a header.
pub(super) const fn tells_body(item: &Item) -> bool {
    matches!(item.section.specifier, Specifier::All | Specifier::Text)
}
