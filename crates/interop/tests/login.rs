//! Ways to log in, as programs nobody here wrote know them.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use interop::{Ended, Server, Tls, program};
use tempfile::TempDir;

fn run(server: &Server, name: &str, words: &[&str]) -> Ended {
    program(name, words, server.folder(), "").unwrap()
}

/// GNU SASL logs in, by STARTTLS where it is given an authority, and must be let in or not.
fn gsasl(
    server: &Server,
    protocol: &str,
    tls: Option<&str>,
    mechanism: &str,
    password: &str,
) -> Ended {
    let listener = if protocol == "smtp" {
        "submission"
    } else {
        protocol
    };
    let port = server.address(listener, Tls::Starttls).port().to_string();
    let protocol = format!("--{protocol}");
    let authority = tls.map_or_else(
        || "--no-starttls".to_owned(),
        |file| format!("--x509-ca-file={file}"),
    );
    let words = [
        protocol.as_str(),
        &authority,
        "--verbose",
        "--mechanism",
        mechanism,
        "--authentication-id",
        "ada@test.localhost",
        "--password",
        password,
        "localhost",
        &port,
    ];
    run(server, "gsasl", &words)
}

#[test]
fn gsasl_proves_a_password_by_scram() {
    let server = Server::start_with("[login]\nscram_sha1 = true").unwrap();
    let authority = server.authority().unwrap();
    // It asks SMTP for STARTTLS before EHLO, so there it goes without.
    let ways = [
        ("smtp", None, "SCRAM-SHA-256"),
        ("smtp", None, "SCRAM-SHA-1"),
        ("imap", None, "SCRAM-SHA-256"),
        ("imap", None, "SCRAM-SHA-1"),
        ("imap", Some(authority.as_str()), "SCRAM-SHA-256-PLUS"),
        ("imap", Some(authority.as_str()), "SCRAM-SHA-1-PLUS"),
    ];
    for (protocol, tls, mechanism) in ways {
        for (password, well) in [("secret", true), ("Secret", false)] {
            let ended = gsasl(&server, protocol, tls, mechanism, password);
            let said = format!("{}\n{}", ended.out, ended.err);
            assert_eq!(
                ended.well, well,
                "{protocol} {mechanism} {password}\n{said}"
            );
        }
    }
    // It could have bound the connection, and the server offered to: somebody was between them.
    let ended = gsasl(&server, "imap", Some(&authority), "SCRAM-SHA-256", "secret");
    assert!(!ended.well, "{}", ended.out);
}

fn openssl(folder: &Path, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let ended = program("openssl", &words, folder, "").unwrap();
    assert!(ended.well, "{words:?}\n{}", ended.err);
}

/// Makes an authority `NAME.pem` and a certificate `NAME-ada.pem` by it for ada's address.
fn certify(folder: &Path, name: &str) {
    fs::write(
        folder.join("san"),
        "subjectAltName=email:ada@test.localhost\n",
    )
    .unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        folder,
        &format!("req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"),
    );
    openssl(
        folder,
        &format!("req -new {key} -keyout {name}-ada.key -out {name}-ada.csr -subj /CN=Ada"),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}-ada.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial \
             -extfile san -days 2 -out {name}-ada.pem"
        ),
    );
}

/// curl logs in by EXTERNAL, showing a certificate or none.
fn curl(server: &Server, protocol: &str, folder: &Path, shown: Option<&str>, user: &str) -> Ended {
    let (scheme, path) = match protocol {
        "submission" => ("smtps", ""),
        "imap" => ("imaps", "/INBOX"),
        _ => ("pop3s", "/"),
    };
    let url = format!(
        "{scheme}://{}{path}",
        server.address(protocol, Tls::Implicit)
    );
    let (ca, user) = (server.authority().unwrap(), format!("{user}:"));
    let file = |name: &str, end: &str| folder.join(format!("{name}{end}")).display().to_string();
    let mut words = vec!["--silent", "--show-error", "--verbose", "--cacert", &ca];
    words.extend(["--login-options", "AUTH=EXTERNAL", "--user", &user]);
    let files = shown.map(|name| (file(name, "-ada.pem"), file(name, "-ada.key")));
    if let Some((certificate, key)) = &files {
        words.extend(["--cert", certificate, "--key", key]);
    }
    words.push(&url);
    run(server, "curl", &words)
}

#[test]
fn a_certificate_logs_in_by_curl() {
    let made = TempDir::new().unwrap();
    let folder = made.path();
    certify(folder, "ours");
    certify(folder, "theirs");
    let ours = folder.join("ours.pem");
    let server = Server::start_with(&format!("[tls]\nclient_ca = \"{}\"", ours.display())).unwrap();
    let said = |ended: &Ended| format!("{}\n{}\n{}", ended.out, ended.err, server.log());
    for protocol in ["submission", "imap", "pop3"] {
        let ended = curl(
            &server,
            protocol,
            folder,
            Some("ours"),
            "ada@test.localhost",
        );
        // Logged in by SMTP, curl asks for help, which a submission server has none of.
        let well = match protocol {
            "submission" => ended.err.contains("< 235 "),
            _ => ended.well,
        };
        assert!(well, "{protocol} {}", said(&ended));
        for (shown, user) in [
            (Some("ours"), "alan@test.localhost"),
            (Some("theirs"), "ada@test.localhost"),
            (None, "ada@test.localhost"),
        ] {
            let ended = curl(&server, protocol, folder, shown, user);
            let let_in = ended.well || ended.err.contains("< 235 ");
            assert!(!let_in, "{protocol} {shown:?} {user} {}", said(&ended));
        }
    }
    // Another mail server is not asked: what it shows by chance does not keep it out.
    let address = server.address("smtp", Tls::Starttls).to_string();
    let theirs = folder.join("theirs-ada.pem").display().to_string();
    let key = folder.join("theirs-ada.key").display().to_string();
    let words = [
        "s_client",
        "-quiet",
        "-starttls",
        "smtp",
        "-connect",
        &address,
    ];
    let words = [&words[..], &["-cert", &theirs, "-key", &key]].concat();
    let ended = program("openssl", &words, folder, "QUIT\r\n").unwrap();
    assert!(ended.out.contains("221 "), "{}\n{}", ended.out, ended.err);
}
