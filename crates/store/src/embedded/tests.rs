//! The store on a disk.

use tempfile::TempDir;

use super::*;

fn small() -> EmbeddedSettings {
    EmbeddedSettings {
        cache_octets: 1 << 20,
        segment_octets: 4096,
        reserve_octets: 0,
        ..EmbeddedSettings::default()
    }
}

#[tokio::test]
async fn conforms() {
    let dir = TempDir::new().unwrap();
    let store = Embedded::open(dir.path(), EmbeddedSettings::default()).unwrap();
    crate::testing::conform(&store).await.unwrap();
    drop(store);
    let report = Embedded::check(dir.path(), small()).unwrap();
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn conforms_with_small_segments() {
    let dir = TempDir::new().unwrap();
    let store = Embedded::open(dir.path(), small()).unwrap();
    crate::testing::conform(&store).await.unwrap();
}
