//! Waiting for the world to become as it should.

use std::time::Duration;

use linux::clock::monotonic;

/// Looks every 2 ms whether `done` is true, for at most `limit`; returns how long it took, or `None`
/// if it did not come true.
pub fn wait_for(limit: Duration, mut done: impl FnMut() -> bool) -> Option<Duration> {
    let start = monotonic();
    loop {
        let waited = monotonic().since(start);
        if done() {
            return Some(waited);
        }
        if waited > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_when_it_comes_true_or_when_time_is_up() {
        let mut looks = 0;
        let long = Duration::from_secs(60);
        let waited = wait_for(long, || {
            looks += 1;
            looks == 3
        });
        assert!(waited.is_some_and(|waited| waited >= Duration::from_millis(4) && waited < long));
        assert_eq!(wait_for(Duration::from_millis(5), || false), None);
    }
}
