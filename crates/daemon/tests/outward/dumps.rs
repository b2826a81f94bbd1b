//! The files that exporters read, made by keepalived and by mainstay of the same configuration on the
//! same node: read as the exporters read them, they say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{CommandLine, ProcessSignal};
use serde_json::Value;

use crate::bench::{BINARY, Bench, DUMPS, Who, comparable, possible};
use crate::readers;

fn conf(at: &str, globals: &str) -> String {
    Bench::script(at, "good.sh", "exit 0");
    Bench::script(at, "bad.sh", "exit 3");
    std::fs::write(format!("{at}/number"), "1\n").unwrap();
    format!(
        "global_defs {{\n script_user root\n router_id R1\n{globals}}}\n\
         vrrp_script good {{\n script {at}/good.sh\n interval 1\n weight 5\n rise 2\n}}\n\
         vrrp_script bad {{\n script {at}/bad.sh\n interval 1\n weight -5\n}}\n\
         track_file f {{\n file {at}/number\n weight 2\n}}\n\
         vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n track_script {{\n bad\n }}\n \
         notify_master {at}/good.sh\n}}\n\
         vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority 150\n \
         advert_int 1\n nopreempt\n state BACKUP\n garp_master_refresh 60\n \
         authentication {{\n auth_type PASS\n auth_pass secret\n }}\n \
         virtual_ipaddress {{\n 193.168.0.51/16 dev eth0 label eth0:1\n 193.168.0.61/16\n }}\n \
         virtual_ipaddress_excluded {{\n 193.168.0.71/32\n }}\n \
         notify_master \"{at}/good.sh m\"\n notify {at}/good.sh\n}}\n\
         vrrp_instance VI_2 {{\n interface eth0\n version 3\n virtual_router_id 52\n \
         priority 100\n advert_int 0.5\n unicast_src_ip 193.168.0.2\n unicast_peer {{\n \
         193.168.0.3\n }}\n virtual_ipaddress {{\n 193.168.0.52/16\n }}\n}}\n\
         vrrp_instance VI_3 {{\n interface eth0\n version 3\n virtual_router_id 53\n \
         priority 100\n advert_int 1\n preempt_delay 3\n virtual_ipaddress {{\n \
         193.168.0.53/16\n }}\n track_script {{\n good\n }}\n track_file {{\n f\n }}\n}}\n"
    )
}

/// Sends a signal as exporters find its number, and waits for the file.
fn dump(bench: &Bench, name: &str, file: &str) -> String {
    let ask = CommandLine::parse(&format!("{DUMPS}/keepalived --signum={name}"));
    let number = bench.lab.node("ours").output(&ask, Duration::from_secs(10)).unwrap().unwrap();
    let path = format!("{DUMPS}/{file}");
    let old = path.clone();
    let _ = bench.lab.node("ours").run(move || std::fs::remove_file(old));
    bench.kill(number.trim());
    let mut text = None;
    bench.wait(file, || {
        text = bench.read(&path);
        // keepalived's files are there before they are whole.
        std::thread::sleep(Duration::from_millis(20));
        text.as_ref().is_some_and(|text| text.ends_with(['\n', ']', '}']))
            && text == bench.read(&path)
    });
    text.unwrap()
}

/// The same configuration on both, when every instance holds and each script has said something.
fn both(test: &str, globals: &str) -> [Bench; 2] {
    [Who::Keepalived, Who::Mainstay].map(|who| {
        let bench = Bench::start(who, test, "", |at| conf(at, globals));
        for vip in ["193.168.0.51", "193.168.0.52", "193.168.0.53"] {
            bench.await_vip(vip, true);
        }
        let program = match who {
            Who::Keepalived => "/usr/sbin/keepalived",
            Who::Mainstay => BINARY,
        };
        let link = format!("/bin/ln -s {program} {DUMPS}/keepalived");
        let link = CommandLine::parse(&link);
        assert!(bench.lab.node("ours").output(&link, Duration::from_secs(5)).unwrap().is_some());
        // The script that is bad takes a while to say so to all.
        std::thread::sleep(Duration::from_millis(1500));
        bench
    })
}

#[test]
fn exporters_read_the_same_of_the_state() {
    if !comparable() {
        return;
    }
    let [theirs, ours] = both("data", "").map(|bench| dump(&bench, "DATA", "keepalived.data"));
    assert_eq!(readers::instances(&theirs), readers::instances(&ours));
    assert_eq!(readers::instances(&ours).len(), 3);
    assert_eq!(readers::instances(&ours)["VI_1"].vips.len(), 2);
    assert_eq!(readers::scripts(&theirs), readers::scripts(&ours));
    assert_eq!(readers::scripts(&ours).len(), 2);
    assert_eq!(readers::in_order(&theirs), readers::in_order(&ours));
    // What keepalived tells of its own insides we do not have.
    let insides = |name: &String| {
        [
            "Number of config faults",
            "Number of interface and track script faults",
            "Number of track scripts init",
            "fd_in",
            "Unicast checksum compatibility",
            "Script uid",
            "VRRP instances",
            "Insecure",
        ]
        .iter()
        .any(|inside| name.starts_with(inside))
    };
    for block in [
        " VRRP Instance = VI_1",
        " VRRP Instance = VI_2",
        " VRRP Instance = VI_3",
        " VRRP Script = good",
    ] {
        let mut expected = readers::names(&theirs, block);
        expected.retain(|name| !insides(name));
        let ours = readers::names(&ours, block);
        assert!(!expected.is_empty());
        let kept: Vec<&String> = ours.iter().filter(|name| expected.contains(name)).collect();
        assert_eq!(kept, expected.iter().collect::<Vec<_>>(), "{block}: all of them, in order");
    }
    let mut expected = readers::sections(&theirs);
    expected.retain(|section| *section != "VRRP Sockpool");
    assert_eq!(expected, readers::sections(&ours));
    assert!(!ours.contains("secret"), "a password is no state");
}

#[test]
fn exporters_read_the_same_counters_and_clearing_begins_anew() {
    if !comparable() {
        return;
    }
    let benches = both("stats", "");
    let [theirs, ours] =
        [0, 1].map(|n| readers::counters(&dump(&benches[n], "STATS", "keepalived.stats")));
    let names = |all: &[(String, BTreeMap<String, u64>)]| -> Vec<(String, Vec<String>)> {
        all.iter().map(|(name, counts)| (name.clone(), counts.keys().cloned().collect())).collect()
    };
    assert_eq!(names(&theirs), names(&ours));
    for (name, counts) in &ours {
        assert_eq!((counts["/Became master"], counts["/Released master"]), (1, 0), "{name}");
        assert!(counts["Advertisements/Sent"] > 0, "{name}");
    }
    let sent = |all: &[(String, BTreeMap<String, u64>)]| all[0].1["Advertisements/Sent"];
    for bench in &benches {
        let before = readers::counters(&dump(bench, "STATS_CLEAR", "keepalived.stats"));
        let after = readers::counters(&dump(bench, "STATS", "keepalived.stats"));
        assert!(sent(&after) < sent(&before), "{before:?} {after:?}");
        assert_eq!(after[0].1["/Became master"], 0);
    }
}

#[test]
fn exporters_read_the_same_json() {
    if !comparable() {
        return;
    }
    let [theirs, ours] = both("json", "").map(|bench| {
        let text = dump(&bench, "JSON", "keepalived.json");
        readers::elements(&serde_json::from_str(&text).unwrap())
    });
    assert_eq!(theirs.len(), ours.len());
    for ((name, theirs), (ours_name, ours)) in theirs.iter().zip(&ours) {
        assert_eq!(name, ours_name);
        let (theirs, ours) = (&theirs["data"], &ours["data"]);
        for (key, value) in theirs.as_object().unwrap() {
            match key.as_str() {
                // Moments, the test's own paths (`true` may be a link to somewhere), and a secret.
                "last_transition" => assert!(ours[key].is_f64() || ours[key].is_u64()),
                "auth_data" => assert_eq!(ours[key], "********"),
                key if key.contains("script") => {
                    assert_eq!(value.is_array(), ours[key].is_array(), "{name} {key}");
                    assert!(!ours[key].is_null(), "{name} {key}");
                }
                _ => assert_eq!(*value, ours[key], "{name} {key}"),
            }
        }
    }
    for ((_, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        for key in theirs["stats"].as_object().unwrap().keys() {
            assert!(ours["stats"][key].is_u64(), "{key}");
        }
    }
}

/// What only newer versions of keepalived know.
#[test]
fn the_other_form_of_json_and_other_places() {
    if !possible() {
        return;
    }
    let globals = format!(
        " json_version 2\n json_dump_file {DUMPS}/elsewhere.json\n state_dump_file \
         {DUMPS}/elsewhere.data\n umask 0022\n"
    );
    let bench = Bench::start(Who::Mainstay, "json2", "", |at| {
        let process = "vrrp_track_process p {\n process no-such-process\n quorum 1\n weight 4\n}\n";
        let track = conf(at, &globals).replace(
            "track_file {\n f\n }\n}\n",
            "track_file {\n f\n }\n track_process {\n p\n }\n}\n",
        );
        [process, &track].concat()
    });
    bench.await_vip("193.168.0.53", true);
    bench.daemon().signal(ProcessSignal::USR1);
    bench.wait("the data", || bench.read(&format!("{DUMPS}/elsewhere.data")).is_some());
    let link = CommandLine::parse(&format!("/bin/ln -s {BINARY} {DUMPS}/keepalived"));
    assert!(bench.lab.node("ours").output(&link, Duration::from_secs(5)).unwrap().is_some());
    let json: Value = serde_json::from_str(&dump(&bench, "JSON", "elsewhere.json")).unwrap();
    assert_eq!(readers::elements(&json).len(), 3);
    let process = &json["track_process"][0];
    assert_eq!(process["process"], "p");
    assert_eq!(
        (&process["current_processes"], &process["have_quorum"]),
        (&0.into(), &false.into())
    );
    let mode = CommandLine::parse(&format!("/usr/bin/stat -c %a {DUMPS}/elsewhere.json"));
    let mode = bench.lab.node("ours").output(&mode, Duration::from_secs(5)).unwrap().unwrap();
    assert_eq!(mode.trim(), "644");
}
