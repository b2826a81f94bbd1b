//! keepalived as the distribution ships it, and I01–I03: multicast, physical MACs, every version
//! and family.

use base::State;
use lab::{CommandLine, Process, ProcessSignal};

use crate::bench::{Bench, OURS, PATIENCE, PEER, keepalived_here};
use crate::exchange::hold_then_follow;
use crate::mode::{Mode, Part, V2, V3_IPV4, V3_IPV6};
use crate::speaker::{Speaker, faults};

/// keepalived on a node.
pub(crate) struct Keepalived {
    node: &'static str,
    daemons: Vec<Process>,
}

impl Keepalived {
    pub(crate) fn on(node: &'static str) -> Self {
        Self { node, daemons: Vec::new() }
    }

    /// Everything it has written, over all its lives.
    pub(crate) fn log(&self) -> String {
        self.daemons.iter().map(Process::log).collect()
    }
}

impl Speaker for Keepalived {
    fn node(&self) -> &'static str {
        self.node
    }

    fn start(&mut self, bench: &mut Bench, part: &Part) {
        if let Some(before) = self.daemons.last() {
            // It takes a second to end, and its pid file bars its own return until then.
            assert!(before.wait(PATIENCE).is_some(), "{}", bench.story());
        }
        let run = "/usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}";
        let node = bench.lab.node_mut(self.node);
        self.daemons.push(node.start(&CommandLine::parse(run), &part.conf()).unwrap());
    }

    fn holds(&self, bench: &Bench) -> bool {
        bench.has_vip(self.node)
    }

    fn resign(&mut self, bench: &Bench) {
        bench.lab.node(self.node).signal(ProcessSignal::TERM);
    }

    fn freeze(&self, bench: &Bench) {
        bench.lab.node(self.node).signal_all(ProcessSignal::STOP);
    }

    fn thaw(&self, bench: &Bench) {
        bench.lab.node(self.node).signal_all(ProcessSignal::CONT);
    }

    fn kill(&self, bench: &Bench) {
        // Its child would hear of the parent's death and resign before its own turn comes.
        self.freeze(bench);
        bench.lab.node(self.node).signal_all(ProcessSignal::KILL);
    }

    fn agrees(&self, bench: &Bench, _: &Part, state: State) {
        // It tells its timers to nobody; its kernel shows whether it holds.
        assert_eq!(self.holds(bench), state == State::Active, "{}", bench.story());
    }

    fn complaints(&self, _: &Bench) -> Vec<String> {
        faults(&self.log())
    }
}

fn with_keepalived(mode: Mode) {
    if !keepalived_here() {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let part = Part::new(mode, 100);
    hold_then_follow(&mut bench, &mut Keepalived::on("peer"), &part, &part);
}

#[test]
fn i01_keepalived_v2_we_hold_then_follow() {
    with_keepalived(V2);
}

#[test]
fn i02_keepalived_v3_ipv4_we_hold_then_follow() {
    with_keepalived(V3_IPV4);
}

#[test]
fn i03_keepalived_v3_ipv6_we_hold_then_follow() {
    with_keepalived(V3_IPV6);
}
