//! Machines as network namespaces: a switch, nodes and a client, the faults that befall them, and
//! instruments that tell what a client and a bystander on the wire see.
//!
//! [`Lab`] builds the network of the article: nodes 193.168.0.2, .3, .4 … and a client
//! 193.168.0.100, all on one switch. Any daemon can be started on a node, by a [`Program`]. The
//! faults are methods of the lab: [`Lab::crash`], [`Lab::cut`], and signals to the daemon. The
//! instruments are [`Probe`] (what the client sees), [`Witness`] (what passes the switch) and the
//! kernel's own tables ([`Node::addresses`], [`Node::neighbours`]), which [`show`] prints the way a
//! person is used to. [`demo`] is the story told with all of it.
//!
//! Several labs can run beside each other, for none of it has a name outside. Nothing stays behind,
//! however the program ends.

pub mod demo;
mod error;
mod holdings;
mod network;
mod node;
mod probe;
pub mod show;
mod wait;
mod witness;

pub use error::LabError;
pub use holdings::{Holding, longest_overlap};
pub use network::{CLIENT, Lab, Plan};
pub use node::{CONF, CONTROL, Card, DIR, Node, Program};
pub use probe::{Answer, ECHO_PORT, Gap, Outcome, Probe};
pub use wait::wait_for;
pub use witness::{Seen, Sighting, Witness};

pub use linux::{Hear, Process, ProcessSignal};
