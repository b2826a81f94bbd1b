//! Which ways through the switch are cut, each direction by itself.

use std::collections::BTreeMap;

/// From a node to a node, or to the client (`None`).
type Way = (usize, Option<usize>);

/// The ways that are cut, each as often as something cuts it.
#[derive(Clone, Debug, Default)]
pub struct Cuts(BTreeMap<Way, u32>);

impl Cuts {
    /// Cuts a way once more.
    pub fn cut(&mut self, from: usize, to: Option<usize>) {
        *self.0.entry((from, to)).or_default() += 1;
    }

    /// Undoes one cut of it.
    pub fn mend(&mut self, from: usize, to: Option<usize>) {
        if let Some(count) = self.0.get_mut(&(from, to)) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&(from, to));
            }
        }
    }

    /// Whether nothing gets through.
    #[must_use]
    pub fn is_cut(&self, from: usize, to: Option<usize>) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(from, to))
    }

    /// Whether anything is cut at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_cut_twice_is_mended_twice_and_one_direction_at_a_time() {
        let mut cuts = Cuts::default();
        cuts.cut(0, Some(1));
        cuts.cut(0, Some(1));
        assert!(cuts.is_cut(0, Some(1)) && !cuts.is_cut(1, Some(0)));
        cuts.mend(0, Some(1));
        assert!(cuts.is_cut(0, Some(1)));
        cuts.mend(0, Some(1));
        assert!(cuts.is_empty());
        cuts.mend(0, None);
        assert!(cuts.is_empty());
    }
}
