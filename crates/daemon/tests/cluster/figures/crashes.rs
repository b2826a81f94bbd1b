//! What a client sees when a holder loses its power, or its cable, and a fence device has to confirm.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lab::{longest_overlap, wait_for};
use linux::clock::monotonic;

use super::tell;
use crate::NODES;
use crate::bench::{Bench, PATIENCE};
use crate::fencing::{Switch, fence_lab, first_elsewhere};
use crate::vips::native;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 60));
const ROUNDS: usize = 5;

#[test]
#[ignore = "a measurement of half a minute: cargo xtask bench cluster"]
fn a_holder_crashes_or_is_cut_off_again_and_again() {
    let Some(agent) = fence_lab() else { return };
    let Some(mut bench) = Bench::new(3) else { return };
    let mut switch = Switch::new(&mut bench, &agent, &NODES);
    bench.three();
    bench.options("n1", &[("stonith-enabled", "true"), ("stonith-action", "off")]);
    let device = "<primitive id='power' class='stonith' type='fence_lab'><instance_attributes \
        id='power-p'><nvpair id='power-l' name='pcmk_host_list' value='n1 n2 n3'/>\
        </instance_attributes></primitive>";
    let resources = format!("<resources>{device}{}</resources>", native("v", VIP));
    bench.replace("n1", "resources", &resources);
    bench.holder("n1", "power");
    let row = std::env::var("LAB_ROW").unwrap_or_else(|_| "default".to_owned());
    for round in 0..ROUNDS * 2 {
        let cut = round >= ROUNDS;
        let by = NODES[round % 3];
        let holder = bench.holder(by, "v");
        let probe = bench.lab.probe(VIP, Duration::from_millis(2)).unwrap();
        let served = || probe.last_answer().is_some_and(|it| *it.node == *holder);
        assert!(wait_for(PATIENCE, served).is_some(), "{}", bench.story());
        // Whoever fails fails at any time of its rounds.
        std::thread::sleep(Duration::from_millis(317));
        let fault = monotonic();
        let before = switch.off.len();
        if cut {
            bench.lab.cut(&holder).unwrap();
        } else {
            bench.lab.crash(&holder).unwrap();
        }
        switch.wait(&mut bench, |_| {
            probe.last_answer().is_some_and(|it| it.at > fault && *it.node != *holder)
        });
        // It counts only if the device had confirmed before anything started elsewhere.
        let confirmed = switch.off.get(before).map(|it| it.1);
        let began = first_elsewhere(&bench, VIP, &holder, fault);
        assert!(confirmed.is_some() && confirmed < began, "{confirmed:?} {began:?}");
        let outage = probe.finish().closed_outage().unwrap();
        tell(&format!("{} of the holder, {row}", if cut { "partition" } else { "crash" }), outage);
        assert_eq!(longest_overlap(&bench.lab.holdings(), VIP, monotonic()), Duration::ZERO);
        // It comes back with nothing on its disk: as another.
        let other = NODES.into_iter().find(|it| *it != holder).unwrap();
        if cut {
            bench.lab.mend(&holder).unwrap();
        }
        bench.standing(other, &holder, |it| it == "lost (fenced)");
        let said = bench.ok(other, &["cluster", "remove", &holder]);
        assert!(said.starts_with("done"), "{said}");
        bench.lab.power_on(&holder).unwrap();
        switch.plug(&bench, &holder);
        bench.join(&holder, other);
        bench.run(&holder);
        bench.settled(&NODES);
    }
}
