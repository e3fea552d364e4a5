//! strace, making system calls of the server fail, or do nothing.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use interop::Server;

/// Calls that make something durable.
pub(crate) const SYNCS: &str = "fdatasync,fsync,sync_file_range,syncfs,msync,sync";

/// strace on a server; it lets go when this is dropped.
pub(crate) struct Strace(Child);

impl Strace {
    /// Lets `calls` end as `how` says: `error=EIO:when=3+`. `when` counts for each thread.
    pub(crate) fn on(server: &Server, calls: &str, how: &str) -> Self {
        let strace = Command::new("strace")
            .args(["-f", "-qq", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:{how}")])
            .args(["-p", &server.pid().to_string(), "-o", "/dev/null"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let tracer = format!("TracerPid:\t{}", strace.id());
        let is_traced = |status: &str| status.lines().any(|line| line == tracer);
        while !threads(server.pid(), "status")
            .iter()
            .all(|status| is_traced(status))
        {
            assert!(begun.elapsed() < Duration::from_secs(30), "strace is late");
            std::thread::yield_now();
        }
        Self(strace)
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Stops a process, and returns when none of its threads runs any more.
pub(crate) fn freeze(pid: u32) {
    let stop = Command::new("kill")
        .args(["-STOP", &pid.to_string()])
        .status();
    assert!(stop.unwrap().success());
    let begun = Instant::now();
    let is_stopped = |stat: &str| {
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        matches!(state, Some('T' | 't'))
    };
    while !threads(pid, "stat").iter().all(|stat| is_stopped(stat)) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it does not stop"
        );
        std::thread::yield_now();
    }
}

/// What the kernel says of each thread of a process.
fn threads(pid: u32, file: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let said = |thread: &Path| fs::read_to_string(thread.join(file)).ok();
    threads
        .flatten()
        .filter_map(|thread| said(&thread.path()))
        .collect()
}
