//! Whoever speaks VRRP on a node of the bench: mainstay, keepalived or FRR behind one face.

use base::State;

use crate::bench::Bench;
use crate::mode::Part;

/// A program that speaks VRRP, on the node it was made for.
pub(crate) trait Speaker {
    /// The node it runs on.
    fn node(&self) -> &'static str;
    /// Starts it, or starts it again, with this part.
    fn start(&mut self, bench: &mut Bench, part: &Part);
    /// Whether it holds the VIP, by the kernel's word or its own.
    fn holds(&self, bench: &Bench) -> bool;
    /// Stops it in an orderly way, which ends with an advert of priority 0 if it holds.
    fn resign(&mut self, bench: &Bench);
    /// It gets no processor time any more.
    fn freeze(&self, bench: &Bench);
    /// It gets processor time again.
    fn thaw(&self, bench: &Bench);
    /// `SIGKILL`: it is gone, its kernel with the addresses in it lives on.
    fn kill(&self, bench: &Bench);
    /// Asserts that it sees itself in `state` and has the timers that follow from `part`.
    fn agrees(&self, bench: &Bench, part: &Part, state: State);
    /// What it says is wrong with the others.
    fn complaints(&self, bench: &Bench) -> Vec<String>;
}

/// The lines of a log that find fault with what was received. That a weaker node's advert is let go
/// by is none (RFC 9568 §6.4.2, §6.4.3); each peer has words of its own for it.
pub(crate) fn faults(log: &str) -> Vec<String> {
    const WORDS: [&str; 9] = [
        "invalid",
        "mismatch",
        "wrong",
        "bogus",
        "discard",
        "incorrect",
        "expected",
        "differ",
        "bad ",
    ];
    // The last is FRR's: it shows both comparisons it made, `(50 <= 100 & ...)`.
    const WEAKER: [&str; 3] = ["received lower priority", "preempt = true", " & "];
    log.lines()
        .filter(|line| {
            let line = line.to_lowercase();
            let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
            says(&WORDS) && !says(&WEAKER)
        })
        .map(str::to_owned)
        .collect()
}
