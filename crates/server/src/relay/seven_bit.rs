//! A letter in lines of ASCII, for a host that takes no other: read twice to know how, and once
//! more as it goes, a piece in memory at a time.
//!
//! Not here: how it is written (`message::seven_bit`), when that is wanted (`smtp`).
//!
//! RFC 6152 §3, RFC 3030 §3.

use std::collections::VecDeque;

use bytes::Bytes;
use mail::BlobRange;
use message::seven_bit::{Obstacle, Recoder, Step, Survey, mask};
use message::{Limits, Scanner, Span};
use post::Post;

use super::postman::PIECE_OCTETS;

/// A letter in that form, on its way.
#[derive(Debug)]
pub(super) struct Form {
    steps: VecDeque<Step>,
    octets: u64,
    /// Octets of the first step that have been read.
    at: u64,
    recoder: Option<Recoder>,
}

/// The form of a letter, if it has one.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn form(
    post: &Post,
    letter: BlobRange,
) -> Result<Result<Form, Obstacle>, post::Error> {
    let mut scanner = Scanner::new(&Limits::HOUSE);
    let mut at = 0;
    while at < letter.len {
        let octets = read(post, letter, whole(letter), at).await?;
        at += PIECE_OCTETS;
        scanner.push(&octets);
    }
    let mut survey = Survey::new(&scanner.finish());
    let mut at = 0;
    while at < letter.len {
        let octets = read(post, letter, whole(letter), at).await?;
        at += PIECE_OCTETS;
        survey.push(&octets);
    }
    Ok(survey.finish().map(|conversion| Form {
        steps: conversion.steps.into(),
        octets: conversion.octets,
        at: 0,
        recoder: None,
    }))
}

impl Form {
    /// How long it is.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// The next piece; an empty one is the end.
    pub(super) async fn piece(
        &mut self,
        post: &Post,
        letter: BlobRange,
    ) -> Result<Bytes, post::Error> {
        loop {
            let mut out = Vec::new();
            let span = match self.steps.front_mut() {
                None => return Ok(Bytes::new()),
                Some(Step::Put(octets)) => {
                    out.append(octets);
                    Span::default()
                }
                Some(Step::Keep(span) | Step::Mask(span)) => *span,
                Some(Step::Recode { body, from, to }) => {
                    let recoder = || Recoder::new(*from, *to);
                    self.recoder.get_or_insert_with(recoder);
                    *body
                }
            };
            if self.at < span.len {
                let octets = read(post, letter, span, self.at).await?;
                self.at += PIECE_OCTETS;
                match (&mut self.recoder, self.steps.front()) {
                    (Some(recoder), _) => recoder.push(&octets, &mut out),
                    (None, Some(Step::Mask(_))) => {
                        out.extend_from_slice(&octets);
                        mask(&mut out);
                    }
                    (None, _) => return Ok(octets),
                }
            } else {
                if let Some(mut recoder) = self.recoder.take() {
                    recoder.finish(&mut out);
                }
                self.at = 0;
                self.steps.pop_front();
            }
            if !out.is_empty() {
                return Ok(out.into());
            }
        }
    }
}

fn whole(letter: BlobRange) -> Span {
    Span {
        offset: 0,
        len: letter.len,
    }
}

/// A piece of a span of the letter, from this octet of it on.
async fn read(post: &Post, letter: BlobRange, span: Span, at: u64) -> Result<Bytes, post::Error> {
    post.read(BlobRange {
        offset: letter.offset + span.offset + at,
        len: PIECE_OCTETS.min(span.len - at),
        ..letter
    })
    .await
}
