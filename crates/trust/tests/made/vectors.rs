//! Test data from elsewhere, where it is there (`CARAMEL_VECTORS`).

use std::path::PathBuf;

/// A folder of it; says so where it is not there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("CARAMEL_VECTORS").map(PathBuf::from);
    let root = named.unwrap_or_else(|| {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/vectors"
        ))
    });
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no {}", folder.display());
    None
}
