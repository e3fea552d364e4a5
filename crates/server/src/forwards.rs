//! Looks at the `.forward` files of users, again and again, so that the post knows what they say
//! when a letter comes.
//!
//! No letter waits for it: a thread of its own looks, one look at a time, and where a file system
//! hangs only that thread does. What it has found the post keeps in memory.
//!
//! Not here: how a file is read, and whose count (`alias_file`), where an address leads (`post`),
//! how programs are run (`programs`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use net::Stop;
use post::{Forward, Forwards, Post, UserName};
use rustix::process::geteuid;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::alias_file::{AliasFault, AliasTargets, ForwardRead, Seen, read_forward};
use crate::pickup::{LocalSettings, UserNumbers};

mod path;

pub use path::UserPath;

/// How often all files are looked at.
const FORWARD_LOOK: Duration = Duration::from_secs(5);
/// How long the doors stay shut for the first look, and who asks waits for a look.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(10);
/// Users whose files are looked at.
const USERS_MAX: usize = 10_000;
/// Targets of the files of all users together.
const TARGETS_MAX: usize = 200_000;
/// Faults of all users' files that are told at once.
const FAULTS_MAX: usize = 100;
/// Who waits to ask.
const ASKED_MAX: usize = 16;

/// What a look has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looked {
    /// Files that are gone by.
    pub(crate) count: usize,
    /// What is wrong with others.
    pub(crate) faults: Vec<AliasFault>,
}

/// Where a look is asked for.
#[derive(Clone, Debug)]
pub(crate) struct ForwardDesk {
    asked: SyncSender<oneshot::Sender<Looked>>,
}

impl ForwardDesk {
    /// Has the files looked at now; nothing where that takes too long.
    pub(crate) async fn look(&self) -> Option<Looked> {
        let told = self.ask()?;
        let told = timeout(LOOK_WAIT_MAX, told).await;
        told.ok()?.ok()
    }

    /// Asks for a look; nothing where too many have asked.
    fn ask(&self) -> Option<oneshot::Receiver<Looked>> {
        let (waiting, told) = oneshot::channel();
        self.asked.try_send(waiting).ok()?;
        Some(told)
    }
}

/// Looks at the files for the first time, where such files count at all, and from then on until it
/// is asked to stop.
///
/// # Errors
/// If there can be no thread for it.
pub(crate) async fn start(
    post: &Post,
    settings: &LocalSettings,
    stop: Stop,
) -> io::Result<Option<ForwardDesk>> {
    let Some(path) = settings.forward.clone() else {
        return Ok(None);
    };
    let files = Files::new(post.clone(), settings.clone(), path);
    let (asked, asking) = sync_channel(ASKED_MAX);
    let desk = ForwardDesk { asked };
    // It hears nothing of the server's end, which does not wait for it: it may hang.
    thread::Builder::new()
        .name("forwards".into())
        .spawn(move || answer(files, &asking))?;
    match desk.look().await {
        Some(looked) => tracing::info!(files = looked.count, ".forward files are gone by"),
        None => tracing::error!(
            ".forward files are not gone by yet: looking at them takes long; meanwhile letters \
             stay in the mailboxes of their owners"
        ),
    }
    tokio::spawn(look_again(desk.clone(), stop));
    Ok(Some(desk))
}

/// Asks for a look again and again, once the one before has ended.
async fn look_again(desk: ForwardDesk, mut stop: Stop) {
    loop {
        let look = async {
            sleep(FORWARD_LOOK).await;
            // Where none is begun, others have asked.
            let Some(mut told) = desk.ask() else { return };
            if timeout(LOOK_WAIT_MAX, &mut told).await.is_err() {
                tracing::error!(
                    "looking at .forward files takes long: letters go by what was read before"
                );
                told.await.ok();
            }
        };
        tokio::select! {
            biased;
            () = stop.asked() => return,
            () = look => {}
        }
    }
}

/// Looks whenever somebody asks, until nobody can any more.
fn answer(mut files: Files, asking: &Receiver<oneshot::Sender<Looked>>) {
    while let Ok(waiting) = asking.recv() {
        // Who has asked may have gone.
        drop(waiting.send(files.look()));
    }
}

/// The files of all users, as they were found last.
#[derive(Debug)]
struct Files {
    post: Post,
    settings: LocalSettings,
    path: UserPath,
    users_max: usize,
    numbers: UserNumbers,
    known: BTreeMap<UserName, ForwardRead>,
    /// What was wrong with all of them together.
    trouble: Option<String>,
}

impl Files {
    fn new(post: Post, settings: LocalSettings, path: UserPath) -> Self {
        Self {
            post,
            settings,
            path,
            users_max: USERS_MAX,
            numbers: UserNumbers::default(),
            known: BTreeMap::new(),
            trouble: None,
        }
    }

    /// Looks at all of them, reads those that have changed, and tells the post.
    fn look(&mut self) -> Looked {
        let domain = self.settings.domain_of(&self.post);
        let accounts = self.post.accounts();
        let here = accounts.iter().filter(|one| one.address.host == domain);
        let names = here.filter_map(|one| UserName::parse(one.address.local.as_str()));
        let mut users: BTreeSet<UserName> = names.collect();
        let mut trouble = None;
        if users.len() > self.users_max {
            let most = self.users_max;
            trouble = Some(format!("only the first {most} users have theirs looked at"));
            users = users.into_iter().take(most).collect();
        }
        self.known.retain(|user, _| users.contains(user));
        let others = self.numbers.look();
        for user in users {
            self.look_at(user, others);
        }
        let mut looked = Looked::default();
        let (mut forwards, mut targets, mut untold) = (Vec::new(), 0, 0);
        for (user, read) in &self.known {
            let room = FAULTS_MAX - looked.faults.len().min(FAULTS_MAX);
            looked.faults.extend(read.faults.iter().take(room).cloned());
            untold += read.faults.len().saturating_sub(room);
            let (to, programs) = (read.to.clone(), read.programs.len());
            // Empty, it is as if it were not there.
            if to.is_empty() && programs == 0 {
                continue;
            }
            targets += to.len() + programs;
            if targets > TARGETS_MAX {
                trouble = Some(format!("all together have more than {TARGETS_MAX} targets"));
                break;
            }
            forwards.push((user.clone(), Forward { to, programs }));
        }
        looked.count = forwards.len();
        let forwards = Forwards::new(domain, forwards);
        if *self.post.forwards() != forwards {
            self.post.set_forwards(forwards);
        }
        if let Some(why) = trouble.as_ref().filter(|_| self.trouble != trouble) {
            tracing::error!(why, "not all .forward files are gone by");
        }
        let more = (untold > 0).then(|| format!("{untold} faults more are told in the log alone"));
        let of_all = trouble.iter().cloned().chain(more);
        looked.faults.extend(of_all.map(|text| AliasFault {
            path: PathBuf::from(self.path.to_string()),
            line: 0,
            text,
        }));
        self.trouble = trouble;
        looked
    }

    /// Looks at a user's; reads it where something has changed, or `anyway`.
    fn look_at(&mut self, user: UserName, anyway: bool) {
        let before = self.known.get(&user);
        let is_same = |read: &ForwardRead| {
            let mut seen = read.seen.iter();
            !read.is_unreadable && seen.all(|(path, seen)| Seen::at(path) == *seen)
        };
        if !anyway && before.is_some_and(is_same) {
            return;
        }
        let read = self.read(&user);
        let faults = before.map(|read| read.faults.as_slice());
        match read.faults.as_slice() {
            [first, more @ ..] if faults != Some(&read.faults) => tracing::warn!(
                %user,
                fault = %first,
                more = more.len(),
                "a .forward is not gone by: letters stay in the mailbox"
            ),
            [] if before.is_some_and(|before| leads(before) != leads(&read)) => {
                let (targets, programs) = (read.to.len(), read.programs.len());
                tracing::info!(%user, targets, programs, "a .forward has changed");
            }
            _ => {}
        }
        self.known.insert(user, read);
    }

    fn read(&self, user: &UserName) -> ForwardRead {
        let own = || geteuid().as_raw();
        let may_own = self.numbers.of(user.as_str()).unwrap_or_else(own);
        let wanted = match self.settings.forward_programs {
            Some(_) => AliasTargets::All,
            None => AliasTargets::Names,
        };
        read_forward(&self.path.of(user), &[may_own], wanted)
    }
}

/// Where it leads.
fn leads(read: &ForwardRead) -> impl PartialEq {
    (read.to.clone(), read.programs.clone())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use mail::{Address, ForwardPath, Host};
    use post::{Route, Rules};
    use tempfile::TempDir;

    use super::*;
    use crate::{LocalSpool, World};

    /// A house with three accounts at its domain and one at another, whose files are in a folder.
    async fn house(folder: &TempDir) -> Files {
        let store = Arc::new(store::Memory::new());
        let rules = Rules::new(Host::parse("example.org").unwrap());
        let world = Arc::new(World::open().unwrap());
        let post = Post::open(store, world, rules).await.unwrap();
        for domain in ["example.org", "example.net"] {
            let domain = Host::parse(domain).unwrap();
            post.add_domain(&domain).await.unwrap();
        }
        for name in [
            "Xada@example.org",
            "xbob@example.org",
            "x+y@example.org",
            "xeve@example.net",
        ] {
            let address = Address::parse(name).unwrap();
            post.add_account(&address, "secret").await.unwrap();
        }
        let path = UserPath::parse(&format!("{}/{{user}}/.forward", folder.path().display()));
        let settings = LocalSettings {
            spool: LocalSpool::at(folder.path().join("spool")),
            domain: None,
            trusted_users: Vec::new(),
            aliases: None,
            programs: None,
            forward: path.clone(),
            forward_programs: None,
        };
        Files::new(post, settings, path.unwrap())
    }

    /// How many an address leads to.
    fn readers(files: &Files, to: &str) -> Vec<u64> {
        let path = ForwardPath::Address(Address::parse(to).unwrap());
        match files.post.route(&path) {
            Route::Local(accounts) => accounts.iter().map(|account| account.0).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_changes_is_seen_and_what_is_wrong_is_told_once() {
        let folder = TempDir::new().unwrap();
        let mut files = house(&folder).await;
        let write = |user: &str, text: &str| {
            let home = folder.path().join(user);
            fs::create_dir_all(&home).unwrap();
            fs::write(home.join(".forward"), text).unwrap();
        };
        assert_eq!(files.look().count, 0);
        let (ada, bob) = (
            readers(&files, "xada@example.org"),
            readers(&files, "xbob@example.org"),
        );
        write("xada", "xbob\n");
        // They count at one domain only, and for plain names.
        write("xeve", "xbob\n");
        write("x+y", "xbob\n");
        let looked = files.look();
        assert_eq!((looked.count, looked.faults), (1, vec![]));
        assert_eq!(readers(&files, "xada@example.org"), bob);
        assert_ne!(readers(&files, "x+y@example.org"), bob);
        // An empty one is none; nor is one with a fault, which is told as long as it is there.
        write("xada", "# away\n");
        assert_eq!(files.look().count, 0);
        write("xada", "xbob, |cat\n");
        for _ in 0..2 {
            let looked = files.look();
            assert_eq!((looked.count, looked.faults.len()), (0, 1));
            assert!(looked.faults[0].text.contains("`[local] forward_programs`"));
            assert_eq!(readers(&files, "xada@example.org"), ada);
        }
        // A list that is missing, and then is there.
        let list = folder.path().join("list");
        write("xada", &format!(":include:{}\n", list.display()));
        assert_eq!(files.look().faults.len(), 1);
        fs::write(&list, "xbob\n").unwrap();
        assert_eq!(files.look().count, 1);
        assert_eq!(readers(&files, "xada@example.org"), bob);
        fs::remove_file(folder.path().join("xada/.forward")).unwrap();
        assert_eq!(files.look().count, 0);
        assert_eq!(readers(&files, "xada@example.org"), ada);
    }

    #[tokio::test]
    async fn users_beyond_the_limit_are_told_of() {
        let folder = TempDir::new().unwrap();
        let mut files = house(&folder).await;
        assert_eq!(files.look().faults, []);
        files.users_max = 1;
        let looked = files.look();
        assert!(
            looked.faults[0].text.contains("only the first 1 users"),
            "{looked:?}"
        );
    }

    #[tokio::test]
    async fn whoever_asks_hears_of_a_look() {
        let folder = TempDir::new().unwrap();
        let files = house(&folder).await;
        let (post, settings) = (files.post.clone(), files.settings.clone());
        fs::create_dir(folder.path().join("xada")).unwrap();
        fs::write(folder.path().join("xada/.forward"), "xbob\n").unwrap();
        let desk = start(&post, &settings, Stop::never()).await.unwrap();
        // It is known before anybody can write.
        assert_eq!(post.forwards().len(), 1);
        fs::remove_file(folder.path().join("xada/.forward")).unwrap();
        assert_eq!(desk.unwrap().look().await.unwrap().count, 0);
        let off = LocalSettings {
            forward: None,
            ..settings
        };
        assert!(start(&post, &off, Stop::never()).await.unwrap().is_none());
    }
}
