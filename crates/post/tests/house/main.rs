//! The house as its guests see it, over a store in memory that can be made to wait and to fail.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod answered;
mod arranged;
mod audit;
mod catenate;
mod counted;
mod delivery;
mod events;
mod fetched;
mod filter;
mod forgotten;
mod forwarding;
mod forwards;
mod fuzzy;
mod greylist;
mod handed;
mod imports;
mod journeys;
mod keeper;
mod login;
mod mailboxes;
mod maildrop;
mod memory;
mod messages;
mod metadata;
mod model;
mod news;
mod orders;
mod past;
mod previews;
mod programs;
mod queue;
mod quota;
mod rates;
mod refused;
mod relayed;
mod relayed_letters;
mod removed_mail;
mod replace;
mod reports;
mod routes;
mod runs;
mod saved;
mod screened;
mod scripts;
mod search;
mod sent_on;
mod shared;
mod sharing;
mod signing;
mod site;
mod submission;
mod texts;
mod token;
mod trust;
mod undo;
mod waiting;
mod world;
