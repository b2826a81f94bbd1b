//! What guardian and roles of different versions say to each other has the octets it always had.
//!
//! The will has a shape of its own for this (`vip::last_will`); everything else that crosses is held to
//! the octets stored here. Whoever changes a type so that this fails has to leave it as it is, and to
//! add a variant at the end of the message that says more.

use std::fmt::Debug;

use base::{EventId, Origin, Reason, Subject, What};

use super::*;

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// As version 0.1.0 said it, a line for each message: never to be changed, only to be added to.
const STORED: &str = include_str!("stored.txt");

/// Holds messages to what is stored under their heading.
fn hold<T: Serialize + for<'a> Deserialize<'a> + PartialEq + Debug>(heading: &str, said: &[T]) {
    let stored = STORED.split("# ").find_map(|part| part.strip_prefix(heading)).unwrap_or("");
    let stored: Vec<&str> = stored.lines().filter(|line| !line.is_empty()).collect();
    let now: Vec<String> = said.iter().map(|one| hex(&postcard::to_stdvec(one).unwrap())).collect();
    assert!(stored == now, "# {heading}\n{}\n", now.join("\n"));
    for (one, stored) in said.iter().zip(stored) {
        let read: T = postcard::from_bytes(&octets(stored)).unwrap();
        assert!(read == *one, "{read:?} was {one:?}");
    }
    // And the next variant, whatever it will say, is refused and not mistaken for another.
    let kinds = now.iter().map(|line| u32::from_str_radix(&line[..2], 16).unwrap()).max().unwrap();
    let next = [postcard::to_stdvec(&(kinds + 1)).unwrap(), vec![0; 64]].concat();
    assert!(postcard::from_bytes::<T>(&next).is_err(), "{heading} has a variant without a line");
}

fn scheduling() -> Scheduling {
    Scheduling {
        nice: -5,
        real_time: Some(50),
        run_limit: Duration::from_micros(10_000),
        locked: true,
        processors: vec![0, 1],
    }
}

fn secret() -> Secret {
    Secret::new(vec![1, 2, 3])
}

#[test]
fn guardian_to_engine() {
    let index = IfIndex::new(3).unwrap();
    hold(
        "guardian to engine\n",
        &[
            GuardianToEngine::Adopt { held: vec!["VI_1".into()], image: Some(vec![9, 8]) },
            GuardianToEngine::Leases { table: "mainstay".into() },
            GuardianToEngine::Control,
            GuardianToEngine::Stop,
            GuardianToEngine::HandOver,
            GuardianToEngine::GoOn,
            GuardianToEngine::Spoken(vec![("VI_1".into(), 6 << 32)]),
            GuardianToEngine::Schedule(scheduling()),
            GuardianToEngine::Tuned { index },
        ],
    );
}

#[test]
fn engine_to_guardian() {
    let index = IfIndex::new(3).unwrap();
    hold(
        "engine to guardian\n",
        &[
            EngineToGuardian::Ready { gaps: vec!["seccomp".into()] },
            EngineToGuardian::Will(Edit::Release { name: "VI_1".into() }),
            EngineToGuardian::Alive,
            EngineToGuardian::Standing,
            EngineToGuardian::Image(vec![9, 8]),
            EngineToGuardian::Spoken(vec![("VI_1".into(), 6 << 32)]),
            EngineToGuardian::Unscheduled { troubles: vec!["no".into()] },
            EngineToGuardian::Tune(Tuning {
                index,
                name: "vrrp.51".into(),
                ipv6: true,
                local_igmp: false,
            }),
            EngineToGuardian::Promote(vec!["eth0".into()]),
        ],
    );
}

#[test]
fn guardian_to_control() {
    let settings = Settings {
        file: "/etc/mainstay.conf".into(),
        reading: Reading { config_id: Some("one".into()), ..Reading::default() },
        log: LogFormat::Syslog,
        color: true,
        namespace: None,
        snmp: None,
        pid: 4000,
        started: Instant::from_nanos(1 << 40),
    };
    // All that a guardian tells of.
    let happened = [
        What::RoleEnded { role: "engine".into(), how: "killed".into() },
        What::RoleTakenOver { role: "engine".into() },
        What::WillCarriedOut { instances: vec!["VI_1".into()] },
        What::UpgradeFailed { why: "it ended".into() },
    ];
    let reasons = [Reason::RoleDied, Reason::Adopted, Reason::RoleStalled, Reason::Upgrade];
    let events = happened.into_iter().zip(reasons).map(|(what, reason)| {
        GuardianToControl::Event(Event {
            id: EventId { origin: Origin::Guardian, number: 7 },
            at: Instant::from_nanos(1 << 41),
            subject: Subject::Node,
            what,
            reason,
            causes: vec![EventId { origin: Origin::Engine, number: 5 }],
        })
    });
    let mut said = vec![
        GuardianToControl::Start { settings, resume: Some(secret()) },
        GuardianToControl::Listen,
        GuardianToControl::Engine,
        GuardianToControl::Runner,
        GuardianToControl::Order(Order::Stop),
        GuardianToControl::Order(Order::Reload),
        GuardianToControl::Order(Order::Dump(Dump::Json)),
        GuardianToControl::Order(Order::Terms),
        GuardianToControl::EngineIsOver { clean: true },
        GuardianToControl::Replaced,
        GuardianToControl::UpgradeFailed { why: "no".into() },
        GuardianToControl::Letters(vec![vec![1, 2]]),
        GuardianToControl::Within("blue".into()),
    ];
    said.extend(events);
    said.extend([
        GuardianToControl::Snmp(SnmpAsked { all: true, socket: Some("tcp:705".into()) }),
        GuardianToControl::Links,
        GuardianToControl::Agent,
        GuardianToControl::NoAgent { why: "no".into() },
    ]);
    hold("guardian to control\n", &said);
}

#[test]
fn control_to_guardian() {
    let file = || DumpFile { path: "/tmp/keepalived.data".into(), text: "x".into(), mode: 0o600 };
    hold(
        "control to guardian\n",
        &[
            ControlToGuardian::InForce { state: secret(), gaps: vec!["landlock".into()] },
            ControlToGuardian::NeedRunner,
            ControlToGuardian::Finished { status: 3 },
            ControlToGuardian::Upgrade { binary: Some("/usr/sbin/mainstay".into()) },
            ControlToGuardian::ReloadRefused,
            ControlToGuardian::Schedule(scheduling()),
            ControlToGuardian::Dump(vec![file()]),
            ControlToGuardian::Terms(Terms::default()),
            ControlToGuardian::StopTakes { more: Duration::from_secs(9) },
            ControlToGuardian::ReloadDue { remove: Some("/etc/reload".into()) },
            ControlToGuardian::Keep(file()),
            ControlToGuardian::DumpDue(Dump::Stats),
            ControlToGuardian::Letter { job: 4, letter: Some(vec![1]) },
            ControlToGuardian::NeedAgent(AgentPlace::Unix("/x".into())),
            ControlToGuardian::NeedAgent(AgentPlace::Tcp("192.0.2.1:705".parse().unwrap())),
            ControlToGuardian::NeedAgent(AgentPlace::Udp("[::1]:705".parse().unwrap())),
        ],
    );
}
