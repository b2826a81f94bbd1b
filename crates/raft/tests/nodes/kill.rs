//! kill -9 of a whole cluster, and of one node of it, at any moment: nothing acknowledged is lost.
//!
//! Each node is a process of its own: this test's binary, started again. A node proposes change after
//! change, says which were acknowledged and what it was told in which place.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cluster::Role;
use cluster::node::Message;
use cluster::operation::{CibChange, Operation};
use cluster::seam::{Ask, Engine as _, Tell, Ticket};
use raft::types::Peer;
use raft::{Config, Engine, Key};

use crate::world::{Dir, birth, entry, now, patient};

const PLACE: &str = "MAINSTAY_RAFT_NODE_PLACE";
const WHICH: &str = "MAINSTAY_RAFT_NODE";

fn peers(place: &Path) -> Vec<Peer> {
    let text = std::fs::read_to_string(place.join("peers")).expect("the peers");
    let peer = |(at, line): (usize, &str)| {
        let key = std::fs::read(place.join(format!("{at}/key"))).expect("a key");
        Peer {
            name: format!("n{at}").into(),
            address: line.parse().expect("an address"),
            key: Key::read(&key).expect("a key").print(),
            role: Role::Voter,
        }
    };
    text.lines().enumerate().map(peer).collect()
}

/// A node, as a process: until it is killed.
#[test]
fn node() {
    let (Ok(place), Ok(which)) = (std::env::var(PLACE), std::env::var(WHICH)) else { return };
    let place = PathBuf::from(place);
    let peers = peers(&place);
    let at: usize = which.parse().expect("a number");
    let dir = place.join(&which);
    let me = peers[at].clone();
    let (wake, woken) = mpsc::sync_channel(1);
    let mut engine = Engine::start(Config {
        key: Key::read(&std::fs::read(dir.join("key")).expect("a key")).expect("a key"),
        dir,
        name: me.name.clone(),
        listen: me.address,
        address: me.address,
        role: Role::Voter,
        known: peers.clone(),
        birth: birth(),
        dowry: Vec::new(),
        timing: patient(),
        clock: Arc::new(now),
        wake: Arc::new(move || {
            let _ = wake.try_send(());
        }),
    })
    .expect("it starts");
    let mut out = std::io::stdout().lock();
    engine.know(peers.clone());
    if at == 0 && engine.init().is_ok() {
        let roles = peers.iter().map(|peer| (peer.name.clone(), Role::Voter)).collect();
        while engine.status().leadership.leader.is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        engine.ask(now(), Ask::Members(Ticket(0), roles));
    }
    // Numbers that no earlier life has used.
    let life = u64::from(std::process::id()) << 32;
    let mut number = 0;
    let mut waiting = BTreeMap::new();
    loop {
        while waiting.len() < 4 {
            number += 1;
            waiting.insert(Ticket(number), life + number);
            engine.ask(now(), Ask::Propose(Ticket(number), entry(&me.name, life + number)));
        }
        let _ = woken.recv_timeout(Duration::from_millis(50));
        while let Some(tell) = engine.poll_tell() {
            match tell {
                Tell::Committed { index, entry } => {
                    writeln!(out, "told {index} {}", value(&entry.operation)).expect("heard");
                }
                Tell::Install { index, .. } => writeln!(out, "install {index}").expect("heard"),
                Tell::Answered(ticket, Ok(index)) => {
                    if let Some(number) = waiting.remove(&ticket) {
                        writeln!(out, "acknowledged {index} {}-{number}", me.name).expect("heard");
                    }
                }
                Tell::Answered(ticket, Err(_)) => drop(waiting.remove(&ticket)),
                Tell::Ended(why) => panic!("{why}"),
                _ => {}
            }
        }
        // Refused in a row while nobody leads: not as fast as it can.
        if engine.status().leadership.leader.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        engine.send(peers[(at + 1) % peers.len()].name.clone(), Message::Leave);
        out.flush().expect("heard");
    }
}

fn value(operation: &Operation) -> &str {
    match operation {
        Operation::Cib { change: CibChange::Modify { xml, .. }, .. } => {
            xml.split("value='").nth(1).and_then(|it| it.split('\'').next()).unwrap_or_default()
        }
        _ => "",
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(place: &Path, at: usize, heard: &mpsc::Sender<String>) -> Running {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "kill::node", "--nocapture"])
        .env(PLACE, place)
        .env(WHICH, at.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a node starts");
    let lines = BufReader::new(child.stdout.take().expect("its words")).lines();
    let heard = heard.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = heard.send(line);
        }
    });
    Running(child)
}

/// What was told at each index, and what was acknowledged.
#[derive(Default)]
struct Ledger {
    told: BTreeMap<u64, String>,
    acknowledged: BTreeMap<u64, String>,
}

impl Ledger {
    fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(Ok(index)), Some(value)) =
            (words.next(), words.next().map(str::parse), words.next())
        else {
            return;
        };
        let book = match what {
            "told" => &mut self.told,
            "acknowledged" => &mut self.acknowledged,
            _ => return,
        };
        let before = book.entry(index).or_insert_with(|| value.into());
        assert_eq!(before, value, "{what} at {index}: two things");
    }

    fn check(&self) {
        for (index, value) in &self.acknowledged {
            assert_eq!(self.told.get(index), Some(value), "acknowledged at {index}, and not there");
        }
    }
}

#[test]
fn kill_9_of_all_or_one_loses_nothing_that_was_acknowledged() {
    let dir = Dir::new();
    let process = u8::try_from(std::process::id() % 250).expect("small");
    let mut text = String::new();
    for at in 0..3_u8 {
        let place = dir.0.join(at.to_string());
        std::fs::create_dir(&place).expect("a directory");
        let key = Key::generate().expect("randomness");
        std::fs::write(place.join("key"), key.bytes()).expect("written");
        // A port that is free now; nobody else listens at this address.
        let ip = IpAddr::V4(Ipv4Addr::new(127, 200, process, at + 1));
        let free = std::net::TcpListener::bind(SocketAddr::new(ip, 0)).expect("a port");
        text += &format!("{}\n", free.local_addr().expect("bound"));
    }
    std::fs::write(dir.0.join("peers"), text).expect("written");
    let (heard, hear) = mpsc::channel();
    let mut ledger = Ledger::default();
    let mut nodes: Vec<Option<Running>> =
        (0..3).map(|at| Some(start(&dir.0, at, &heard))).collect();
    let mut killed = 0;
    for round in 0..12_u64 {
        // Each round goes on until something new is acknowledged, and a little longer.
        let (before, limit) = (ledger.acknowledged.len(), Instant::now() + Duration::from_secs(40));
        let mut end = limit;
        while Instant::now() < end {
            if let Ok(line) = hear.recv_timeout(Duration::from_millis(5)) {
                ledger.take(&line);
            }
            if end == limit && ledger.acknowledged.len() > before {
                end = Instant::now() + Duration::from_millis(20 + round * 7_919 % 113);
            }
        }
        assert!(ledger.acknowledged.len() > before, "round {round}: nothing is acknowledged");
        let victims: Vec<usize> = if round % 3 == 0 {
            vec![0, 1, 2]
        } else {
            vec![usize::try_from(round).expect("small") % 3]
        };
        for at in &victims {
            // Dropped, it is killed and waited for.
            nodes[*at] = None;
        }
        killed += victims.len();
        for at in victims {
            nodes[at] = Some(start(&dir.0, at, &heard));
        }
    }
    // Whoever is left tells all of it again after a last start of all.
    nodes.clear();
    let acknowledged = ledger.acknowledged.clone();
    while let Ok(line) = hear.recv_timeout(Duration::from_millis(100)) {
        ledger.take(&line);
    }
    let mut fresh = Ledger::default();
    nodes.extend((0..3).map(|at| Some(start(&dir.0, at, &heard))));
    let limit = Instant::now() + Duration::from_secs(40);
    let last = *ledger.acknowledged.last_key_value().expect("some").0;
    while fresh.told.len() < usize::try_from(last).expect("few") && Instant::now() < limit {
        if let Ok(line) = hear.recv_timeout(Duration::from_millis(100)) {
            fresh.take(&line);
        }
    }
    for (index, value) in acknowledged.iter().chain(&ledger.acknowledged) {
        assert_eq!(fresh.told.get(index), Some(value), "acknowledged at {index}, and lost");
    }
    ledger.check();
    eprintln!(
        "{} acknowledged, {} committed, {killed} processes killed, none lost",
        ledger.acknowledged.len(),
        fresh.told.len()
    );
}
