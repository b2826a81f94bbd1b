//! Signatures are introduced, keys changed and signatures taken back: node by node, and each step done
//! everywhere before the next begins. An operator waits for a node that does not answer, and so does
//! this.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Secret, Version};
use vrrp::InstanceConfig;
use vrrp::wire::hmac::{Freshness, Key, Mode, Policy};

use super::scenario::freshness;
use crate::lan::Lan;
use crate::node::vr_of;
use crate::random::Random;
use crate::sight::Vr;
use crate::watch::longest_interval;

/// How long to wait for a node that cannot be told anything.
const AGAIN: Duration = Duration::from_millis(700);

/// What is in force where, and what is under way.
#[derive(Debug)]
pub(crate) struct Rollouts {
    policies: Vec<BTreeMap<Vr, Option<Policy>>>,
    under_way: BTreeMap<Vr, Rollout>,
}

#[derive(Debug)]
struct Rollout {
    steps: VecDeque<Option<Policy>>,
    order: Vec<usize>,
    done: usize,
    pace: Duration,
}

/// Signing with one of these keys.
pub(crate) fn policy(keys: &[u8], active: u8, freshness: Freshness, mode: Mode) -> Option<Policy> {
    let key = |id: &u8| Key::new(*id, Secret::new(vec![*id; 32])).ok();
    Policy::new(keys.iter().filter_map(key).collect(), active, freshness, mode).ok()
}

impl Rollouts {
    pub(crate) fn new(nodes: &[Vec<InstanceConfig>]) -> Self {
        let of = |config: &InstanceConfig| {
            (config.version() == Version::V3).then(|| (vr_of(config), config.hmac.clone()))
        };
        let policies = nodes.iter().map(|configs| configs.iter().filter_map(of).collect());
        Self { policies: policies.collect(), under_way: BTreeMap::new() }
    }

    /// Whether anything is signed anywhere, or is going to be.
    pub(crate) fn any(&self) -> bool {
        let signed =
            |policies: &BTreeMap<Vr, Option<Policy>>| policies.values().any(Option::is_some);
        !self.under_way.is_empty() || self.policies.iter().any(signed)
    }

    /// Begins one, to be done in about `lasts`; answers when its first step is due. Nothing where
    /// one is under way, or where the clocks are too far apart for it.
    pub(crate) fn begin(
        &mut self,
        lan: &Lan,
        vr: Vr,
        lasts: Duration,
        random: &mut Random,
    ) -> Option<Duration> {
        let now = self.policies.first()?.get(&vr)?;
        let apart = lan.nodes.iter().any(|node| !(0..=2_000).contains(&node.wall_offset));
        if self.under_way.contains_key(&vr) || apart {
            return None;
        }
        let steps: VecDeque<Option<Policy>> = match now {
            None => {
                let freshness = freshness(random);
                let modes = [Mode::ReceiveOnly, Mode::Permissive, Mode::Enforce];
                modes.into_iter().map(|mode| policy(&[1], 1, freshness, mode)).collect()
            }
            Some(old) => {
                let (key, freshness) = (old.active(), old.freshness());
                let next = key % 250 + 1;
                if random.chance(300) {
                    let modes = [Mode::Permissive, Mode::ReceiveOnly];
                    let back = modes.into_iter().map(|mode| policy(&[key], key, freshness, mode));
                    back.chain([None]).collect()
                } else {
                    let with = |keys: &[u8], key| policy(keys, key, freshness, Mode::Enforce);
                    [with(&[key, next], key), with(&[key, next], next), with(&[next], next)].into()
                }
            }
        };
        let mut order: Vec<usize> = (0..lan.nodes.len()).collect();
        for at in (1..order.len()).rev() {
            let other = random.below(u64::try_from(at + 1).unwrap_or(1));
            order.swap(at, usize::try_from(other).unwrap_or(0));
        }
        let count = u32::try_from(steps.len() * order.len()).unwrap_or(1).max(1);
        // What was sent before a step has arrived, and everybody has spoken since, before the next.
        let patient = longest_interval(lan, vr) * 2 + Duration::from_millis(200);
        let pace = (lasts / count).max(patient);
        self.under_way.insert(vr, Rollout { steps, order, done: 0, pace });
        Some(pace)
    }

    /// Takes the next step; answers when the one after it is due.
    pub(crate) fn step(&mut self, lan: &mut Lan, vr: Vr) -> Option<Duration> {
        let rollout = self.under_way.get_mut(&vr)?;
        let at = *rollout.order.get(rollout.done)?;
        let node = &lan.nodes[at];
        if !node.is_awake(lan.now()) || node.frozen_until > lan.now() {
            return Some(AGAIN);
        }
        let policy = rollout.steps.front().cloned().flatten();
        let pace = rollout.pace;
        rollout.done += 1;
        if rollout.done == rollout.order.len() {
            rollout.done = 0;
            rollout.steps.pop_front();
        }
        let over = rollout.steps.is_empty();
        if over {
            self.under_way.remove(&vr);
        }
        self.policies[at].insert(vr, policy);
        let mut configs = lan.nodes[at].configs().to_vec();
        self.apply(at, &mut configs);
        lan.reconfigure(at, configs);
        (!over).then_some(pace)
    }

    /// Gives instances the policies that are in force on their node.
    pub(crate) fn apply(&self, node: usize, configs: &mut [InstanceConfig]) {
        for config in configs {
            if let Some(policy) = self.policies[node].get(&vr_of(config)) {
                config.hmac.clone_from(policy);
            }
        }
    }
}
