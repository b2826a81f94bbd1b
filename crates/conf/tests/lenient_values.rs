//! `--lenient` value by value: what stands in for what keepalived does not like is what keepalived 2.2.7
//! shows in its dump (`keepalived.data`) for the same line, read off there once.

use conf::{Config, Options, Severity, Source, load};
use serde_json::Value;

fn lenient(text: &str) -> Config {
    let options = Options { lenient: true, ..Options::default() };
    let loaded = load(Source { name: "t", text: text.as_bytes() }, options);
    let warned = loaded.diagnostics.iter().any(|d| d.severity == Severity::Warning);
    assert!(warned, "a leniency is told: {text}");
    let found = loaded.diagnostics;
    loaded.config.unwrap_or_else(|| panic!("{text}\n{found:#?}"))
}

fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {{\n  192.0.2.5\n }}\n{lines}\n}}\n"
    )
}

/// What `config show --effective` shows, at a place of it.
#[track_caller]
fn shows(text: &str, place: &str, want: &str) {
    let shown = serde_json::to_value(lenient(text)).expect("JSON");
    let got = shown.pointer(place).cloned().unwrap_or(Value::Null);
    let want: Value = serde_json::from_str(want).expect("JSON");
    assert_eq!(got, want, "{place} of\n{text}");
}

#[test]
fn numbers_of_an_instance() {
    for (line, place, want) in [
        ("priority 300", "priority", "100"),
        ("priority 90x", "priority", "100"),
        ("priority -1", "priority", "100"),
        ("down_timer_adverts 2.5", "down_adverts", "2"),
        ("down_timer_adverts 0", "down_adverts", "3"),
        ("garp_master_repeat many", "announce/takeover/repeat", "1"),
        ("garp_master_repeat 7x", "announce/takeover/repeat", "7"),
        ("garp_lower_prio_repeat some", "announce/weaker_heard/repeat", "0"),
    ] {
        shows(&instance(line), &format!("/instances/0/{place}"), want);
    }
}

#[test]
fn intervals_are_rounded() {
    use core::time::Duration;
    for (lines, millis) in [
        ("advert_int 1.5", 2_000),
        ("advert_int 1.4", 1_000),
        ("advert_int 0.3", 1_000),
        ("advert_int 0", 1_000),
        ("advert_int 5x", 1_000),
        ("version 3\n advert_int 0.125", 130),
        ("version 3\n advert_int 0.123", 120),
        ("version 3\n advert_int 0.011", 10),
        ("version 3\n advert_int 60", 40_950),
    ] {
        let config = lenient(&instance(lines));
        let interval = config.instances[0].interval.as_duration();
        assert_eq!(interval, Duration::from_millis(millis), "{lines}");
    }
}

#[test]
fn times_have_keepalived_s_unit() {
    use core::time::Duration;
    let announce = |line: &str| lenient(&instance(line)).instances[0].announce;
    let seconds = |line| announce(line).takeover.again_after;
    assert_eq!(seconds("garp_master_delay 7s"), Some(Duration::from_secs(7)));
    assert_eq!(seconds("garp_master_delay -1"), Some(Duration::from_secs(5)));
    let text = format!("global_defs {{\n vrrp_garp_master_refresh 5m\n}}\n{}", instance(""));
    let refresh = lenient(&text).instances[0].announce.refresh;
    assert_eq!(refresh.map(|refresh| refresh.every), Some(Duration::from_secs(5)));
    let text = format!("global_defs {{\n vrrp_garp_interval 5ms\n}}\n{}", instance(""));
    assert_eq!(lenient(&text).globals.arp_gap, Duration::from_micros(5));
}

#[test]
fn weights() {
    let script = |line: &str| {
        format!("vrrp_script s {{\n script \"/bin/true\"\n {line}\n}}\n{}", instance(""))
    };
    for (line, want) in
        [("weight minus20", 0), ("weight -300", -253), ("weight 254", 253), ("weight 5 bogus", 5)]
    {
        assert_eq!(lenient(&script(line)).scripts[0].weight.value, want, "{line}");
    }
    let tracked = |line: &str| {
        let text = format!(
            "vrrp_script s {{\n script \"/bin/true\"\n weight 5\n}}\n\
             track_file f {{\n file /run/f\n}}\n{}",
            instance(line)
        );
        let trackers = lenient(&text).instances[0].trackers.clone();
        trackers.all().map(|tracked| tracked.weight.value).collect::<Vec<_>>()
    };
    // A script is not tracked; 254 is lowered; a file weighs nothing.
    assert_eq!(tracked("track_script {\n s weight 300\n}"), [0_i32; 0]);
    assert_eq!(tracked("track_script {\n s bogus\n}"), [0_i32; 0]);
    assert_eq!(tracked("track_script {\n s weight 254\n}"), [253]);
    assert_eq!(tracked("track_script {\n s weight 5x\n}"), [5]);
    assert_eq!(tracked("track_file {\n f weight 300\n}"), [0]);
    let interfaces = |line: &str| {
        let text = instance(&format!("track_interface {{\n {line}\n}}"));
        let tracked = lenient(&text).instances[0].tracked_interfaces.clone();
        tracked.into_iter().map(|one| format!("{:?}", one.effect)).collect::<Vec<_>>()
    };
    assert_eq!(interfaces("eth1 weight 300"), ["FaultWhileBad"]);
    assert_eq!(interfaces("eth1 wieght 5"), [""; 0]);
    assert_eq!(interfaces("eth1 weight"), [""; 0]);
    assert_eq!(interfaces("eth1 weight 12x").len(), 1);
}

#[test]
fn vips() {
    let held = |line: &str| {
        let text = instance("").replace("  192.0.2.5\n", &format!("  192.0.2.5\n  {line}\n"));
        let config = lenient(&text);
        config.instances[0].all_vips().skip(1).map(|vip| vip.to_string()).collect::<Vec<_>>()
    };
    for (line, want) in [
        ("192.0.2.9/40", "192.0.2.9/32"),
        ("192.0.2.9/24x", "192.0.2.9/24"),
        ("192.0.2.7/24 scope nonsense", "192.0.2.7/24"),
        ("192.0.2.10/24 bogus", "192.0.2.10/24"),
        ("192.0.2.7/24 peer foo", "192.0.2.7/24"),
        ("192.0.2.6/24 preferred_lft x", "192.0.2.6/24"),
        ("192.0.2.6/24 label this-is-too-long-a-label", ""),
        ("192.0.2.9/24 brd foo", ""),
        ("192.0.2.8/24 dev", ""),
        ("myhost", ""),
    ] {
        let held = held(line);
        match want {
            "" => assert_eq!(held, [""; 0], "{line}"),
            want => assert!(held.len() == 1 && held[0].starts_with(want), "{line}: {held:?}"),
        }
    }
}

#[test]
fn names_given_twice_and_lists_that_are_cut() {
    let script =
        |number: u8| format!("vrrp_script s {{\n script \"/bin/true\"\n fall {number}\n}}\n");
    let config = lenient(&(script(3) + &script(4) + &instance("")));
    assert_eq!((config.scripts.len(), config.scripts[0].fall), (1, 3));
    let groups = "vrrp_sync_group G {\n group { A }\n}\nvrrp_sync_group H {\n group { A }\n}\nvrrp_sync_group I {\n group { }\n}\n";
    let config = lenient(&(instance("") + groups));
    assert_eq!(config.groups.len(), 1);
    let many: String = (0..300).map(|n| format!("  10.0.{}.{}\n", n / 250, n % 250 + 1)).collect();
    let config = lenient(&instance("").replace("  192.0.2.5\n", &many));
    assert_eq!((config.instances[0].vips.len(), config.instances[0].excluded.len()), (255, 45));
    let config = lenient(&instance("authentication {\n auth_type PASS\n auth_pass a\"b\"c\n}"));
    assert_eq!(config.instances[0].password.expect("kept").octets()[..2], *b"a\0");
    let config = lenient(&instance("authentication {\n auth_pass secret\n}"));
    assert!(config.instances[0].password.is_none());
}

#[test]
fn braces() {
    // Unknown outside of blocks: what it holds is read as if it stood there alone.
    let config = lenient(&format!("frob x {{\n priority 3\n{}}}\n", instance("")));
    assert_eq!(config.instances.len(), 1);
    // Unknown and the last thing in a block.
    let config = lenient(&instance("frob {\n priority 77\n advert_int 3\n}"));
    assert_eq!(config.instances[0].priority.get(), 77);
    // Too many, and too few.
    assert_eq!(lenient(&(instance("") + "}\n")).instances.len(), 1);
    let text = instance("");
    let open = text.trim_end().trim_end_matches('}');
    assert_eq!(lenient(open).instances[0].vips.len(), 1);
    // A quote that is not closed takes its line along.
    let config = lenient(&instance("notify \"/bin/true"));
    assert!(config.instances[0].notify.any.is_none());
}

#[test]
fn what_would_be_dangerous_stays_an_error() {
    let options = Options { lenient: true, ..Options::default() };
    let swallowed = instance("").replace(" }\n", "") + &instance("").replace("A {", "B {");
    for text in [
        // Two instances would become one.
        swallowed,
        // What follows would be lost.
        instance("frob {\n a\n}\n priority 7"),
        instance("unicast_src_ip 192.0.2.1\n unicast_peer {\n 192.0.2.1\n }"),
        instance("unicast_peer {\n 192.0.2.2 min_ttl 255 max_ttl 10\n }"),
        instance("").replace("192.0.2.5", "224.0.0.5"),
        instance("").replace("192.0.2.5", "127.0.0.5"),
        instance("").replace("eth0", "a/b"),
        instance("auth_hmac {\n key 1 hex:00\n}"),
    ] {
        let loaded = load(Source { name: "t", text: text.as_bytes() }, options);
        assert!(loaded.config.is_none(), "{text}");
    }
}
