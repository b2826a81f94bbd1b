//! Circles: orders an administrator can write down, but nobody can follow.
//!
//! A plan with a circle would never end. Where a mere preference closes it, the preference gives
//! way, an administrator's before what is only the way a resource comes up and goes down; where all
//! of it is mandatory, what is in it is not done, and a warning says so.

/// How much a step needs what it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    /// It cannot do without.
    Must,
    /// It is part of the same resource, which goes step by step.
    Own,
    /// Somebody would rather have it so.
    Wish,
}

/// What a step waits for.
pub(super) type Waits = Vec<(usize, Hold)>;

/// Steps that could never be reached.
fn stuck(inputs: &[Waits]) -> Vec<bool> {
    let mut waiting: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); inputs.len()];
    for (at, waits) in inputs.iter().enumerate() {
        for (first, _) in waits {
            followers[*first].push(at);
        }
    }
    let mut ready: Vec<usize> = (0..inputs.len()).filter(|at| waiting[*at] == 0).collect();
    while let Some(done) = ready.pop() {
        for follower in &followers[done] {
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                ready.push(*follower);
            }
        }
    }
    waiting.into_iter().map(|left| left > 0).collect()
}

fn leads_to(inputs: &[Waits], from: usize, to: usize) -> bool {
    let mut seen = vec![false; inputs.len()];
    let mut pending = vec![from];
    while let Some(at) = pending.pop() {
        if at == to {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            pending.extend(inputs[at].iter().map(|(first, _)| *first));
        }
    }
    false
}

/// The first wait of a kind that closes a circle.
fn weakest(inputs: &[Waits], hopeless: &[bool], hold: Hold) -> Option<(usize, usize)> {
    let stuck = inputs.iter().enumerate().filter(|(at, _)| hopeless[*at]);
    stuck.into_iter().find_map(|(at, waits)| {
        let closes = |(first, how): &(usize, Hold)| {
            *how == hold && hopeless[*first] && leads_to(inputs, *first, at)
        };
        waits.iter().position(closes).map(|place| (at, place))
    })
}

/// Opens circles where a preference closes them; the steps that remain stuck.
pub(super) fn open(inputs: &mut [Waits]) -> Vec<bool> {
    loop {
        let hopeless = stuck(inputs);
        if !hopeless.contains(&true) {
            return hopeless;
        }
        let weak = weakest(inputs, &hopeless, Hold::Wish);
        match weak.or_else(|| weakest(inputs, &hopeless, Hold::Own)) {
            Some((at, place)) => {
                inputs[at].remove(place);
            }
            None => return hopeless,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hold, open};

    #[test]
    fn a_preference_gives_way_and_a_mandatory_circle_is_left_out() {
        let mut soft = vec![vec![(1, Hold::Must)], vec![(0, Hold::Wish)], vec![(0, Hold::Must)]];
        assert_eq!(open(&mut soft), [false, false, false]);
        assert!(soft[1].is_empty());
        let mut hard =
            vec![vec![(1, Hold::Must)], vec![(0, Hold::Must)], vec![(0, Hold::Must)], vec![]];
        assert_eq!(open(&mut hard), [true, true, true, false]);
    }

    #[test]
    fn the_way_a_resource_comes_up_gives_way_last() {
        let mut both = vec![vec![(2, Hold::Own)], vec![(0, Hold::Must)], vec![(1, Hold::Wish)]];
        assert_eq!(open(&mut both), [false, false, false]);
        assert_eq!(both, [vec![(2, Hold::Own)], vec![(0, Hold::Must)], vec![]]);
        let mut own = vec![vec![(1, Hold::Own)], vec![(0, Hold::Must)]];
        assert_eq!(open(&mut own), [false, false]);
    }
}
