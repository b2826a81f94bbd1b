//! The keeper against a small kernel: stories, and everything in any order.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod kernel;
mod property;
mod stories;
mod world;
