//! What was told, and what may not be true of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A change somebody asked for.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) id: String,
    /// Before it was sent.
    pub(crate) sent: Instant,
    /// After it was acknowledged, if it was.
    pub(crate) acknowledged: Option<Instant>,
}

/// What is wrong with a document in which these changes stand in this order.
///
/// Lost is what was acknowledged and is not there. Two changes are in the wrong order if one was
/// acknowledged before the other was sent, and stands behind it. `earlier` were unknown in a batch
/// before: they may be there or not.
pub(crate) fn judge(
    there: &[String],
    changes: &[Change],
    earlier: &BTreeSet<String>,
) -> Vec<String> {
    let known: BTreeMap<&str, &Change> = changes.iter().map(|it| (&*it.id, it)).collect();
    let present: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    let mut wrong = Vec::new();
    if present.len() != there.len() {
        wrong.push("something is there twice".to_owned());
    }
    let lost = changes.iter().filter(|it| it.acknowledged.is_some() && !present.contains(&*it.id));
    wrong.extend(lost.map(|it| format!("{} was acknowledged and is lost", it.id)));
    let mut first: Option<(Instant, &str)> = None;
    for id in there.iter().rev() {
        let Some(change) = known.get(&**id) else {
            if !earlier.contains(id) {
                wrong.push(format!("{id} is there, and nobody asked for it"));
            }
            continue;
        };
        if let Some((at, other)) = first.filter(|(at, _)| *at < change.sent) {
            wrong.push(format!(
                "{id} stands before {other}, which was acknowledged {:?} before it was sent",
                change.sent - at
            ));
        }
        if let Some(at) = change.acknowledged
            && first.is_none_or(|(first, _)| at < first)
        {
            first = Some((at, id));
        }
    }
    wrong
}

/// A node held something from then until then, nanoseconds of the clock all nodes share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Hold {
    node: usize,
    life: u64,
    from: u64,
    until: u64,
}

/// Who held what, when.
#[derive(Default, Debug)]
pub(crate) struct Holdings(BTreeMap<String, Vec<Hold>>);

impl Holdings {
    /// A line that a life of a node has written: `held RESOURCE FROM UNTIL` or `gone RESOURCE AT`.
    pub(crate) fn hear(&mut self, node: usize, life: u64, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        match words[..] {
            ["held", resource, from, until] => {
                let (Some(from), Some(until)) = (number(from), number(until)) else { return };
                let all = self.0.entry(resource.to_owned()).or_default();
                let last = all.iter_mut().rev().find(|it| (it.node, it.life) == (node, life));
                match last {
                    Some(last) if from <= last.until => last.until = last.until.max(until),
                    _ => all.push(Hold { node, life, from, until }),
                }
            }
            ["gone", resource, at] => {
                let (Some(at), Some(all)) = (number(at), self.0.get_mut(resource)) else { return };
                let last = all.iter_mut().rev().find(|it| (it.node, it.life) == (node, life));
                if let Some(last) = last {
                    last.until = last.until.min(at);
                }
            }
            _ => {}
        }
    }

    /// How often something was held, and how often by another than before.
    pub(crate) fn spells(&self) -> (usize, usize) {
        let holds = self.0.values().map(Vec::len).sum();
        let mut moves = 0;
        for all in self.0.values() {
            let mut all = all.clone();
            all.sort_by_key(|it| it.from);
            moves += all.windows(2).filter(|pair| pair[0].node != pair[1].node).count();
        }
        (holds, moves)
    }

    /// Each time that two nodes held the same.
    pub(crate) fn overlaps(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (resource, all) in &self.0 {
            let mut all = all.clone();
            all.sort_by_key(|it| it.from);
            let mut until: BTreeMap<usize, u64> = BTreeMap::new();
            for hold in all {
                for (node, end) in until.iter().filter(|(node, _)| **node != hold.node) {
                    let both = hold.until.min(*end).saturating_sub(hold.from);
                    if both > 0 {
                        found.push(format!(
                            "{resource}: n{} and n{} for {} µs",
                            node + 1,
                            hold.node + 1,
                            both / 1_000
                        ));
                    }
                }
                let end = until.entry(hold.node).or_default();
                *end = hold.until.max(*end);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn change(began: Instant, id: &str, sent: u64, acknowledged: Option<u64>) -> Change {
        let at = |ms| began + Duration::from_millis(ms);
        Change { id: id.into(), sent: at(sent), acknowledged: acknowledged.map(at) }
    }

    #[test]
    fn a_loss_a_wrong_order_and_a_stranger_are_seen() {
        let began = Instant::now();
        let changes = [
            change(began, "a", 0, Some(10)),
            change(began, "b", 5, Some(20)),
            change(began, "c", 15, Some(30)),
            change(began, "d", 16, None),
        ];
        let judge = |there: &[&str]| {
            let there: Vec<String> = there.iter().map(|it| (*it).to_owned()).collect();
            judge(&there, &changes, &["old".to_owned()].into())
        };
        // What was under way at the same time may come in either order, what is unknown or not.
        for good in [&["a", "b", "c"][..], &["b", "a", "c", "d"], &["a", "d", "c", "b", "old"]] {
            assert_eq!(judge(good), Vec::<String>::new(), "{good:?}");
        }
        let bad: [(&[&str], &str); 5] = [
            (&["a", "c", "d"], "b was acknowledged and is lost"),
            (&["c", "a", "b"], "c stands before a"),
            (&["d", "a", "b", "c"], "d stands before a"),
            (&["a", "b", "c", "x"], "x is there"),
            (&["a", "a", "b", "c"], "there twice"),
        ];
        for (there, what) in bad {
            let wrong = judge(there);
            assert!(wrong.len() == 1 && wrong[0].contains(what), "{there:?}: {wrong:?}");
        }
    }

    #[test]
    fn two_holders_are_seen_and_one_after_the_other_are_none() {
        let holdings = |lines: &[(usize, &str)]| {
            let mut all = Holdings::default();
            lines.iter().for_each(|(node, line)| all.hear(*node, 1, line));
            all
        };
        let good = holdings(&[
            (0, "held r 100 200"),
            (0, "held r 180 300"),
            (0, "gone r 250"),
            (1, "held r 250 400"),
            (0, "held r 400 500"),
            (2, "held s 0 1000"),
            (2, "cut sh"),
        ]);
        assert_eq!((good.overlaps(), good.spells()), (Vec::new(), (4, 2)));
        let bad = holdings(&[(0, "held r 0 300000"), (1, "held r 299000 400000")]);
        assert_eq!(bad.overlaps(), ["r: n1 and n2 for 1 µs"]);
        // One between, and the first still.
        let bad = holdings(&[(0, "held r 0 900"), (1, "held r 900 950"), (2, "held r 5000 5100")]);
        assert_eq!(bad.overlaps(), Vec::<String>::new());
        let bad = holdings(&[(0, "held r 0 9000"), (0, "held r 1 2"), (2, "held r 5000 6100")]);
        assert_eq!(bad.overlaps().len(), 1);
    }
}
