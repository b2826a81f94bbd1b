//! Which faults come, when, and for how long: drawn from the seed before the world begins.

use core::time::Duration;

use crate::random::Random;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// A way for things to go wrong.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum FaultKind {
            $($(#[$doc])* $name,)*
        }

        impl FaultKind {
            /// All of them.
            pub const ALL: &'static [FaultKind] = &[$(FaultKind::$name,)*];

            /// Its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(FaultKind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The link loses some of what crosses it.
    Loss => "loss",
    /// It delivers some of it twice.
    Duplication => "duplication",
    /// It becomes slow.
    Delay => "delay",
    /// It becomes uneven: what was sent later may come first.
    Reordering => "reordering",
    /// What one node says reaches one other no more.
    OneWay => "one-way",
    /// What one node says reaches nobody, or it hears nobody.
    DeafMute => "deaf-mute",
    /// The nodes fall into two islands, the client on one of them.
    Partition => "partition",
    /// A node's processes are held up; its kernel goes on.
    Pause => "pause",
    /// Only its engine is.
    PauseEngine => "pause-engine",
    /// The whole machine stands still, its clocks too.
    Freeze => "freeze",
    /// The processes die and are started anew a little later.
    Kill => "kill-all",
    /// The engine dies; its guardian sees to it.
    KillEngine => "kill-engine",
    /// The guardian dies, and the others with it; all are started anew a little later.
    KillGuardian => "kill-guardian",
    /// Control dies, and the next one loads the configuration again.
    KillControl => "kill-control",
    /// The machine loses power and boots again.
    Crash => "crash",
    /// The wall clock jumps.
    ClockStep => "clock-step",
    /// An interface loses its carrier.
    Carrier => "carrier",
    /// An interface loses it again and again.
    Flap => "flap",
    /// An interface is taken down.
    LinkDown => "link-down",
    /// An interface is deleted and made again under the same name, with another number.
    LinkRecreate => "link-recreate",
    /// Somebody deletes a macvlan.
    DeviceDelete => "device-delete",
    /// Somebody sets one down, or up.
    DeviceToggle => "device-toggle",
    /// An interface is renamed, and named back.
    LinkRename => "link-rename",
    /// Somebody adds an address of his own beside a VIP.
    ForeignAdd => "foreign-add",
    /// Somebody deletes a VIP.
    ForeignDelete => "foreign-delete",
    /// Somebody deletes it again and again.
    ForeignFight => "foreign-fight",
    /// Somebody deletes the node's own address, and puts it back.
    OwnAddress => "own-address",
    /// Somebody removes the table of leases.
    TableGone => "table-gone",
    /// The netlink socket overflows.
    Overrun => "overrun",
    /// A forged advert of priority 254 that promises the next one in 40.95 s.
    SpoofLong => "spoof-long",
    /// Forged adverts that the rules of reception refuse: interval 0, TTL 64, a wrong checksum.
    SpoofInvalid => "spoof-invalid",
    /// A forged advert of priority 0.
    SpoofResign => "spoof-resign",
    /// An advert of earlier comes again.
    SpoofReplay => "spoof-replay",
    /// The configuration is loaded again, with differences.
    Reload => "reload",
    /// The configuration is loaded again without any, or a broken one is refused.
    ReloadNothing => "reload-nothing",
    /// Signatures are introduced, keys changed, or signatures taken back, node by node.
    Rollout => "rollout",
    /// The configuration file is broken for a while: nothing reads it again, and no daemon that is
    /// begun meanwhile can start.
    BrokenFile => "broken-file",
    /// Another version takes over, or does not get ready, or not in time, and all goes on as before.
    Upgrade => "upgrade",
    /// mainstay is stopped in an orderly way, and started again.
    StopStart => "stop-start",
    /// The script by which a node tells whether it is fit fails.
    ScriptFails => "script-fails",
    /// The runner dies, and another runs the script a little later.
    KillRunner => "kill-runner",
}

impl FaultKind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When, counted from the beginning.
    pub at: Duration,
    /// For how long, where that means anything.
    pub lasts: Duration,
    /// To which node.
    pub node: usize,
    /// Everything else about it.
    pub dice: u64,
}

/// All faults of a world, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The faults.
    pub faults: Vec<Fault>,
}

/// Kinds that are worse together than apart: what the one leaves behind, or has not finished, the other
/// finds. A part of all worlds knows one such couple and nothing else, close together and mostly on
/// one node.
const COUPLES: &[(FaultKind, FaultKind)] = {
    use FaultKind::*;
    &[
        (ForeignAdd, Pause),
        (ForeignAdd, Kill),
        (ForeignDelete, Pause),
        (Kill, LinkRename),
        (KillEngine, LinkRename),
        (KillEngine, LinkRecreate),
        (KillEngine, KillEngine),
        (KillEngine, PauseEngine),
        (KillEngine, Pause),
        (KillEngine, TableGone),
        (KillEngine, Reload),
        (KillEngine, OwnAddress),
        (KillEngine, SpoofResign),
        (KillControl, KillEngine),
        (KillGuardian, StopStart),
        (KillGuardian, Overrun),
        (Pause, TableGone),
        (Pause, OneWay),
        (Pause, Reload),
        (Pause, Carrier),
        (Pause, Loss),
        (PauseEngine, Overrun),
        (Freeze, DeafMute),
        (Freeze, Partition),
        (Freeze, ForeignDelete),
        (Overrun, ForeignFight),
        (Reload, Carrier),
        (Reload, Partition),
        (SpoofLong, Crash),
        (SpoofLong, Carrier),
        (Flap, PauseEngine),
        (Rollout, KillEngine),
        (Rollout, Pause),
        (Rollout, Crash),
        (Rollout, Partition),
        (Rollout, SpoofReplay),
        (Rollout, SpoofLong),
        (Rollout, Reordering),
        (Rollout, ClockStep),
        (Rollout, Freeze),
        (Upgrade, KillEngine),
        (Upgrade, Pause),
        (Upgrade, SpoofResign),
        (Upgrade, Carrier),
        (Upgrade, Rollout),
        (DeviceDelete, Carrier),
        (DeviceDelete, KillEngine),
        (DeviceDelete, Pause),
        (DeviceDelete, Upgrade),
        (DeviceToggle, KillEngine),
        (DeviceToggle, Partition),
        (DeviceToggle, Overrun),
        (DeviceDelete, Reload),
        (BrokenFile, Kill),
        (BrokenFile, KillGuardian),
        (BrokenFile, KillEngine),
        (ScriptFails, KillRunner),
        (ScriptFails, KillControl),
        (ScriptFails, KillEngine),
        (ScriptFails, Pause),
        (ScriptFails, PauseEngine),
        (ScriptFails, Carrier),
        (ScriptFails, Reload),
        (ScriptFails, Upgrade),
        (ScriptFails, Partition),
        (ScriptFails, SpoofResign),
    ]
};

/// How long faults may come.
pub(crate) const TROUBLE: Duration = Duration::from_secs(600);

impl Plan {
    /// The faults of this random sequence, out of `kinds`, for so many nodes.
    #[must_use]
    pub fn draw(random: &mut Random, kinds: &[FaultKind], nodes: usize) -> Self {
        // The swarm: which kinds this world knows, and how much each weighs.
        let mut weights: Vec<(FaultKind, u64)> = Vec::new();
        let few = random.chance(500);
        let couple = random.chance(500).then(|| a_couple(random, kinds)).flatten();
        let couple = couple.filter(|_| few);
        let density = if few { 0 } else { 100 + random.below(400) };
        for kind in kinds {
            if random.below(1000) < density {
                weights.push((*kind, 1 + random.below(8)));
            }
        }
        // Half of all worlds know two kinds or three: what only a pair reveals is met there.
        let least = if few { 2 + random.below(2) } else { 1 };
        if let Some((one, other)) = couple {
            weights.extend([(one, 1), (other, 1)]);
        }
        let least = if couple.is_some() { 0 } else { least };
        for _ in u64::try_from(weights.len()).unwrap_or(0)..least {
            let at = random.below(u64::try_from(kinds.len()).unwrap_or(1));
            weights.push((kinds[usize::try_from(at).unwrap_or(0)], 1));
        }
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let count = if few { 12 + random.below(20) } else { 5 + random.below(20) };
        // Some worlds are calm between faults, in others they come in clusters.
        let clustered = random.chance(400) || couple.is_some();
        let mut at = Duration::from_secs(20);
        let gap = (TROUBLE - at) / u32::try_from(count).unwrap_or(5);
        let nodes = u64::try_from(nodes).unwrap_or(1);
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..count {
            let mut draw = random.below(total);
            let kind = weights.iter().find(|(_, weight)| {
                let found = draw < *weight;
                draw = draw.saturating_sub(*weight);
                found
            });
            let Some((kind, _)) = kind.or(weights.last()) else { continue };
            let lasts = match random.below(4) {
                0 => Duration::from_millis(1 + random.below(500)),
                1 => Duration::from_millis(500 + random.below(4_000)),
                _ => Duration::from_millis(1_000 + random.below(25_000)),
            };
            let same = faults.last().filter(|_| couple.is_some() && random.chance(700));
            let node = match same {
                Some(before) => before.node,
                None => usize::try_from(random.below(nodes)).unwrap_or(0),
            };
            faults.push(Fault { kind: *kind, at, lasts, node, dice: random.draw() });
            let close = clustered && random.chance(600);
            let most = if close { Duration::from_secs(2) } else { gap * 3 / 2 };
            let most = u64::try_from(most.as_millis()).unwrap_or(1);
            at = (at + Duration::from_millis(1 + random.below(most))).min(TROUBLE);
        }
        Self { faults }
    }
}

/// One of the couples whose kinds may both come.
fn a_couple(random: &mut Random, kinds: &[FaultKind]) -> Option<(FaultKind, FaultKind)> {
    let may = |(one, other): &&(FaultKind, FaultKind)| kinds.contains(one) && kinds.contains(other);
    let couples: Vec<_> = COUPLES.iter().filter(may).collect();
    let at = random.below(u64::try_from(couples.len()).unwrap_or(0).max(1));
    couples.get(usize::try_from(at).unwrap_or(0)).map(|couple| **couple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_five_faults_and_seeds_know_different_kinds() {
        let mut kinds_known = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let plan = Plan::draw(&mut random, FaultKind::ALL, 3);
            assert!(plan.faults.len() >= 5);
            assert!(plan.faults.windows(2).all(|pair| pair[0].at <= pair[1].at));
            let kinds: std::collections::BTreeSet<_> =
                plan.faults.iter().map(|fault| fault.kind).collect();
            kinds_known.insert(kinds);
        }
        assert!(kinds_known.len() > 350, "swarms differ: {}", kinds_known.len());
        let all: std::collections::BTreeSet<_> = kinds_known.into_iter().flatten().collect();
        assert_eq!(all.len(), FaultKind::ALL.len());
    }

    #[test]
    fn names_are_found_again() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::named(kind.name()), Some(*kind));
        }
    }
}
