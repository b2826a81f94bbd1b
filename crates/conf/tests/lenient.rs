//! `--lenient`: what keepalived logs and goes on without is a warning, and what remains is what
//! keepalived would have run. What it stops for is still an error.

use base::Priority;
use conf::{Code, Config, Loaded, Options, Reach, Severity, Source, load};

fn read(text: &str, lenient: bool) -> Loaded {
    let options = Options { lenient, ..Options::default() };
    load(Source { name: "t", text: text.as_bytes() }, options)
}

fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {{\n  192.0.2.5\n }}\n{lines}\n}}\n"
    )
}

/// Refused strictly with this one error, accepted leniently with this one warning.
#[track_caller]
fn tolerated(text: &str, code: Code) -> Config {
    let found = |loaded: &Loaded| -> Vec<_> {
        loaded.diagnostics.iter().map(|d| (d.severity, d.code)).collect()
    };
    let strict = read(text, false);
    assert_eq!(found(&strict), [(Severity::Error, code)], "{text}");
    let lenient = read(text, true);
    assert_eq!(found(&lenient), [(Severity::Warning, code)], "{text}");
    lenient.config.expect("tolerated")
}

#[test]
fn a_value_that_is_refused_leaves_the_default() {
    let config = tolerated(&instance(" priority 300"), Code::OutOfRange);
    assert_eq!(config.instances[0].priority, Priority::DEFAULT);
    let config = tolerated(&instance(" garp_master_repeat many"), Code::NotANumber);
    assert_eq!(config.instances[0].announce.takeover.repeat, 1);
    tolerated(&instance(" preempt_delay 2000"), Code::OutOfRange);
    tolerated(&instance(" state FOO"), Code::NotAChoice);
    tolerated(&instance(" priority"), Code::ValueMissing);
    let config = tolerated(&instance(" priority 120 90"), Code::TooManyValues);
    assert_eq!(config.instances[0].priority, Priority::new(120));
}

#[test]
fn what_is_ignored_is_left_out() {
    let config = tolerated(&instance(" priorty 100"), Code::UnknownKeyword);
    assert_eq!(config.instances[0].priority, Priority::DEFAULT);
    let text = instance("").replace("  192.0.2.5\n", "  192.0.2.5\n  2001:db8::5\n");
    assert_eq!(tolerated(&text, Code::MixedFamilies).instances[0].vips.len(), 1);
    let text = instance("").replace("  192.0.2.5\n", "  192.0.2.5\n  192.0.2.5\n");
    assert_eq!(tolerated(&text, Code::DuplicateVip).instances[0].vips.len(), 1);
    let text = instance("").replace("  192.0.2.5\n", "  192.0.2.5 bogus\n");
    assert_eq!(tolerated(&text, Code::BadOption).instances[0].vips.len(), 1);
    let twice = instance("") + &instance("").replace("5\n", "6\n");
    assert_eq!(tolerated(&twice, Code::DuplicateName).instances.len(), 1);
}

#[test]
fn a_long_password_is_cut_and_unicast_without_peers_multicasts() {
    let text = instance(" authentication {\n auth_type PASS\n auth_pass 123456789\n }");
    let config = tolerated(&text, Code::BadPassword);
    assert_eq!(config.instances[0].password.unwrap().octets(), *b"12345678");
    let config = tolerated(&instance(" unicast_src_ip 192.0.2.1"), Code::UnicastWithoutPeers);
    assert!(matches!(config.instances[0].reach, Reach::Multicast { .. }));
    let config = tolerated(&instance(" unicast_peer {\n }"), Code::UnicastWithoutPeers);
    assert!(matches!(config.instances[0].reach, Reach::Multicast { .. }));
    let peers = " unicast_peer {\n 192.0.2.2\n 192.0.2.2\n }";
    let config = tolerated(&instance(peers), Code::DuplicatePeer);
    let Reach::Unicast { peers, .. } = &config.instances[0].reach else { panic!() };
    assert_eq!(peers.len(), 1);
}

#[test]
fn what_keepalived_stops_for_is_an_error_still() {
    for text in [
        instance("").replace("virtual_router_id 5", "virtual_router_id 300"),
        instance("").replace(" virtual_router_id 5\n", ""),
        instance("").replace(" interface eth0\n", ""),
        instance("frob {\n a\n}\n b"),
        instance("").replace(" virtual_ipaddress {\n  192.0.2.5\n }", " version 3"),
    ] {
        assert!(read(&text, true).config.is_none(), "{text}");
    }
}
