//! Every entry of the keyword table does what its status says, with the example it carries.

use conf::keywords::{Keyword, Shape, Status, Within, all, find};
use conf::{Code, Loaded, Options, Severity, Source, load};

/// `keyword` with its example, in a configuration that needs nothing else.
fn with_example(keyword: &Keyword) -> String {
    let line = format!("{} {}", keyword.name, keyword.example);
    // What this keyword brings along itself, so that nothing is set twice.
    let today = match keyword.status {
        Status::Foreign(today) => today,
        _ => keyword.name,
    };
    let frame = [
        ("interface", "interface eth0"),
        ("virtual_router_id", "virtual_router_id 51"),
        ("virtual_ipaddress", "virtual_ipaddress { 192.0.2.9 }"),
        ("unicast_peer", "unicast_peer { 192.0.2.2 }"),
    ];
    let mut instance = String::new();
    for (name, text) in frame {
        let brought = name == today && keyword.within == Within::Instance;
        if !brought && (name != "unicast_peer" || today.contains("unicast")) {
            instance.push_str(&format!(" {text}\n"));
        }
    }
    let frame = |inner: &str| format!("vrrp_instance FRAME {{\n{instance}{inner}\n}}\n");
    match keyword.within {
        Within::Top if keyword.name == "vrrp_instance" => line,
        Within::Top => format!("{line}\n{}", frame("")),
        Within::GlobalDefs => format!("global_defs {{\n{line}\n}}\n{}", frame("")),
        Within::Instance => frame(&line),
        Within::Authentication => {
            let other = match keyword.name {
                "auth_type" => "auth_pass 1111",
                _ => "auth_type PASS",
            };
            frame(&format!("authentication {{\n{other}\n{line}\n}}"))
        }
        other => format!("{} x {{\n{line}\n}}\n{}", other.as_str(), frame("")),
    }
}

fn loaded(text: &str) -> Loaded {
    load(Source { name: "t", text: text.as_bytes() }, Options::default())
}

/// Blocks that are read at all; in others only the block itself is refused.
fn is_read(within: Within) -> bool {
    matches!(within, Within::Top | Within::GlobalDefs | Within::Instance | Within::Authentication)
}

#[test]
fn every_entry_does_what_its_status_says() {
    let mut in_force = 0;
    for keyword in all().filter(|k| is_read(k.within) && !k.name.starts_with("include")) {
        let text = with_example(keyword);
        let loaded = loaded(&text);
        let found: Vec<_> = loaded.diagnostics.iter().map(|d| (d.severity, d.code)).collect();
        let today = match keyword.status {
            Status::Foreign(today) => find(keyword.within, today).unwrap(),
            _ => keyword,
        };
        let mut want = Vec::new();
        if matches!(keyword.status, Status::Foreign(_)) {
            want.push((Severity::Warning, Code::OldSpelling));
        }
        match today.status {
            Status::InForce if today.name.starts_with("smtp_alert") => {
                want.push((Severity::Warning, Code::NoMail));
            }
            Status::InForce => in_force += 1,
            Status::Accepted(_) if keyword.example == "off" => {}
            Status::Accepted(_) => want.push((Severity::Note, Code::NoEffect)),
            Status::Obsolete(_) => want.push((Severity::Warning, Code::Obsolete)),
            Status::NotInForce(_) => want.push((Severity::Error, Code::NotInForce)),
            Status::OutOfScope(_) => want.push((Severity::Error, Code::OutOfScope)),
            Status::Foreign(_) => unreachable!("the table's own test forbids it"),
        }
        let mut found = found;
        found.sort_by_key(|(_, code)| *code);
        want.sort_by_key(|(_, code)| *code);
        assert_eq!(found, want, "{} in\n{text}\n{:#?}", keyword.name, loaded.diagnostics);
        let refused = want.iter().any(|(severity, _)| *severity == Severity::Error);
        assert_eq!(loaded.config.is_none(), refused, "{}", keyword.name);
        for diagnostic in &loaded.diagnostics {
            let place = &text[diagnostic.span.start..diagnostic.span.end];
            let value = diagnostic.code == Code::NoMail;
            assert!(value || place == keyword.name, "{}: points at {place}", keyword.name);
        }
    }
    assert!(in_force > 60, "only {in_force} keywords in force");
}

#[test]
fn a_block_that_is_not_in_force_is_refused_once_with_all_it_contains() {
    for keyword in all().filter(|k| !is_read(k.within)) {
        let text = with_example(keyword);
        let text = if keyword.within == Within::AuthHmac {
            format!(
                "vrrp_instance A {{\n interface eth0\n virtual_router_id 5\n version 3\n virtual_ipaddress {{ 192.0.2.5 }}\n auth_hmac {{\n{} {}\n}}\n}}",
                keyword.name, keyword.example
            )
        } else {
            text
        };
        let loaded = loaded(&text);
        let codes: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, [Code::NotInForce], "{} in\n{text}", keyword.name);
        assert!(loaded.config.is_none());
    }
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
        )
    };
    for keyword in all().filter(|k| {
        is_read(k.within)
            && needs(k.shape)
            && matches!(k.status, Status::InForce | Status::Accepted(_))
    }) {
        let text = with_example(&Keyword { example: "", ..*keyword });
        let loaded = loaded(&text);
        let first = loaded.diagnostics.iter().find(|d| d.severity == Severity::Error);
        let code = first.map(|d| d.code);
        let want = match keyword.shape {
            Shape::Block(_) | Shape::NamedBlock(_) | Shape::Lines(_) => Code::BlockMissing,
            _ => Code::ValueMissing,
        };
        assert_eq!(code, Some(want), "{} in\n{text}", keyword.name);
        assert!(loaded.config.is_none());
    }
}
