//! What must never be, watched while a story runs.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Instant;

use crate::lan::Lan;

/// Watches that no two nodes which hear each other are both Active for longer than it takes one of
/// them to speak and the other to hear it (invariant 5: "but for one takeover's overlap").
#[derive(Debug)]
pub struct Overlap {
    allowed: Duration,
    since: BTreeMap<(usize, usize), Instant>,
    longest: Duration,
}

impl Overlap {
    /// Two may be Active for `allowed`: one advertisement interval and the link's delay.
    #[must_use]
    pub fn new(allowed: Duration) -> Self {
        Self { allowed, since: BTreeMap::new(), longest: Duration::ZERO }
    }

    /// Looks at the LAN; to be asked after everything that happens. The time counts from when both
    /// are Active and begin to hear each other.
    ///
    /// # Errors
    /// Who has been Active together for too long.
    pub fn look(&mut self, lan: &Lan) -> Result<(), String> {
        let nodes = lan.nodes();
        let actives: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].is_active()).collect();
        let mut now = BTreeMap::new();
        for (n, one) in actives.iter().enumerate() {
            for other in &actives[n + 1..] {
                if lan.hear_each_other(&nodes[*one], &nodes[*other]) {
                    let pair = (*one, *other);
                    now.insert(pair, self.since.get(&pair).copied().unwrap_or(lan.now()));
                }
            }
        }
        let over = core::mem::replace(&mut self.since, now);
        for ((one, other), since) in over.into_iter().chain(self.since.clone()) {
            let span = lan.now().since(since);
            // A pair that parted by ceasing to hear each other has broken no rule.
            if !lan.hear_each_other(&nodes[one], &nodes[other]) {
                continue;
            }
            self.longest = self.longest.max(span);
            if span > self.allowed {
                let (one, other) = (nodes[one].name(), nodes[other].name());
                return Err(format!("{one} and {other} both Active for {span:?} at {}", lan.now()));
            }
        }
        Ok(())
    }

    /// The longest time two were Active together.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }
}
