//! A letter of which none of the fifty rules is true.

/// As the letters are that the bench delivers.
pub(crate) fn letter(number: usize) -> String {
    let date = "Fri, 27 Nov 2026 12:00:00 +0000";
    format!(
        "Received: from relay.elsewhere.example (relay.elsewhere.example [192.0.2.7])\r\n\
         \tby mx.bench.localhost with ESMTPS id {number:08x};\r\n\t{date}\r\n\
         From: \"Sender {number}\" <sender{number}@elsewhere.example>\r\n\
         To: Ada <ada@bench.localhost>, Alan <alan@bench.localhost>\r\n\
         Cc: list@lists.example\r\nSubject: Letter {number} of a thread\r\n\
         Date: {date}\r\nMessage-ID: <{number}@elsewhere.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}",
        "The quick brown fox jumps over the lazy dog, and then the dog sleeps on.\r\n".repeat(9)
    )
}
