//! Disks that can be filled up and cut off: each is mounted as long as its guard lives.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use interop::program;

/// Octets of a file system in a file; what is not written takes no room.
const IMAGE_OCTETS: u64 = 6 << 30;

/// A small disk in memory.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn mount(place: &Path, mib: usize) -> Self {
        let size = format!("size={mib}m");
        let words = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        sh(
            "mount",
            &[&words[..], &[&place.display().to_string()]].concat(),
        );
        Self(place.to_owned())
    }

    pub(crate) fn grow(&self, mib: usize) {
        let size = format!("remount,size={mib}m");
        sh("mount", &["-o", &size, &self.0.display().to_string()]);
    }

    /// Takes all of it but so many KiB; gives the file that does.
    pub(crate) fn fill(&self, kib: u64) -> PathBuf {
        let (ballast, zeros) = (self.0.join("ballast"), vec![0; 1 << 20]);
        let mut file = fs::File::create(&ballast).unwrap();
        // Others write at the same time: what is left is known when nothing is.
        while file.write_all(&zeros).is_ok() {}
        let octets = file.metadata().unwrap().len();
        file.set_len(octets.saturating_sub(kib << 10)).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// A file system in a file.
pub(crate) struct Image {
    file: PathBuf,
    point: PathBuf,
}

impl Image {
    /// Makes one and mounts it; nothing where that cannot be, with a line that says why.
    pub(crate) fn mount(folder: &Path, point: &Path) -> Option<Self> {
        let file = folder.join("image");
        fs::create_dir_all(point).unwrap();
        fs::File::create(&file)
            .and_then(|file| file.set_len(IMAGE_OCTETS))
            .unwrap();
        let image = Self {
            file,
            point: point.to_owned(),
        };
        let path = image.file.display().to_string();
        let made = program("mkfs.ext4", &["-q", "-F", &path], folder, "")
            .map_err(|error| error.to_string())
            .and_then(|ended| if ended.well { Ok(()) } else { Err(ended.err) })
            .and_then(|()| image.begin());
        match made {
            Ok(()) => Some(image),
            Err(why) => {
                eprintln!("skipped: no file system in a file here: {}", why.trim());
                None
            }
        }
    }

    /// Nothing is written but what is asked for: the journal's own time is longer than a test.
    fn begin(&self) -> Result<(), String> {
        let (file, point) = (self.file.display(), self.point.display());
        let words = [
            "-o",
            "loop,commit=300",
            &file.to_string(),
            &point.to_string(),
        ];
        let ended = program("mount", &words, Path::new("/"), "");
        let ended = ended.map_err(|error| error.to_string())?;
        if ended.well { Ok(()) } else { Err(ended.err) }
    }

    /// Copies what has reached the file, at one instant: until nothing was written meanwhile.
    pub(crate) fn copy(&self) {
        let begun = Instant::now();
        let (file, copy) = (self.file.display().to_string(), self.aside());
        let copy = copy.display().to_string();
        loop {
            let before = self.written();
            sh("cp", &["--sparse=always", &file, &copy]);
            if before == self.written() && before.is_some() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it never rests");
        }
    }

    /// Mounts the copy in its place.
    pub(crate) fn become_copy(&self) {
        sh("umount", &[&self.point.display().to_string()]);
        fs::rename(self.aside(), &self.file).unwrap();
        self.begin().unwrap();
    }

    fn aside(&self) -> PathBuf {
        self.file.with_extension("copy")
    }

    /// Sectors written so far; none while some are on their way.
    fn written(&self) -> Option<String> {
        let (point, mounts) = (
            self.point.display().to_string(),
            fs::read_to_string("/proc/mounts").unwrap(),
        );
        let device = mounts
            .lines()
            .find_map(|line| {
                let mut words = line.split(' ');
                let device = words.next()?;
                (words.next() == Some(&point)).then_some(device)
            })
            .unwrap();
        let name = device.rsplit('/').next().unwrap();
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
        let mut fields = stat.split_whitespace().skip(6);
        let written = fields.next().unwrap().to_owned();
        (fields.nth(1) == Some("0")).then_some(written)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // What was not mounted cannot be unmounted, and need not be.
        let mut unmount = Command::new("umount");
        drop(unmount.arg("-l").arg(&self.point).output());
    }
}

/// Runs a tool that has to end well; gives what it said.
pub(crate) fn sh(name: &str, words: &[&str]) -> String {
    let ended = program(name, words, Path::new("/"), "").unwrap();
    assert!(ended.well, "{name} {words:?}: {}", ended.err);
    ended.out
}
