//! A failing input made small: pieces go as long as it still fails.

/// The smallest input found on which `fails` still says true.
pub(crate) fn shrink(input: &[u8], fails: &dyn Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut size = best.len().next_power_of_two();
    while size > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < best.len() {
            let mut trial = best.clone();
            drop(trial.drain(at..(at + size).min(best.len())));
            if fails(&trial) {
                best = trial;
                shorter = true;
            } else {
                at += size;
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    for at in 0..best.len() {
        let mut trial = best.clone();
        trial[at] = b'a';
        if best[at] != b'a' && fails(&trial) {
            best = trial;
        }
    }
    best
}
