//! What the corpus found keepalived to notice and us to pass over, or the other way round.

use conf::{Code, Config, Options, Severity, Source, load};

/// What is found in `top`, and in an instance that has `lines`.
fn found(top: &str, lines: &str) -> Vec<(Severity, Code)> {
    let text = format!(
        "{top}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 1\n \
         virtual_ipaddress {{ 192.0.2.9/24 }}\n{lines}\n}}\n"
    );
    let loaded = load(Source { name: "t", text: text.as_bytes() }, Options::default());
    loaded
        .diagnostics
        .iter()
        .map(|d| (d.severity, d.code))
        .filter(|d| d.0 != Severity::Note)
        .collect()
}

fn config(text: &str) -> Config {
    let loaded = load(Source { name: "t", text: text.as_bytes() }, Options::default());
    loaded.config.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.diagnostics))
}

const PASSWORD: &str = "authentication {\n auth_type PASS\n auth_pass secret\n}";

#[test]
fn strict_mode_sends_no_password() {
    for (strict, lines, want) in [
        ("vrrp_strict", "", None),
        ("", "strict_mode on", None),
        ("vrrp_strict", "strict_mode off", Some(())),
        ("", "", Some(())),
    ] {
        let text = format!(
            "global_defs {{\n{strict}\n}}\nvrrp_instance V {{\n interface eth0\n \
             virtual_router_id 1\n {lines}\n {PASSWORD}\n virtual_ipaddress {{ 192.0.2.9 }}\n}}\n"
        );
        let password = config(&text).instances[0].password.map(|_| ());
        assert_eq!(password, want, "{text}");
    }
    assert_eq!(
        found("", &format!("strict_mode\n{PASSWORD}")),
        [(Severity::Warning, Code::AuthIgnored)]
    );
}

#[test]
fn a_router_is_of_the_family_of_its_route() {
    let route = |line: &str| found("", &format!("virtual_routes {{\n {line} dev eth0\n}}"));
    let mixed = [(Severity::Error, Code::MixedFamilies)];
    assert_eq!(route("203.0.113.0/24 via 2001:db8::1"), mixed);
    assert_eq!(route("2001:db8:1::/48 via 192.0.2.254"), mixed);
    assert_eq!(route("203.0.113.0/24 nexthop via 192.0.2.7 nexthop via fe80::1"), mixed);
    for fine in [
        "203.0.113.0/24 via inet6 2001:db8::1",
        "default via fe80::1",
        "203.0.113.0/24 via 192.0.2.3",
    ] {
        assert_eq!(route(fine), [], "{fine}");
    }
}

#[test]
fn an_interface_has_one_pace() {
    let two = "garp_group {\n garp_interval 1\n interface eth0\n}\n\
               garp_group {\n garp_interval 2\n interfaces {\n eth1\n eth0\n }\n}";
    assert_eq!(found(two, ""), [(Severity::Error, Code::TwoGroups)]);
    assert_eq!(found(&two.replace("interface eth0", "interface eth2"), ""), []);
}

#[test]
fn what_stands_outside_of_blocks_can_be_set_twice_too() {
    assert_eq!(found("instance a\ninstance b", ""), [(Severity::Warning, Code::SetTwice)]);
    assert_eq!(found("global_defs {\n}\nglobal_defs {\n}", ""), []);
    let empty = "static_routes {\n}\nstatic_routes {\n}\ntrack_file f {\n file /a\n}\ntrack_file g {\n file /b\n}";
    assert_eq!(found(empty, ""), []);
}

#[test]
fn what_comes_to_nothing_is_told() {
    let peers = "unicast_peer { 192.0.2.2 }\nmcast_dst_ip 224.0.0.5";
    assert_eq!(found("", peers), [(Severity::Warning, Code::NoEffect)]);
    let mail = "global_defs {\n notification_email {\n }\n}";
    assert_eq!(found(mail, ""), [(Severity::Warning, Code::ValueMissing)]);
    assert_eq!(
        found("track_group t {\n group {\n }\n}", ""),
        [(Severity::Warning, Code::GroupEmpty)]
    );
    for name in ["process_name", "vrrp_process_name", "bfd_process_name"] {
        let named = |to: &str| format!("global_defs {{\n {name} {to}\n}}");
        assert_eq!(found(&named("sixteen_octets_x"), ""), [(Severity::Warning, Code::OutOfRange)]);
        assert_eq!(found(&named("fifteen_octets_"), ""), []);
    }
}

#[test]
fn a_session_that_is_down_sends_once_a_second_at_most() {
    let bfd = |idle: &str| {
        found(&format!("bfd_instance b {{\n neighbor_ip 192.0.2.7\n idle_tx {idle}\n}}"), "")
    };
    assert_eq!(bfd("999"), [(Severity::Error, Code::OutOfRange)]);
    assert_eq!(bfd("1000"), []);
}

#[test]
fn words_of_the_manual_and_of_the_program() {
    for word in ["readable", "read", "+read", "match -read"] {
        assert_eq!(found(&format!("global_defs {{\n include_check {word}\n}}"), ""), [], "{word}");
    }
    assert_eq!(found("child_wait_time 0", ""), []);
}

#[test]
fn a_script_that_is_a_file_to_open_is_one_name() {
    let script = |text: &str| {
        let top = format!("vrrp_script s {{\n script {text}\n}}");
        let found = found(&top, "track_script {\n s\n}");
        let text = format!(
            "{top}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 1\n \
             virtual_ipaddress {{ 192.0.2.9/24 }}\n}}\n"
        );
        let loaded = load(Source { name: "t", text: text.as_bytes() }, Options::default());
        let opens = loaded.config.and_then(|c| c.scripts[0].opens().map(str::to_owned));
        (found, opens)
    };
    for fine in ["\"</run/flag\"", "</run/flag", "\"</dev/tcp/192.0.2.1/80\""] {
        let (found, opens) = script(fine);
        assert_eq!(found, [], "{fine}");
        assert_eq!(opens.as_deref(), fine.trim_matches('"').strip_prefix('<'));
    }
    assert_eq!(script("\"/bin/cat </run/flag\"").1, None, "a program of that argument");
    for wrong in [
        "\"< /run/flag\"",
        "\"<flag\"",
        "\"</run/*.up\"",
        "\"</run/flag;exit\"",
        "\"</run/flag more\"",
    ] {
        let (found, _) = script(wrong);
        assert_eq!(found, [(Severity::Error, Code::BadCommand)], "{wrong}");
    }
}

/// Each was given to keepalived 2.2.7, which says what it ignores.
#[test]
fn of_some_things_the_first_counts() {
    let both = |lines: &str| {
        let text = format!(
            "{lines}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 1\n \
             virtual_ipaddress {{ 192.0.2.9/24 }}\n}}\n"
        );
        config(&text)
    };
    let inside = |lines: &str| {
        let top = "vrrp_script s {\n script /bin/true\n weight 1\n}\n";
        let text = format!(
            "{top}vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n{lines}\n \
             virtual_ipaddress {{ 192.0.2.9/24 }}\n}}\n"
        );
        config(&text).instances.remove(0)
    };
    let run = both("instance a\ninstance b\nnet_namespace x\nnet_namespace y").node.run;
    assert_eq!(run.instance.as_deref(), Some("a"));
    assert_eq!(run.namespace.as_deref(), Some("x"));
    let hooks = both("global_defs {\n startup_script /bin/a\n startup_script /bin/b\n}").node.hooks;
    assert_eq!(hooks.startup.map(|it| it.argv), Some(vec!["/bin/a".to_owned()]));
    let scripts =
        inside("notify_master /bin/a\n notify_master /bin/b\n notify /bin/c\n notify /bin/d");
    let argv = |it: &Option<conf::Command>| it.as_ref().map(|it| it.argv.join(" "));
    assert_eq!(argv(&scripts.notify.active).as_deref(), Some("/bin/a"));
    assert_eq!(argv(&scripts.notify.any).as_deref(), Some("/bin/c"));
    let tracked =
        inside("track_script {\n s weight 5\n s weight 6\n}\ntrack_script {\n s weight 7\n}");
    let weights: Vec<_> = tracked.trackers.scripts.iter().map(|it| it.weight.value).collect();
    assert_eq!(weights, [5]);
    // And of everything else the last.
    let last = inside("priority 7\n priority 8\n advert_int 1\n advert_int 2");
    assert_eq!((last.priority.get(), last.interval.as_duration().as_secs()), (8, 2));
}

#[test]
fn a_name_that_stays_as_it_is_is_told_of() {
    let undefined = [(Severity::Warning, Code::UndefinedName)];
    for (top, lines, want) in [
        // A quote, a slash or a letter behind it, and keepalived does not replace it.
        ("$A=eth1", "notify_master \"/bin/$A\"", &undefined[..]),
        ("$A=eth1", "notify_master \"/bin/${A}\"", &[]),
        ("$A=/bin", "notify_master $A/true", &undefined),
        ("", "~SEQ(i,1,3) notify_master /bin/$i/x", &undefined),
        // Defined too late, and never defined: a password may have a dollar in it.
        ("", "notify_master /bin/$A\n $A=true", &undefined),
        ("", "notify_master /bin/$A", &[]),
    ] {
        let found: Vec<_> = found(top, lines)
            .into_iter()
            .filter(|(_, code)| *code == Code::UndefinedName)
            .collect();
        assert_eq!(found, want, "{top} {lines}");
    }
}

#[test]
fn a_byte_order_mark_is_called_by_its_name() {
    assert_eq!(found("\u{feff}global_defs {\n}", ""), [(Severity::Error, Code::UnknownKeyword)]);
}

/// As keepalived 2.2.7 has it in its dump.
#[test]
fn strict_mode_leaves_out_what_the_rfc_does_not_know() {
    let lines = "down_timer_adverts 4\n garp_lower_prio_repeat 4\n higher_prio_send_advert on\n \
                 preempt_delay 7\n garp_master_repeat 3";
    let with = |more: &str| {
        let text = format!(
            "vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n {more}\n{lines}\n \
             virtual_ipaddress {{ 192.0.2.9/24 }}\n}}\n"
        );
        config(&text).instances.remove(0)
    };
    let (strict, loose) = (with("strict_mode"), with(""));
    assert_eq!((loose.down_adverts, loose.announce.weaker_heard.repeat), (4, 4));
    assert!(loose.answer_stronger && loose.answer_weaker);
    assert_eq!((strict.down_adverts, strict.announce.weaker_heard.repeat), (3, 0));
    assert!(!strict.answer_stronger && !strict.answer_weaker);
    assert_ne!(strict.preempt, loose.preempt);
    assert_eq!(strict.announce.takeover, loose.announce.takeover);
    let told = found("", &format!("strict_mode\n{lines}"));
    assert_eq!(told, vec![(Severity::Warning, Code::NoEffect); 4]);
}
