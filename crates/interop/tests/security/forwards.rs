//! What is put where a user's `.forward` would be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::ADA;
use super::machine::{Machine, feed};
use super::sink::{Sink, wait};

/// Somebody else: Debian's user `nobody`.
const NOBODY: u32 = 65_534;

/// Puts something there.
type Put = fn(&Path);

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

/// What is put there, and what the log says of it.
const ATTEMPTS: &[(&str, Put, &str)] = &[
    (
        "a link",
        |path| {
            let other = path.with_extension("other");
            write(&other, "x@there.example\n");
            symlink(other, path).unwrap();
        },
        "it is a link",
    ),
    (
        "another user's",
        |path| {
            write(path, "x@there.example\n");
            chown(path, Some(NOBODY), None).unwrap();
        },
        "it belongs to another user",
    ),
    (
        "one that others may write",
        |path| {
            write(path, "x@there.example\n");
            fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap();
        },
        "others may write it",
    ),
    (
        "a program",
        |path| write(path, "x@there.example\n|/usr/bin/touch ran\n"),
        "`|/usr/bin/touch ran`: no program is run for a letter",
    ),
    (
        "a file",
        |path| write(path, "x@there.example\n/etc/cron.d/x\n"),
        "`/etc/cron.d/x`: mail is not written into files",
    ),
    (
        "a list of another's",
        |path| {
            let list = path.with_extension("list");
            write(&list, "x@there.example\n");
            chown(&list, Some(NOBODY), None).unwrap();
            write(path, &format!(":include:{}\n", list.display()));
        },
        "it belongs to another user",
    ),
];

#[test]
fn only_a_file_of_the_users_own_is_gone_by() {
    let (homes, sink) = (TempDir::new().unwrap(), Sink::start("127.0.0.2", 0, None));
    let home = homes.path().join("ada");
    fs::create_dir(&home).unwrap();
    let path: PathBuf = home.join(".forward");
    let machine = Machine::start(&format!(
        "[relay]\nhost = \"[127.0.0.2]:{}\"\ntls = \"none\"\n\
         [local]\nforward = \"{}/{{user}}/.forward\"\n",
        sink.port,
        homes.path().display()
    ));
    for (number, (what, put, said)) in ATTEMPTS.iter().enumerate() {
        put(&path);
        // It is looked at now.
        let (code, told) = feed(&mut machine.called("newaliases", &[]), "");
        assert_eq!(code, Some(0), "{what}: {told}");
        assert!(told.contains(said), "{what}: {told}");
        let warned = wait(|| {
            let log = machine.server.log();
            let line = log.lines().find(|line| line.contains(said))?;
            Some(line.to_owned())
        });
        assert!(
            warned.contains("a .forward is not gone by"),
            "{what}: {warned}"
        );
        let subject = format!("attempt {number}");
        let text = format!("To: ada\nSubject: {subject}\n\n{what}\n");
        assert_eq!(
            feed(&mut machine.called("sendmail", &["ada"]), &text).0,
            Some(0)
        );
        wait(|| {
            let mail = machine.mail(ADA);
            mail.iter().any(|one| one.contains(&subject)).then_some(())
        });
        fs::remove_file(&path).unwrap();
    }
    wait(|| machine.is_done().then_some(()));
    assert!(sink.taken().is_empty(), "{:?}", sink.taken());
}
