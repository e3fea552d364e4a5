//! Debian's Postfix with TLS and SASL, by Dovecot: what people's mail hosts are.

use interop::{Dovecot, Postfix, free_address};

use super::sink::wait;
use super::{Home, letter};

#[test]
fn postfix_with_tls_and_sasl_takes_letters() {
    let dovecot = Dovecot::start_authenticating().unwrap();
    let address = free_address().unwrap();
    let postfix = Postfix::listening_at(address, &dovecot.postfix_behind()).unwrap();
    let home = Home::new();
    let file = home.write(
        "rc",
        &format!(
            "account default\nhost 127.0.0.1\nport {}\ntls on\ntls_trust_file {}\nauth on\n\
             user ada\npassword secret\nfrom ada@post.example\n",
            address.port(),
            dovecot.certificate().display(),
        ),
    );
    let to = "x@post.example";
    for (more, code) in [
        (&[to][..], 0),
        (&["--auth=login", to], 0),
        (&["--auth=scram-sha-256", to], 69),
        (&["--passwordeval=echo wrong", to], 77),
        (&["--auth=off", to], 77),
        (&["--tls=off", to], 69),
        (
            &["--tls-trust-file=/etc/ssl/certs/ca-certificates.crt", to],
            69,
        ),
    ] {
        let words = [&["-C", &file], more].concat();
        let (ended, said) = home.call("msmtp", &words, &letter("to Postfix"));
        assert_eq!(ended, code, "{more:?}: {said}\n{}", postfix.log());
    }
    wait(|| (postfix.letters().len() == 2).then_some(()));
    let log = postfix.log();
    assert!(
        log.contains("sasl_method=PLAIN, sasl_username=ada"),
        "{log}"
    );
    assert!(
        log.contains("sasl_method=LOGIN, sasl_username=ada"),
        "{log}"
    );
}
