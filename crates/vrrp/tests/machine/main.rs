//! The state machine, requirement by requirement (RFC 9568 §6.4 and what this project adds to it).
//!
//! Every test drives the whole [`vrrp::Router`] through its one way in and looks at what comes out
//! of its one way out, on the small bench in `bench`. A test's name carries the number of the
//! requirement it proves.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod accept;
mod active;
mod auth;
mod backup;
mod bench;
mod debounce;
mod environment;
mod families;
mod floods;
mod groups;
mod groups_property;
mod hands;
mod hindrances;
mod image;
mod initialize;
mod interfaces;
mod last_will;
mod learning;
mod lease;
mod moves;
mod mute;
mod neighbours;
mod owner;
mod preempt;
mod refusals;
mod reload;
mod rivals;
mod seen;
mod signed;
mod startup;
mod switches;
mod table;
mod timers;
mod tracking;
mod unicast;
mod virtual_mac;
mod watched;
