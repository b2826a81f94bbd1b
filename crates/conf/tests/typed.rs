//! What the blocks around instances come to: trackers, groups, routes, virtual MACs, the node.

use core::time::Duration;

use base::{Family, TrackEffect};
use conf::{
    ArgumentMatch, BufferPolicy, Code, Config, Files, HmacMode, Options, RouteKind, RuleAction,
    Severity, Source, Surroundings, Table, Weight, load, load_in,
};

/// A machine on which tables have names.
struct Tables;

impl Files for Tables {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "/etc/iproute2/rt_tables" => {
                Ok(b"# names\n255\tlocal\n0x10  special # ours\n".to_vec())
            }
            "/etc/iproute2/rt_tables.d/a.conf" => Ok(b"17 more\n".to_vec()),
            "/opt/etc/rt_tables" => Ok(b"18 special\n".to_vec()),
            "/opt/usr/rt_tables" => Ok(b"19 special\n20 elsewhere\n".to_vec()),
            "/opt/etc/rt_tables.d/a.conf" => Ok(b"21 more\n".to_vec()),
            other => Err(format!("no {other}")),
        }
    }

    fn names(&self, _: &str) -> Vec<String> {
        vec!["a.conf".to_owned(), "README".to_owned()]
    }

    fn exists(&self, _: &str) -> bool {
        false
    }
}

/// The configuration, whether all of it is in force or not.
#[track_caller]
fn meaning(text: &str) -> Config {
    let around = Surroundings { files: &Tables, ..Surroundings::default() };
    let source = Source { name: "t", text: text.as_bytes() };
    let loaded = load_in(source, Options::default(), &around);
    let shown = conf::render(&loaded, false);
    loaded.config.or(loaded.understood).unwrap_or_else(|| panic!("{shown}"))
}

#[track_caller]
fn found(text: &str) -> Vec<(Severity, Code)> {
    let loaded = load(Source { name: "t", text: text.as_bytes() }, Options::default());
    loaded
        .diagnostics
        .iter()
        .filter(|d| d.code != Code::NotInForce)
        .map(|d| (d.severity, d.code))
        .collect()
}

fn instance(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n virtual_ipaddress {{\n  192.0.2.{vrid}\n }}\n{lines}\n}}\n"
    )
}

const TRACKERS: &str = "
global_defs { script_user checker nogroup\n}
vrrp_script chk {
    script \"/usr/bin/check --port '80 81'\"
    interval 0.5
    weight -20
    fall 3
}
vrrp_script other {
    script /bin/true
    user root
    timeout 7
    rise 2
    init_fail
    weight 0 reverse
}
track_file maintenance {
    file /run/maintenance
    weight -3
    init_file 5 overwrite
}
vrrp_track_process haproxy {
    process haproxy -f /etc/h
    param_match partial
    quorum 2
    quorum_max 4
    delay 1.5
    terminate_delay 3
    weight 10
}
bfd_instance peer {
    neighbor_ip 192.0.2.200
    source_ip 192.0.2.201
    min_rx 3.312
    multiplier 7
    multihop
}
";

#[test]
fn trackers() {
    let lines = " priority 150
 track_script {
  chk
  other weight 5 reverse
 }
 track_file {
  maintenance
 }
 track_process {
  haproxy weight 0
 }
 track_bfd {
  peer weight -7
 }";
    let config = meaning(&format!("{}{TRACKERS}", instance("A", 5, lines)));
    let [chk, other] = &config.scripts[..] else { panic!("{:?}", config.scripts) };
    assert_eq!(chk.command.argv, ["/usr/bin/check", "--port", "80 81"]);
    assert_eq!(
        (chk.interval, chk.timeout),
        (Duration::from_millis(500), Duration::from_millis(500))
    );
    assert_eq!((chk.rise, chk.fall, chk.bad_at_first), (1, 3, false));
    let user = |script: &conf::TrackScript| script.command.run_as.clone().unwrap().user;
    assert_eq!((user(chk).as_str(), user(other).as_str()), ("checker", "root"));
    assert_eq!((other.timeout, other.rise), (Duration::from_secs(7), 2));
    assert!(other.bad_at_first);
    assert_eq!(other.weight.effect(), TrackEffect::FaultWhileGood);
    let file = &config.files[0];
    assert_eq!((file.path.as_str(), file.weight.value), ("/run/maintenance", -3));
    assert_eq!(file.initial.map(|i| (i.value, i.overwrite)), Some((5, true)));
    let process = &config.processes[0];
    assert_eq!((process.command.as_str(), process.arguments.len()), ("haproxy", 2));
    assert_eq!((process.matching, process.least, process.most), (ArgumentMatch::First, 2, Some(4)));
    assert_eq!(
        (process.up_delay, process.down_delay),
        (Duration::from_millis(1500), Duration::from_secs(3))
    );
    let bfd = &config.bfd[0];
    assert_eq!((bfd.min_rx, bfd.multiplier, bfd.hops), (Duration::from_micros(3312), 7, 64));
    let tracked = &config.instances[0].trackers;
    let weights =
        |list: &[conf::Tracked]| -> Vec<Weight> { list.iter().map(|t| t.weight).collect() };
    let weight = |value, reverse| Weight { value, reverse };
    assert_eq!(weights(&tracked.scripts), [weight(-20, false), weight(5, true)]);
    assert_eq!(weights(&tracked.files), [weight(-3, false)]);
    assert_eq!(weights(&tracked.processes), [weight(0, false)]);
    assert_eq!(weights(&tracked.bfd), [weight(-7, false)]);
}

#[test]
fn a_tracker_nobody_defined_is_an_error_wherever_it_stands() {
    let unknown = [(Severity::Error, Code::UnknownTracker)];
    for list in ["track_script", "track_file", "track_process", "track_bfd"] {
        assert_eq!(found(&instance("A", 5, &format!(" {list} {{\n nope\n }}"))), unknown, "{list}");
    }
    let twice = "vrrp_script c {\n script /bin/true\n}\nvrrp_script c {\n script /bin/true\n}\n";
    assert_eq!(
        found(&format!("{twice}{}", instance("A", 5, ""))),
        [(Severity::Error, Code::DuplicateName)]
    );
    // A script whose own definition is wrong is not missing as well.
    let broken = "vrrp_script c {\n interval 1\n}\n";
    assert_eq!(
        found(&format!("{broken}{}", instance("A", 5, " track_script {\n c\n }"))),
        [(Severity::Error, Code::ValueMissing)]
    );
    assert_eq!(
        found(&format!("{TRACKERS}{}", instance("A", 5, " track_script {\n chk weight 300\n }"))),
        [(Severity::Error, Code::BadOption)]
    );
}

#[test]
fn sync_groups() {
    let group = "vrrp_sync_group G {
 group {
  A B
 }
 track_script {
  chk
 }
 track_interface {
  eth2 weight 5
 }
 notify_master \"/bin/m x\"
 notify /bin/any
 smtp_alert off
 sync_group_tracking_weight
}
";
    let text = format!("{TRACKERS}{group}{}{}", instance("A", 5, ""), instance("B", 6, ""));
    let config = meaning(&text);
    let group = config.group_of("B").unwrap();
    assert_eq!(group.members, ["A", "B"].map(base::Name::from));
    assert_eq!(group.trackers.scripts[0].weight.value, -20);
    assert_eq!(group.interfaces[0].effect, TrackEffect::DeltaWhileGood(5));
    assert_eq!(group.notify.active.as_ref().unwrap().argv, ["/bin/m", "x"]);
    assert_eq!(group.notify.any.as_ref().unwrap().run_as.as_ref().unwrap().user, "checker");
    assert!(group.tracking_weight && !group.smtp_alert && config.group_of("C").is_none());
}

#[test]
fn weights_of_a_member_are_the_group_s() {
    let member = " track_script {\n chk\n other\n }\n track_interface {\n eth1 weight 5\n }";
    let text = |more: &str| {
        format!(
            "{TRACKERS}vrrp_sync_group G {{\n group {{\n A\n B\n }}\n{more}}}\n{}{}",
            instance("A", 5, member),
            instance("B", 6, "")
        )
    };
    let warned = [(Severity::Warning, Code::GroupWeight); 2];
    let config = meaning(&text(""));
    assert_eq!(found(&text("")).iter().filter(|f| warned.contains(f)).count(), 2);
    let own = &config.instances[0];
    // As keepalived: weighted scripts are dropped, weighted interfaces fault.
    assert_eq!(own.trackers.scripts.iter().map(|t| &*t.name).collect::<Vec<_>>(), ["other"]);
    assert_eq!(own.tracked_interfaces[0].effect, TrackEffect::FaultWhileBad);
    let config = meaning(&text("sync_group_tracking_weight\n"));
    assert_eq!(config.instances[0].trackers.scripts.len(), 2);
}

#[test]
fn groups_that_are_wrong() {
    use Severity::{Error, Warning};
    let two = format!("{}{}", instance("A", 5, ""), instance("B", 6, ""));
    for (groups, want) in [
        ("vrrp_sync_group G {\n group {\n A\n C\n }\n}\n", vec![(Error, Code::UnknownMember)]),
        ("vrrp_sync_group G {\n group {\n A\n }\n}\n", vec![(Warning, Code::GroupEmpty)]),
        ("vrrp_sync_group G {\n}\n", vec![(Error, Code::GroupEmpty)]),
        (
            "vrrp_sync_group G {\n group {\n A\n B\n }\n}\nvrrp_sync_group H {\n group {\n A\n B\n }\n}\n",
            vec![(Error, Code::TwoGroups), (Error, Code::TwoGroups)],
        ),
        ("track_group T {\n group {\n A\n X\n }\n}\n", vec![(Error, Code::UnknownMember)]),
    ] {
        assert_eq!(found(&format!("{groups}{two}")), want, "{groups}");
    }
}

#[test]
fn routes_and_rules() {
    let lines = "
 virtual_routes {
  src 192.0.2.1 to 198.51.100.0/24 via 192.0.2.254 dev eth1 table 100 metric 5 no_track
  blackhole 203.0.113.0/24
  default via 2001:db8::1
  198.51.100.0/25 table main mtu lock 1400 advmss 1360 nexthop via 192.0.2.2 dev eth0 weight 3 onlink nexthop via 192.0.2.3
  0.0.0.0/0 gw 192.0.2.4 or 192.0.2.5
  10.0.0.0/8 dev eth2 scope link proto bird tos 0x10 append
 }
 virtual_rules {
  from 192.0.2.0/24 table 100 pref 10
  not to 2001:db8::/32 iif eth0 fwmark 0x10/0xff goto 500 no_track
  iif eth1 blackhole
  to 198.51.100.0/24 lookup special ip_proto tcp dport 80
 }";
    let config = meaning(&instance("A", 5, lines));
    let routes = &config.instances[0].routes;
    assert_eq!(routes.len(), 6);
    let first = &routes[0];
    assert_eq!((first.to.address.to_string(), first.to.length), ("198.51.100.0".into(), 24));
    assert_eq!(first.hops[0].interface.as_deref(), Some("eth1"));
    assert_eq!((first.table.clone(), first.metric), (Some(Table::Number(100)), Some(5)));
    assert!(first.untracked && first.source.is_some());
    assert_eq!((routes[1].kind, routes[1].hops.len()), (RouteKind::Blackhole, 0));
    assert_eq!((routes[2].family, routes[2].to.length), (Family::V6, 0));
    assert_eq!(routes[3].hops.len(), 2);
    assert_eq!((routes[3].hops[0].weight, routes[3].hops[0].onlink), (Some(3), true));
    let attributes = &routes[3].attributes;
    assert_eq!(attributes[0], ("mtu".to_owned(), "lock 1400".to_owned()));
    assert_eq!(routes[4].alternative.unwrap().to_string(), "192.0.2.5");
    assert_eq!((routes[5].tos, routes[5].append), (Some(16), true));
    let rules = &config.instances[0].rules;
    assert_eq!(rules[0].action, RuleAction::Table(Table::Number(100)));
    assert_eq!(rules[0].preference, Some(10));
    assert_eq!((rules[1].family, rules[1].mark), (Family::V6, Some((16, 255))));
    assert_eq!(rules[1].action, RuleAction::Goto(500));
    assert!(rules[1].inverted && rules[1].untracked);
    assert_eq!(rules[2].action, RuleAction::Blackhole);
    assert_eq!(rules[3].action, RuleAction::Table(Table::Name("special".into())));
    // By their numbers, as they are held: routes, then rules.
    let ways: Vec<String> =
        config.instances[0].ways.iter().map(|held| held.way.to_string()).collect();
    let wanted = [
        "route 198.51.100.0/24 via 192.0.2.254 dev eth1 table 100 metric 5",
        "route 203.0.113.0/24",
        "route default via 2001:db8::1",
        "route 198.51.100.0/25 via 192.0.2.2 dev eth0 via 192.0.2.3",
        "route default via 192.0.2.4 via 192.0.2.5",
        "route 10.0.0.0/8 dev eth2",
        "rule 10: from 192.0.2.0/24 table 100",
        "rule to 2001:db8::/32 goto 500",
        "rule blackhole",
        "rule to 198.51.100.0/24 table 16",
    ];
    assert_eq!(ways, wanted);
    let guarded: Vec<bool> = config.instances[0].ways.iter().map(|held| held.guarded).collect();
    assert!(!guarded[0] && guarded[1] && !guarded[7]);
    let base::Way::Route(tuned) = &config.instances[0].ways[3].way else { panic!("a route") };
    assert_eq!(tuned.metrics, [(2, 1400, true), (8, 1360, false)]);
    let base::Way::Rule(ports) = &config.instances[0].ways[9].way else { panic!("a rule") };
    assert_eq!((ports.ip_protocol, ports.target_ports), (Some(6), Some((80, 80))));

    for (line, code) in [
        ("virtual_routes {\n 10.0.0.0/8 via 192.0.2.1 bogus\n }", Code::BadOption),
        ("virtual_routes {\n via 192.0.2.1\n }", Code::ValueMissing),
        ("virtual_routes {\n 10.0.0.0/40 via 192.0.2.1\n }", Code::OutOfRange),
        ("virtual_routes {\n blackhole 10.0.0.0/8 via 192.0.2.1\n }", Code::BadOption),
        ("virtual_routes {\n 10.0.0.1/8 dev eth0\n }", Code::BadOption),
        ("virtual_routes {\n 10.0.0.0/8 table nobody\n }", Code::BadOption),
        ("virtual_routes {\n 10.0.0.0/8 vrf red\n }", Code::BadOption),
        ("virtual_routes {\n 10.0.0.0/8 encap seg6 mode inline\n }", Code::BadOption),
        ("virtual_routes {\n 10.0.0.0/8 features ecm\n }", Code::BadOption),
        ("virtual_rules {\n goto 5 preference 9\n }", Code::BadOption),
        ("virtual_rules {\n table 5 uidrange 9-5\n }", Code::BadOption),
        ("virtual_rules {\n from 192.0.2.0/24\n }", Code::ValueMissing),
        ("virtual_rules {\n from 192.0.2.0/24 to 2001:db8::/32 table 1\n }", Code::MixedFamilies),
    ] {
        let mut found = found(&instance("A", 5, line));
        found.retain(|(_, code)| *code != Code::RulePreference);
        assert_eq!(found, [(Severity::Error, code)], "{line}");
    }
    let line = " virtual_rules {\n from 192.0.2.0/24 table 5\n }\n virtual_routes {\n 10.0.0.0/8 gw 192.0.2.1\n }";
    let warned = [Code::RulePreference, Code::OldSpelling].map(|code| (Severity::Warning, code));
    assert_eq!(found(&instance("A", 5, line)), warned);
}

#[test]
fn static_things_and_their_track_group() {
    let text = format!(
        "static_ipaddress {{\n 192.0.2.1/24 dev eth1 track_group T\n 2001:db8::1/64\n}}\nstatic_routes {{\n 10.0.0.0/8 via 192.0.2.2 track_group T\n}}\nstatic_rules {{\n from 10.0.0.0/8 table 5 preference 9\n}}\ntrack_group T {{\n group {{\n A\n }}\n}}\nglobal_defs {{\n default_interface eth7\n}}\n{}",
        instance("A", 5, "")
    );
    let config = meaning(&text);
    let statics = &config.statics;
    assert_eq!(statics.addresses[0].options.track_group.as_deref(), Some("T"));
    assert_eq!(&*statics.addresses[1].vip.interface, "eth7");
    assert_eq!((statics.routes.len(), statics.rules.len()), (1, 1));
    assert_eq!(config.track_groups[0].members, [base::Name::from("A")]);
    let missing = text.replace("track_group T {", "track_group U {");
    assert_eq!(found(&missing), [(Severity::Error, Code::UnknownMember); 2]);
}

#[test]
fn virtual_macs() {
    let config = meaning(&instance(
        "A",
        51,
        " use_vmac vrrp.51 02:00:5e:00:01\n vmac_xmit_base\n use_vmac_addr\n no_accept\n",
    ));
    let own = &config.instances[0];
    let vmac = own.vmac.as_ref().unwrap();
    assert_eq!((vmac.name.as_deref(), vmac.mac), (Some("vrrp.51"), Some([2, 0, 0x5e, 0, 1, 51])));
    assert!(vmac.transmit_on_base && vmac.for_all_vips && !own.accept);
    let unicast = " use_vmac\n unicast_src_ip 192.0.2.1\n unicast_peer {\n 192.0.2.2\n }";
    assert_eq!(found(&instance("A", 51, unicast)), [(Severity::Warning, Code::BadVmac)]);
    assert!(
        meaning(&instance("A", 51, unicast)).instances[0].vmac.as_ref().unwrap().transmit_on_base
    );
    let twice = instance("A", 51, " use_vmac x0") + &instance("B", 52, " use_vmac x0");
    let twice = twice.replacen("192.0.2.5", "192.0.2.6", 1);
    assert_eq!(found(&twice), [(Severity::Error, Code::BadVmac)]);
    let same = twice.replacen("use_vmac x0", "use_vmac 02:00:00:00:00:01", 1);
    assert_eq!(
        found(&same.replacen("use_vmac x0", "use_vmac 02:00:00:00:00:01", 1)),
        [(Severity::Error, Code::BadVmac)]
    );
    let long = format!("global_defs {{\n vmac_prefix muchtoolong\n}}\n{}", instance("A", 51, ""));
    assert_eq!(found(&long), [(Severity::Error, Code::BadVmac)]);
    let config = meaning(&instance("A", 51, " use_ipvlan ipv1 192.0.2.8/24 private"));
    let ipvlan = config.instances[0].ipvlan.as_ref().unwrap();
    assert_eq!((ipvlan.name.as_deref(), ipvlan.mode), (Some("ipv1"), "private"));
    assert_eq!(found(&instance("A", 51, " use_ipvlan")), [(Severity::Error, Code::BadVmac)]);
}

#[test]
fn signed_adverts() {
    let hex = "00ff".repeat(16);
    let lines = format!(
        " version 3\n auth_hmac {{\n key 1 hex:{hex}\n key 2 file:/etc/key\n active_key 2\n mode receive-only\n time_window 30\n }}"
    );
    let config = meaning(&instance("A", 51, &lines));
    let hmac = config.instances[0].hmac.as_ref().unwrap();
    assert_eq!((hmac.keys.len(), hmac.active, hmac.mode), (2, 2, HmacMode::ReceiveOnly));
    assert_eq!(hmac.window, Duration::from_secs(30));
    assert!(hmac.by_time && !format!("{hmac:?}").contains("255"));
    for bad in ["key 1 hex:0", "key x abc", "key 1", "key 1 abc\n active_key 2", "key 1 file:rel"] {
        let lines = format!(" version 3\n auth_hmac {{\n {bad}\n }}");
        assert_eq!(found(&instance("A", 51, &lines)), [(Severity::Error, Code::BadKey)], "{bad}");
    }
}

#[test]
fn the_node() {
    let text = format!(
        "net_namespace blue\ninstance second\nchild_wait_time 9\ninterface_up_down_delays {{\n eth0 1.5 2\n}}\nlinkbeat_interfaces {{\n eth1 ETHTOOL\n}}\ngarp_group {{\n garp_interval 0.002\n interfaces {{\n eth0 eth1\n }}\n}}\nglobal_defs {{
 notification_email {{
  root@example.com
  \"Ops <ops@example.com>\"
 }}
 notification_email_from k@example.com
 smtp_server mail.example.com 587
 smtp_connect_timeout 5
 notify_fifo /run/a fifo
 notify_fifo_script \"/bin/read x\"
 vrrp_notify_fifo /run/b
 startup_script /bin/up
 startup_script_timeout 20
 vrrp_rt_priority 50
 vrrp_rlimit_rttime 20000
 vrrp_cpu_affinity 0 2
 vrrp_no_swap
 bfd_priority -5
 vrrp_rx_bufs_policy ADVERT
 vrrp_netlink_cmd_rcv_bufs 1000
 vrrp_netlink_cmd_rcv_bufs_force on
 nftables mine
 nftables_priority -5
 enable_snmp_rfc
 enable_traps
 enable_dbus
 dbus_service_name org.example.V
 umask 0027
 json_version 2
 vmac_prefix vm
 reload_file
}}\n{}",
        instance("A", 5, "")
    );
    let node = meaning(&text).node;
    assert_eq!(node.mail.to, ["root@example.com", "Ops <ops@example.com>"]);
    let server = node.mail.server.unwrap();
    assert_eq!((server.host.as_str(), server.port), ("mail.example.com", 587));
    assert_eq!(node.mail.timeout, Duration::from_secs(5));
    let fifo = node.fifos.all.unwrap();
    assert_eq!(fifo.path.as_deref(), Some("/run/a"));
    assert_eq!(fifo.owner.unwrap().user, "fifo");
    assert_eq!(fifo.script.unwrap().argv, ["/bin/read", "x"]);
    assert_eq!(node.hooks.startup_timeout, Duration::from_secs(20));
    assert_eq!((node.vrrp.real_time, node.vrrp.run_limit), (Some(50), Duration::from_millis(20)));
    assert_eq!(
        (&node.vrrp.processors[..], node.vrrp.locked, node.bfd.nice),
        (&[0, 2][..], true, -5)
    );
    assert_eq!(node.buffers.adverts.policy, BufferPolicy::Advert);
    assert!(node.buffers.netlink_commands.unwrap().force);
    assert_eq!((&*node.firewall.table, node.firewall.priority), ("mine", -5));
    assert!(node.snmp.rfc_v2 && node.snmp.rfc_v3 && node.snmp.traps && !node.snmp.vrrp);
    assert_eq!((node.dbus.enabled, node.dbus.service.as_str()), (true, "org.example.V"));
    assert_eq!((node.files.umask, node.files.json_version), (0o27, 2));
    assert_eq!((&*node.vmac_prefix, &*node.vmac_addr_prefix), ("vm", "vm"));
    assert_eq!(node.reload.marker.as_deref(), Some(""));
    assert_eq!(node.run.namespace.as_deref(), Some("blue"));
    assert_eq!(node.run.wait_for_children, Duration::from_secs(9));
    assert_eq!(node.links.delays[0].down, Duration::from_millis(1500));
    assert_eq!(node.links.polled[0].by, Some("ETHTOOL"));
    assert_eq!(
        (node.links.pacing[0].interfaces.len(), node.links.pacing[0].arp_gap.is_some()),
        (2, true)
    );
}

#[test]
fn how_a_vip_is_held() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n  192.0.2.5/24 peer 192.0.2.9 noprefixroute no_track use_vmac\n }\n virtual_ipaddress_excluded {\n  2001:db8::5/64 home mngtmpaddr autojoin preferred_lft 60\n }\n}\n";
    let config = meaning(text);
    let own = &config.instances[0];
    let options = &own.vip_options[0];
    assert!(options.no_prefix_route && options.untracked && options.vmac && options.peer.is_some());
    let options = &own.excluded_options[0];
    assert!(options.home && options.manage_temporary && options.auto_join);
    assert_eq!(options.preferred, Some(Duration::from_secs(60)));
}

#[test]
fn one_vrid_in_two_groups_is_two_virtual_routers() {
    let other = |line: &str| instance("B", 5, line).replace("192.0.2.5", "192.0.2.6");
    let text = format!("{}{}", instance("A", 5, ""), other(" mcast_dst_ip 224.0.0.19"));
    assert_eq!(found(&text), []);
    let text = format!("{}{}", instance("A", 5, ""), other(""));
    assert_eq!(found(&text), [(Severity::Error, Code::DuplicateRouter)]);
}

#[test]
fn names_of_tables_are_looked_up_where_the_configuration_says() {
    let text = "global_defs {
 iproute_etc_dir /opt/etc
 iproute_usr_dir /opt/usr
}
static_routes {
 10.1.0.0/16 dev eth0 table special
 10.2.0.0/16 dev eth0 table elsewhere
 10.3.0.0/16 dev eth0 table more
}
";
    let tables: Vec<u32> = meaning(text)
        .statics
        .ways
        .iter()
        .map(|held| match &held.way {
            base::Way::Route(route) => route.table,
            base::Way::Rule(rule) => panic!("{rule:?}"),
        })
        .collect();
    assert_eq!(tables, [18, 20, 21]);
}
