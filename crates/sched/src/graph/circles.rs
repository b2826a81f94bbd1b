//! Circles: orders an administrator can write down, but nobody can follow.
//!
//! A plan with a circle would never end. Where a mere preference closes it, the preference gives
//! way; where all of it is mandatory, what is in it is not done, and a warning says so.

/// What a step waits for, and whether it could do without.
pub(super) type Waits = Vec<(usize, bool)>;

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

/// Opens circles where a preference closes them; the steps that remain stuck.
pub(super) fn open(inputs: &mut [Waits]) -> Vec<bool> {
    loop {
        let hopeless = stuck(inputs);
        if !hopeless.contains(&true) {
            return hopeless;
        }
        let mut weak = None;
        'search: for (at, waits) in inputs.iter().enumerate().filter(|(at, _)| hopeless[*at]) {
            for (place, (first, soft)) in waits.iter().enumerate() {
                if *soft && hopeless[*first] && leads_to(inputs, *first, at) {
                    weak = Some((at, place));
                    break 'search;
                }
            }
        }
        match weak {
            Some((at, place)) => {
                inputs[at].remove(place);
            }
            None => return hopeless,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::open;

    #[test]
    fn a_preference_gives_way_and_a_mandatory_circle_is_left_out() {
        let mut soft = vec![vec![(1, false)], vec![(0, true)], vec![(0, false)]];
        assert_eq!(open(&mut soft), [false, false, false]);
        assert!(soft[1].is_empty());
        let mut hard = vec![vec![(1, false)], vec![(0, false)], vec![(0, false)], vec![]];
        assert_eq!(open(&mut hard), [true, true, true, false]);
    }
}
