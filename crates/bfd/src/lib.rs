//! Bidirectional Forwarding Detection (RFC 5880), asynchronous mode over one hop (RFC 5881) or
//! several (RFC 5883): small packets both ways, and a verdict within milliseconds when they cease.
//!
//! In the shape of every machine here: what happened goes in as an [`Input`] with the time, what is
//! to be done comes out as an [`Output`], and [`Sessions::poll_timeout`] says when to ask again. It
//! opens no socket, reads no clock, and takes its randomness as a number.
//!
//! ```text
//! packet.rs    24 octets and what must hold of them       RFC 5880 §4.1, §6.8.6 (first half)
//! session.rs   one session: states, timers, poll          RFC 5880 §6.8
//! pace.rs      intervals in force, and jitter             RFC 5880 §6.8.3, §6.8.7
//! sessions.rs  all of them: which packet is whose         RFC 5881 §3, RFC 5880 §6.3
//! ```
//!
//! Neither authentication (§6.7), echo (§6.4), nor demand mode of our own (§6.6) is spoken; a peer
//! that asks for silence by demand mode gets it.

mod pace;
mod packet;
mod session;
mod sessions;

pub use packet::{Diagnostic, Packet, Refusal, State};
pub use session::{Change, Health, Settings};
pub use sessions::{Datagram, Input, Output, SessionStatus, Sessions};

/// The UDP port packets are sent to over one hop (RFC 5881 §4).
pub const PORT: u16 = 3784;

/// The same over several hops (RFC 5883 §5).
pub const PORT_MULTIHOP: u16 = 4784;

/// The least source port (RFC 5881 §4); the greatest is the last there is.
pub const LEAST_SOURCE_PORT: u16 = 49152;
