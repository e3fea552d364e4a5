//! The envelope of a captured message, kept in fields before it, written as MAIL and RCPT had it.
//!
//! RFC 3461 §4: whoever sends the message on one day has what was asked for it.

use mail::{Notify, Recipient, Ret};

use crate::Sender;

/// `X-Caramel-Captured-From`, and one `X-Caramel-Captured-For` for each recipient elsewhere.
pub(crate) fn fields(sender: &Sender, elsewhere: &[Recipient]) -> String {
    let mut fields = format!("X-Caramel-Captured-From: {}", sender.reverse_path.written());
    match sender.ret {
        Some(Ret::Full) => fields.push_str(" RET=FULL"),
        Some(Ret::Headers) => fields.push_str(" RET=HDRS"),
        None => {}
    }
    if let Some(envid) = &sender.envid {
        fields.push_str(&format!(" ENVID={}", xtext(envid)));
    }
    fields.push_str("\r\n");
    for recipient in elsewhere {
        fields.push_str(&format!(
            "X-Caramel-Captured-For: {}",
            recipient.forward_path.written()
        ));
        fields.push_str(&notify(recipient.notify));
        let original = recipient.orcpt.as_deref();
        if let Some((kind, text)) = original.and_then(|orcpt| orcpt.split_once(';')) {
            fields.push_str(&format!("\r\n ORCPT={};{}", xtext(kind), xtext(text)));
        }
        fields.push_str("\r\n");
    }
    fields
}

fn notify(notify: Option<Notify>) -> String {
    let words = match notify {
        None => return String::new(),
        Some(Notify::Never) => vec!["NEVER"],
        Some(Notify::On {
            success,
            failure,
            delay,
        }) => [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")]
            .into_iter()
            .filter_map(|(on, word)| on.then_some(word))
            .collect(),
    };
    format!(" NOTIFY={}", words.join(","))
}

/// RFC 3461 §4: nothing in it can end the field or the parameter.
fn xtext(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_graphic() && !matches!(octet, b'+' | b'=') {
            written.push(char::from(octet));
        } else {
            written.push_str(&format!("+{octet:02X}"));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use mail::{BodyType, ForwardPath, ReversePath};

    use super::*;

    #[test]
    fn the_envelope_is_written_as_it_came() {
        let sender = Sender {
            reverse_path: ReversePath::parse("<ada@example.org>").unwrap(),
            size: None,
            body: BodyType::EightBitMime,
            smtputf8: false,
            ret: Some(Ret::Full),
            envid: Some("a +\r\nX: y".into()),
            tls: mail::TlsWish::Usual,
        };
        let recipient = |path: &str, notify, orcpt: Option<&str>| Recipient {
            forward_path: ForwardPath::parse(path).unwrap(),
            notify,
            orcpt: orcpt.map(str::to_owned),
        };
        let on = |success, failure, delay| {
            Some(Notify::On {
                success,
                failure,
                delay,
            })
        };
        let elsewhere = [
            recipient("<b@x.example>", on(true, false, true), Some("rfc822;b b@x")),
            recipient("<c@x.example>", Some(Notify::Never), None),
            recipient("<d@x.example>", None, None),
        ];
        assert_eq!(
            fields(&sender, &elsewhere),
            "X-Caramel-Captured-From: <ada@example.org> RET=FULL ENVID=a+20+2B+0D+0AX:+20y\r\n\
             X-Caramel-Captured-For: <b@x.example> NOTIFY=SUCCESS,DELAY\r\n \
             ORCPT=rfc822;b+20b@x\r\n\
             X-Caramel-Captured-For: <c@x.example> NOTIFY=NEVER\r\n\
             X-Caramel-Captured-For: <d@x.example>\r\n"
        );
    }
}
