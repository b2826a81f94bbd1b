//! Real agents through the driver: Debian's own, unmodified; a made-up systemd; a fence agent of the
//! lab; and agents that hang, fork, flood and lie.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod bench;
mod debian;
mod fencing;
mod machine;
mod scripts;
mod units;
mod wild;
