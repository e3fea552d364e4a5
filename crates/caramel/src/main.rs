//! Electronic mail as one binary.

fn main() {}
