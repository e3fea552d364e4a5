//! Exit codes that programs which hand mail in or deliver it are understood by: those of the
//! system's `sysexits.h`.
//!
//! Not here: the codes of all other commands (`main`).

use mail::Refusal;

use crate::complaint::Complaint;

/// It was called wrongly.
pub(crate) const USAGE: u8 = 64;
/// The message is none.
pub(crate) const DATA_ERROR: u8 = 65;
/// There is no such recipient.
pub(crate) const NO_USER: u8 = 67;
/// What is needed is not there.
pub(crate) const UNAVAILABLE: u8 = 69;
/// The system said no.
pub(crate) const OS_ERROR: u8 = 71;
/// A file cannot be made.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// Reading or writing failed.
pub(crate) const IO_ERROR: u8 = 74;
/// Another time it may work.
pub(crate) const TEMPORARY: u8 = 75;
/// That is not allowed.
pub(crate) const NO_PERMISSION: u8 = 77;
/// The configuration is not right.
pub(crate) const CONFIGURATION: u8 = 78;

/// A complaint with one of these codes, where it has one of other commands.
pub(crate) fn translated(complaint: Complaint) -> Complaint {
    match complaint.code {
        1 => complaint.coded(OS_ERROR),
        2 => complaint.coded(USAGE),
        _ => complaint,
    }
}

/// The code that says the same as a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> u8 {
    let enhanced = refusal.enhanced;
    match (
        refusal.code.value() < 500,
        enhanced.subject,
        enhanced.detail,
    ) {
        (true, ..) => TEMPORARY,
        // RFC 3463 §3.2 to §3.8
        (_, 1, _) | (_, 4, 6) => NO_USER,
        (_, 2, _) => CANNOT_CREATE,
        (_, 3, 4) | (_, 6, _) => DATA_ERROR,
        (_, 7, _) => NO_PERMISSION,
        _ => UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use mail::Enhanced;

    use super::*;

    #[test]
    fn refusals_have_their_codes() {
        for (code, (subject, detail), exit) in [
            (450, (1, 1), TEMPORARY),
            (550, (1, 1), NO_USER),
            (552, (2, 3), CANNOT_CREATE),
            (552, (3, 4), DATA_ERROR),
            (550, (7, 1), NO_PERMISSION),
            (554, (0, 0), UNAVAILABLE),
        ] {
            let class = if code < 500 { 4 } else { 5 };
            let refusal = Refusal::new(code, Enhanced::new(class, subject, detail), "");
            assert_eq!(of_refusal(&refusal), exit, "{refusal}");
        }
    }
}
