//! How many changes one connected client has acknowledged a second. The figures are printed; what is
//! asserted leaves a noisy machine and a build without optimisation their room.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use ui::cluster::{Change, Client, DEFAULT_SOCKET, Request, Response};

use crate::bench::Bench;

fn change(number: u32) -> Request {
    let xml = format!(
        "<cluster_property_set id='set'><nvpair id='n' name='number' value='{number}'/>\
         </cluster_property_set>"
    );
    let change = Change::Modify { scope: "crm_config".into(), xml, allow_create: true };
    Request::Change { expect: None, change }
}

/// With so many under way at once; each is answered in its turn, with a version of its own.
fn rate(depth: u32, span: Duration) -> u64 {
    let mut client = Client::connect(Path::new(DEFAULT_SOCKET)).unwrap();
    let (began, mut sent, mut done) = (Instant::now(), 0, 0);
    let mut versions = BTreeSet::new();
    while began.elapsed() < span || done < sent {
        while sent - done < depth && began.elapsed() < span {
            client.send(&change(sent)).unwrap();
            sent += 1;
        }
        match client.receive().unwrap() {
            Response::Done(version) => assert!(versions.insert(version), "a version twice"),
            other => panic!("{other:?}"),
        }
        done += 1;
    }
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap();
    u64::from(done) * 1_000 / millis
}

#[test]
fn one_client_s_changes_are_committed_together() {
    let Some(mut bench) = Bench::new(3) else { return };
    let dc = bench.three();
    let other = if dc == "n1" { "n2" } else { "n1" };
    let span = Duration::from_millis(700);
    let at = |node: &str, depth| bench.lab.node(node).run(move || rate(depth, span));
    let (one, many, passed_on) = (at(&dc, 1), at(&dc, 256), at(other, 256));
    println!(
        "acknowledged changes a second of one client: {one} one by one, {many} with 256 under way, \
         {passed_on} asked of another node"
    );
    assert!(many > one * 2, "256 at once are hardly faster: {many} and {one}");
}
