//! keepalived's outward face, from outside: what mainstay tells people and programs that know
//! keepalived, held against what Debian's keepalived tells of the same configuration.
//!
//! Each test is one node of its own, made of namespaces; skipped without root.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]
#![allow(clippy::float_arithmetic, reason = "the status prints seconds with fractions")]

mod around;
mod bench;
mod contract;
mod dumps;
mod lines;
mod mail;
mod options;
mod readers;
mod status;
