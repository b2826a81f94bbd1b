//! Signed adverts: the trailer of draft-cassen-vrrp-auth-hmac, as keepalived has it from 2.4.2 on.
//!
//! ```text
//! |01|key id|0000| seconds | 1/65536 s | counter | HMAC-SHA256, the first 16 octets |
//! ```
//!
//! The 28 octets stand behind a message that is otherwise the same as ever. The HMAC covers what a
//! thief could put the message to: family, version, VRID and source address in front, then the
//! message with its checksum as zero, then the trailer itself. The number in it is the time, so a
//! receiver needs no state to refuse yesterday's adverts, and one [`Marks`] entry per sender to
//! refuse those of a second ago.
//!
//! Nothing else depends on it. An advert that fails here is a [`Discard`](super::Discard) like any
//! other, counted under a name of its own and without any effect.

mod marks;
mod policy;
mod sequence;
mod trailer;

pub use marks::Marks;
pub use policy::{Freshness, Key, KeyError, Mode, Policy, PolicyError};
pub use sequence::{Sequence, Sequencer};
pub use trailer::{Demand, TRAILER, seal};
pub(crate) use trailer::{tag_is, tag_over};

pub(super) use trailer::verify;
