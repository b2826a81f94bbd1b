//! The imagined kernel against the real one, operation by operation.
//!
//! Both get the same operations; after each, outcome, addresses in their order, and the news must be
//! the same. The real one is a network namespace of a thread of its own, gone with it. Needs root;
//! says so otherwise.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses helpers")]

mod devices;
mod leases;
mod pair;

use std::time::Duration;

use base::Errno;
use pair::{Pair, in_namespace, vip};

#[test]
fn adding_twice_is_no_error_and_removing_twice_is_one() {
    in_namespace(|| {
        let mut pair = Pair::new();
        let one = vip("172.20.0.1", 24);
        assert_eq!(pair.add(&one), Ok(()));
        assert_eq!(pair.add(&one), Ok(()), "create or replace");
        assert_eq!(pair.remove(&one), Ok(()));
        assert_eq!(pair.remove(&one), Err(Errno::ADDRNOTAVAIL));
        let six = vip("2001:db8::1", 64);
        assert_eq!(pair.add(&six), Ok(()));
        assert_eq!(pair.add(&six), Ok(()));
        assert_eq!(pair.remove(&six), Ok(()));
        assert_eq!(pair.remove(&six), Err(Errno::ADDRNOTAVAIL));
    });
}

#[test]
fn an_ipv4_address_is_another_with_another_prefix_and_an_ipv6_address_is_not() {
    in_namespace(|| {
        let mut pair = Pair::new();
        pair.add(&vip("172.20.0.1", 24)).unwrap();
        pair.add(&vip("172.20.0.1", 32)).unwrap();
        pair.remove(&vip("172.20.0.1", 24)).unwrap();
        pair.add(&vip("2001:db8::1", 64)).unwrap();
        pair.add(&vip("2001:db8::1", 128)).unwrap();
        assert_eq!(pair.remove(&vip("2001:db8::1", 128)), Err(Errno::ADDRNOTAVAIL));
        pair.remove(&vip("2001:db8::1", 64)).unwrap();
    });
}

#[test]
fn the_primary_takes_its_secondaries_along() {
    in_namespace(|| {
        let mut pair = Pair::new();
        for last in 1..=3 {
            pair.add(&vip(&format!("172.20.0.{last}"), 24)).unwrap();
        }
        // Another prefix, another primary, and one that shares an address range but not the length.
        pair.add(&vip("172.21.0.1", 24)).unwrap();
        pair.add(&vip("172.20.0.9", 32)).unwrap();
        pair.remove(&vip("172.20.0.2", 24)).unwrap();
        pair.remove(&vip("172.20.0.1", 24)).unwrap();
        assert_eq!(pair.remove(&vip("172.20.0.3", 24)), Err(Errno::ADDRNOTAVAIL));
    });
}

#[test]
fn a_lifetime_ends_and_a_primary_that_lapses_takes_its_secondaries_along() {
    in_namespace(|| {
        let mut pair = Pair::new();
        let mut primary = vip("172.20.0.1", 24);
        primary.flags.lifetime = Some(Duration::from_secs(1));
        pair.add(&primary).unwrap();
        pair.add(&vip("172.20.0.2", 24)).unwrap();
        let mut second = vip("172.21.0.2", 24);
        pair.add(&vip("172.21.0.1", 24)).unwrap();
        second.flags.lifetime = Some(Duration::from_secs(1));
        pair.add(&second).unwrap();
        pair.lapse(Duration::from_secs(1));
    });
}

#[test]
fn a_renewal_puts_the_end_off_and_comes_too_late_after_it() {
    in_namespace(|| {
        let mut pair = Pair::new();
        let mut one = vip("172.20.0.1", 24);
        one.flags.lifetime = Some(Duration::from_secs(1));
        pair.add(&one).unwrap();
        pair.sleep(Duration::from_millis(600));
        pair.add(&one).unwrap();
        pair.sleep(Duration::from_millis(300));
        assert!(pair.has("172.20.0.1"), "900 ms after the first of two");
        pair.lapse(Duration::from_millis(700));
        assert!(!pair.has("172.20.0.1"));
        // Create or replace makes it anew: what renews an address must know that it is still there.
        pair.add(&one).unwrap();
        assert!(pair.has("172.20.0.1"));
    });
}

#[test]
fn a_primary_that_lapses_takes_along_what_somebody_else_added_and_is_secondary_when_it_comes_back()
{
    in_namespace(|| {
        let mut pair = Pair::new();
        let mut first = vip("172.20.0.1", 24);
        first.flags.lifetime = Some(Duration::from_secs(1));
        pair.add(&first).unwrap();
        // Without a lifetime, and of another prefix: the one goes along, the other stays.
        pair.add(&vip("172.20.0.99", 24)).unwrap();
        pair.add(&vip("172.20.0.7", 32)).unwrap();
        pair.lapse(Duration::from_secs(1));
        assert!(!pair.has("172.20.0.99") && pair.has("172.20.0.7"));
        // Whoever is there first is primary now; the other's lapse takes nobody along.
        pair.add(&vip("172.20.0.99", 24)).unwrap();
        pair.add(&first).unwrap();
        pair.lapse(Duration::from_secs(1));
        assert!(pair.has("172.20.0.99") && !pair.has("172.20.0.1"));
    });
}

#[test]
fn a_link_that_goes_down_keeps_ipv4_and_loses_ipv6() {
    in_namespace(|| {
        let mut pair = Pair::new();
        pair.add(&vip("172.20.0.1", 24)).unwrap();
        pair.add(&vip("2001:db8::1", 64)).unwrap();
        pair.lower();
        pair.raise();
        pair.add(&vip("2001:db8::1", 64)).unwrap();
    });
}

#[test]
fn a_link_that_loses_its_carrier_keeps_both() {
    in_namespace(|| {
        let mut pair = Pair::new();
        pair.add(&vip("172.20.0.1", 24)).unwrap();
        pair.add(&vip("2001:db8::1", 64)).unwrap();
        pair.carrier(false);
        pair.add(&vip("172.20.0.2", 24)).unwrap();
        pair.carrier(true);
    });
}

#[test]
fn a_deleted_link_takes_everything_along_and_its_number_is_not_used_again() {
    in_namespace(|| {
        let mut pair = Pair::new();
        pair.add(&vip("172.20.0.1", 24)).unwrap();
        pair.add(&vip("172.20.0.2", 24)).unwrap();
        pair.add(&vip("2001:db8::1", 64)).unwrap();
        pair.recreate();
        assert_eq!(pair.add_to_old(&vip("172.20.0.1", 24)), Err(Errno::NODEV));
        pair.add(&vip("172.20.0.1", 24)).unwrap();
    });
}

#[test]
fn a_rename_leaves_addresses_alone() {
    in_namespace(|| {
        let mut pair = Pair::new();
        pair.add(&vip("172.20.0.1", 24)).unwrap();
        pair.rename("lan7");
        pair.remove(&vip("172.20.0.1", 24)).unwrap();
    });
}

#[test]
fn a_netlink_socket_that_overflows_says_so_and_a_dump_tells_everything() {
    in_namespace(|| {
        let mut pair = Pair::new();
        pair.overrun();
    });
}
