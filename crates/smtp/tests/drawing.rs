//! `docs/diagrams/smtp.md` is what the code draws; `UPDATE=1` rewrites it.

use std::path::Path;

#[test]
fn the_drawing_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagrams/smtp.md");
    let drawn = smtp::diagram::render();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &drawn).expect("writable");
    }
    let found = std::fs::read_to_string(&page).expect("the page is there");
    assert_eq!(found, drawn, "UPDATE=1 cargo test -p smtp draws it anew");
}
