//! VRRPv2 and VRRPv3 (RFC 3768, RFC 5798, RFC 9568) without a socket.
//!
//! [`wire`] turns bytes into legal values or a named refusal, and values into bytes.

pub mod wire;
