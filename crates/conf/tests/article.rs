//! The two files of the article the project began with load as printed, and as they would be
//! written today, and mean the same.

use base::{Family, Preempt, Priority, State, Version, Vrid};
use conf::{
    Announce, Burst, Code, Config, Loaded, Options, Password, Reach, Severity, Source, load,
};
use core::net::IpAddr;
use core::time::Duration;

const MASTER: &str = r#"vrrp_instance VI_1 {
state MASTER
interface eth0
garp_master_delay 10
smtp_alert
virtual_router_id 51
priority 100
vrrp_unicast_bind 192.168.121.51
vrrp_unicast_peer 192.168.121.52
advert_int 1
authentication {
auth_type PASS
auth_pass testpass
}
notify_master "/etc/keepalived/notify.sh master"
notify_backup "/etc/keepalived/notify.sh backup"
}
"#;

const BACKUP: &str = r#"vrrp_instance VI_1 {
state BACKUP
interface eth0
garp_master_delay 10
smtp_alert
virtual_router_id 51
priority 50
vrrp_unicast_bind 192.168.121.52
vrrp_unicast_peer 192.168.121.51
advert_int 1
authentication {
auth_type PASS
auth_pass testpass
}
notify_master "/etc/keepalived/notify.sh master"
notify_backup "/etc/keepalived/notify.sh backup"
}
"#;

fn loaded(text: &str) -> Loaded {
    load(Source { name: "keepalived.conf", text: text.as_bytes() }, Options::default())
}

fn config(text: &str) -> Config {
    let loaded = loaded(text);
    loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn both_files_load_as_printed() {
    for (text, priority, own, peer) in [
        (MASTER, 100, "192.168.121.51", "192.168.121.52"),
        (BACKUP, 50, "192.168.121.52", "192.168.121.51"),
    ] {
        let config = config(text);
        let [instance] = &config.instances[..] else { panic!("one instance") };
        assert_eq!(instance.name, *"VI_1");
        assert_eq!(instance.family, Family::V4);
        assert_eq!(instance.version(), Version::V2);
        assert_eq!(instance.vrid, Vrid::new(51).unwrap());
        assert_eq!(instance.interface.as_deref(), Some("eth0"));
        assert_eq!(instance.priority, Priority::new(priority));
        assert_eq!(instance.start, State::Backup, "only an owner starts Active");
        assert_eq!(instance.interval.as_duration(), Duration::from_secs(1));
        assert_eq!(instance.down_adverts, 3);
        assert_eq!(instance.preempt, Preempt::After(Duration::ZERO));
        assert_eq!(instance.password.map(Password::octets), Some(*b"testpass"));
        assert_eq!(instance.source, Some(ip(own)));
        let Reach::Unicast { peers, ttl: 255, check_source: true } = &instance.reach else {
            panic!("{:?}", instance.reach)
        };
        assert_eq!(peers.iter().map(|p| p.address).collect::<Vec<_>>(), [ip(peer)]);
        assert!(instance.vips.is_empty() && instance.excluded.is_empty());
        assert!(instance.smtp_alert);
        assert_eq!(
            instance.announce,
            Announce {
                takeover: Burst { repeat: 5, again_after: Some(Duration::from_secs(10)) },
                weaker_heard: Burst { repeat: 5, again_after: Some(Duration::from_secs(5)) },
                refresh: None,
            }
        );
        let argv = |c: &Option<conf::Command>| c.as_ref().map(|c| c.argv.clone()).unwrap();
        assert_eq!(argv(&instance.notify.active), ["/etc/keepalived/notify.sh", "master"]);
        assert_eq!(argv(&instance.notify.backup), ["/etc/keepalived/notify.sh", "backup"]);
        assert!(instance.notify.fault.is_none() && instance.notify.any.is_none());
    }
}

#[test]
fn what_is_old_or_missing_in_them_is_said() {
    for text in [MASTER, BACKUP] {
        let found: Vec<_> = loaded(text)
            .diagnostics
            .iter()
            .map(|d| {
                assert_eq!(d.severity, Severity::Warning);
                let line = Source { name: "", text: text.as_bytes() }.position(d.span.start).line;
                (line, d.code)
            })
            .collect();
        assert_eq!(
            found,
            [(1, Code::NothingToHold), (8, Code::OldSpelling), (9, Code::OldSpelling),]
        );
    }
}

#[test]
fn todays_spelling_means_the_same() {
    for text in [MASTER, BACKUP] {
        let today = text
            .replace("vrrp_unicast_bind", "unicast_src_ip")
            .replace("vrrp_unicast_peer ", "unicast_peer {\n  ")
            .replace("\nadvert_int", "\n}\nadvert_int");
        assert!(today.contains("unicast_peer {"));
        assert_eq!(config(&today), config(text));
        let codes: Vec<_> = loaded(&today).diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, [Code::NothingToHold]);
    }
}

#[test]
fn the_script_of_the_article_can_become_a_vip() {
    let text = BACKUP.replace(
        "priority 50",
        "priority 50\nvirtual_ipaddress { 193.168.0.6/16 dev br-apidefault }",
    );
    let config = config(&text);
    assert_eq!(config.instances[0].vips[0].to_string(), "193.168.0.6/16 dev br-apidefault");
    assert!(!loaded(&text).diagnostics.iter().any(|d| d.code == Code::NothingToHold));
}
