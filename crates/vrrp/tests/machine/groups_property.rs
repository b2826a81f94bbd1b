//! Whatever happens in whatever order: at the end of every turn the members of a sync group that can
//! run are in one state, and if one that counts cannot, none of them runs.

use base::{
    Effect, KernelFact, LinkFact, Name, Preempt, Reason, State, TrackEffect, Tracker, TrackerKind,
    Verdict, Vrid,
};
use proptest::prelude::*;
use vrrp::{Input, InstanceConfig, Tracked};

use crate::bench::{
    Bench, address, centis, config, config_v6, index, ip, link, millis, saying, vip,
};

#[derive(Clone, Debug)]
enum Act {
    /// Which members there are, and which of them are in the group.
    Configure(u8, u8),
    Hear {
        member: usize,
        higher: bool,
        priority: u8,
    },
    Link {
        second: bool,
        up: bool,
    },
    Gone {
        second: bool,
    },
    Address {
        second: bool,
        there: bool,
    },
    Verdict(Verdict),
    Pass(u64),
    Sleep,
    Kernel,
}

fn act() -> impl Strategy<Value = Act> {
    let verdict = prop_oneof![Just(Verdict::Good), Just(Verdict::Bad), Just(Verdict::Unknown)];
    let priority = prop_oneof![Just(0), Just(50), Just(100), Just(150)];
    prop_oneof![
        2 => (any::<u8>(), any::<u8>()).prop_map(|(there, grouped)| Act::Configure(there, grouped)),
        6 => (0..4usize, any::<bool>(), priority)
            .prop_map(|(member, higher, priority)| Act::Hear { member, higher, priority }),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(second, up)| Act::Link { second, up }),
        1 => any::<bool>().prop_map(|second| Act::Gone { second }),
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(second, there)| Act::Address { second, there }),
        2 => verdict.prop_map(Act::Verdict),
        2 => (0..4000u64).prop_map(Act::Pass),
        8 => Just(Act::Sleep),
        4 => Just(Act::Kernel),
    ]
}

fn tracker() -> Tracker {
    Tracker { kind: TrackerKind::Script, name: "chk".into() }
}

fn member(n: usize) -> InstanceConfig {
    let tracked = Tracked {
        tracker: tracker(),
        effect: Effect::Of(TrackEffect::FaultWhileBad),
        assume_bad: false,
    };
    match n {
        0 => InstanceConfig { name: "four".into(), ..config(100) },
        1 => InstanceConfig { name: "six".into(), interval: centis(20), ..config_v6(120) },
        2 => InstanceConfig {
            name: "inside".into(),
            interface: Some("eth1".into()),
            vrid: Vrid::new(7).unwrap(),
            vips: vec![vip("10.0.0.100")],
            trackers: vec![tracked],
            ..config(80)
        },
        _ => InstanceConfig {
            name: "calm".into(),
            vrid: Vrid::new(60).unwrap(),
            preempt: Preempt::Never,
            vips: vec![vip("192.0.2.160")],
            ..config(100)
        },
    }
}

fn configs(there: u8, grouped: u8) -> Vec<InstanceConfig> {
    let chosen = (0..4).filter(|n| there >> n & 1 == 1);
    let config = |n: usize| InstanceConfig {
        group: (grouped >> n & 1 == 1).then(|| Name::from("G")),
        ..member(n)
    };
    chosen.map(config).collect()
}

fn act_out(bench: &mut Bench, act: &Act) {
    let place =
        |second: &bool| if *second { (3, "eth1", "10.0.0.5") } else { (2, "eth0", "192.0.2.5") };
    match act {
        Act::Configure(there, grouped) => {
            bench.feed(Input::Configure(configs(*there, *grouped)));
        }
        Act::Hear { member: n, higher, priority } => {
            let config = member(*n);
            let end = if *higher { 9 } else { 2 };
            let source = match n {
                1 => format!("fe80::{end}"),
                2 => format!("10.0.0.{end}"),
                _ => format!("192.0.2.{end}"),
            };
            let mut saying = saying(&source, *priority);
            saying.vrid = config.vrid.get();
            saying.interval = config.interval;
            saying.addresses = config.vips.iter().map(|vip| vip.address).collect();
            saying.index = index(if *n == 2 { 3 } else { 2 });
            bench.hear(saying);
        }
        Act::Link { second, up } => {
            let (number, name, _) = place(second);
            bench.link_is(LinkFact { running: *up, ..link(number, name) });
        }
        Act::Gone { second } => {
            let (number, name, own) = place(second);
            bench.fact(KernelFact::LinkGone(index(number)));
            bench.link_is(link(number, name));
            bench.fact(KernelFact::Address(address(number, own)));
            if !second {
                bench.fact(KernelFact::Address(address(number, "fe80::5")));
            }
        }
        Act::Address { second, there } => {
            let (number, _, own) = place(second);
            let fact = address(number, own);
            bench.fact(if *there {
                KernelFact::Address(fact)
            } else {
                KernelFact::AddressGone(fact)
            });
        }
        Act::Verdict(verdict) => {
            bench.feed(Input::Verdict { tracker: tracker(), verdict: *verdict });
        }
        Act::Pass(span) => {
            bench.pass(millis(*span));
            bench.wake();
        }
        Act::Sleep => {
            if let Some(at) = bench.router.poll_timeout() {
                bench.now = bench.now.max(at);
                bench.wake();
            }
        }
        Act::Kernel => bench.kernel_lenient(),
    }
}

fn check(bench: &Bench) -> Result<(), TestCaseError> {
    let status = bench.status();
    for group in &status.groups {
        let one = |name: &Name| status.instances.iter().find(|one| one.name == *name).unwrap();
        let members: Vec<_> = group.members.iter().map(one).collect();
        for member in &members {
            prop_assert_eq!(member.state, group.state, "{:?}", members);
        }
        let own = members.iter().any(|m| m.fault.is_some_and(|f| f != Reason::SyncGroup));
        prop_assert!(!own || group.state == State::Initialize);
        // Nobody is kept from running by a group in which nobody lacks anything.
        let synced = members.iter().any(|m| m.fault == Some(Reason::SyncGroup));
        prop_assert!(!synced || own, "{:?}", members);
        // Who is not a member that counts, though it is configured so, cannot run.
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn vrrp_071_members_that_can_run_are_never_in_different_states(
        acts in proptest::collection::vec(act(), 1..80),
        start in any::<(u8, u8)>(),
    ) {
        let (mut bench, _) = Bench::silent(configs(start.0 | 0b101, start.1 | 0b101));
        bench.addresses.push(address(3, "10.0.0.5"));
        bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
        check(&bench)?;
        for act in &acts {
            act_out(&mut bench, act);
            check(&bench)?;
            let circles = bench.router.poll_timeout().is_some_and(|at| at < bench.now);
            prop_assert!(!circles || !matches!(act, Act::Sleep | Act::Pass(_)), "it is late already");
        }
        // When peace comes all members end as holders.
        for second in [false, true] {
            act_out(&mut bench, &Act::Gone { second });
        }
        act_out(&mut bench, &Act::Verdict(Verdict::Good));
        for _ in 0..200 {
            act_out(&mut bench, &Act::Sleep);
            act_out(&mut bench, &Act::Kernel);
            check(&bench)?;
        }
        for one in bench.status().instances {
            prop_assert_eq!(one.state, State::Active, "{:?}", one);
        }
        prop_assert!(bench.addresses.iter().any(|a| a.address == ip("192.0.2.5")));
    }
}
