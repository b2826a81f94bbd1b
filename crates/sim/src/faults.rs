//! What can go wrong on the LAN, and be put right again.

use core::net::IpAddr;
use core::time::Duration;

use base::{IfIndex, Mac, Neighbour, Sight};
use vrrp::{Input, InstanceConfig, Packet, Router};

use crate::kernel::{ETH0, Kernel};
use crate::lan::{Coming, Lan};
use crate::node::Node;
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
        let number = u8::try_from(self.nodes.len() + 1).expect("a LAN of fewer than 255 nodes");
        self.nodes.push(Node::new(name, number, configs));
        self.begin(self.nodes.len() - 1);
    }

    /// A router begins on a node: the configuration first, then all that its kernel has to say.
    fn begin(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        node.life += 1;
        node.active = false;
        node.alive = true;
        node.paused_until = None;
        node.watched = Vec::new();
        node.router = Router::new();
        let (configs, snapshot) = (node.configs.clone(), node.kernel.snapshot());
        node.router.handle(now, Input::Configure(configs));
        self.flush(at);
        self.tell_soon(at, Input::Fact(snapshot));
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
        let fact = self.nodes[at].kernel.set_running(interface, on);
        self.tell_soon(at, Input::Fact(fact));
    }

    /// Power loss: the node is gone, kernel and all.
    pub fn crash(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].alive = false;
    }

    /// The power is back: a fresh kernel, a fresh router.
    pub fn boot(&mut self, name: &str) {
        let at = self.at(name);
        let node = &mut self.nodes[at];
        node.kernel = Kernel::of(node.number);
        self.begin(at);
    }

    /// The router dies without a word and is started anew at once; its kernel keeps what it had.
    pub fn restart(&mut self, name: &str) {
        let at = self.at(name);
        self.begin(at);
    }

    /// Holds the node's processes up for a while; its kernel goes on.
    pub fn pause(&mut self, name: &str, span: Duration) {
        let at = self.at(name);
        self.nodes[at].paused_until = Some(self.now + span);
    }

    /// Stops the node in an orderly way.
    pub fn stop(&mut self, name: &str) {
        let at = self.at(name);
        self.handle(at, Input::Stop);
    }

    /// Gives a node another configuration.
    pub fn reload(&mut self, name: &str, configs: Vec<InstanceConfig>) {
        let at = self.at(name);
        self.nodes[at].configs.clone_from(&configs);
        self.handle(at, Input::Configure(configs));
    }

    /// Somebody removes an address from a node by hand.
    pub fn delete(&mut self, name: &str, address: IpAddr) {
        let at = self.at(name);
        if let Some(fact) = self.nodes[at].kernel.remove(address) {
            self.tell_soon(at, Input::Fact(fact));
        }
    }

    /// Somebody removes a node's table of leases by hand.
    pub fn remove_leases(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].kernel.table.remove();
    }

    /// Puts a packet in front of a node, as if somebody on the link had sent it.
    pub fn inject(&mut self, name: &str, packet: Packet) {
        let at = self.at(name);
        self.put(self.weather.delay, Coming::Packet(at, packet));
    }

    /// Somebody on the link says by ARP, to everybody, that `address` lives at `mac`.
    ///
    /// # Panics
    /// For an IPv6 address.
    pub fn forge_arp(&mut self, address: IpAddr, mac: Mac) {
        let IpAddr::V4(v4) = address else { panic!("ARP is about IPv4, not {address}") };
        let frame = vip::arp::gratuitous(v4, mac, vip::arp::TargetMac::Broadcast);
        let index = IfIndex::new(2).expect("eth0 is 2");
        let seen = Neighbour { index, address, mac, source: None, sight: Sight::Arp };
        self.put(self.weather.delay, Coming::Frame(frame));
        for at in 0..self.nodes.len() {
            self.put(self.weather.delay, Coming::Claim(at, seen));
        }
    }

    /// Ends every fault: cables in, carriers up, power on, fair weather, nobody paused.
    pub fn heal(&mut self) {
        self.set_weather(Weather::default());
        for at in 0..self.nodes.len() {
            let name = self.nodes[at].name.clone();
            self.plug(&name);
            self.nodes[at].paused_until = None;
            if !self.nodes[at].alive {
                self.boot(&name);
            } else if !self.nodes[at].kernel.is_eth0_running() {
                self.carrier(&name, true);
            }
        }
    }
}
