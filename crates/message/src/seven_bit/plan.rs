//! What is made of a message that was surveyed: its pieces in order, the fields that say how bodies
//! are encoded among them.

use super::survey::{Node, Place, Region, Survey};
use super::{Conversion, Obstacle, Step};
use crate::decode::Encoding;
use crate::header::Header;

const FIELD: &str = "Content-Transfer-Encoding";
/// Octets of one line of base64, and what it becomes with its line end.
const BASE64_LINE: (u64, u64) = (57, 78);

/// What becomes of a part.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// How its body is written anew.
    to: Option<Encoding>,
    /// True if something in it is.
    changes: bool,
}

/// The pieces.
pub(super) fn made(survey: &Survey) -> Result<Conversion, Obstacle> {
    let mut fates = vec![Fate::default(); survey.nodes.len()];
    for region in &survey.regions {
        let Some(node) = judge(survey, region)? else {
            continue;
        };
        let of = survey.nodes.get(node);
        if let Some(fate) = fates.get_mut(node) {
            fate.to = of.map(|node| shortest(node, region.span.len));
        }
        let mut within = Some(node);
        while let Some(index) = within {
            if let Some(fate) = fates.get_mut(index) {
                fate.changes = true;
            }
            within = survey.nodes.get(index).and_then(|node| node.parent);
        }
    }
    let mut conversion = Conversion::default();
    for region in &survey.regions {
        let step = step(survey, region, &fates);
        conversion.octets = conversion.octets.saturating_add(step.1);
        push(&mut conversion.steps, step.0);
    }
    Ok(conversion)
}

/// The part whose body has to be written anew, if this is one.
fn judge(survey: &Survey, region: &Region) -> Result<Option<usize>, Obstacle> {
    match region.place {
        Place::Body(index) if !region.lines.are_fit() => {
            let fixed = survey.nodes.get(index).and_then(|node| node.fixed);
            fixed.map_or(Ok(Some(index)), Err)
        }
        Place::Body(_) => Ok(None),
        Place::Header(_) | Place::Between if region.lines.long => Err(Obstacle::Line),
        Place::Header(_) if region.lines.beyond => Err(Obstacle::Header),
        Place::Header(_) | Place::Between => Ok(None),
    }
}

/// The encoding that a body is written in.
fn shortest(node: &Node, octets: u64) -> Encoding {
    match Encoding::parse(&node.encoding) {
        Encoding::QuotedPrintable => Encoding::QuotedPrintable,
        Encoding::Identity if node.quoted_octets <= base64_octets(octets) => {
            Encoding::QuotedPrintable
        }
        Encoding::Identity | Encoding::Base64 | Encoding::Uuencode | Encoding::Unknown => {
            Encoding::Base64
        }
    }
}

const fn base64_octets(octets: u64) -> u64 {
    let (from, to) = BASE64_LINE;
    let rest = octets % from;
    let last = match rest {
        0 => 0,
        rest => rest.div_ceil(3) * 4 + 2,
    };
    (octets / from).saturating_mul(to).saturating_add(last)
}

fn step(survey: &Survey, region: &Region, fates: &[Fate]) -> (Step, u64) {
    let kept = (Step::Keep(region.span), region.span.len);
    match region.place {
        Place::Between if region.lines.beyond => (Step::Mask(region.span), region.span.len),
        Place::Between => kept,
        Place::Header(index) => {
            let (Some(node), Some(fate)) = (survey.nodes.get(index), fates.get(index)) else {
                return kept;
            };
            let Some(header) = header(node, *fate) else {
                return kept;
            };
            let octets = u64::try_from(header.len()).unwrap_or(u64::MAX);
            (Step::Put(header), octets)
        }
        Place::Body(index) => {
            let (Some(node), Some(to)) = (
                survey.nodes.get(index),
                fates.get(index).and_then(|fate| fate.to),
            ) else {
                return kept;
            };
            let from = Encoding::parse(&node.encoding);
            let octets = match (from, to) {
                (Encoding::Identity, Encoding::QuotedPrintable) => node.quoted_octets,
                (Encoding::Identity, _) => base64_octets(region.span.len),
                _ => region.span.len,
            };
            let body = region.span;
            (Step::Recode { body, from, to }, octets)
        }
    }
}

/// A header that says what has become of the part; `None` where it says so already.
fn header(node: &Node, fate: Fate) -> Option<Vec<u8>> {
    let encoding = match fate.to {
        Some(Encoding::QuotedPrintable) => "quoted-printable",
        Some(_) => "base64",
        None if matches!(node.encoding.as_str(), "8bit" | "binary") => "7bit",
        None => "",
    };
    let field = match encoding {
        "" => String::new(),
        encoding => format!("{FIELD}: {encoding}\r\n"),
    };
    let lacks = |name: &str| Header::first(&node.header, name).is_none();
    let mut more = String::new();
    if fate.changes && node.is_message {
        if lacks("MIME-Version") {
            more.push_str("MIME-Version: 1.0\r\n");
        }
        if fate.to.is_some() && lacks("Content-Type") {
            let charset = match node.is_utf8 {
                true => "utf-8",
                false => "unknown-8bit",
            };
            more.push_str(&format!("Content-Type: text/plain; charset={charset}\r\n"));
        }
    }
    let is_same = field.is_empty() && more.is_empty();
    (!is_same).then(|| with_fields(&node.header, &field, &more))
}

/// The header with this field in place of all of its name, and more behind its last.
fn with_fields(header: &[u8], field: &str, more: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len() + field.len() + more.len());
    let kept = |from: usize, to: usize, out: &mut Vec<u8>| {
        out.extend_from_slice(header.get(from..to).unwrap_or_default());
    };
    let (mut at, mut is_written) = (0, field.is_empty());
    let mut fields = Header::parse(header);
    for one in fields.by_ref() {
        if field.is_empty() || !one.is(FIELD) {
            continue;
        }
        kept(at, one.offset, &mut out);
        at = one.offset + one.raw.len();
        if !is_written {
            out.extend_from_slice(field.as_bytes());
            is_written = true;
        }
    }
    let end = fields.offset();
    kept(at, end, &mut out);
    if out.last().is_some_and(|octet| *octet != b'\n') {
        out.extend_from_slice(b"\r\n");
    }
    if !is_written {
        out.extend_from_slice(field.as_bytes());
    }
    out.extend_from_slice(more.as_bytes());
    kept(end, header.len(), &mut out);
    out
}

/// Adds a step; what is kept side by side is one.
fn push(steps: &mut Vec<Step>, step: Step) {
    if let (Some(Step::Keep(last)), Step::Keep(span)) = (steps.last_mut(), &step)
        && last.end() == span.offset
    {
        last.len = last.len.saturating_add(span.len);
        return;
    }
    steps.push(step);
}
