//! Which rows of messages a plan needs; and what is told of their digests and previews alone.

use mail::EmailId;
use message::StoredOutline;

use super::{FetchPage, FetchPlan, Preview};
use crate::tables::DigestRow;
use crate::{Account, Outcome};

impl FetchPlan {
    /// True if memory has all of it.
    pub(super) const fn is_light(&self) -> bool {
        let text = self.outline.any() || self.preview.is_some() || !self.items.is_empty();
        !text && !self.thread
    }

    /// True if neither digests nor previews are needed.
    pub(super) const fn is_of_parts(&self) -> bool {
        !self.outline.digest && self.preview.is_none() && !self.thread
    }

    /// True if all that memory has not is in digests and previews.
    pub(super) const fn is_of_digests(&self) -> bool {
        let some = self.outline.digest || self.preview.is_some();
        some && !self.outline.parts && !self.thread && self.items.is_empty()
    }
}

impl Account {
    /// Tells a page; false if a message has no such row, if a preview has to be made, and if the
    /// page has to be cut: then nothing was told.
    pub(super) async fn tell_digests(
        &self,
        page: &mut FetchPage,
        emails: &[EmailId],
        plan: &FetchPlan,
    ) -> Outcome<bool> {
        let digests = self.digest_rows(emails).await?.into_iter();
        let Some(digests) = digests.collect::<Option<Vec<DigestRow>>>() else {
            return Ok(false);
        };
        let octets: usize = digests.iter().map(|digest| digest.head.len()).sum();
        let octets_max = self.house.rules().section_octets_max;
        let makes = plan.preview == Some(Preview::Made);
        if (makes && digests.iter().any(|digest| digest.preview.is_none()))
            || u64::try_from(octets).is_ok_and(|octets| octets > octets_max)
        {
            return Ok(false);
        }
        for (row, digest) in page.rows.iter_mut().zip(digests) {
            if plan.preview.is_some() {
                row.preview = digest.preview_text()?;
            }
            if plan.outline.digest {
                row.outline = Some(StoredOutline::of_digest(digest.head));
            }
        }
        Ok(true)
    }
}
