//! `mainstay status` tells of sync groups and of everything that is watched.

use std::fs;

use base::State;
use ui::protocol::{Status, TrackerReport};

use crate::bench::{Bench, Who, possible};

fn conf(at: &str) -> String {
    Bench::script(at, "check.sh", &format!("test ! -e {at}/bad"));
    fs::write(format!("{at}/number"), "7\n").unwrap();
    format!(
        "global_defs {{\n script_user root\n vrrp_version 3\n}}\n\
         vrrp_script chk {{\n script {at}/check.sh\n interval 1\n weight -20\n}}\n\
         track_file f {{\n file {at}/number\n weight 2\n}}\n\
         vrrp_track_process p {{\n process no-such-process\n weight 3\n}}\n\
         vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n track_file {{\n f\n }}\n}}\n\
         vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority 100\n \
         advert_int 0.2\n virtual_ipaddress {{\n 193.168.0.51/16\n }}\n}}\n\
         vrrp_instance VI_2 {{\n interface eth0\n virtual_router_id 52\n priority 100\n \
         advert_int 0.2\n virtual_ipaddress {{\n 193.168.0.52/16\n }}\n}}\n\
         vrrp_instance VI_3 {{\n interface eth0\n virtual_router_id 53\n priority 100\n \
         advert_int 0.2\n virtual_ipaddress {{\n 193.168.0.53/16\n }}\n \
         track_script {{\n chk\n }}\n track_process {{\n p\n }}\n \
         track_interface {{\n lo weight 4 reverse\n eth9 weight 5\n }}\n}}\n"
    )
}

fn tracker<'a>(status: &'a Status, kind: &str, name: &str) -> &'a TrackerReport {
    let mut all = status.trackers.iter();
    all.find(|one| one.kind == kind && &*one.name == name).unwrap()
}

#[test]
fn groups_and_trackers_are_told_with_what_they_say_since_when_and_to_whom_it_matters() {
    if !possible() {
        return;
    }
    let bench = Bench::start(Who::Mainstay, "status", "", conf);
    bench.await_vip("193.168.0.51", true);
    bench.wait("the script has run", || tracker(&bench.status(), "script", "chk").last.is_some());
    let status = bench.status();
    let group = &status.groups[0];
    assert_eq!((&*group.name, group.state, group.members.len()), ("G", State::Active, 2));
    let script = tracker(&status, "script", "chk");
    assert_eq!(script.state, "good");
    let used = |report: &TrackerReport| -> Vec<(String, i32, bool)> {
        let uses = report.used_by.iter();
        uses.map(|one| (one.instance.to_string(), one.weight, one.reverse)).collect()
    };
    assert_eq!(used(script), [("VI_3".to_owned(), -20, false)]);
    let file = tracker(&status, "file", "f");
    assert_eq!(
        (&*file.state, used(file).len()),
        ("7", 2),
        "each member tracks what its group does"
    );
    assert_eq!(tracker(&status, "process", "p").state, "bad");
    assert_eq!(used(tracker(&status, "interface", "lo")), [("VI_3".to_owned(), 4, true)]);
    assert_eq!(tracker(&status, "interface", "lo").state, "up");
    assert_eq!(tracker(&status, "interface", "eth9").state, "missing");
    let age = script.since_s;
    fs::write(bench.directory.join("bad"), "").unwrap();
    bench.wait("the script is bad", || tracker(&bench.status(), "script", "chk").state == "bad");
    let status = bench.status();
    let script = tracker(&status, "script", "chk");
    assert!(script.since_s < age + 10.0, "{script:?}");
    assert!(script.last.as_ref().is_some_and(|run| run.result.to_string() == "exit status 1"));
}
