//! The lease machine against a model of the kernel's table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod bench;
mod property;
mod stories;
