//! Who may use whom: dependencies between rooms point one way only (ARCHITECTURE.md, "Rooms").

use std::fs;
use std::path::Path;

/// Each room and the rooms it may use. A room that is not listed may not exist.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("vip", &["base"]),
    ("vrrp", &["base", "vip"]),
    ("bfd", &["base"]),
    ("conf", &["base"]),
    ("cib", &["base"]),
    ("sched", &["cib"]),
    ("cluster", &["base", "vip", "cib", "sched"]),
    ("raft", &["base", "cluster"]),
    ("corosync", &["base", "cluster"]),
    ("agents", &["base", "cib", "cluster", "linux"]),
    (
        "node",
        &["agents", "base", "cib", "cluster", "corosync", "linux", "raft", "sched", "ui", "vip"],
    ),
    ("pcmk", &["cib", "sched"]),
    ("linux", &["base"]),
    ("ui", &["base"]),
    ("compat", &["base", "vrrp", "conf"]),
    ("sim", &["base", "vip", "vrrp", "cib", "sched", "cluster"]),
    ("fuzz", &["base", "cib", "conf", "pcmk", "sched", "ui", "vip", "vrrp"]),
    ("lab", &["base", "linux"]),
    (
        "daemon",
        &[
            "agents", "base", "bfd", "vip", "vrrp", "conf", "linux", "node", "sched", "ui", "lab",
            "cib", "cluster", "pcmk", "compat",
        ],
    ),
    ("xtask", &["conf"]),
];

pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let Ok(entries) = fs::read_dir(root.join("crates")) else {
        return vec!["crates/: cannot be read".into()];
    };
    for entry in entries.flatten() {
        let room = entry.file_name().to_string_lossy().into_owned();
        let manifest = entry.path().join("Cargo.toml");
        let Some((_, may_use)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            findings.push(format!("crates/{room}: not a room; see crates/xtask/src/rooms.rs"));
            continue;
        };
        match fs::read_to_string(&manifest) {
            Ok(text) => findings.extend(judge(&room, may_use, &text)),
            Err(error) => findings.push(format!("crates/{room}/Cargo.toml: {error}")),
        }
    }
    findings
}

fn judge(room: &str, may_use: &[&str], manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut lints = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        lints |= section == "[lints]" && line == "workspace = true";
        // Tests may look at anything below them; the product may not.
        if section != "[dependencies]" {
            continue;
        }
        let used = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let is_room = ROOMS.iter().any(|(name, _)| *name == used);
        if is_room && !may_use.contains(&used) {
            findings.push(format!("crates/{room} uses {used}, which it may not"));
        }
    }
    // `linux` and `fuzz` repeat them but for `unsafe_code`.
    if !lints && room != "linux" && room != "fuzz" {
        findings.push(format!("crates/{room}/Cargo.toml does not take the workspace's lints"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_should_not_be_there_is_found() {
        let manifest = "[lints]\nworkspace = true\n[dependencies]\nbase.workspace = true\nlinux = { path = \"\" }\n";
        assert_eq!(judge("vrrp", &["base"], manifest).len(), 1);
        assert_eq!(judge("vrrp", &["base", "linux"], manifest), Vec::<String>::new());
        assert_eq!(judge("vrrp", &["base", "linux"], "[dependencies]\n").len(), 1);
    }
}
