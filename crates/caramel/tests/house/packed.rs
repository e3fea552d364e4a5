//! A folder as one file: what a release wrote, kept in the tree.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// Everything below a folder, by paths from there; of a folder no octets.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.push((name.clone(), None));
            let below = contents(&path).into_iter();
            found.extend(below.map(|(path, octets)| (name.join(path), octets)));
        } else {
            found.push((name, Some(fs::read(&path).unwrap())));
        }
    }
    found
}

/// Writes a folder as one file.
pub(crate) fn pack(folder: &Path, file: &Path) {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for (path, octets) in contents(folder) {
        let (kind, octets) = match &octets {
            Some(octets) => (b"f", octets.as_slice()),
            None => (b"d", &[][..]),
        };
        let path = path.to_str().unwrap().as_bytes();
        packed.write_all(kind).unwrap();
        for part in [path, octets] {
            let len = u32::try_from(part.len()).unwrap();
            packed.write_all(&len.to_be_bytes()).unwrap();
            packed.write_all(part).unwrap();
        }
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, packed.finish().unwrap()).unwrap();
}

/// Makes the folder again.
pub(crate) fn unpack(file: &Path, folder: &Path) {
    let packed = fs::File::open(file).unwrap();
    let mut octets = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut octets).unwrap();
    let mut rest = octets.as_slice();
    let mut take = |len: usize| {
        let (taken, behind) = rest.split_at_checked(len)?;
        rest = behind;
        Some(taken)
    };
    fs::create_dir_all(folder).unwrap();
    while let Some(kind) = take(1) {
        let mut part = || {
            let len = u32::from_be_bytes(take(4).unwrap().try_into().unwrap());
            take(usize::try_from(len).unwrap()).unwrap()
        };
        let path = folder.join(std::str::from_utf8(part()).unwrap());
        let octets = part();
        match kind {
            b"d" => fs::create_dir_all(path).unwrap(),
            _ => fs::write(path, octets).unwrap(),
        }
    }
}
