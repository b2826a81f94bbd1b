//! mainstay in the lab: among strangers (Debian's real keepalived and FRR's vrrpd on one switch with
//! it, each in both roles: rows I01–I16, I19, I20 of the conformance reference §3), and
//! when parts or all of it die or stand still (`deaths`, `lease`) or are replaced (`upgrade`), under
//! attack (`flood`), and with signed adverts (`signed`).
//!
//! Every test builds a network of its own out of anonymous namespaces, so tests run side by side and
//! nothing stays behind. What passes the switch is written down by a witness that shares no code
//! with mainstay; a client asks the VIP all the time; and the peers are asked in their own words.
//! Times are measured at the switch, from advert to advert, and printed.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]
#![allow(clippy::float_arithmetic, reason = "the status prints milliseconds with fractions")]

mod accept;
mod bad_reload;
mod before;
mod bench;
mod bfd;
mod dbus;
mod deaths;
mod differences;
mod exchange;
mod firewall;
mod flood;
mod frr;
mod heal;
mod hindered;
mod keepalived;
mod last_scripts;
mod lease;
mod mainstay;
mod metrics;
mod mode;
mod moves;
mod notified;
mod pairs;
mod place;
mod preference;
mod reloads;
mod rows;
mod service;
mod signed;
mod snmp;
mod speaker;
mod swap;
mod unicast;
mod upgrade;
mod vectors;
mod vmac;
mod ways;
