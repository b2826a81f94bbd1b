//! What is done to nodes as processes: kill -9 of a whole cluster, or of some of its nodes, at any moment
//! while changes are made; disks that are full, or turn read-only; a node that was removed and comes back;
//! bytes that are no question. Nothing that was acknowledged is lost or comes in another order, and nobody
//! holds what another does.
//!
//! Each node is a process of its own (this test's binary, started again) with all of a node in it but
//! the hands: what these hold is told to the test instead of the kernel ([`paper`]). [`writers`] make the
//! changes, [`ledger`] has what must not be, [`campaign`] kills, [`disks`] and [`strangers`]
//! do the rest.
//!
//! Short here. More of it: `cargo xtask kills --times 10000 --seed 7`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod campaign;
mod cluster;
mod disks;
mod ledger;
mod paper;
mod strangers;
mod writers;
