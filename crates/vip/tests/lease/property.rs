//! Whatever happens in whatever order: nothing is installed without being listed, nobody speaks while
//! silenced, and nobody lapses who was awake.

use base::KernelFact;
use proptest::prelude::*;
use std::collections::BTreeSet;
use vip::HolderId;
use vip::lease::{Input, Output, TableStatus};

use crate::bench::*;

#[derive(Clone, Debug)]
enum Act {
    Pass(u64),
    Freeze(u64),
    Hold(u32),
    Release(u32),
    Clear(u32),
    Decide(u32, bool),
    Vanish,
    End,
    Slept,
    Refuse(u32),
    Recreate(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let holder = 0..3_u32;
    prop_oneof![
        4 => (1..900_u64).prop_map(Act::Pass),
        2 => (1..2500_u64).prop_map(Act::Freeze),
        4 => holder.clone().prop_map(Act::Hold),
        3 => holder.clone().prop_map(Act::Release),
        3 => holder.clone().prop_map(Act::Clear),
        4 => (holder, any::<bool>()).prop_map(|(h, again)| Act::Decide(h, again)),
        1 => Just(Act::Vanish),
        1 => Just(Act::End),
        1 => Just(Act::Slept),
        1 => (1..3_u32).prop_map(Act::Refuse),
        1 => (3..9_u32).prop_map(Act::Recreate),
    ]
}

fn vip(holder: u32) -> base::LeaseKey {
    key(&format!("10.0.0.{}", holder + 1))
}

/// What the world knows of the holders.
#[derive(Default)]
struct World {
    wants: BTreeSet<u32>,
    installed: BTreeSet<u32>,
    lapsed: BTreeSet<u32>,
    granted: BTreeSet<u32>,
}

impl World {
    fn hear(&mut self, told: Vec<Output>) -> usize {
        let mut lapses = 0;
        for output in told {
            match output {
                Output::Granted { holder } => {
                    assert!(self.wants.contains(&holder.0), "granted unasked: {holder}");
                    self.installed.insert(holder.0);
                    self.granted.insert(holder.0);
                    self.lapsed.remove(&holder.0);
                }
                Output::Lapsed { holders, .. } => {
                    lapses += 1;
                    self.granted.retain(|id| !holders.contains(&HolderId(*id)));
                    self.lapsed.extend(holders.iter().map(|holder| holder.0));
                }
                _ => {}
            }
        }
        lapses
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn silence_and_speech_agree(acts in proptest::collection::vec(act(), 1..60)) {
        let mut bench = Bench::new();
        let mut world = World::default();
        for holder in 0..3 {
            // Two share a class.
            let interval = if holder == 2 { 200 } else { 1000 };
            bench.manage(HolderId(holder), subject_at(interval, &[vip(holder)]));
        }
        world.hear(bench.drain());
        // Whether somebody else has been at the table since the machine last looked.
        let mut meddled = false;
        for act in acts {
            let frozen = matches!(act, Act::Freeze(_));
            let told = match act {
                Act::Pass(span) => bench.run(ms(span)),
                Act::Freeze(span) => bench.freeze(ms(span)),
                Act::Hold(h) => {
                    world.wants.insert(h);
                    bench.hold(HolderId(h))
                }
                Act::Release(h) => {
                    world.wants.remove(&h);
                    world.granted.remove(&h);
                    world.lapsed.remove(&h);
                    bench.input(Input::Release { holder: HolderId(h) })
                }
                Act::Clear(h) if !world.wants.contains(&h) => {
                    world.installed.remove(&h);
                    bench.input(Input::Clear { holder: HolderId(h) })
                }
                Act::Clear(_) => Vec::new(),
                Act::Decide(h, true) => bench.input(Input::Again { holder: HolderId(h) }),
                Act::Decide(h, false) if world.lapsed.contains(&h) => {
                    world.wants.remove(&h);
                    world.granted.remove(&h);
                    world.lapsed.remove(&h);
                    bench.input(Input::Release { holder: HolderId(h) })
                }
                Act::Decide(..) => Vec::new(),
                Act::Vanish => {
                    meddled = true;
                    bench.table.vanish();
                    Vec::new()
                }
                Act::End => {
                    meddled = true;
                    bench.table.alive.clear();
                    Vec::new()
                }
                Act::Slept => bench.input(Input::Slept),
                Act::Refuse(times) => {
                    let errno = base::Errno(12);
                    let trouble = base::LeaseTrouble::Refused { step: "lease".into(), errno };
                    bench.table.refuse = Some((trouble, times.min(2)));
                    Vec::new()
                }
                Act::Recreate(n) => {
                    bench.table.covered.clear();
                    bench.fact(&KernelFact::Snapshot { links: vec![link(n)], addresses: vec![] })
                }
            };
            let slept = matches!(act, Act::Slept);
            let lapses = world.hear(told);
            if !frozen && !slept && !meddled {
                prop_assert_eq!(lapses, 0, "awake, and lapsed");
            }
            if matches!(act, Act::Pass(span) if span > 250) {
                // Every lease was due to be renewed since: the machine has looked.
                meddled &= !bench.table.exists;
            }
            // What nf_tables refuses for long, nobody can silence.
            let helpless = matches!(bench.leases.status().table, TableStatus::Unavailable(_));
            if meddled || helpless {
                continue;
            }
            for holder in 0..3 {
                let id = HolderId(holder);
                let speaks = bench.leases.may_speak(id, bench.now);
                if world.lapsed.contains(&holder) {
                    prop_assert!(!speaks, "a silenced holder speaks");
                    prop_assert!(!bench.table.passes(vip(holder), bench.now), "and is heard");
                }
                if world.installed.contains(&holder) {
                    let listed = bench.table.listed.contains_key(&vip(holder));
                    prop_assert!(listed, "installed, and not listed");
                    if world.granted.contains(&holder) && speaks {
                        prop_assert!(bench.table.passes(vip(holder), bench.now), "speaks in vain");
                    }
                    if !world.wants.contains(&holder) {
                        prop_assert!(!bench.table.passes(vip(holder), bench.now), "not silent");
                    }
                }
            }
        }
    }
}
