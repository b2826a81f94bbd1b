//! What the kernel does, or will not do, with what it is asked: announcements follow presence, and
//! nothing the kernel says moves an election.

use base::{BatchDone, Errno, KernelFact, State, Ticket, What};
use vrrp::{Input, InstanceConfig};

use crate::bench::{Bench, HIGHER, VIP, address, config, ip, millis, saying, secs, vip};

#[test]
fn vrrp_053_announcements_follow_presence_and_nothing_else() {
    let mut bench = Bench::new(config(100));
    assert!(bench.sleep().announced().is_empty());
    for _ in 0..3 {
        assert!(bench.sleep().announced().is_empty(), "the kernel has not answered yet");
    }
    assert_eq!(bench.kernel().announced(), [ip(VIP)]);
}

#[test]
fn vrrp_053_a_refused_vip_is_told_tried_again_and_does_not_stop_the_others() {
    let mut bench = Bench::new(config(100));
    bench.sleep();
    let outs = bench.kernel_refuses(Errno::PERM);
    assert!(outs.has(&What::VipRefused { vip: ip(VIP), errno: Errno::PERM }));
    assert!(outs.announced().is_empty() && outs.changes().is_empty());
    assert_eq!(bench.only().present, [] as [core::net::IpAddr; 0]);
    let outs = bench.sleep();
    assert_eq!(outs.ops(), ["+192.0.2.100"], "it is tried again before the next advert is due");
    assert!(outs.adverts().is_empty());
    assert_eq!(bench.kernel().announced(), [ip(VIP)]);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn vrrp_067_a_vip_taken_again_and_again_never_starts_an_election() {
    let mut bench = Bench::active(config(100));
    for _ in 0..20 {
        bench.taken(VIP);
        for _ in 0..3 {
            bench.kernel();
            let outs = bench.sleep();
            assert!(outs.changes().is_empty());
        }
        bench.kernel();
        assert!(bench.has(VIP));
    }
    assert_eq!(bench.only().traffic.became_active, 1);
    assert_eq!(bench.only().traffic.resignations_sent, 0);
}

#[test]
fn a_vip_that_is_there_already_is_announced_all_the_same() {
    // Somebody adds it by hand while the kernel is still busy with our own request.
    let mut bench = Bench::new(config(100));
    bench.sleep();
    let fact = address(2, VIP);
    let outs = bench.fact(KernelFact::Address(fact));
    assert!(outs.changes().is_empty());
    assert_eq!(outs.announced(), [ip(VIP)]);
    assert!(bench.kernel().announced().is_empty(), "once is enough");
}

#[test]
fn answers_to_questions_never_asked_are_harmless() {
    let mut bench = Bench::active(config(100));
    let left = bench.left();
    let done = BatchDone { ticket: Ticket::new(4711), outcomes: vec![Err(Errno::NODEV)] };
    assert!(bench.feed(Input::Done(done)).is_empty());
    assert_eq!((bench.state(), bench.left()), (State::Active, left));
}

#[test]
fn a_vip_that_two_instances_hold_stays_while_one_of_them_does() {
    let other =
        InstanceConfig { name: "other".into(), vrid: base::Vrid::new(52).unwrap(), ..config(100) };
    let mut bench = Bench::of(vec![config(100), other]);
    bench.sleep();
    bench.kernel();
    bench.hear(saying(HIGHER, 200));
    bench.kernel();
    assert!(bench.has(VIP));
    let mut second = saying(HIGHER, 200);
    second.vrid = 52;
    bench.hear(second);
    bench.kernel();
    assert!(!bench.has(VIP));
}

#[test]
fn vips_are_installed_in_the_order_of_the_configuration_excluded_ones_last() {
    let many = InstanceConfig {
        vips: vec![vip("192.0.2.120"), vip("192.0.2.110")],
        excluded: vec![vip("192.0.2.105"), vip("2001:db8::1")],
        ..config(100)
    };
    let mut bench = Bench::new(many);
    let outs = bench.sleep();
    assert_eq!(outs.ops(), ["+192.0.2.120", "+192.0.2.110", "+192.0.2.105", "+2001:db8::1"]);
    assert_eq!(outs.advert().addresses, [ip("192.0.2.120"), ip("192.0.2.110")]);
    let outs = bench.kernel();
    assert_eq!(outs.announced().len(), 4, "excluded from adverts, not from announcements");
    bench.pass(millis(1));
    assert_eq!(bench.feed(Input::Stop).ops().len(), 4);
    bench.pass(secs(1));
    assert!(bench.wake().is_quiet());
}
