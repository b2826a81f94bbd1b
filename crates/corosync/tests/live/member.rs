//! One node's engine, and a state that is a list of what was committed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base::{Name, Wall};
use cluster::seam::{Ask, Engine as _, Leadership, Tell, Ticket};
use cluster::{Entry, Operation, Role};
use corosync::live::{Config, Engine, Out};
use corosync::{Disk, Id};

pub(crate) const NAME: &str = "MAINSTAY_COROSYNC_MEMBER";
pub(crate) const HOME: &str = "MAINSTAY_COROSYNC_HOME";
pub(crate) const PORT: u16 = 7_001;
pub(crate) const LEASE: Duration = Duration::from_millis(1_500);

enum Event {
    Wake,
    Asked(String, TcpStream),
}

struct Member {
    name: Name,
    life: u64,
    engine: Engine,
    state: BTreeMap<u64, Entry>,
    leads: Leadership,
    members: usize,
    confirmed: u64,
    tickets: u64,
    open: BTreeMap<Ticket, usize>,
    /// Who waits for how many changes, and how many came true; `None`: nobody waits.
    jobs: Vec<(Option<TcpStream>, usize, usize)>,
    expels: BTreeMap<Ticket, TcpStream>,
    told: Vec<String>,
}

pub(crate) fn run(name: &str) {
    let dir = std::env::var(HOME).unwrap();
    let (dir, id) = (Path::new(&dir), Id(name.bytes().map(u64::from).sum()));
    if !dir.join(corosync::disk::FILE).exists() {
        std::fs::create_dir_all(dir).unwrap();
        Disk::make(dir, id).unwrap();
    }
    let (send, events) = channel();
    let wake = std::sync::Mutex::new(send.clone());
    let life = linux::clock::chance();
    let engine = Engine::start(Config {
        dir: dir.into(),
        id,
        name: name.into(),
        role: Role::Voter,
        founding: 1,
        chance: life,
        lease: LEASE,
        clock: Arc::new(linux::clock::boottime),
        wake: Arc::new(move || {
            let _ = wake.lock().unwrap().send(Event::Wake);
        }),
    });
    let engine = engine.unwrap_or_else(|error| panic!("{error}"));
    let listener = TcpListener::bind(("127.0.0.1", PORT)).unwrap();
    std::thread::spawn(move || accept(&listener, &send));
    let mut member = Member {
        name: name.into(),
        life,
        engine,
        state: BTreeMap::new(),
        leads: Leadership::default(),
        members: 0,
        confirmed: 0,
        tickets: 0,
        open: BTreeMap::new(),
        jobs: Vec::new(),
        expels: BTreeMap::new(),
        told: Vec::new(),
    };
    member.live(&events);
}

fn accept(listener: &TcpListener, send: &Sender<Event>) {
    while let Ok((stream, _)) = listener.accept() {
        let mut line = String::new();
        let _ = BufReader::new(&stream).read_line(&mut line);
        let _ = send.send(Event::Asked(line.trim().to_owned(), stream));
    }
}

impl Member {
    fn live(&mut self, events: &Receiver<Event>) {
        while let Ok(event) = events.recv() {
            match event {
                Event::Wake => {
                    while let Some(out) = self.engine.poll_out() {
                        self.out(out);
                    }
                }
                Event::Asked(line, stream) => self.asked(&line, stream),
            }
        }
    }

    fn out(&mut self, out: Out) {
        match out {
            Out::Tell(tell) => self.told(tell),
            Out::Message(..) => {}
            Out::Event(what) => self.told.push(what),
        }
    }

    fn told(&mut self, tell: Tell) {
        match tell {
            Tell::Committed { index, entry } => {
                let last = self.state.last_key_value().map_or(0, |(last, _)| *last);
                assert!(index > last, "{index} after {last}");
                self.state.insert(index, entry);
            }
            Tell::Answered(ticket, answer) => {
                if let Some(mut stream) = self.expels.remove(&ticket) {
                    let said = answer.as_ref().map_or_else(ToString::to_string, |_| "done".into());
                    let _ = writeln!(stream, "{said}");
                }
                let Some(job) = self.open.remove(&ticket) else { return };
                let (stream, left, done) = &mut self.jobs[job];
                *left -= 1;
                if let Ok(index) = answer {
                    *done += 1;
                    let entry = self.state.get(&index).expect("told before it is answered");
                    println!("acknowledged {}", value(entry));
                }
                if *left == 0
                    && let Some(stream) = stream
                {
                    let _ = writeln!(stream, "{done}");
                }
            }
            Tell::Leads(leadership) => {
                assert!(leadership.term >= self.leads.term);
                self.told.push(format!("{leadership:?}"));
                self.leads = leadership;
            }
            Tell::Confirmed(_) => self.confirmed += 1,
            Tell::Members(members) => self.members = members.len(),
            Tell::Take => {
                let index = self.state.last_key_value().map_or(0, |(last, _)| *last);
                let bytes = postcard::to_allocvec(&self.state).unwrap();
                self.engine.ask(linux::clock::boottime(), Ask::Snapshot { index, bytes });
            }
            Tell::Install { bytes, .. } => self.state = postcard::from_bytes(&bytes).unwrap(),
            Tell::Ended(why) => {
                println!("{}: {why}", self.name);
                std::process::exit(3);
            }
        }
    }

    fn asked(&mut self, line: &str, mut stream: TcpStream) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "propose" | "attempt" => {
                let count = rest.parse().unwrap();
                let waits = (verb == "propose").then(|| stream.try_clone().unwrap());
                self.jobs.push((waits, count, 0));
                for _ in 0..count {
                    self.tickets += 1;
                    let ticket = Ticket(self.tickets);
                    self.open.insert(ticket, self.jobs.len() - 1);
                    let value = format!("{}-{:x}-{}", self.name, self.life, ticket.0);
                    let operation = Operation::Attribute {
                        node: self.name.clone(),
                        name: "n".into(),
                        value: Some(value),
                        dampen: Duration::ZERO,
                    };
                    let entry = Entry { at: Wall::new(1, 0), by: self.name.clone(), operation };
                    self.engine.ask(linux::clock::boottime(), Ask::Propose(ticket, entry));
                }
                if verb == "attempt" {
                    let _ = writeln!(stream, "asked");
                }
            }
            "expel" => {
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.expels.insert(ticket, stream);
                self.engine.expel(ticket, rest.into());
            }
            "state" => {
                let values: Vec<&str> = self.state.values().map(value).collect();
                let _ = writeln!(stream, "{}", values.join(" "));
            }
            "leader" => {
                let leader = self.leads.leader.as_deref().unwrap_or("nobody");
                let _ = writeln!(stream, "{leader}");
            }
            "story" => {
                let status = self.engine.status();
                let (members, confirmed) = (self.members, self.confirmed);
                let told = &self.told;
                let _ = writeln!(stream, "{members} {confirmed} {status:?} {told:?}");
            }
            _ => {
                let _ = writeln!(stream, "what?");
            }
        }
    }
}

fn value(entry: &Entry) -> &str {
    match &entry.operation {
        Operation::Attribute { value: Some(value), .. } => value,
        other => panic!("{other:?}"),
    }
}
