//! What speaks for and against nodes before anything is placed: health, locks, stickiness,
//! failures, exclusive discovery.

use cib::Score;

use crate::world::{NodeId, RscId, Variant, World};

impl World<'_> {
    /// The health of nodes, as a score for all resources (or those that care).
    pub(crate) fn apply_health(&mut self) {
        let strategy = self.options.get("node-health-strategy").unwrap_or("none").to_owned();
        let number = |world: &Self, name: &str, default: i64| {
            Score::new(
                world
                    .options
                    .get(name)
                    .and_then(Score::parse)
                    .map_or(default, |s| i64::from(s.get())),
            )
        };
        let (red, yellow, green, base) = match strategy.as_str() {
            "migrate-on-red" => (Score::MINUS_INFINITY, Score::ZERO, Score::ZERO, Score::ZERO),
            "only-green" => {
                (Score::MINUS_INFINITY, Score::MINUS_INFINITY, Score::ZERO, Score::ZERO)
            }
            "progressive" | "custom" => (
                number(self, "node-health-red", -1_000_000),
                number(self, "node-health-yellow", 0),
                number(self, "node-health-green", 0),
                if strategy == "progressive" {
                    number(self, "node-health-base", 0)
                } else {
                    Score::ZERO
                },
            ),
            _ => return,
        };
        if strategy == "custom" {
            // The administrator's own rules look at the attributes.
            return;
        }
        for node in self.node_order.clone() {
            let mut total = base;
            let mut worst = Score::ZERO;
            for (name, value) in &self[node].attrs {
                if !name.starts_with("#health") {
                    continue;
                }
                let score = match value.to_ascii_lowercase().as_str() {
                    "red" => red,
                    "yellow" => yellow,
                    "green" => green,
                    other => Score::parse(other).unwrap_or_default(),
                };
                total = total + score;
                worst = worst.min(score);
            }
            if total == Score::ZERO {
                continue;
            }
            for rsc in self.top.clone() {
                self.add_health(rsc, node, total, worst);
            }
        }
    }

    fn add_health(&mut self, rsc: RscId, node: NodeId, total: Score, _worst: Score) {
        if self[rsc].variant != Variant::Primitive {
            for child in self[rsc].children.clone() {
                self.add_health(child, node, total, _worst);
            }
            if self[rsc].variant != Variant::Group {
                if self[rsc].ignore_health && total < Score::ZERO {
                    return;
                }
                self[rsc].allowed.add(node, total);
            }
            return;
        }
        if self[rsc].ignore_health && total < Score::ZERO {
            return;
        }
        self[rsc].allowed.add(node, total);
        self.reasons.note(rsc, node, total, || crate::reason::Cause::Node);
    }

    pub(crate) fn apply_criteria(&mut self) {
        if self.options.shutdown_lock {
            for rsc in self.rsc_ids() {
                if self[rsc].variant == Variant::Primitive {
                    self.apply_lock(rsc);
                }
            }
        }
        self.apply_locations();
        for rsc in self.rsc_ids() {
            if self[rsc].children.is_empty() {
                self.apply_stickiness(rsc);
            }
        }
        for node in self.node_order.clone() {
            for rsc in self.top.clone() {
                self.apply_thresholds(rsc, node);
                self.apply_exclusive(rsc, node);
            }
        }
    }

    fn apply_stickiness(&mut self, rsc: RscId) {
        let it = &self[rsc];
        if !it.managed || it.stickiness < Score::new(1) || it.running_on.len() != 1 {
            return;
        }
        let (node, stickiness) = (it.running_on[0], it.stickiness);
        if !self.options.symmetric && it.allowed.get(node).is_none() {
            return;
        }
        self.prefer(rsc, Some(node), stickiness, "stickiness");
    }

    fn apply_exclusive(&mut self, rsc: RscId, node: NodeId) {
        let top = self.top_of(rsc, false);
        if !self[rsc].exclusive_discover && !self[top].exclusive_discover {
            return;
        }
        for child in self[rsc].children.clone() {
            self.apply_exclusive(child, node);
        }
        if let Some(entry) = self[rsc].allowed.get_mut(node)
            && entry.discovery != crate::world::Discovery::Exclusive
        {
            entry.score = Score::MINUS_INFINITY;
            let cause = || crate::reason::Cause::Other("exclusive-discovery".into());
            self.reasons.note(rsc, node, Score::MINUS_INFINITY, cause);
        }
    }

    /// A resource whose node shuts down cleanly waits for it.
    fn apply_lock(&mut self, rsc: RscId) {
        let top = self.top_of(rsc, true);
        if self[rsc].fence_device
            || self[rsc].is_remote_connection
            || self[top].variant >= Variant::Clone
        {
            return;
        }
        let candidate = match self[rsc].lock_node {
            Some(node) if self[rsc].running_on.is_empty() => {
                // The lock ends when its node is back.
                if self[node].online && !self[node].shutdown {
                    self.clear_lock(rsc, node);
                    return;
                }
                Some(node)
            }
            Some(_) => {
                // It runs; whatever it was locked to does not matter any more.
                self[rsc].lock_node = None;
                self[rsc].lock_time = 0;
                return;
            }
            None => match *self[rsc].running_on.as_slice() {
                [node]
                    if self[node].shutdown
                        && !self[node].unclean
                        && self[node].online
                        && !self.is_guest_or_remote(node) =>
                {
                    Some(node)
                }
                _ => None,
            },
        };
        let Some(node) = candidate else { return };
        if self[rsc].lock_node.is_none()
            && self.fail_count(rsc, node, true, true, None).0 > 0
            && self[rsc].failed
        {
            return;
        }
        let since = self[rsc].lock_time;
        let asked = self[node]
            .attrs
            .get("shutdown")
            .and_then(|v| cib::value::leading_integer(v))
            .unwrap_or(self.now.0);
        self[rsc].lock_node = Some(node);
        self[rsc].lock_time = if since > 0 { since } else { asked };
        let limit = self.options.shutdown_lock_limit;
        if limit > 0 && self.now.0 > self[rsc].lock_time + limit {
            self[rsc].lock_node = None;
            self[rsc].lock_time = 0;
            return;
        }
        for other in self.node_order.clone() {
            if other != node {
                self.ban(rsc, Some(other), "shutdown-lock");
            }
        }
    }

    fn clear_lock(&mut self, rsc: RscId, node: NodeId) {
        self[rsc].lock_node = None;
        self[rsc].lock_time = 0;
        let _ = node;
    }
}
