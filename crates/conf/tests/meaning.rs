//! What configurations mean: defaults, inheritance, and what is accepted with a warning.

use base::{Broadcast, Family, Name, Preempt, Priority, Scope, State, TrackEffect, Version};
use conf::{
    Burst, Code, Command, Config, InstanceConfig, Loaded, Options, Password, Reach, Refresh, RunAs,
    Severity, Source, load,
};
use core::net::IpAddr;
use core::time::Duration;

fn read(text: &str) -> Loaded {
    load(Source { name: "keepalived.conf", text: text.as_bytes() }, Options::default())
}

#[track_caller]
fn config(text: &str) -> Config {
    let loaded = read(text);
    loaded.config.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.diagnostics))
}

const FRAME: &str = " interface eth0\n virtual_router_id 51\n";
const VIP: &str = " virtual_ipaddress { 192.0.2.9 }\n";

fn text(globals: &str, lines: &str) -> String {
    format!("global_defs {{\n{globals}\n}}\nvrrp_instance VI_1 {{\n{FRAME}{lines}\n}}\n")
}

#[track_caller]
fn instance(globals: &str, lines: &str) -> InstanceConfig {
    config(&text(globals, &format!("{VIP}{lines}"))).instances.remove(0)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nothing_said_is_keepalived_s_default() {
    let loaded = read(&text("", VIP));
    assert!(loaded.diagnostics.is_empty());
    let config = loaded.config.unwrap();
    assert_eq!(config.globals, conf::Globals::default());
    let i = config.instance("VI_1").unwrap();
    assert_eq!((i.family, i.version(), i.priority), (Family::V4, Version::V2, Priority::DEFAULT));
    assert_eq!((i.start, i.interval.as_duration(), i.down_adverts), (State::Backup, secs(1), 3));
    assert_eq!(i.preempt, Preempt::After(Duration::ZERO));
    assert_eq!((i.password, i.source), (None, None));
    assert_eq!(i.reach, Reach::Multicast { group: ip("224.0.0.18") });
    assert!(i.track_own_interface && i.answer_weaker && !i.answer_stronger);
    assert!(!i.skip_vip_list_check && !i.strict && !i.smtp_alert && !i.v3_checksum_as_v2);
    assert_eq!(i.notify, conf::Notify::default());
    let five = Burst { repeat: 5, again_after: Some(secs(5)) };
    assert_eq!((i.announce.takeover, i.announce.weaker_heard), (five, five));
    assert_eq!(i.announce.refresh, None);
    let [vip] = &i.vips[..] else { panic!() };
    assert_eq!(vip.to_string(), "192.0.2.9/32 dev eth0");
    assert_eq!(vip.broadcast, Broadcast::None);
    assert_eq!((vip.scope, &vip.label), (Scope::GLOBAL, &None));
}

#[test]
fn the_version_follows_family_instance_globals_in_this_order() {
    for (globals, lines, want) in [
        ("", "", Version::V2),
        ("vrrp_version 2", "", Version::V2),
        ("vrrp_version 3", "", Version::V3),
        ("vrrp_version 3", "version 2", Version::V2),
        ("", "version 3", Version::V3),
    ] {
        assert_eq!(instance(globals, lines).version(), want, "{globals} {lines}");
    }
    let v6 = " virtual_ipaddress { 2001:db8::9/64 }\n";
    for (globals, lines) in [("", ""), ("vrrp_version 2", ""), ("", "version 3")] {
        let config = config(&text(globals, &format!("{v6}{lines}")));
        assert_eq!(config.instances[0].version(), Version::V3, "{globals} {lines}");
        assert_eq!(config.instances[0].family, Family::V6);
        assert_eq!(config.instances[0].reach, Reach::Multicast { group: ip("ff02::12") });
    }
}

#[test]
fn intervals_keep_their_exact_value() {
    for (globals, written, millis) in [
        ("", "1", 1_000),
        ("", "1.0", 1_000),
        ("", "255", 255_000),
        ("vrrp_version 3", "0.01", 10),
        ("vrrp_version 3", ".2", 200),
        ("vrrp_version 3", "40.95", 40_950),
    ] {
        let i = instance(globals, &format!("advert_int {written}"));
        assert_eq!(i.interval.as_duration(), Duration::from_millis(millis), "{written}");
    }
}

#[test]
fn an_owner_starts_active_unless_told_to_listen() {
    for (lines, priority, start) in [
        ("priority 255", 255, State::Active),
        ("priority 255\n state MASTER", 255, State::Active),
        ("priority 255\n state BACKUP", 255, State::Backup),
        ("priority 254\n state MASTER", 254, State::Backup),
        ("state BACKUP", 100, State::Backup),
        // Seen with keepalived 2.2.7.
        ("state MASTER", 255, State::Active),
    ] {
        let i = instance("", lines);
        assert_eq!((i.priority.get(), i.start), (priority, start), "{lines}");
    }
}

#[test]
fn preemption() {
    for (lines, want) in [
        ("nopreempt", Preempt::Never),
        ("nopreempt\n preempt_delay 5", Preempt::Never),
        ("preempt_delay 2.5", Preempt::After(Duration::from_millis(2_500))),
        ("preempt", Preempt::After(Duration::ZERO)),
        ("state MASTER\n priority 9\n nopreempt", Preempt::After(Duration::ZERO)),
        ("state MASTER\n priority 9\n preempt_delay 9", Preempt::After(Duration::ZERO)),
        ("priority 255\n nopreempt", Preempt::After(Duration::ZERO)),
    ] {
        assert_eq!(instance("", lines).preempt, want, "{lines}");
    }
}

/// Each row was compared with what keepalived 2.2.7 prints with `-d`.
#[test]
fn announcements_inherit_as_keepalived_s_do() {
    let burst =
        |repeat, after: u64| Burst { repeat, again_after: (after > 0).then(|| secs(after)) };
    for (globals, lines, takeover, weaker) in [
        ("", "", burst(5, 5), burst(5, 5)),
        ("", "garp_master_delay 10\n garp_master_repeat 2", burst(2, 10), burst(5, 5)),
        ("vrrp_garp_master_repeat 3", "garp_master_repeat 2", burst(2, 5), burst(3, 5)),
        ("vrrp_garp_lower_prio_delay 7", "garp_master_delay 10", burst(5, 10), burst(5, 7)),
        ("vrrp_garp_lower_prio_repeat 4", "", burst(5, 5), burst(4, 5)),
        ("vrrp_garp_lower_prio_delay 4", "garp_lower_prio_delay 0", burst(5, 5), burst(5, 0)),
        ("vrrp_garp_lower_prio_repeat 4", "garp_lower_prio_repeat 0", burst(5, 5), burst(0, 5)),
        ("vrrp_garp_master_delay 0", "", burst(5, 0), burst(5, 0)),
        ("vrrp_min_garp", "", burst(1, 0), burst(1, 0)),
        ("vrrp_min_garp\n vrrp_garp_master_repeat 3", "", burst(3, 0), burst(3, 0)),
    ] {
        let announce = instance(globals, lines).announce;
        assert_eq!(
            (announce.takeover, announce.weaker_heard),
            (takeover, weaker),
            "{globals} {lines}"
        );
    }
    for (globals, lines, want) in [
        ("vrrp_garp_master_refresh 60", "", Some((60, 1))),
        ("vrrp_garp_master_refresh 60\n vrrp_garp_master_refresh_repeat 2", "", Some((60, 2))),
        ("vrrp_garp_master_refresh 60", "garp_master_refresh 0", None),
        ("", "garp_master_refresh 30\n garp_master_refresh_repeat 4", Some((30, 4))),
    ] {
        let want = want.map(|(every, repeat)| Refresh { every: secs(every), repeat });
        assert_eq!(instance(globals, lines).announce.refresh, want, "{globals} {lines}");
    }
}

#[test]
fn globals_reach_the_instances_that_do_not_say_otherwise() {
    let i = instance(
        "vrrp_lower_prio_no_advert\n vrrp_higher_prio_send_advert on\n vrrp_down_timer_adverts 7\n \
         v3_checksum_as_v2\n vrrp_skip_check_adv_addr\n vrrp_mcast_group4 224.0.0.19",
        "",
    );
    assert!(!i.answer_weaker && i.answer_stronger && i.v3_checksum_as_v2);
    assert!(i.skip_vip_list_check && !i.strict);
    assert_eq!(i.down_adverts, 7);
    assert_eq!(i.reach, Reach::Multicast { group: ip("224.0.0.19") });
    let i = instance(
        "vrrp_lower_prio_no_advert\n vrrp_higher_prio_send_advert\n vrrp_down_timer_adverts 7\n \
         v3_checksum_as_v2\n vrrp_skip_check_adv_addr\n vrrp_strict\n smtp_alert on",
        "lower_prio_no_advert off\n higher_prio_send_advert off\n down_timer_adverts 4\n \
         v3_checksum_as_v2 off\n skip_check_adv_addr off\n strict_mode off\n smtp_alert off",
    );
    assert!(i.answer_weaker && !i.answer_stronger && !i.v3_checksum_as_v2);
    assert!(!i.skip_vip_list_check && !i.strict && !i.smtp_alert);
    assert_eq!(i.down_adverts, 4);
    let globals = config(&text(
        "router_id node1\n vrrp_startup_delay 2.5\n vrrp_garp_interval 0.001\n vrrp_gna_interval 0\n \
         enable_script_security\n dynamic_interfaces allow_if_changes\n max_auto_priority -1",
        VIP,
    ))
    .globals;
    assert_eq!(globals.router_id.as_deref(), Some("node1"));
    assert_eq!(globals.startup_delay, Duration::from_millis(2_500));
    assert_eq!((globals.arp_gap, globals.na_gap), (Duration::from_millis(1), Duration::ZERO));
    assert!(globals.script_security && globals.interfaces_may_change);
}

#[test]
fn global_defs_count_wherever_they_stand() {
    let config = config(&format!("{}global_defs {{ vrrp_version 3 }}\n", text("vrrp_strict", VIP)));
    assert_eq!(config.instances[0].version(), Version::V3);
    assert!(config.instances[0].strict);
}

#[test]
fn a_vip_s_options() {
    let i = instance(
        "",
        " virtual_ipaddress_excluded {\n 193.168.0.6/16 dev br0 label br0:vip scope link brd +\n \
         193.168.0.7/16 brd -\n 193.168.0.8/16 brd 193.168.255.255 scope 99\n \
         2001:db8::1/64 -nodad\n 2001:db8::2\n 2001:db8::3 preferred_lft forever\n \
         2001:db8::4/64 preferred_lft 0\n}",
    );
    let [a, b, c, d, e, f, g] = &i.excluded[..] else { panic!("{:?}", i.excluded) };
    assert_eq!(a.to_string(), "193.168.0.6/16 dev br0");
    assert_eq!((a.broadcast, a.scope), (Broadcast::HostBitsSet, Scope::LINK));
    assert_eq!(a.label, Some(Name::from("br0:vip")));
    assert_eq!(
        (b.broadcast, b.to_string().as_str()),
        (Broadcast::HostBitsClear, "193.168.0.7/16 dev eth0")
    );
    assert_eq!(c.broadcast, Broadcast::Address("193.168.255.255".parse().unwrap()));
    assert_eq!(c.scope, Scope(99));
    let flags = |v: &base::Vip| (v.flags.no_dad, v.flags.deprecated);
    assert_eq!(flags(d), (false, false));
    // keepalived 2.2.7: a /128 is deprecated unless told otherwise.
    assert_eq!(flags(e), (true, true));
    assert_eq!(flags(f), (true, false));
    assert_eq!(flags(g), (true, true));
    assert_eq!(i.places.excluded.len(), 7);
    assert_eq!(i.all_vips().count(), 8);
}

#[test]
fn unicast() {
    let i = instance(
        "",
        "unicast_src_ip 192.0.2.1\n unicast_ttl 64\n unicast_peer {\n 192.0.2.2\n 192.0.2.3 min_ttl 250 max_ttl 254\n }",
    );
    let Reach::Unicast { peers, ttl: 64, check_source: true } = &i.reach else {
        panic!("{:?}", i.reach)
    };
    let seen: Vec<_> = peers.iter().map(|p| (p.address, p.min_ttl, p.max_ttl)).collect();
    assert_eq!(seen, [(ip("192.0.2.2"), 0, 255), (ip("192.0.2.3"), 250, 254)]);
    assert_eq!(i.source, Some(ip("192.0.2.1")));
    for (globals, lines, want) in [
        ("", "", true),
        ("vrrp_check_unicast_src off", "", false),
        ("vrrp_check_unicast_src off", "check_unicast_src", true),
        ("", "check_unicast_src off", false),
    ] {
        let i = instance(globals, &format!("unicast_peer {{ 192.0.2.2 }}\n{lines}"));
        assert!(
            matches!(i.reach, Reach::Unicast { check_source, .. } if check_source == want),
            "{globals} {lines}"
        );
    }
    // A bound on the TTL switches the check on, as in keepalived.
    let i = instance("", "unicast_peer { 192.0.2.2 min_ttl 9 }\n check_unicast_src off");
    assert!(matches!(i.reach, Reach::Unicast { check_source: true, .. }));
}

#[test]
fn unicast_needs_no_interface_when_the_route_decides() {
    let text = "vrrp_instance A {\n virtual_router_id 1\n unicast_src_ip 192.0.2.1\n \
                unicast_peer { 192.0.2.2 }\n virtual_ipaddress {\n 192.0.2.8 dev eth7\n 192.0.2.9\n }\n}\n";
    let config = config(&format!("global_defs {{ default_interface eth3 }}\n{text}"));
    let i = &config.instances[0];
    assert_eq!(i.interface, None);
    let on: Vec<_> = i.vips.iter().map(|v| v.interface.as_str()).collect();
    assert_eq!(on, ["eth7", "eth3"]);
}

#[test]
fn mcast_src_ip_is_the_source_of_either_kind() {
    assert_eq!(instance("", "mcast_src_ip 192.0.2.1").source, Some(ip("192.0.2.1")));
    let i = instance("", "mcast_src_ip 192.0.2.1\n unicast_peer { 192.0.2.2 }");
    assert_eq!(i.source, Some(ip("192.0.2.1")));
    assert!(matches!(i.reach, Reach::Unicast { .. }));
}

#[test]
fn tracked_interfaces() {
    let i = instance(
        "",
        "dont_track_primary\n track_interface {\n a\n b weight 0 reverse\n c weight 20\n d weight 20 reverse\n \
         e weight -20\n f weight -20 reverse\n g weight +253 noreverse\n}",
    );
    assert!(!i.track_own_interface);
    let effects: Vec<_> =
        i.tracked_interfaces.iter().map(|t| (t.interface.as_str(), t.effect)).collect();
    assert_eq!(
        effects,
        [
            ("a", TrackEffect::FaultWhileBad),
            ("b", TrackEffect::FaultWhileGood),
            ("c", TrackEffect::DeltaWhileGood(20)),
            ("d", TrackEffect::DeltaWhileGood(-20)),
            ("e", TrackEffect::DeltaWhileBad(-20)),
            ("f", TrackEffect::DeltaWhileBad(20)),
            ("g", TrackEffect::DeltaWhileGood(253)),
        ]
    );
}

#[test]
fn scripts_run_as_who_is_named_nearest() {
    let i = instance(
        "script_user nobody nogroup",
        "notify_master \"/n.sh 'two words' x\"\n notify_stop /n.sh root",
    );
    let command = i.notify.active.unwrap();
    assert_eq!(command.argv, ["/n.sh", "two words", "x"]);
    assert_eq!(command.program(), "/n.sh");
    let who = |c: &Command| {
        c.run_as
            .as_ref()
            .map(|r: &RunAs| (r.user.to_string(), r.group.as_ref().map(Name::to_string)))
    };
    assert_eq!(who(&command), Some(("nobody".into(), Some("nogroup".into()))));
    assert_eq!(who(&i.notify.stop.unwrap()), Some(("root".into(), None)));
    assert_eq!(instance("", "notify /n.sh").notify.any.unwrap().run_as, None);
}

#[test]
fn strictness_takes_no_traffic_from_a_vip() {
    // keepalived's strict mode drops what is sent to a VIP, ping and service alike, and the sample
    // file that everybody copies switches it on.
    for lines in ["", "version 3\n advert_int 0.5", "nopreempt", "accept", "no_accept"] {
        let lax = instance("", lines);
        // What it does as keepalived does: it answers no adverts, and announces nothing again for them.
        let mut strict = InstanceConfig { strict: true, answer_weaker: false, ..lax.clone() };
        strict.announce.weaker_heard = Burst { repeat: 0, again_after: None };
        assert_eq!(lax.accept, lines != "no_accept", "{lines}: only who asks for it is filtered");
        assert_eq!(instance("vrrp_strict", lines), strict, "{lines}");
        assert_eq!(instance("", &format!("strict_mode on\n{lines}")), strict, "{lines}");
    }
}

#[test]
fn vrrp_087_a_password_has_at_most_eight_octets() {
    let block = |word: &str| format!("authentication {{\n auth_type PASS\n auth_pass {word}\n}}");
    for (word, octets) in
        [("1111", *b"1111\0\0\0\0"), ("testpass", *b"testpass"), ("\"a b#c\"", *b"a b#c\0\0\0")]
    {
        assert_eq!(instance("", &block(word)).password.map(Password::octets), Some(octets));
    }
    assert!(read(&text("", &format!("{VIP}{}", block("ninechars")))).config.is_none());
    // Nine octets in eight characters are nine octets.
    assert!(read(&text("", &format!("{VIP}{}", block("passwörd")))).config.is_none());
}

/// Loads with exactly one warning or note, of this code, pointing at what stands between « and ».
#[track_caller]
fn warned(marked: &str, severity: Severity, code: Code) -> Config {
    let start = marked.find('«').expect("a mark");
    let text = marked.replacen('«', "", 1);
    let end = text.find('»').expect("an end mark");
    let loaded = read(&text.replacen('»', "", 1));
    let [d] = &loaded.diagnostics[..] else { panic!("{:#?}", loaded.diagnostics) };
    assert_eq!(
        (d.severity, d.code, d.span.start, d.span.end),
        (severity, code, start, end),
        "{d:#?}"
    );
    assert!(severity == Severity::Note || !d.help.is_empty());
    loaded.config.expect("no error")
}

#[test]
fn what_is_accepted_with_a_warning() {
    let with = |lines: &str| text("", &format!("{VIP}{lines}"));
    let warning = |marked: &str, code| warned(marked, Severity::Warning, code);
    warning(&with("priority 5\n «priority 6»"), Code::SetTwice);
    warning(&with("state «SLAVE»"), Code::OldSpelling);
    warning(&with("priority 9\n state «master»"), Code::OldSpelling);
    warning(&with("state «BACUP»"), Code::OldSpelling);
    warning(&text("«lvs_id» x", VIP), Code::OldSpelling);
    warning(&text("enable_script_security «True»", VIP), Code::OldSpelling);
    warning(&with("«native_ipv6»"), Code::Obsolete);
    warning(&with("«debug» 3"), Code::Obsolete);
    warning(&with("state «MASTER»"), Code::BecomesOwner);
    warning(&with("priority 9\n state MASTER\n «nopreempt»"), Code::PreemptCancelled);
    warning(&with("priority 255\n «preempt_delay 5»"), Code::PreemptCancelled);
    warning(&with("priority 255\n track_interface { «eth1» weight 5 }"), Code::OwnerNotTracked);
    warning(&with("track_interface { «eth0» }"), Code::OwnInterface);
    warning(&with("track_interface { eth1\n «eth1» weight 5 }"), Code::SetTwice);
    warning(
        &with("version 3\n «authentication» { auth_type PASS\n auth_pass muchtoolong }"),
        Code::AuthIgnored,
    );
    warning(
        "vrrp_instance A {\n virtual_router_id 1\n unicast_src_ip 192.0.2.1\n unicast_peer { 192.0.2.2 }\n virtual_ipaddress { «192.0.2.9» }\n}",
        Code::DefaultInterface,
    );
    warning(&text("", "").replace("VI_1", "«VI_1»"), Code::NothingToHold);
    warning(&format!("«»{}", "# nothing here\n"), Code::NoInstance);
    let second = text("", VIP)
        .replace("VI_1", "VI_2")
        .replace("51", "52")
        .replace("192.0.2.9", "«192.0.2.9»");
    warning(&format!("{}{second}", text("", VIP)), Code::DuplicateVip);
    warned(&text("«vrrp_strict»", VIP), Severity::Note, Code::NoEffect);
    warned(&text("«max_auto_priority» 5", VIP), Severity::Note, Code::NoEffect);
}

#[test]
fn the_sample_file_s_habits_load_in_silence() {
    let loaded = read(&text(
        "router_id LVS_DEVEL\n vrrp_skip_check_adv_addr\n vrrp_garp_interval 0\n vrrp_gna_interval 0\n dynamic_interfaces",
        &format!(
            "{VIP} state BACKUP\n accept\n priority 100\n advert_int 1\n authentication {{\n auth_type PASS\n auth_pass 1111\n }}"
        ),
    ));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
}

#[test]
fn one_vrid_may_serve_two_families_and_two_links() {
    let one = |name: &str, interface: &str, vip: &str| {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id 7\n virtual_ipaddress {{ {vip} }}\n}}\n"
        )
    };
    let text = [
        one("a", "eth0", "192.0.2.9"),
        one("b", "eth0", "fe80::9/64"),
        one("c", "eth1", "192.0.2.19"),
        one("d", "eth1", "fe80::9/64"),
    ]
    .concat();
    let loaded = read(&text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(loaded.config.unwrap().instances.len(), 4);
}

#[test]
fn one_vrid_may_be_unicast_from_two_addresses() {
    let one = |name: &str, source: &str, vip: &str| {
        format!(
            "vrrp_instance {name} {{\n{FRAME} unicast_src_ip {source}\n unicast_peer {{ 192.0.2.7 }}\n \
             virtual_ipaddress {{ {vip} }}\n}}\n"
        )
    };
    let two =
        |source: &str| read(&(one("a", "192.0.2.1", "192.0.2.9") + &one("b", source, "192.0.2.8")));
    assert!(two("192.0.2.2").diagnostics.is_empty());
    let codes: Vec<_> = two("192.0.2.1").diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::DuplicateRouter]);
}

#[test]
fn a_line_that_moves_changes_nothing() {
    let a = config(&text("", &format!("{VIP}priority 5")));
    let b = config(&format!("# a comment\n\n{}", text("", &format!("priority 5\n\n{VIP}"))));
    assert_eq!(a, b);
    assert_ne!(a, config(&text("", &format!("{VIP}priority 6"))));
    assert_ne!(a.instances[0].places.vrid.0, b.instances[0].places.vrid.0);
}

#[test]
fn places_point_at_values() {
    let text = text("", &format!("{VIP} priority 77\n advert_int 2\n mcast_src_ip 192.0.2.1"));
    let config = config(&text);
    let at = |place: conf::Place| &text[place.0.start..place.0.end];
    let p = &config.instances[0].places;
    assert_eq!((at(p.name), at(p.interface), at(p.vrid)), ("VI_1", "eth0", "51"));
    assert_eq!((at(p.priority), at(p.interval), at(p.source)), ("77", "2", "192.0.2.1"));
    assert_eq!((at(p.vips[0]), at(p.start)), ("192.0.2.9", "VI_1"));
}
