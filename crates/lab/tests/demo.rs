//! The demo, told with the system's keepalived. Needs root and keepalived; says so and passes where
//! they are not to be had.

use std::path::Path;
use std::time::{Duration, Instant};

use lab::Program;
use lab::demo::{Claims, Daemon, Fault, Options, Style, tell};

fn show(fault: Fault, advert: &str) -> Option<(Claims, String)> {
    let root = std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m));
    if root.ok() != Some(0) || !Path::new("/usr/sbin/keepalived").exists() {
        eprintln!("SKIPPED: needs root and keepalived");
        return None;
    }
    let run = "/usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}";
    let options = Options {
        fault,
        config: None,
        nodes: 3,
        advert: lab::demo::parse_interval(advert).expect("an interval"),
        daemon: Daemon::other(Program::parse(run)),
        plain: true,
    };
    let mut out = Vec::new();
    let style = Style { colour: false, drawing: false };
    let claims = tell(&options, style, false, &mut out).expect("a demo");
    let text = String::from_utf8(out).expect("text");
    println!("{text}");
    Some((claims, text))
}

#[test]
fn every_fault_is_shown_and_every_claim_about_keepalived_holds() {
    let start = Instant::now();
    let Some((claims, text)) = show(Fault::All, "0.1") else { return };
    assert!(claims.all_held(), "{text}");
    assert!(start.elapsed() < Duration::from_secs(30));
    for chapter in ["Crash", "Return", "Cable", "Stop"] {
        assert!(claims.chapters().iter().any(|(title, _)| title.starts_with(chapter)), "{chapter}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.is_ascii());
}
