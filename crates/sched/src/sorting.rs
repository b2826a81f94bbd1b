//! A stable merge sort for comparisons that need not be a total order.
//!
//! Which of two nodes has more room, or which of two records is the later one, can go round in a
//! circle among three. The standard library's sorts may panic then; this one gives some order.

use std::cmp::Ordering;

pub(crate) fn merge_sorted<T>(mut list: Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if list.len() < 2 {
        return list;
    }
    let right = merge_sorted(list.split_off(list.len() / 2), compare);
    let left = merge_sorted(list, compare);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let take_right = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => compare(a, b).is_gt(),
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => return merged,
        };
        merged.extend(if take_right { right.next() } else { left.next() });
    }
}

#[cfg(test)]
mod tests {
    use super::merge_sorted;

    #[test]
    fn it_sorts_stably_and_survives_circles() {
        let pairs = vec![(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd'), (1, 'e')];
        let sorted = merge_sorted(pairs, &|a, b| a.0.cmp(&b.0));
        assert_eq!(sorted, [(0, 'd'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'c')]);
        // Stone, scissors, paper.
        let circle = merge_sorted((0..99).collect(), &|a, b| ((a - b + 1 + 99) % 3).cmp(&1));
        assert_eq!(circle.len(), 99);
    }
}
