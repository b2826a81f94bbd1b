//! The demo, told with the system's keepalived. Needs root and keepalived; says so and passes where
//! they are not to be had.

use std::path::Path;
use std::time::{Duration, Instant};

use lab::CommandLine;
use lab::demo::{Claims, Daemon, Fault, Options, Style, tell};

const KEEPALIVED: &str =
    "/usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}";

fn skip() -> bool {
    let uid = std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m));
    let skip = uid.ok() != Some(0) || !Path::new("/usr/sbin/keepalived").exists();
    if skip {
        eprintln!("SKIPPED: needs root and keepalived");
    }
    skip
}

fn options(fault: Fault, run: &str) -> Options {
    Options {
        fault,
        config: None,
        nodes: 3,
        advert: lab::demo::parse_interval("0.1").expect("an interval"),
        daemon: Daemon::other(CommandLine::parse(run)),
        plain: true,
    }
}

fn show(options: &Options) -> (Claims, String) {
    let mut out = Vec::new();
    let style = Style { colour: false, drawing: false };
    let claims = tell(options, style, false, &mut out).expect("a demo");
    let text = String::from_utf8(out).expect("text");
    println!("{text}");
    (claims, text)
}

#[test]
fn every_fault_is_shown_and_every_claim_about_keepalived_holds() {
    if skip() {
        return;
    }
    let start = Instant::now();
    let (claims, text) = show(&options(Fault::All, KEEPALIVED));
    assert!(claims.all_held(), "{text}");
    assert!(start.elapsed() < Duration::from_secs(30));
    for chapter in ["Crash", "Return", "Cable", "Stop"] {
        assert!(claims.chapters().iter().any(|(title, _)| title.starts_with(chapter)), "{chapter}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.is_ascii());
}

#[test]
fn a_daemon_that_does_nothing_is_found_out() {
    if skip() {
        return;
    }
    let (claims, _) = show(&options(Fault::Crash, "/bin/sleep 1000"));
    assert!(!claims.all_held());
}

/// Holds the VIP on the strongest node for ever and stops when told to: right until the first fault.
#[test]
fn a_daemon_that_never_takes_over_is_found_out() {
    if skip() {
        return;
    }
    let mut options = options(Fault::Crash, "");
    let script = "if [ {node} = n1 ]; then ip address add 193.168.0.6/16 dev eth0; fi; \
                  exec sleep 1000";
    let arguments = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    options.daemon = Daemon::other(CommandLine { arguments });
    let (claims, _) = show(&options);
    let failed = |title: &str| {
        let chapters = claims.chapters().iter().filter(|(t, _)| t.starts_with(title));
        chapters.flat_map(|(_, list)| list).any(|claim| !claim.held)
    };
    assert!(failed("Election"), "it announced nothing");
    assert!(failed("Crash"), "nobody took over");
}

#[test]
fn own_files_are_run_on_the_network_they_name() {
    if skip() {
        return;
    }
    let dir = std::env::temp_dir().join(format!("lab-demo-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    for (number, priority, own, peer) in [(1, 100, 51, 52), (2, 50, 52, 51)] {
        let conf = format!(
            "vrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n \
             priority {priority}\n advert_int 1\n unicast_src_ip 192.168.121.{own}\n \
             unicast_peer {{\n 192.168.121.{peer}\n }}\n virtual_ipaddress {{\n \
             192.168.121.100/24 dev eth1\n }}\n}}\n"
        );
        std::fs::write(dir.join(format!("node{number}.conf")), conf).expect("a file");
    }
    let mut options = options(Fault::Stop, KEEPALIVED);
    options.config = Some(dir.clone());
    let (claims, text) = show(&options);
    std::fs::remove_dir_all(dir).expect("the directory goes");
    assert!(claims.all_held(), "{text}");
    assert!(text.contains("n1 holds 192.168.121.100"), "{text}");
    assert!(text.contains("ip address show dev eth1"), "{text}");
}

#[test]
fn a_directory_without_configuration_is_no_demo() {
    let dir = std::env::temp_dir().join(format!("lab-empty-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let mut options = options(Fault::Crash, KEEPALIVED);
    options.config = Some(dir.clone());
    let style = Style { colour: false, drawing: false };
    let error = tell(&options, style, false, &mut Vec::new()).expect_err("an empty directory");
    std::fs::remove_dir_all(dir).expect("the directory goes");
    assert!(error.to_string().contains("*.conf"));
}

#[test]
fn a_cluster_that_does_not_begin_is_found_out() {
    if skip() {
        return;
    }
    let options = lab::demo::ClusterOptions {
        fault: lab::demo::ClusterFault::Crash,
        binary: "/bin/false".into(),
        plain: true,
    };
    let style = Style { colour: false, drawing: false };
    let mut out = Vec::new();
    let claims = lab::demo::tell_cluster(&options, style, &mut out).expect("a demo");
    assert!(!claims.all_held());
    let text = String::from_utf8(out).expect("text");
    assert!(text.contains("The cluster does not begin"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
