//! A header line by line: fields into the table, what is kept of them, and what is wrong.

use super::{Kind, Media, Mode, OFFSETS_MAX, Open, Type, Walk, offset};
use crate::field_name::FieldName;
use crate::header;
use crate::leniency::{Leniencies, Leniency};
use crate::parameter;
use crate::scanner::line::{Keep, Line, Place};
use crate::scanner::octets_of;
use crate::table::FieldEntry;

/// The header that is being read.
#[derive(Debug, Default)]
pub(super) struct HeaderState {
    /// True if it has a line.
    begun: bool,
    /// Octets kept of it.
    pub(super) octets: usize,
    /// CRLFs among them.
    crlfs: usize,
    /// The field that is not ended, and the CRLFs before it.
    field: Option<(usize, usize)>,
    /// True if nothing more is kept of it.
    pub(super) full: bool,
    /// The names seen, one bit each.
    seen: u64,
    content_type: Option<usize>,
    encoding: Option<usize>,
}

impl Walk {
    /// Reads a line of a header with its line end.
    pub(super) fn header_line<K: Keep>(&mut self, keep: &mut K, line: Line<'_>) {
        self.step(line.head.len());
        let folded = self.header.begun && matches!(line.head, [b' ' | b'\t', ..]);
        if !folded {
            self.end_field(keep);
            // RFC 5322 §2.1
            if line.is_blank() {
                if line.end == 1 {
                    self.note(Leniency::BareLf);
                }
                self.pass_line(line);
                return self.end_header(keep, self.here());
            }
            if let Some(delimiter) = self.delimiter(line) {
                self.note(Leniency::HeaderUnended);
                let start = self.table.parts.last().map_or(self.at, |part| part.at);
                let before = self.before_line_end();
                let end = if before.at < start {
                    self.here()
                } else {
                    before
                };
                while self.mode == Mode::Header {
                    self.end_header(keep, end);
                }
                return self.delimit(&delimiter, line);
            }
        }
        self.header.begun = true;
        self.keep_line(keep, line, folded);
        self.pass_line(line);
    }

    fn keep_line<K: Keep>(&mut self, keep: &mut K, line: Line<'_>, folded: bool) {
        if self.header.full {
            return;
        }
        let octets = self.kept.saturating_add(self.header.octets);
        let octets = octets.saturating_add(line.head.len());
        let most = self.limits.header_octets_max.min(OFFSETS_MAX);
        if octets_of(line.head) < line.octets || octets > most {
            return self.fill_header(keep);
        }
        if !folded {
            self.header.field = Some((self.header.octets, self.header.crlfs));
        }
        match line.end {
            1 => self.note(Leniency::BareLf),
            2 => self.header.crlfs += 1,
            _ => {}
        }
        keep.keep(line.head);
        self.header.octets += line.head.len();
    }

    /// Keeps no more of this header, nor of the field that has begun.
    fn fill_header<K: Keep>(&mut self, keep: &mut K) {
        self.note(Leniency::FieldsPastLimit);
        self.header.full = true;
        if let Some((start, crlfs)) = self.header.field.take() {
            self.header.octets = start;
            self.header.crlfs = crlfs;
            keep.cut(self.kept.saturating_add(start));
        }
    }

    fn end_field<K: Keep>(&mut self, keep: &mut K) {
        let Some((start, _)) = self.header.field else {
            return;
        };
        let Some(part) = self.table.parts.last_mut() else {
            return;
        };
        let text = part.header_text(keep.text());
        let raw = text.get(start..self.header.octets).unwrap_or_default();
        let Some((name_octets, value_at)) = header::split(raw) else {
            self.header.field = None;
            return self.note(Leniency::NotAField);
        };
        let index = self.table.fields.len();
        let own = offset(index).saturating_sub(part.fields_at);
        if own >= offset(self.limits.header_fields_max)
            || index >= self.limits.fields_max.min(OFFSETS_MAX)
        {
            return self.fill_header(keep);
        }
        let name = FieldName::of(raw.get(..name_octets).unwrap_or_default());
        if name_octets + 1 < value_at {
            part.leniencies.add(Leniency::SpaceBeforeColon);
        }
        if name != FieldName::Other {
            let bit = 1_u64 << (name as u8);
            if self.header.seen & bit != 0 {
                if name.is_mime() {
                    part.leniencies.add(Leniency::RepeatedField);
                } else if name.is_unique() && is_message(&self.open) {
                    part.leniencies.add(Leniency::RepeatedUnique);
                }
            } else if name == FieldName::ContentType {
                self.header.content_type = Some(index);
            } else if name == FieldName::ContentTransferEncoding {
                self.header.encoding = Some(index);
            }
            self.header.seen |= bit;
        }
        self.table.fields.push(FieldEntry {
            at: offset(start),
            len: offset(raw.len()),
            value_at: offset(value_at),
            name_len: u16::try_from(name_octets).unwrap_or(u16::MAX),
            name,
        });
        self.header.field = None;
    }

    /// Ends the header at this place and opens the body.
    pub(super) fn end_header<K: Keep>(&mut self, keep: &mut K, end: Place) {
        self.end_field(keep);
        let header = std::mem::take(&mut self.header);
        self.step(header.octets);
        let (depth, parts) = (self.open.len(), self.table.parts.len());
        let full = depth >= self.limits.depth_max || parts >= self.limits.parts_max;
        let Some(part) = self.table.parts.last_mut() else {
            return;
        };
        let text = part.header_text(keep.text());
        let fields = self.table.fields.as_slice();
        let value = |at: Option<usize>| Some(fields.get(at?)?.field(text)?.value);
        part.header_len = end.at.saturating_sub(part.at);
        part.fields_len = offset(fields.len()).saturating_sub(part.fields_at);
        let kept = text.get(..header.octets).unwrap_or_default();
        part.leniencies.extend(oddities(kept, header.crlfs));
        let type_ = Type::of(value(header.content_type), part.in_digest, &self.limits);
        part.leniencies.extend(type_.leniencies);
        let encoded = || {
            let token = parameter::first_token(value(header.encoding)?)?;
            Some(matches!(token.as_str(), "base64" | "quoted-printable"))
        };
        part.kind = match type_.media {
            Media::Text | Media::Other => Kind::Leaf,
            Media::Message | Media::Multipart if full => {
                part.leniencies.add(Leniency::Unopened);
                Kind::Leaf
            }
            Media::Multipart => {
                // RFC 2045 §6.4
                if encoded() == Some(true) {
                    part.leniencies.add(Leniency::EncodedMultipart);
                }
                Kind::Multipart
            }
            // Only its own octets are a message; encoded ones (RFC 2046 §5.2.1) are not.
            Media::Message if encoded() == Some(true) => {
                part.leniencies.add(Leniency::EncodedComposite);
                Kind::Leaf
            }
            Media::Message => Kind::Message,
        };
        let kind = part.kind;
        self.kept = self.kept.saturating_add(header.octets);
        self.open_body(kind, &type_, end);
    }

    /// Notes what is wrong with the part whose header is read.
    pub(super) fn note(&mut self, leniency: Leniency) {
        if let Some(part) = self.table.parts.last_mut() {
            part.leniencies.add(leniency);
        }
    }
}

/// True if the header that is read inside `open` is a message's, not only a part's.
fn is_message(open: &[Open]) -> bool {
    open.last()
        .is_none_or(|around| around.kind == Kind::Message)
}

/// What is wrong with a header as octets; `crlfs` of its line ends are CRLF.
fn oddities(header: &[u8], crlfs: usize) -> Leniencies {
    let mut odd = Leniencies::NONE;
    if memchr::memchr(0, header).is_some() {
        odd.add(Leniency::Nul);
    }
    // RFC 5322 §2.3
    if memchr::memchr_iter(b'\r', header).count() != crlfs {
        odd.add(Leniency::BareCr);
    }
    // RFC 6532 §3.1
    if std::str::from_utf8(header).is_err() {
        odd.add(Leniency::RawHeader);
    }
    odd
}
