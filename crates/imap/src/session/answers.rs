//! The house's answers, each brought to the command that waits for it; refusals become NO.

use super::state::{Task, Wait};
use super::{Moment, Session, counting};
use crate::ask::{Answer, Refused, Why};
use crate::diagram::Verb;
use crate::response::{Code, ListRights, Status};

impl Session {
    // tidy: table
    pub(super) fn take_answer(&mut self, wait: Wait, answer: Answer) {
        match (wait, answer) {
            (
                Wait::Verdict {
                    tag,
                    verb,
                    exchange,
                },
                Answer::Verdict(verdict),
            ) => {
                self.take_verdict(tag, verb, exchange, verdict);
            }
            (Wait::Done { tag, verb, text }, Answer::Done) => {
                let status = Status::ok(text);
                self.conclude(tag, verb, status, Moment::Free, false);
            }
            (Wait::Left(tag), Answer::Done) => self.unauthenticated(&tag),
            (Wait::Created(tag), Answer::Created(mailbox)) => self.created(tag, mailbox),
            (Wait::Deleted(tag), Answer::Deleted(mailbox)) => self.deleted(tag, mailbox),
            (Wait::Mailboxes(tag, listed), Answer::Mailboxes(mailboxes)) => {
                self.take_mailboxes(tag, &listed, &mailboxes);
            }
            (Wait::Status { tag, name, items }, Answer::Status(status)) => {
                self.write_status(&name, &items, &status);
                let status = Status::ok("Done");
                self.conclude(tag, Verb::Status, status, Moment::Free, false);
            }
            (Wait::Quota(tag, mailbox), Answer::Quota(quota)) => {
                self.take_quota(tag, mailbox, &quota);
            }
            (Wait::Metadata(tag, get), Answer::Metadata { entries, longest }) => {
                self.take_metadata(tag, *get, entries, longest);
            }
            (Wait::SetMetadata(tag), Answer::Done) => {
                let status = Status::ok("Done");
                self.conclude(tag, Verb::SetMetadata, status, Moment::Free, false);
            }
            (Wait::Watching { tag, status, watch }, Answer::News(news)) => {
                self.watching(tag, status, watch, *news);
            }
            (Wait::WatchList { tag, status, watch }, Answer::Mailboxes(mailboxes)) => {
                self.take_watched(tag, status, watch, &mailboxes);
            }
            (Wait::WatchStatus { tag, watch, names }, answer) => {
                self.take_first(tag, watch, names, answer);
            }
            (Wait::News, Answer::News(news)) => self.take_news(*news),
            (Wait::NewsList(telling), Answer::Mailboxes(mailboxes)) => {
                self.take_named(telling, &mailboxes);
            }
            (Wait::Newcomers(newcomers), Answer::Rows { rows, reached }) => {
                self.take_newcomers(newcomers, &rows, reached);
            }
            (Wait::ListStatus(telling), answer) => self.take_list_status(telling, &answer),
            (Wait::ListMetadata(telling), answer) => self.take_list_metadata(telling, answer),
            (Wait::MyRights(tag, name), Answer::Rights(rights)) => {
                self.take_my_rights(tag, name, rights);
            }
            (Wait::GetAcl(tag, name), Answer::Acl(acl)) => self.take_acl(tag, name, acl),
            (
                Wait::ListRights {
                    tag,
                    name,
                    identifier,
                },
                Answer::ListRights { required, optional },
            ) => {
                let listed = ListRights {
                    mailbox: name,
                    identifier,
                    required,
                    optional,
                };
                self.take_list_rights(tag, listed);
            }
            (
                Wait::Select {
                    tag,
                    verb,
                    name,
                    qresync,
                },
                Answer::Selected(selected),
            ) => self.selected(tag, verb, name, *selected, qresync),
            (Wait::Resync(tag, status, known), Answer::Changes(changes)) => {
                self.resync(&tag, &status, &known, &changes);
            }
            (Wait::Vanished(fetching, asked), Answer::Changes(changes)) => {
                self.tell_vanished(&asked, &changes.gone);
                self.go_on_fetching(fetching);
            }
            (Wait::Changes(after), Answer::Changes(changes)) => {
                self.take_changes(after, &changes);
            }
            (Wait::Rows(fetching), Answer::Rows { rows, reached }) => {
                self.take_rows(fetching, &rows, reached);
            }
            (
                Wait::Stored(storing),
                Answer::Stored {
                    changed,
                    raced,
                    modified,
                    reached,
                },
            ) => self.take_stored(storing, &changed, &raced, &modified, reached),
            (
                Wait::Copied { tag, verb },
                Answer::Copied {
                    uid_validity,
                    source,
                    target,
                },
            ) => self.take_copied(tag, verb, uid_validity, source, target),
            (Wait::Expunged { tag, verb }, Answer::Done) => self.expunged(tag, verb),
            (Wait::Matched(refreshing), Answer::Found { uids, .. }) => {
                self.take_matched(*refreshing, &uids);
            }
            (Wait::Matched(refreshing), Answer::Sorted { uids, .. }) => {
                self.take_matched_in_order(*refreshing, &uids);
            }
            (Wait::Placed(placing), Answer::Sorted { uids, .. }) => {
                self.take_placed(*placing, &uids);
            }
            (wait, answer @ (Answer::Found { .. } | Answer::FoundElsewhere(_))) => {
                self.take_finds(wait, answer);
            }
            (Wait::Sources(roaming), Answer::Mailboxes(mailboxes)) => {
                self.take_sources(roaming, &mailboxes);
            }
            (
                Wait::Sorted(searching),
                Answer::Sorted {
                    uids,
                    highest,
                    scores,
                },
            ) => self.take_sorted(searching, &uids, highest, &scores),
            (Wait::Threads(searching), Answer::Threads(members)) => {
                self.take_threads(searching, &members);
            }
            (Wait::AppendBegun(incoming), Answer::Done) => self.append_proceeds(incoming),
            (Wait::AppendStored(incoming, _), Answer::PartTaken { octets, header }) => {
                self.part_taken(incoming, octets, header);
            }
            (Wait::AppendTaken(incoming), Answer::Done) => self.append_goes_on(incoming),
            (Wait::AppendEnded(tag, verb), Answer::Appended { uid_validity, uids }) => {
                self.appended(tag, verb, uid_validity, uids);
            }
            (Wait::AppendForgotten(tag, verb, status), _) => self.reply(&tag, verb, &status),
            (wait, Answer::Refused(refused)) => self.take_refusal(wait, refused),
            // An answer to another question: our fault.
            _ => self.fault(),
        }
    }

    fn take_finds(&mut self, wait: Wait, answer: Answer) {
        match (wait, answer) {
            (
                Wait::Found(searching),
                Answer::Found {
                    uids,
                    highest,
                    scores,
                },
            ) => self.take_found(searching, &uids, highest, &scores),
            (
                Wait::FoundHere(roaming),
                Answer::Found {
                    uids,
                    highest,
                    scores,
                },
            ) => self.take_found_here(roaming, &uids, highest, &scores),
            (Wait::FoundElsewhere(roaming), Answer::FoundElsewhere(found)) => {
                self.take_found_elsewhere(roaming, found);
            }
            // An answer to another question: our fault.
            _ => self.fault(),
        }
    }

    fn take_refusal(&mut self, wait: Wait, refused: Refused) {
        let why = refused.why;
        let status = refusal(refused);
        let (tag, verb, moment) = match wait {
            // RFC 4314 §4: CLOSE goes on without the right to expunge.
            Wait::Expunged { tag, verb } if closes(verb, why) => return self.unselect(&tag, verb),
            Wait::Done { tag, verb, .. } | Wait::Expunged { tag, verb } => {
                (tag, verb, Moment::Free)
            }
            Wait::MyRights(tag, _) => (tag, Verb::MyRights, Moment::Free),
            Wait::GetAcl(tag, _) => (tag, Verb::GetAcl, Moment::Free),
            Wait::ListRights { tag, .. } => (tag, Verb::ListRights, Moment::Free),
            Wait::Created(tag) => (tag, Verb::Create, Moment::Free),
            Wait::Deleted(tag) => (tag, Verb::Delete, Moment::Free),
            Wait::Mailboxes(tag, _) => (tag, Verb::List, Moment::Free),
            Wait::Status { tag, .. } => (tag, Verb::Status, Moment::Free),
            Wait::Quota(tag, None) => (tag, Verb::GetQuota, Moment::Free),
            Wait::Quota(tag, Some(_)) => (tag, Verb::GetQuotaRoot, Moment::Free),
            Wait::Metadata(tag, _) => (tag, Verb::GetMetadata, Moment::Free),
            Wait::SetMetadata(tag) => return self.metadata_refused(tag, why, status),
            Wait::Watching { tag, .. } => return self.watch_refused(tag, why, status),
            Wait::WatchList { tag, .. } => (tag, Verb::Notify, Moment::Free),
            Wait::News | Wait::NewsList(_) => return self.overflow(),
            Wait::Newcomers(newcomers) => return self.announced(newcomers.after),
            Wait::Select { tag, verb, .. } => return self.not_selected(&tag, verb, &status),
            Wait::Resync(tag, ..) => return self.tagged(&tag, &status),
            Wait::Changes(after) => return self.changes_refused(after),
            Wait::Matched(refreshing) => return self.announce(refreshing.after),
            Wait::Placed(placing) => return self.announce(placing.after),
            Wait::Rows(fetching) | Wait::Vanished(fetching, _) => {
                let moment = counting(fetching.fetch.uid);
                (fetching.tag, Verb::Fetch, moment)
            }
            Wait::Stored(storing) => (storing.tag, Verb::Store, counting(storing.uid)),
            Wait::Found(searching) | Wait::Sorted(searching) | Wait::Threads(searching) => {
                return self.not_found(searching, status);
            }
            // RFC 7377 §2.2: what may not be read is as if it were not there.
            Wait::FoundHere(roaming) if is_hidden(why) => return self.pass_over(roaming),
            Wait::Sources(roaming) | Wait::FoundHere(roaming) | Wait::FoundElsewhere(roaming) => {
                return self.not_found_anywhere(*roaming, status);
            }
            Wait::Copied { tag, verb } => {
                let status = try_create(why, status);
                return self.conclude(tag, verb, status, Moment::Free, true);
            }
            Wait::AppendBegun(incoming) => {
                return self.append_refused(incoming, try_create(why, status));
            }
            Wait::AppendStored(incoming, url) => {
                return self.part_refused(incoming, url, why, status);
            }
            Wait::AppendTaken(incoming) => {
                self.frames.swallow(incoming.left);
                self.task = Task::Swallow(incoming.tag, incoming.verb, status);
                return;
            }
            Wait::AppendEnded(tag, verb) => {
                let status = try_create(why, status);
                return self.conclude(tag, verb, status, Moment::Free, false);
            }
            Wait::Left(_) => return self.bye(status.text),
            Wait::Verdict { .. }
            | Wait::ListStatus(_)
            | Wait::ListMetadata(_)
            | Wait::WatchStatus { .. }
            | Wait::AppendForgotten(..) => return self.fault(),
        };
        self.conclude(tag, verb, status, moment, false);
    }
}

fn closes(verb: Verb, why: Why) -> bool {
    verb == Verb::Close && is_hidden(why)
}

const fn is_hidden(why: Why) -> bool {
    matches!(why, Why::NoPermission | Why::NonExistent)
}

/// NO, in the house's words.
fn refusal(refused: Refused) -> Status {
    let code = match refused.why {
        Why::NonExistent => Code::Nonexistent,
        Why::AlreadyExists => Code::AlreadyExists,
        Why::Cannot => Code::Cannot,
        // RFC 5530 §3
        Why::Expunged => Code::ExpungeIssued,
        Why::InUse => Code::InUse,
        Why::NoPermission => Code::NoPerm,
        Why::OverQuota => Code::OverQuota,
        Why::TooBig => Code::TooBig,
        Why::Damaged => Code::Corruption,
        Why::Limit => Code::Limit,
        Why::Unavailable => Code::Unavailable,
    };
    Status::no(refused.text).with(code)
}

/// A target that is not there can be created (RFC 9051 §6.3.12, §6.4.7).
fn try_create(why: Why, status: Status) -> Status {
    if why == Why::NonExistent {
        status.with(Code::TryCreate)
    } else {
        status
    }
}
