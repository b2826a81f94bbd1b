//! BFD by requirement number (BFD-001 …), two ends joined by a wire that can be cut.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod golden;
mod pair;
mod receive;
mod session;
mod timers;
