//! What the top of a file and `global_defs` ask of the node: a network namespace and a name of its own
//! with the files that follow from them, switches of interfaces, and texts that are kept.

use std::fs;
use std::net::IpAddr;

use lab::{Card, CommandLine, Lab, Need, Plan, ProcessSignal, wait_for};

use crate::bench::PATIENCE;
use crate::mainstay::BINARY;

const NODE: &str = "ours";

fn network() -> Lab {
    let nodes = vec![(NODE.into(), vec![Card::eth0(2)])];
    Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap()
}

fn output(lab: &Lab, line: &str) -> Option<String> {
    lab.node(NODE).output(&CommandLine::parse(line), PATIENCE).unwrap()
}

fn do_it(lab: &Lab, line: &str) {
    assert!(output(lab, line).is_some(), "`{line}` failed");
}

/// A network namespace `blue`, with `nic9` and its address in it.
fn add_namespace(lab: &Lab) {
    for line in [
        "ip netns add blue",
        "ip link add nic8 type veth peer name nic9 netns blue",
        "ip link set nic8 up",
        "ip -n blue address add 198.51.100.2/24 dev nic9",
        "ip -n blue link set nic9 up",
    ] {
        do_it(lab, line);
    }
}

fn text_of(lab: &Lab, path: &str) -> Option<String> {
    let path = path.to_owned();
    lab.node(NODE).run(move || fs::read_to_string(path).ok())
}

#[test]
fn a_daemon_works_in_the_namespace_and_under_the_name_its_file_gives_it() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mut lab = network();
    add_namespace(&lab);
    let conf = "
net_namespace blue
instance two
vrrp_instance VI_1 {
    interface nic9
    virtual_router_id 51
    priority 150
    advert_int 1
    no_accept
    virtual_ipaddress {
        198.51.100.9/24
    }
}
";
    let run =
        CommandLine::parse(&format!("{BINARY} run -f {{conf}} --pid-file /run/keepalived.pid"));
    let daemon = lab.node_mut(NODE).start(&run, conf).unwrap();
    let held =
        || output(&lab, "ip -n blue address").is_some_and(|it| it.contains("198.51.100.9/24"));
    assert!(wait_for(PATIENCE, held).is_some(), "{}", lab.node(NODE).log());
    let vip: IpAddr = "198.51.100.9".parse().unwrap();
    assert!(!lab.node(NODE).holds(vip), "it is not in the namespace it was started in");
    // Its leases and filters are where its VIPs are, and its files where others find none of theirs.
    let tables = output(&lab, "ip netns exec blue nft list tables").unwrap_or_default();
    assert!(tables.contains("mainstay-") && tables.contains("keepalived_two"), "{tables}");
    assert_eq!(output(&lab, "nft list tables").as_deref(), Some(""));
    assert!(text_of(&lab, "/run/keepalived/keepalived_blue_two.pid").is_some());
    assert_eq!(text_of(&lab, "/run/keepalived.pid"), None);
    let ask = format!("{BINARY} status --control /run/mainstay/control_blue_two.sock");
    assert!(output(&lab, &ask).is_some_and(|status| status.contains("VI_1")));
    // A dead engine's heir works there too.
    assert_eq!(lab.node(NODE).signal_named("ms:engine", ProcessSignal::KILL), 1);
    let adopted = || output(&lab, &ask).is_some_and(|status| status.contains("VI_1"));
    assert!(wait_for(PATIENCE, || adopted() && held()).is_some(), "{}", lab.node(NODE).log());
    lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    assert!(!held());
}

#[test]
fn a_namespace_that_is_not_there_is_told_and_ends_the_start() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mut lab = network();
    let run = CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"));
    let daemon = lab.node_mut(NODE).start(&run, "net_namespace nowhere\n").unwrap();
    let ended = daemon.wait(PATIENCE);
    assert_eq!(ended.and_then(|status| status.code()), Some(2), "{}", daemon.log());
    assert!(daemon.log().contains("nowhere"), "{}", daemon.log());
}

#[test]
fn an_interface_promotes_secondaries_while_asked_to_and_texts_are_kept() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let conf = |word: &str| {
        format!(
            "global_defs {{
    config_save_dir {}
}}
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    {word}
    virtual_ipaddress {{
        193.168.0.6/24
    }}
}}
",
            lab::DIR
        )
    };
    let mut lab = network();
    let switch = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
    // Not from this node's /proc, which may be another's.
    let promotes = |lab: &Lab| output(lab, &format!("cat {switch}")).unwrap().trim().to_owned();
    assert_eq!(promotes(&lab), "0");
    let run = CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"));
    let daemon = lab.node_mut(NODE).start(&run, &conf("promote_secondaries")).unwrap();
    assert!(wait_for(PATIENCE, || promotes(&lab) == "1").is_some(), "{}", lab.node(NODE).log());
    lab.node_mut(NODE).write(lab::CONF, conf(""), 0o644).unwrap();
    lab.node(NODE).signal(ProcessSignal::HUP);
    assert!(wait_for(PATIENCE, || promotes(&lab) == "0").is_some(), "{}", lab.node(NODE).log());
    let kept = |number: u32| {
        let names = output(&lab, &format!("ls {}", lab::DIR)).unwrap();
        let of = |name: &&str| {
            name.starts_with("keepalived.conf.") && name.ends_with(&format!(".{number}"))
        };
        let name = names.lines().find(of)?;
        text_of(&lab, &format!("{}/{name}", lab::DIR))
    };
    let first = format!("# {}\n{}\n", lab::CONF, conf("promote_secondaries"));
    assert_eq!(kept(0), Some(first), "{}", lab.node(NODE).log());
    let again = wait_for(PATIENCE, || kept(1).is_some());
    assert!(again.is_some() && kept(2).is_none(), "{}", lab.node(NODE).log());
    lab.node_mut(NODE).write(lab::CONF, conf("promote_secondaries"), 0o644).unwrap();
    lab.node(NODE).signal(ProcessSignal::HUP);
    assert!(wait_for(PATIENCE, || promotes(&lab) == "1").is_some(), "{}", lab.node(NODE).log());
    lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    assert_eq!(promotes(&lab), "0", "a stop puts back what stood there");
}

#[test]
fn a_start_that_goes_to_the_background_ends_when_the_daemon_stands_in_the_namespace_of_s() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mut lab = network();
    add_namespace(&lab);
    do_it(&lab, &format!("ln -s {BINARY} {}/keepalived", lab::DIR));
    let conf = |vrid: &str| {
        format!(
            "vrrp_instance VI_1 {{
    interface nic9
    {vrid}
    priority 150
    virtual_ipaddress {{
        198.51.100.9/24
    }}
}}
"
        )
    };
    let start = CommandLine::parse(
        "{dir}/keepalived -s blue -f {conf} -p {dir}/k.pid -r {dir}/v.pid --control {control}",
    );
    // A file that cannot be run: the starter's status says so, and nothing is left behind.
    let refused = lab.node_mut(NODE).start(&start, &conf("")).unwrap();
    let status = refused.wait(PATIENCE).and_then(|status| status.code());
    assert!(status.is_some_and(|code| code != 0), "{status:?}\n{}", refused.log());
    let starter = lab.node_mut(NODE).start(&start, &conf("virtual_router_id 51")).unwrap();
    let status = starter.wait(PATIENCE).and_then(|status| status.code());
    assert_eq!(status, Some(0), "{}", starter.log());
    let pid_file = output(&lab, "find /run -name *.pid").unwrap();
    let pids: Vec<_> = pid_file.lines().filter_map(|path| text_of(&lab, path)).collect();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pid_file}: {pids:?}");
    let held =
        || output(&lab, "ip -n blue address").is_some_and(|it| it.contains("198.51.100.9/24"));
    assert!(wait_for(PATIENCE, held).is_some(), "it does not take over");
    do_it(&lab, &format!("kill -TERM {}", pids[0].trim()));
    let over = || {
        let left = output(&lab, "find /run -name *.pid").unwrap();
        left.trim().is_empty() && !held()
    };
    assert!(wait_for(PATIENCE, over).is_some(), "it does not end");
}
