//! The letters that fill a mailbox: no two alike, a third of them with two forms of their text.

/// The letter with this number, some 1.5 KiB.
pub(crate) fn letter(number: usize) -> String {
    let day = number % 28 + 1;
    let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
    let date = format!("{day:02} Nov 2026 {hour:02}:{minute:02}:{second:02} +0000");
    let sender = format!("sender{}", number % 97);
    let thread = number / 5;
    let mut text = format!(
        "Return-Path: <{sender}@elsewhere.example>\r\n\
         Received: from relay.elsewhere.example (relay.elsewhere.example [192.0.2.7])\r\n\
         \tby mx.bench.localhost with ESMTPS id {number:08x};\r\n\t{date}\r\n\
         Received: from desk.elsewhere.example (desk.elsewhere.example [192.0.2.99])\r\n\
         \tby relay.elsewhere.example with ESMTPSA id {number:08x}; {date}\r\n\
         From: \"Sender {sender}\" <{sender}@elsewhere.example>\r\n\
         To: Ada <ada@bench.localhost>, Alan <alan@bench.localhost>\r\n\
         Cc: list@lists.example\r\nSubject: Letter {number} of the thread {thread}\r\n\
         Date: {date}\r\nMessage-ID: <{number}@elsewhere.example>\r\n\
         In-Reply-To: <{thread}@elsewhere.example>\r\n\
         References: <{thread}@elsewhere.example>\r\nMIME-Version: 1.0\r\n"
    );
    let line = "The quick brown fox jumps over the lazy dog, and then the dog sleeps on.\r\n";
    let lines = line.repeat(6 + number % 7);
    if number.is_multiple_of(3) {
        text.push_str(&format!(
            "Content-Type: multipart/alternative; boundary=\"part-{number}\"\r\n\r\n\
             --part-{number}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{lines}\
             --part-{number}\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>{lines}</p>\r\n\
             --part-{number}--\r\n"
        ));
    } else {
        text.push_str(&format!(
            "Content-Type: text/plain; charset=utf-8\r\n\r\n{lines}"
        ));
    }
    text
}
