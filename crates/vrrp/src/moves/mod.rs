//! Planned moves: a holder that leaves in good order names who follows, and that one need not wait
//! for Skew_Time (decision 0019).
//!
//! ```text
//! Backup                                   holder
//!    │ ◀── adverts ─────────────────────────│
//!    │ ── Ready: priority, nonce ─────────▶ │   now and then, by unicast
//!    │                                      │   leaves: priority 0 to everybody,
//!    │ ◀── priority 0 ──────────────────────│   then its VIPs silent, or off the node,
//!    │ ◀── Nominated: the nonce ────────────│   and only when they are: this
//!    ▼ Active at once
//! ```
//!
//! Two holders cannot come of it. The nomination leaves when the node answers for none of the VIPs any
//! more, because the table of leases keeps them silent or because they are gone, and it is good only for the Backup whose nonce it carries, for as long as that still waits for the very
//! holder that resigned and has heard it within two intervals: the holder itself cannot be back
//! before three. Whoever knows nothing of it sees an ordinary resignation, and waits Skew_Time, in
//! which the nominee's advert comes.
//!
//! Both messages are trusted no more than an advert: from one hop (TTL 255), from the holder's own
//! address or to it, signed where adverts are. A lost one costs what a planned move costs without.

mod candidates;
mod notice;
mod ready;

pub(crate) use candidates::{Candidate, Candidates};
pub use notice::{Kind, Notice, NoticeError};
pub(crate) use ready::Ready;

/// The UDP port both messages are sent to.
pub const PORT: u16 = 11_200;
