//! What can go wrong on the LAN, and be put right again.

use core::net::IpAddr;
use core::time::Duration;

use base::{IfIndex, Instant, Mac, Neighbour, Wall};
use vrrp::{Input, InstanceConfig, Packet, RouterStatus};

use crate::kernel::{ETH0, Kernel};
use crate::lan::{Coming, Lan};
use crate::node::{Node, vr_of};
use crate::sight::{Mail, Sight};
use crate::weather::Weather;

impl Lan {
    /// Changes what the link does to packets.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Adds a node while the others run.
    ///
    /// # Panics
    /// From the 254th node on: there is no address for it.
    pub fn start(&mut self, name: &str, configs: Vec<InstanceConfig>) {
        let at = self.place(name, configs);
        self.begin(at);
    }

    /// Adds a node on which nothing runs yet.
    pub(crate) fn place(&mut self, name: &str, configs: Vec<InstanceConfig>) -> usize {
        let number = u8::try_from(self.nodes.len() + 1).expect("a LAN of fewer than 255 nodes");
        self.nodes.push(Node::new(name, number, configs));
        self.nodes.len() - 1
    }

    /// Pulls a node's cables: nothing goes in or out, and its kernel sees nothing of it (a switch
    /// that fails silently).
    pub fn unplug(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].plugged = false;
    }

    /// Plugs them in again.
    pub fn plug(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].plugged = true;
    }

    /// The node's `eth0` loses or finds its carrier, and its kernel says so.
    pub fn carrier(&mut self, name: &str, on: bool) {
        self.carrier_of(name, ETH0, on);
    }

    /// The same for any interface.
    pub fn carrier_of(&mut self, name: &str, interface: &str, on: bool) {
        let at = self.at(name);
        self.nodes[at].kernel.set_running(interface, on);
        self.publish(at);
    }

    /// Power loss: the node is gone, kernel and all.
    pub fn crash(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].end_all();
        self.nodes[at].alive = false;
        self.nodes[at].frozen_until = Instant::ZERO;
    }

    /// The power is back: a fresh kernel, a fresh router.
    pub fn boot(&mut self, name: &str) {
        let at = self.at(name);
        let node = &mut self.nodes[at];
        node.kernel = Kernel::of(node.number);
        self.begin(at);
    }

    /// All processes die without a word; the kernel keeps what it had.
    pub fn kill(&mut self, name: &str) {
        let at = self.at(name);
        self.see_that(Sight::EngineEnded { node: at });
        self.see_that(Sight::GaveUp { node: at });
        self.nodes[at].end_all();
    }

    /// The engine dies without a word; its guardian does not.
    pub fn kill_engine(&mut self, name: &str) {
        let at = self.at(name);
        self.end_engine(at);
    }

    /// The router dies without a word and is started anew at once.
    pub fn restart(&mut self, name: &str) {
        let at = self.at(name);
        self.begin(at);
    }

    /// Holds the node's processes up for a while; its kernel goes on.
    pub fn pause(&mut self, name: &str, span: Duration) {
        let at = self.at(name);
        let until = self.now + span;
        let node = &mut self.nodes[at];
        node.guard_paused_until = node.guard_paused_until.max(until);
        self.pause_engine(at, span);
    }

    /// Holds the node's engine up for a while, and nothing else.
    pub(crate) fn pause_engine(&mut self, at: usize, span: Duration) {
        let until = self.now + span;
        let node = &mut self.nodes[at];
        node.paused_until = Some(node.paused_until.map_or(until, |known| known.max(until)));
        self.look_soon(at, span);
    }

    /// The whole machine stands still for a while, its kernel and its monotonic clock too (a paused
    /// virtual machine).
    pub fn freeze(&mut self, name: &str, span: Duration) {
        let at = self.at(name);
        let until = self.now + span;
        let node = &mut self.nodes[at];
        if node.frozen_until > self.now {
            return;
        }
        node.frozen_until = until;
        node.behind += span;
        node.slept += span;
        node.kernel.stood_still(span);
        self.pause(name, span);
    }

    /// Stops the node in an orderly way.
    pub fn stop(&mut self, name: &str) {
        let at = self.at(name);
        self.stop_at(at);
    }

    /// Gives a node another configuration.
    pub fn reload(&mut self, name: &str, configs: Vec<InstanceConfig>) {
        let at = self.at(name);
        self.reconfigure(at, configs);
    }

    pub(crate) fn reconfigure(&mut self, at: usize, configs: Vec<InstanceConfig>) {
        self.go_back(at);
        let old = self.nodes[at].set_configs(configs.clone());
        self.rouse(at);
        let watched = self.sights.is_some();
        let before = watched.then(|| self.nodes[at].router.status());
        self.nodes[at].learn_names();
        self.heard.forget(at, |vr| configs.iter().any(|config| vr_of(config) == vr));
        self.see_that(Sight::Reloaded { node: at });
        let untouched: Vec<&InstanceConfig> =
            configs.iter().filter(|config| old.contains(config)).collect();
        self.handle(at, Input::Configure(configs.clone()));
        let Some(before) = before else { return };
        let after = self.nodes[at].router.status();
        for config in untouched {
            let find = |status: &RouterStatus| {
                status.instances.iter().find(|one| one.name == config.name).cloned()
            };
            let (was, is) = (find(&before), find(&after));
            if was != is {
                let difference = format!("{was:?} became {is:?}");
                self.see_that(Sight::Touched { node: at, difference });
            }
        }
    }

    /// Sets a node's wall clock. Until that is done, all nodes' say the same.
    pub fn set_clock(&mut self, name: &str, wall: Wall) {
        let at = self.at(name);
        let millis = |nanos: u64| i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX);
        let told = wall.seconds() * 1_000_000_000 + wall.subsec_nanos();
        self.step_clock(at, millis(told) - millis(self.now.as_nanos()));
    }

    /// Somebody removes an address from a node by hand; whether it was there.
    pub fn delete(&mut self, name: &str, address: IpAddr) -> bool {
        let at = self.at(name);
        let mut was = false;
        self.meddle(at, |kernel| was = kernel.remove(address));
        was
    }

    /// Somebody removes a node's table of leases by hand.
    pub fn remove_leases(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].kernel.table.remove();
    }

    /// Puts a packet in front of a node, as if somebody on the link had sent it.
    pub fn inject(&mut self, name: &str, packet: Packet) {
        let at = self.at(name);
        let mail = Mail { packet, segment: 0, spoiled: false, notice: false, mac: None };
        self.put(self.weather.delay, Coming::Mail(at, mail));
    }

    /// Somebody on the first link says by ARP, to everybody, that `address` lives at `mac`.
    ///
    /// # Panics
    /// For an IPv6 address.
    pub fn forge_arp(&mut self, address: IpAddr, mac: Mac) {
        let IpAddr::V4(v4) = address else { panic!("ARP is about IPv4, not {address}") };
        let frame = vip::arp::gratuitous(v4, mac, vip::arp::TargetMac::Broadcast);
        let index = IfIndex::new(2).expect("eth0 is 2");
        let sight = base::Sight::Arp;
        let seen = Neighbour { index, address, mac, source: None, sight };
        self.put(self.weather.delay, Coming::Frame(0, frame));
        for at in 0..self.nodes.len() {
            self.put(self.weather.delay, Coming::Claim(at, 0, seen));
        }
    }

    /// Ends every fault: cables in, carriers up, power on, fair weather, nobody paused.
    pub fn heal(&mut self) {
        self.set_weather(Weather::default());
        for at in 0..self.nodes.len() {
            let name = self.nodes[at].name.clone();
            self.plug(&name);
            self.nodes[at].guard_paused_until = Instant::ZERO;
            if let Some(until) = &mut self.nodes[at].paused_until {
                *until = self.now;
                self.look_soon(at, Duration::ZERO);
            }
            if !self.nodes[at].alive {
                self.boot(&name);
            } else if !self.nodes[at].running {
                self.restart(&name);
            } else if !self.nodes[at].kernel.is_eth0_running() {
                self.carrier(&name, true);
            }
        }
    }
}
