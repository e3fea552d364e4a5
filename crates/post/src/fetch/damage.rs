//! Messages that are not what was stored: their text is not told, and that of all others is.

use mail::MailboxId;
use message::Specifier;
use store::Sought;

use super::{Data, FetchPlan, FetchRow, Item};
use crate::{Account, Outcome};

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
        let sound = self.house.sound(told).await?;
        for (row, is_sound) in rows.iter_mut().zip(sound) {
            if is_sound {
                continue;
            }
            let (account, uid) = (self.address(), row.uid);
            tracing::error!(%account, %mailbox, %uid, "a message is damaged");
            for (item, data) in plan.items.iter().zip(&mut row.data) {
                if tells_body(item) {
                    *data = Data::Damaged;
                }
            }
        }
        Ok(())
    }
}

/// True for what is more than a header.
pub(super) const fn tells_body(item: &Item) -> bool {
    matches!(item.section.specifier, Specifier::All | Specifier::Text)
}
