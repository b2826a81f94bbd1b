//! Machines as network namespaces: a switch, nodes and a client, the faults that befall them, and
//! instruments that tell what a client and a bystander on the wire see.
//!
//! [`Lab`] builds the network of the article: nodes 193.168.0.2, .3, .4 … and a client
//! 193.168.0.100, all on one switch. Any daemon can be started on a node, by a [`CommandLine`]. The
//! faults are methods of the lab: [`Lab::crash`], [`Lab::cut`], and signals to the daemon. The
//! instruments are [`Probe`] (what the client sees), [`Witness`] (what passes the switch) and the
//! kernel's own tables ([`Node::addresses`], [`Node::neighbours`]), which [`show`] prints the way a
//! person is used to. [`demo`] is the story told with all of it.
//!
//! ```no_run
//! use std::time::Duration;
//! use lab::{CommandLine, Hear, Lab, ProcessSignal, Seen};
//!
//! # fn main() -> Result<(), lab::LabError> {
//! let daemon = CommandLine::parse("/usr/bin/mainstay run -f {conf} --control {control}");
//! let mut lab = Lab::article(2)?;
//! let vip = std::net::IpAddr::from([193, 168, 0, 6]);
//! for name in ["n1", "n2"] {
//!     lab.node_mut(name).start(&daemon, "vrrp_instance VI_1 { … }")?;
//! }
//! assert!(lab.wait_holders(vip, &["n1"], Duration::from_secs(5)).is_some(), "{}", lab.node("n1").log());
//!
//! let witness = lab.witness(Hear::Election)?;             // what passes the switch
//! let probe = lab.probe(vip, Duration::from_millis(2))?;  // what the client sees
//! let fault = linux::clock::monotonic();
//! lab.crash("n1")?;               // or cut/mend, power_on
//! lab.node("n2").signal(ProcessSignal::HUP);              // reload; TERM stops
//! lab.node("n2").signal_all(ProcessSignal::STOP);         // hang; CONT ends it; KILL is kill -9
//! let advert = witness.first(fault, |s| s.from == "n2" && matches!(s.seen, Seen::Advert { .. }));
//! let outcome = probe.finish();
//! # Ok(()) }
//! ```
//!
//! Several labs can run beside each other, for none of it has a name outside. Nothing stays behind,
//! however the program ends.

mod asker;
pub mod demo;
mod error;
mod holdings;
mod network;
mod node;
mod power;
mod probe;
mod requires;
pub mod show;
mod wait;
mod web;
mod witness;

pub use asker::{Asker, Claim};
pub use error::LabError;
pub use holdings::{Holding, longest_overlap};
pub use network::{CLIENT, Lab, Plan};
pub use node::{CONF, CONTROL, Card, CommandLine, DIR, Node};
pub use power::{FENCE_AGENT, Power, Stroke};
pub use probe::{Answer, ECHO_PORT, Gap, Outcome, Probe};
pub use requires::{Need, REQUIRE_ALL, requires};
pub use wait::wait_for;
pub use web::Web;
pub use witness::{Seen, Sighting, Witness};

pub use linux::{Hear, Process, ProcessSignal};
