//! The command line: what people type, what they read, and the words spoken over the control
//! socket.
//!
//! Everything here is a client. The daemon uses [`protocol`] and [`cli`] too, so that question and
//! answer are defined once, on the side of those who ask.

pub mod cli;
pub mod client;
pub mod cluster;
pub mod metrics;
pub mod protocol;
pub mod text;
mod watched;
