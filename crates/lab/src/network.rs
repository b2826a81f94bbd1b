//! The network: a switch, nodes and a client, and what can go wrong with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::Duration;

use base::{Mac, Name};
use linux::{Container, FarEnd, FrameSender, Hear, Links, ProcessSignal};

use crate::asker::Asker;
use crate::holdings::{Holding, Ledger};
use crate::node::{Card, Node};
use crate::{LabError, Probe, Web, Witness, wait_for};

/// The client's name, also that of its port at the switch.
pub const CLIENT: &str = "client";
const BRIDGE: &str = "br0";
/// By which the switch passes some frames and not others.
pub(crate) const NFT: &str = "/usr/sbin/nft";

/// Who is to be on the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The nodes' names and cards. Names of at most ten letters, digits and dashes.
    pub nodes: Vec<(Name, Vec<Card>)>,
    /// The client's card.
    pub client: Card,
}

impl Plan {
    /// The article's network: `nodes` (1..=90) called `n1`, `n2` …, each with `eth0` carrying
    /// 193.168.0.2/16, .3, .4 … and 2001:db8::2/64 …, and a client with 193.168.0.100.
    #[must_use]
    pub fn article(nodes: u8) -> Self {
        let nodes = (1..=nodes.clamp(1, 90))
            .map(|number| (format!("n{number}").into(), vec![Card::eth0(number + 1)]))
            .collect();
        Self { nodes, client: Card::eth0(100) }
    }
}

impl Card {
    /// `eth0` with the MAC 02:00:c1:a8:00:`last`, 193.168.0.`last`/16 and 2001:db8::`last`/64.
    #[must_use]
    pub fn eth0(last: u8) -> Self {
        let v4 = Ipv4Addr::new(193, 168, 0, last);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
        Self {
            interface: "eth0".into(),
            mac: Mac([2, 0, 0xc1, 0xa8, 0, last]),
            addresses: vec![(v4.into(), 16), (v6.into(), 64)],
        }
    }
}

/// A running network. Everything in it ends when it is dropped.
#[derive(Debug)]
pub struct Lab {
    nodes: Vec<Node>,
    client: Node,
    ledger: Ledger,
    // Dropped last: without it the others' cards would vanish under them.
    switch: Container,
}

impl Lab {
    /// Builds the article's network with this many nodes; see [`Plan::article`].
    ///
    /// # Errors
    /// See [`build`](Self::build).
    pub fn article(nodes: u8) -> Result<Self, LabError> {
        Self::build(&Plan::article(nodes))
    }

    /// Builds the planned network; nodes have power and answer the client's probes from the start.
    ///
    /// # Errors
    /// If namespaces, mounts or links are not allowed (see [`linux::become_root`]), or names clash.
    pub fn build(plan: &Plan) -> Result<Self, LabError> {
        let switch = Container::create("switch")
            .map_err(|cause| LabError::new("making a container for the switch", cause))?;
        switch
            .run(|| {
                let mut links = Links::open()?;
                links.add_bridge(BRIDGE)?;
                links.set_up(BRIDGE, true)
            })
            .map_err(|cause| LabError::new("making the switch", cause))?;
        let ledger = Ledger::default();
        let create = |(name, cards): &(Name, Vec<Card>)| {
            Node::create(name.clone(), cards.clone(), ledger.clone())
        };
        let nodes = plan.nodes.iter().map(create).collect::<Result<_, _>>()?;
        let client = Node::create(CLIENT.into(), vec![plan.client.clone()], ledger.clone())?;
        let mut lab = Self { nodes, client, ledger, switch };
        for node in lab.nodes.iter_mut().chain([&mut lab.client]) {
            plug_in(&lab.switch, node)?;
            node.bring_up()?;
        }
        Ok(lab)
    }

    /// The nodes, in the plan's order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node called `name`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn node(&self, name: &str) -> &Node {
        let found = self.nodes.iter().find(|node| *node.name() == name);
        found.unwrap_or_else(|| panic!("the lab has no node called {name}"))
    }

    /// The node called `name`, to change it.
    ///
    /// # Panics
    /// If there is none.
    pub fn node_mut(&mut self, name: &str) -> &mut Node {
        let found = self.nodes.iter_mut().find(|node| *node.name() == name);
        found.unwrap_or_else(|| panic!("the lab has no node called {name}"))
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Node {
        &self.client
    }

    /// The switch, for [`Witness`].
    pub(crate) fn switch(&self) -> &Container {
        &self.switch
    }

    /// Which nodes have `vip` on an interface: those cut off included, those without power not.
    #[must_use]
    pub fn holders(&self, vip: IpAddr) -> Vec<&str> {
        self.nodes.iter().filter(|node| node.holds(vip)).map(|node| node.name().as_str()).collect()
    }

    /// Waits at most `limit` until exactly `names` hold `vip`; returns how long it took.
    #[must_use]
    pub fn wait_holders(&self, vip: IpAddr, names: &[&str], limit: Duration) -> Option<Duration> {
        wait_for(limit, || self.holders(vip) == names)
    }

    /// Every address that came to a node or left it since the lab was built, in order.
    #[must_use]
    pub fn holdings(&self) -> Vec<Holding> {
        self.ledger.read()
    }

    /// Starts asking `vip` from the client every `interval`.
    ///
    /// # Errors
    /// If no socket or thread can be had.
    pub fn probe(&self, vip: IpAddr, interval: Duration) -> Result<Probe, LabError> {
        Probe::start(self.client.container(), vip, interval)
    }

    /// Starts asking from the client every `interval` where `vip` lives, as a neighbour that forgets
    /// each answer.
    ///
    /// # Errors
    /// If no socket or thread can be had.
    pub fn asker(&self, vip: IpAddr, interval: Duration) -> Result<Asker, LabError> {
        Asker::start(&self.client, vip, interval)
    }

    /// Starts asking from the client for the page at `vip`, with `interval` between two requests.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn web(&self, vip: IpAddr, interval: Duration) -> Result<Web, LabError> {
        Web::start(&self.client, vip, interval)
    }

    /// Starts listening at the switch.
    ///
    /// # Errors
    /// If no socket or thread can be had.
    pub fn witness(&self, hear: Hear) -> Result<Witness, LabError> {
        Witness::start(self.switch(), hear)
    }

    /// Sends a frame, Ethernet header and all, from the client's card.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn inject(&self, frame: &[u8]) -> Result<(), LabError> {
        let interface = self.client.cards().first().map(|card| card.interface.clone());
        let frame = frame.to_owned();
        self.client
            .run(move || {
                let index = Links::open()?.index(&interface.unwrap_or("eth0".into()))?;
                FrameSender::open()?.send(index, &frame)
            })
            .map_err(|cause| LabError::new("sending a frame from the client", cause))
    }

    /// The power of `name` fails: every process is gone at once, and its ports at the switch are
    /// dark.
    ///
    /// # Errors
    /// If the switch does not obey.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn crash(&mut self, name: &str) -> Result<(), LabError> {
        // The port first, as the wire goes dead the moment the power goes.
        self.set_ports(name, false)?;
        self.node_mut(name).power_off();
        Ok(())
    }

    /// The power of `name` comes back: a fresh kernel state, its files as they were, no program
    /// running. Start the daemon as after any boot.
    ///
    /// # Errors
    /// See [`build`](Self::build).
    ///
    /// # Panics
    /// If there is no such node.
    pub fn power_on(&mut self, name: &str) -> Result<(), LabError> {
        let ports: Vec<String> = self.node(name).cards().iter().map(|c| port(name, c)).collect();
        self.switch
            .run(move || {
                let mut links = Links::open()?;
                // Gone already if the old container was; what counts is that they are gone.
                for port in ports {
                    let _ = links.delete(&port);
                }
                std::io::Result::Ok(())
            })
            .map_err(|cause| LabError::new(format!("unplugging {name}"), cause))?;
        let Self { nodes, switch, .. } = self;
        let found = nodes.iter_mut().find(|node| *node.name() == name);
        let node = found.unwrap_or_else(|| panic!("the lab has no node called {name}"));
        node.power_on()?;
        plug_in(switch, node)?;
        node.bring_up()
    }

    /// The interfaces of `name`, which somebody has deleted on it, are made again under their old
    /// names and get their addresses; programs run on.
    ///
    /// # Errors
    /// If an interface is still there.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn plug_in_again(&mut self, name: &str) -> Result<(), LabError> {
        let Self { nodes, switch, .. } = self;
        let found = nodes.iter_mut().find(|node| *node.name() == name);
        let node = found.unwrap_or_else(|| panic!("the lab has no node called {name}"));
        plug_in(switch, node)?;
        node.bring_up()
    }

    /// The cables of `name` are cut at the switch: the node lives, without carrier.
    ///
    /// # Errors
    /// If the switch does not obey.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn cut(&self, name: &str) -> Result<(), LabError> {
        self.set_ports(name, false)
    }

    /// The cables of `name` are mended.
    ///
    /// # Errors
    /// If the switch does not obey.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn mend(&self, name: &str) -> Result<(), LabError> {
        self.set_ports(name, true)
    }

    /// The switch passes no frame from the first of a pair to the second, and all others; what was asked
    /// for before is forgotten. Nobody loses carrier by it, and what goes to all (ARP's questions, above
    /// all) still does.
    ///
    /// # Errors
    /// If `nft` is missing or refuses.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn divide(&self, pairs: &[(&str, &str)]) -> Result<(), LabError> {
        let mut script = String::from("table netdev divided {}\ndelete table netdev divided\n");
        if !pairs.is_empty() {
            script += "table netdev divided {\n";
            for from in &self.nodes {
                let name = from.name();
                let macs: Vec<String> = pairs
                    .iter()
                    .filter(|(it, _)| *it == name.as_str())
                    .flat_map(|(_, to)| self.node(to).cards())
                    .map(|card| card.mac.to_string())
                    .collect();
                for card in from.cards().iter().filter(|_| !macs.is_empty()) {
                    script += &format!(
                        "chain {name} {{ type filter hook ingress device \"{}\" priority 0; ether daddr \
                         {{ {} }} drop; }}\n",
                        port(name, card),
                        macs.join(", ")
                    );
                }
            }
            script += "}\n";
        }
        let mut command = Command::new(NFT);
        command.arg(script);
        let failed = |cause: String| LabError::new("dividing the network at the switch", cause);
        let process = self.switch.spawn(command).map_err(|cause| failed(cause.to_string()))?;
        match process.wait(Duration::from_secs(10)) {
            Some(status) if status.success() => Ok(()),
            _ => Err(failed(process.log())),
        }
    }

    /// Asks every daemon to stop (`SIGTERM`) and waits at most `limit` for them; whether all did.
    pub fn stop_all(&self, limit: Duration) -> bool {
        for node in &self.nodes {
            node.signal(ProcessSignal::CONT);
            node.signal(ProcessSignal::TERM);
        }
        let running = |node: &Node| node.daemon().is_some_and(|daemon| daemon.ended().is_none());
        wait_for(limit, || !self.nodes.iter().any(running)).is_some()
    }

    fn set_ports(&self, name: &str, up: bool) -> Result<(), LabError> {
        let ports: Vec<String> = self.node(name).cards().iter().map(|c| port(name, c)).collect();
        self.switch
            .run(move || {
                let mut links = Links::open()?;
                ports.iter().try_for_each(|port| links.set_up(port, up))
            })
            .map_err(|cause| LabError::new(format!("switching the ports of {name}"), cause))
    }
}

/// The switch's name for the port that `card` of `node` is plugged into.
fn port(node: &str, card: &Card) -> String {
    // Interface names have at most 15 octets; the index below is enough to tell cards apart.
    match card.interface.as_str() {
        "eth0" => node.to_owned(),
        other => format!("{node}.{}", other.chars().take(4).collect::<String>()),
    }
}

fn plug_in(switch: &Container, node: &Node) -> Result<(), LabError> {
    let failed = format!("plugging {} into the switch", node.name());
    let net = node.container().net().try_clone_to_owned();
    let net = net.map_err(|cause| LabError::new(failed.clone(), cause))?;
    let name = node.name().clone();
    let cards = node.cards().to_vec();
    switch
        .run(move || {
            let mut links = Links::open()?;
            for card in cards {
                let port = port(&name, &card);
                let net = std::os::fd::AsFd::as_fd(&net);
                links.add_cable(&port, FarEnd { net, name: &card.interface, mac: card.mac })?;
                links.attach(&port, BRIDGE)?;
                links.set_up(&port, true)?;
            }
            Ok::<_, linux::NetlinkError>(())
        })
        .map_err(|cause| LabError::new(failed, cause))
}
