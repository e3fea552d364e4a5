//! What is passed over where only some of an outline is wanted: nothing is copied.

use super::{Reader, written};
use crate::Error;
use crate::part::Part;

impl Reader<'_> {
    /// A part of which only the places of header and body are looked at; nothing is read behind
    /// them.
    pub(super) fn places(&mut self) -> Result<Part, Error> {
        let flags = self.octet()?;
        if flags & !written::ALL != 0 {
            return Err(self.damaged());
        }
        if flags & written::TYPE != 0 {
            self.pass_text()?;
            self.pass_text()?;
            self.pass_parameters()?;
        }
        if flags & written::ENCODING != 0 {
            self.pass_text()?;
        }
        if flags & written::MORE != 0 {
            (0..4).try_for_each(|_| self.pass_optional())?;
            self.disposition()?;
            self.pass_list(Self::pass_text)?;
        }
        let (header, body) = self.spans(flags)?;
        Ok(Part {
            header,
            body,
            ..Part::default()
        })
    }

    fn pass_text(&mut self) -> Result<(), Error> {
        let len = self.len()?;
        self.take(len).map(drop)
    }

    fn pass_optional(&mut self) -> Result<(), Error> {
        let len = self.len()?.saturating_sub(1);
        self.take(len).map(drop)
    }

    fn pass_list(&mut self, pass: impl Fn(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let count = self.len()?;
        if count > self.rest.len() {
            return Err(self.damaged());
        }
        (0..count).try_for_each(|_| pass(self))
    }

    fn pass_parameters(&mut self) -> Result<(), Error> {
        self.pass_list(|reader| {
            reader.pass_text()?;
            reader.pass_text()
        })
    }

    pub(super) fn pass_digest(&mut self) -> Result<(), Error> {
        self.pass_optional()?;
        self.pass_optional()?;
        self.pass_addresses()?;
        for _ in 0..2 {
            match self.octet()? {
                0 => {}
                1 => self.pass_addresses()?,
                _ => return Err(self.damaged()),
            }
        }
        (0..3).try_for_each(|_| self.pass_addresses())?;
        self.pass_optional()?;
        self.pass_optional()?;
        self.references().map(drop)
    }

    fn pass_addresses(&mut self) -> Result<(), Error> {
        self.pass_list(|reader| match reader.octet()? {
            0 => {
                reader.pass_optional()?;
                reader.pass_optional()?;
                reader.pass_text()?;
                reader.pass_text()
            }
            1 => reader.pass_text(),
            2 => Ok(()),
            _ => Err(reader.damaged()),
        })
    }
}
