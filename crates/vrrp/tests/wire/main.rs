//! VRRP on the wire, tested by requirement (names begin with its number), by frames captured from
//! keepalived and FRR, by hand-made bad packets, and by properties.
//!
//! The captures are not part of this repository: they are looked for in `../shared` beside the
//! workspace, or where `MAINSTAY_SHARED` says. Tests that need them say so and pass when they are
//! absent.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses helpers")]

mod golden;
mod hmac;
mod lab;
mod parse;
mod properties;
mod reach;
mod receive;
mod shared;
mod transmit;
mod vectors;
