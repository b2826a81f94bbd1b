//! The log in keepalived's lines: one story, told by both programs, in the same lines and the same
//! order, as far as anybody looks for them.

use std::fs;

use crate::bench::{Bench, Who, comparable};

fn conf(at: &str) -> String {
    Bench::script(at, "check.sh", &format!("test ! -e {at}/bad"));
    format!(
        "global_defs {{\n script_user root\n vrrp_version 3\n}}\n\
         vrrp_script chk {{\n script {at}/check.sh\n interval 1\n weight -20\n}}\n\
         vrrp_script fatal {{\n script \"/usr/bin/test ! -e {at}/fatal\"\n interval 1\n}}\n\
         vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority 100\n \
         advert_int 0.5\n virtual_ipaddress {{\n 193.168.0.51/16\n }}\n \
         track_script {{\n chk\n fatal\n }}\n}}\n"
    )
}

/// Lines of the story, without the time keepalived writes before each.
fn story(who: Who) -> Vec<String> {
    let bench = Bench::start(
        who,
        "lines",
        if who == Who::Mainstay { "--log keepalived" } else { "" },
        conf,
    );
    let says = |what: &str| bench.wait(what, || bench.daemon().log().contains(what));
    bench.await_vip("193.168.0.51", true);
    fs::write(bench.directory.join("bad"), "").unwrap();
    says("Changing effective priority from 100 to 80");
    fs::write(bench.directory.join("fatal"), "").unwrap();
    bench.await_vip("193.168.0.51", false);
    says("Entering FAULT STATE");
    fs::remove_file(bench.directory.join("fatal")).unwrap();
    bench.await_vip("193.168.0.51", true);
    bench.stop();
    let known = [
        "Entering ",
        "Receive advertisement timeout",
        "setting VIPs.",
        "sent 0 priority",
        "Changing effective priority",
        "now returning",
        "VRRP_Script(",
        "Stopping",
        "Sending gratuitous ARP on eth0 for 193.168.0.51",
    ];
    let line = |line: &str| -> Option<String> {
        let begin = known.iter().find_map(|known| line.find(known))?;
        // Names in parentheses belong to the line.
        let begin =
            line[..begin].rfind("(VI_1)").or(line[..begin].rfind("Script `")).unwrap_or(begin);
        Some(line[begin..].trim_end().to_owned())
    };
    let mut lines: Vec<String> = bench.daemon().log().lines().filter_map(line).collect();
    // How many announcements a burst has is not the question here.
    lines.dedup();
    lines
}

#[test]
fn the_same_story_in_the_same_lines() {
    if !comparable() {
        return;
    }
    let (mut theirs, mut ours) = (story(Who::Keepalived), story(Who::Mainstay));
    // Ours sends its refusal after the state has changed, not before, and announces once it has seen
    // the address; which script speaks first is chance. What is said is the same.
    // keepalived waits for an unweighted script in silence, and does not call it a beginning then.
    let begun = ours.iter().any(|line| line == "(VI_1) Entering BACKUP STATE (init)");
    assert!(begun, "{ours:#?}");
    for line in &mut ours {
        *line = line.replace(" (init)", "");
    }
    theirs.sort();
    ours.sort();
    theirs.dedup();
    ours.dedup();
    assert_eq!(theirs, ours);
    for line in [
        "(VI_1) Entering MASTER STATE",
        "(VI_1) Entering FAULT STATE",
        "VRRP_Script(fatal) failed (exited with status 1)",
        "(VI_1) sent 0 priority",
    ] {
        assert!(ours.iter().any(|one| one == line), "{line}: {ours:#?}");
    }
}
