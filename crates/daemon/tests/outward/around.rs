//! What is around the daemon: scripts before and after everything, how its processes run, reloads by
//! the clock and the marker that is there meanwhile.

use std::fs;
use std::time::Duration;

use lab::{CommandLine, ProcessSignal, wait_for};

use crate::bench::{Bench, DUMPS, PATIENCE, Who, possible};

fn conf(globals: &str) -> String {
    format!(
        "global_defs {{\n script_user root\n vrrp_version 3\n{globals}}}\n\
         vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority 100\n \
         advert_int 0.2\n virtual_ipaddress {{\n 193.168.0.51/16\n }}\n}}\n"
    )
}

#[test]
fn nothing_is_held_before_the_first_script_has_ended_nor_after_the_last_has_begun() {
    if !possible() {
        return;
    }
    let bench = Bench::start(Who::Mainstay, "hooks", "", |at| {
        // Each writes down whether the VIP is there.
        let look = "ip -o address show dev eth0 | grep -c 193.168.0.51";
        Bench::script(at, "begin.sh", &format!("sleep 2; {look} > {at}/begun"));
        Bench::script(at, "end.sh", &format!("{look} > {at}/ended; sleep 1; echo x >> {at}/ended"));
        conf(&format!(
            " startup_script {at}/begin.sh\n startup_script_timeout 30\n shutdown_script {at}/end.sh\n"
        ))
    });
    bench.await_vip("193.168.0.51", true);
    let read = |name: &str| fs::read_to_string(bench.directory.join(name)).unwrap_or_default();
    assert_eq!(read("begun"), "0\n", "{}", bench.daemon().log());
    bench.stop();
    assert_eq!(read("ended"), "0\nx\n", "{}", bench.daemon().log());
}

#[test]
fn a_first_script_that_hangs_is_ended_and_does_not_keep_the_vip_away() {
    if !possible() {
        return;
    }
    let bench = Bench::start(Who::Mainstay, "hang", "", |at| {
        Bench::script(at, "begin.sh", "trap '' TERM; sleep 600 & wait; sleep 600");
        conf(&format!(" startup_script {at}/begin.sh\n startup_script_timeout 1\n"))
    });
    bench.await_vip("193.168.0.51", true);
    bench.wait("the end of the script is told", || {
        bench.daemon().log().contains("begin.sh`: timed out")
    });
}

#[test]
fn processes_are_named_as_configured_and_so_is_the_next_engine() {
    if !possible() {
        return;
    }
    let bench = Bench::start(Who::Mainstay, "terms", "", |_| {
        conf(" process_name guard\n vrrp_process_name protocol\n")
    });
    bench.await_vip("193.168.0.51", true);
    let node = bench.lab.node("ours");
    assert_eq!(node.signal_named("guard", ProcessSignal::CONT), 1);
    assert_eq!(node.signal_named("protocol", ProcessSignal::KILL), 1);
    let again = || node.signal_named("protocol", ProcessSignal::CONT) == 1;
    assert!(wait_for(PATIENCE, again).is_some(), "{}", bench.daemon().log());
}

#[test]
fn a_reload_comes_at_its_time_and_the_marker_shows_it() {
    if !possible() {
        return;
    }
    let marker = format!("{DUMPS}/marker");
    let bench = Bench::start(Who::Mainstay, "reload", "", |at| {
        conf(&format!(" reload_time_file {at}/when\n reload_file {marker}\n"))
    });
    bench.await_vip("193.168.0.51", true);
    // Whoever changes the configuration puts the marker there, and waits until it is gone.
    let touch = CommandLine::parse(&format!("/bin/sh -c echo>{marker}"));
    let node = bench.lab.node("ours");
    assert!(node.output(&touch, Duration::from_secs(5)).unwrap().is_some());
    let reloads = || bench.daemon().log().matches("configuration in force").count();
    let before = reloads();
    bench.daemon().signal(ProcessSignal::HUP);
    bench.wait("the marker is gone", || bench.read(&marker).is_none());
    bench.wait("the reload", || reloads() == before + 1);
    let soon =
        std::process::Command::new("date").args(["-u", "-d", "+3 seconds", "+%FT%T"]).output();
    let soon = String::from_utf8(soon.unwrap().stdout).unwrap().trim().replace('T', " ");
    let when = bench.directory.join("when");
    fs::write(&when, format!("{soon}Z\n")).unwrap();
    bench.wait("the planned reload", || reloads() == before + 2);
    bench.wait("its file is gone", || !when.exists());
}
