//! Who goes first where processors are few.

/// By how much the calling thread stands back, of nineteen.
const STEPS: i32 = 15;

/// Lets all other threads go before the calling one.
pub fn let_others_go_first() {
    // POSIX says the process; Linux does it for the thread, which has a priority of its own.
    if let Err(error) = rustix::process::nice(STEPS) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_stands_back() {
        let of_mine = || rustix::process::getpriority_process(None).unwrap();
        let before = of_mine();
        let back = std::thread::spawn(move || {
            let_others_go_first();
            of_mine()
        });
        assert!(back.join().unwrap() > before || before == 19);
        assert_eq!(of_mine(), before);
    }
}
