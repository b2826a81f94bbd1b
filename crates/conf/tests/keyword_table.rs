//! Every entry of the keyword table does what its status says, with the example it carries.

use std::collections::BTreeSet;

use conf::keywords::{Keyword, Shape, Status, Within, all, find};
use conf::{Code, Loaded, Options, Severity, Source, load};

/// Blocks that an example may refer to.
const REFERRED: &[(&str, &str)] = &[
    ("track_script", "vrrp_script chk {\n script /bin/true\n}\n"),
    ("track_file", "track_file f {\n file /f\n}\n"),
    ("track_process", "vrrp_track_process p {\n process p\n}\n"),
    ("track_bfd", "bfd_instance b {\n neighbor_ip 192.0.2.2\n}\n"),
];

/// Today's name of a keyword.
fn today(keyword: &Keyword) -> &Keyword {
    match keyword.status() {
        Status::Foreign(today) => find(keyword.within, today).expect("the table's own test"),
        _ => keyword,
    }
}

/// `keyword` with its example, in a configuration that has everything it needs.
fn with_example(keyword: &Keyword, example: &str) -> String {
    let line = format!("{} {example}", keyword.name);
    let today = today(keyword).name;
    // What this keyword brings along itself, so that nothing is set twice.
    let unless = |name: &str, text: &str| {
        if today == name { String::new() } else { format!(" {text}\n") }
    };
    let instance = |name: &str, vrid: u8, inner: &str| {
        let mut text = format!("vrrp_instance {name} {{\n");
        let all = keyword.within != Within::Instance || inner.is_empty();
        for (word, line) in [
            ("interface", "interface eth0".to_owned()),
            ("virtual_router_id", format!("virtual_router_id {vrid}")),
            ("virtual_ipaddress", format!("virtual_ipaddress {{ 192.0.2.{vrid} }}")),
        ] {
            text += &if all { format!(" {line}\n") } else { unless(word, &line) };
        }
        if today.contains("unicast") && !inner.is_empty() && today != "old_unicast_checksum" {
            text += &unless("unicast_peer", "unicast_peer { 192.0.2.2 }");
        }
        if today == "vmac_xmit_base" && !inner.is_empty() {
            text += " use_vmac\n";
        }
        format!("{text}{inner}\n}}\n")
    };
    let two = || instance("VI_1", 61, "") + &instance("VI_2", 62, "");
    let mut text = match keyword.within {
        Within::Top if keyword.name == "vrrp_instance" => line,
        Within::Top => {
            let inner = match today {
                "vrrp_sync_group" => "group {\n VI_1\n VI_2\n}",
                "vrrp_script" => "script /bin/true",
                "track_file" => "file /f",
                "vrrp_track_process" => "process p",
                "bfd_instance" => "neighbor_ip 192.0.2.2",
                "garp_group" => "interface eth0",
                _ => "",
            };
            let line =
                if inner.is_empty() { line } else { line.replace('}', &format!("{inner}\n}}")) };
            format!("{line}\n{}", two())
        }
        Within::GlobalDefs => {
            let needs = match keyword.name.strip_suffix("_script") {
                Some(fifo) if fifo.ends_with("notify_fifo") => format!("{fifo} /run/fifo\n"),
                _ => String::new(),
            };
            format!("global_defs {{\n{needs}{line}\n}}\n{}", two())
        }
        Within::Instance => instance("FRAME", 51, &line),
        Within::Authentication => {
            let other = match keyword.name {
                "auth_type" => "auth_pass 1111",
                _ => "auth_type PASS",
            };
            instance("FRAME", 51, &format!("authentication {{\n{other}\n{line}\n}}"))
        }
        Within::AuthHmac => instance(
            "FRAME",
            51,
            &format!(
                "auth_hmac {{\n{}{}{line}\n}}",
                unless("key", &format!("key 1 hex:{}\n", "a5".repeat(32))),
                unless("active_key", "active_key 1\n"),
            ),
        ),
        other => {
            let needs = match other {
                Within::SyncGroup => unless("group", "group {\n VI_1\n VI_2\n}"),
                Within::Script => unless("script", "script /bin/true"),
                Within::TrackFile => unless("file", "file /f"),
                Within::TrackProcess => unless("process", "process p"),
                Within::Bfd => unless("neighbor_ip", "neighbor_ip 192.0.2.2"),
                Within::GarpGroup if !today.starts_with("interface") => " interface eth1\n".into(),
                _ => String::new(),
            };
            let name = if other == Within::GarpGroup { "" } else { " x" };
            format!("{}{name} {{\n{needs}{line}\n}}\n{}", other.as_str(), two())
        }
    };
    if keyword.within != Within::Top {
        text.extend(REFERRED.iter().filter(|(name, _)| *name == today).map(|(_, block)| *block));
    }
    text
}

fn loaded(text: &str) -> Loaded {
    load(Source { name: "t", text: text.as_bytes() }, Options::default())
}

fn is_pending(keyword: &Keyword) -> bool {
    matches!(keyword.status(), Status::NotInForce(_))
}

#[test]
fn every_entry_does_what_its_status_says() {
    let mut in_force = 0;
    for keyword in all().filter(|k| !k.name.starts_with("include")) {
        let text = with_example(keyword, keyword.example);
        let loaded = loaded(&text);
        let found: BTreeSet<_> = loaded.diagnostics.iter().map(|d| (d.severity, d.code)).collect();
        let today = today(keyword);
        let mut want = BTreeSet::new();
        if matches!(keyword.status(), Status::Foreign(_)) {
            want.insert((Severity::Warning, Code::OldSpelling));
        }
        match today.status() {
            Status::InForce => in_force += 1,
            Status::Accepted(_) if keyword.example == "off" => {}
            Status::Accepted(_) => _ = want.insert((Severity::Note, Code::NoEffect)),
            Status::Obsolete(_) => _ = want.insert((Severity::Warning, Code::Obsolete)),
            Status::NotInForce(_) => _ = want.insert((Severity::Error, Code::NotInForce)),
            Status::OutOfScope(_) => _ = want.insert((Severity::Error, Code::OutOfScope)),
            Status::Foreign(_) => unreachable!("the table's own test forbids it"),
        }
        // What it stands in, or needs, may not be in force either.
        let others = all().filter(|other| match other.within {
            Within::Top => {
                other.name == keyword.within.as_str() || text.contains(&format!("{} ", other.name))
            }
            Within::Instance => {
                other.name == keyword.within.as_str()
                    || text.contains(&format!(" {}\n", other.name))
            }
            _ => false,
        });
        if others.into_iter().any(|other| is_pending(other) && other.name != "instance") {
            want.insert((Severity::Error, Code::NotInForce));
        }
        assert_eq!(found, want, "{} in\n{text}\n{:#?}", keyword.name, loaded.diagnostics);
        let refused = want.iter().any(|(severity, _)| *severity == Severity::Error);
        assert_eq!(loaded.config.is_none(), refused, "{}", keyword.name);
        let scope = want.contains(&(Severity::Error, Code::OutOfScope));
        assert!(loaded.meaning().is_some() || scope, "{}: not understood", keyword.name);
    }
    assert!(in_force > 60, "only {in_force} keywords in force");
}

#[test]
fn a_keyword_that_takes_a_value_is_refused_without_one() {
    let needs = |shape| {
        !matches!(
            shape,
            Shape::Flag
                | Shape::Switch
                | Shape::MaybeChoice(_)
                | Shape::MaybeInteger { .. }
                | Shape::Free(_)
                | Shape::MaybeText(_)
                | Shape::MaybeScript
                | Shape::Words(_, 0, _)
        )
    };
    for keyword in all().filter(|k| {
        needs(k.shape)
            && !k.name.starts_with("include")
            && !matches!(
                k.status(),
                Status::Foreign(_) | Status::OutOfScope(_) | Status::Obsolete(_)
            )
    }) {
        let text = with_example(keyword, "");
        let loaded = loaded(&text);
        let want = match keyword.shape {
            Shape::Block(_) | Shape::NamedBlock(_) | Shape::Lines(_) => Code::BlockMissing,
            _ => Code::ValueMissing,
        };
        let found =
            loaded.diagnostics.iter().any(|d| d.severity == Severity::Error && d.code == want);
        assert!(found, "{} in\n{text}", keyword.name);
        assert!(loaded.config.is_none());
    }
}
