//! What the guardian is told in advance, and how an instance goes on where an engine has ended
//! (DESIGN §4).

use base::{Event, KernelFact, Name, Reason, State, What};
use vip::last_will::{Bequest, Edit};
use vrrp::{Input, InstanceConfig};

use crate::bench::{Bench, HIGHER, OWN, VIP, address, config, ip, link, millis, saying, secs, vip};
use crate::seen::Seen;

fn held(edit: &Edit) -> &Bequest {
    match edit {
        Edit::Hold(bequest) => bequest,
        Edit::Spoke { .. } | Edit::Release { .. } | Edit::Ways { .. } => {
            panic!("not a bequest: {edit:?}")
        }
    }
}

fn heir(names: &[&str]) -> Bench {
    let (mut bench, _) = Bench::silent(Vec::new());
    let names = names.iter().map(|name| Name::from(*name)).collect();
    bench.feed(Input::Adopt { image: None, held: names, events: 1_000 });
    bench.addresses.push(address(2, VIP));
    bench
}

#[test]
fn the_will_is_told_after_the_first_advert_and_before_the_addresses_are_asked_for() {
    let mut bench = Bench::new(config(100));
    let outs = bench.sleep();
    let order: Vec<&str> = outs
        .0
        .iter()
        .filter_map(|seen| match seen {
            Seen::Advert(_) => Some("advert"),
            Seen::Will(_) => Some("will"),
            Seen::Batch(_) => Some("batch"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["advert", "will", "batch"]);
    let wills = outs.wills();
    let bequest = held(&wills[0]);
    assert_eq!(bequest.vips, [(crate::bench::index(2), vip(VIP))]);
    assert_eq!(bequest.patience, millis(666));
    assert_eq!(bequest.farewells.len(), 1);
    let farewell = Seen::advert(None, &bequest.farewells[0]);
    assert!(matches!(farewell, Seen::Advert(sent) if sent.priority == 0 && sent.vrid == 51));
}

#[test]
fn nothing_is_said_again_while_nothing_changes() {
    let mut bench = Bench::active(config(100));
    for _ in 0..5 {
        assert!(bench.sleep().wills().is_empty());
    }
    assert!(bench.feed(Input::Configure(vec![config(100)])).wills().is_empty());
    // From another address the farewell must come from there, too.
    bench.fact(KernelFact::AddressGone(address(2, OWN)));
    let outs = bench.fact(KernelFact::Address(address(2, "192.0.2.7")));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
}

#[test]
fn a_holder_is_forgotten_only_when_its_last_address_is_off_the_node() {
    let mut bench = Bench::active(config(100));
    let outs = bench.hear(saying(HIGHER, 200));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::StrongerPeer)]);
    // The address is still there; but nobody is to go on with it.
    let wills = outs.wills();
    assert!(wills.len() == 1 && held(&wills[0]).lets_go(), "{wills:?}");
    assert_eq!(held(&wills[0]).vips.len(), 1);
    assert_eq!(bench.kernel().wills(), [Edit::Release { name: "VI".into() }]);
}

#[test]
fn an_instance_that_is_renamed_or_removed_does_not_stay_in_the_will() {
    let mut bench = Bench::active(config(100));
    let renamed = InstanceConfig { name: "other".into(), ..config(100) };
    let wills = bench.feed(Input::Configure(vec![renamed])).wills();
    assert_eq!(wills[0], Edit::Release { name: "VI".into() });
    assert_eq!(held(&wills[1]).name, "other");
    assert!(bench.feed(Input::Configure(Vec::new())).wills().is_empty());
    assert_eq!(bench.kernel().wills(), [Edit::Release { name: "other".into() }]);
}

#[test]
fn an_heir_holds_on_at_once_without_touching_the_address() {
    let mut bench = heir(&["VI"]);
    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert!(outs.adverts().is_empty(), "not before it knows the node");
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.changes(), [(State::Initialize, State::Active, Reason::Adopted)]);
    assert_eq!(outs.adverts().len(), 1);
    assert_eq!(outs.ops(), [""; 0], "neither added nor removed");
    assert_eq!(held(&outs.wills()[0]).name, "VI");
    assert_eq!(outs.announced(), [ip(VIP)], "neighbours may have asked while nobody answered");
    let numbers = |seen: &Seen| match seen {
        Seen::Event(Event { id, .. }) => Some(id.number),
        _ => None,
    };
    assert!(outs.0.iter().filter_map(numbers).all(|number| number > 1_000));
}

#[test]
fn who_is_not_named_inherits_nothing_and_the_address_goes() {
    let mut bench = heir(&["another"]);
    bench.feed(Input::Configure(vec![config(100)]));
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Startup)]);
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
}

#[test]
fn what_cannot_run_is_not_inherited_later() {
    let mut bench = heir(&["VI"]);
    bench.feed(Input::Configure(vec![config(100)]));
    let mut down = link(2, "eth0");
    down.running = false;
    let outs = bench.snapshot(vec![down]);
    assert_eq!(outs.changes(), [(State::Initialize, State::Initialize, Reason::LinkDown)]);
    bench.pass(secs(1));
    let outs = bench.link_up();
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
}

#[test]
fn a_start_up_delay_does_not_keep_an_heir_waiting() {
    let mut bench = heir(&["VI"]);
    let late = InstanceConfig { startup_delay: secs(30), ..config(100) };
    bench.feed(Input::Configure(vec![late]));
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.changes(), [(State::Initialize, State::Active, Reason::Adopted)]);
}

#[test]
fn an_heir_obeys_a_stronger_peer_like_anybody() {
    let mut bench = heir(&["VI"]);
    bench.feed(Input::Configure(vec![config(100)]));
    bench.snapshot(vec![link(2, "eth0")]);
    bench.pass(millis(10));
    let outs = bench.hear(saying(HIGHER, 200));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::StrongerPeer)]);
    let told = |what: &What| matches!(what, What::StrongerHeard { .. });
    assert!(outs.0.iter().any(|seen| matches!(seen, Seen::Event(e) if told(&e.what))));
}
