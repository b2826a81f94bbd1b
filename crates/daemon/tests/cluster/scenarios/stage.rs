//! The lab's stage.
//!
//! Programs are init scripts that keep one process each, found by its command line whatever anybody
//! remembers of it: what runs twice, or was left behind, is seen. A thread-free power switch is worked at
//! whenever the play lets a moment pass; it gives power again to whom it took it from.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use base::{Instant, Name};
use lab::{Asker, Power, ProcessSignal, wait_for};
use linux::clock::monotonic;
use sim::scenario::{Act, Active, Picture, Says, Scene, Seen, Stage, Step};

use crate::bench::{Bench, FENCE_AGENTS, PATIENCE, TOOLS};

/// The article's is n5's own, where there are five.
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 60));
const MOMENT: Duration = Duration::from_millis(50);
const SCENE: Scene = Scene {
    program: |name| format!("class='lsb' type='job-{name}'"),
    vip: (
        "class='ocf' provider='mainstay' type='IPaddr2'",
        "<instance_attributes id='v-p'><nvpair id='v-ip' name='ip' value='193.168.0.60'/>\
         </instance_attributes>",
    ),
    fence: (
        "class='stonith' type='fence_lab'",
        "<instance_attributes id='f-p'><nvpair id='f-l' name='pcmk_host_list' value='@'/>\
         </instance_attributes>",
    ),
    interval: "500ms",
};
/// One process, which is called as the script.
const JOB: &str = r#"#!/bin/sh
me=${0##*/}; mkdir -p /run/jobs; pid=/run/jobs/$me.pid; file=/run/jobs/$me.log
alive() { [ -s "$pid" ] && read -r it <"$pid" && kill -0 "$it" 2>/dev/null; }
case $1 in
  start) alive && exit 0
    : >"$file"; setsid tail -f "$file" >/dev/null 2>&1 </dev/null & echo $! >"$pid" ;;
  stop) alive || exit 0
    kill "$it"; while kill -0 "$it" 2>/dev/null; do sleep 0.01; done; rm -f "$pid" ;;
  status) alive || exit 3 ;;
  *) exit 2 ;;
esac
"#;

pub(super) struct Machines {
    bench: Bench,
    names: Vec<Name>,
    power: Power,
    asker: Option<Asker>,
    began: Instant,
    /// Each process of a resource that runs on one node only: since when (ticks), and when it was seen last.
    lives: BTreeMap<(Name, usize, u64), u64>,
    /// Who was told to stop, and for whom nobody has waited yet.
    stopping: Vec<bool>,
    /// Who is to stay down when it has power again.
    down: Vec<bool>,
    acts: VecDeque<String>,
}

impl Machines {
    /// A cluster of so many nodes; none where this machine cannot have one.
    pub(super) fn new(nodes: u64) -> Option<Self> {
        let mut bench = Bench::new(u8::try_from(nodes).unwrap())?;
        if !bench.lab.nodes().iter().all(|it| it.separations().etc) {
            eprintln!("SKIPPED: /etc of the nodes is this machine's");
            return None;
        }
        let power = Power::new().unwrap();
        power.install(&mut bench.lab, FENCE_AGENTS).unwrap();
        bench.disks = Some(power.disk("of"));
        let names: Vec<Name> = bench.lab.nodes().iter().map(|it| it.name().clone()).collect();
        for name in &names {
            for job in Scene::PROGRAMS {
                let path = format!("/etc/init.d/job-{job}");
                bench.lab.node_mut(name).write(path, JOB, 0o755).unwrap();
            }
        }
        std::fs::create_dir_all(power.disk("of")).unwrap();
        let all: Vec<&str> = names.iter().map(|it| &**it).collect();
        bench.all(&all);
        let mut it = Self {
            bench,
            names: names.clone(),
            power,
            asker: None,
            began: monotonic(),
            lives: BTreeMap::new(),
            stopping: vec![false; names.len()],
            down: vec![false; names.len()],
            acts: VecDeque::new(),
        };
        for name in &names {
            it.bench.ok(name, &["cluster", "tools", TOOLS]);
        }
        it.bench.replace("n1", "crm_config", &Scene::options());
        let resources = SCENE.resources().replace('@', &all.join(" "));
        it.bench.replace("n1", "resources", &resources);
        it.bench.replace("n1", "constraints", &Scene::constraints(None));
        it.asker = Some(it.bench.lab.asker(VIP, Duration::from_millis(20)).unwrap());
        Some(it)
    }

    pub(super) fn figures(&self) -> String {
        let fenced = self.power.strokes().len();
        format!("{:?}, {fenced} fenced", monotonic().since(self.began))
    }

    fn start(&mut self, at: usize) -> Result<(), String> {
        let name = self.names[at].clone();
        if !self.bench.runs(&name) && self.bench.lab.node(&name).has_power() {
            self.bench.begin(&[&name]);
        }
        Ok(())
    }

    fn power_on(&mut self, at: usize) -> Result<(), String> {
        let name = self.names[at].clone();
        if !self.bench.lab.node(&name).has_power() {
            self.bench.lab.power_on(&name).map_err(|it| it.to_string())?;
            self.bench.ok(&name, &["cluster", "tools", TOOLS]);
        }
        if self.down[at] { Ok(()) } else { self.start(at) }
    }

    fn switch(&mut self) -> Result<(), String> {
        let again = self.power.work(&mut self.bench.lab).map_err(|it| it.to_string())?;
        for name in again {
            let at = self.names.iter().position(|it| *it == name);
            self.power_on(at.ok_or("a plug of nobody")?)?;
        }
        Ok(())
    }

    /// One of our commands or Pacemaker's, until it succeeds: a leader may be lost meanwhile.
    fn ask(&mut self, by: usize, words: &[&str]) -> Result<(), String> {
        let name = self.names[by].clone();
        let (mut said, mut trouble) = (String::new(), Ok(()));
        let done = wait_for(PATIENCE, || {
            trouble = self.switch();
            let ours = matches!(words[0], "node" | "cib");
            let (ok, text) =
                if ours { self.bench.command(&name, words) } else { self.bench.tool(&name, words) };
            said = text;
            ok || trouble.is_err()
        });
        trouble?;
        done.map(|_| ()).ok_or_else(|| format!("{name}: {words:?}: {said}"))
    }

    /// The processes of programs on a node: which, since when (ticks of the kernel), which process.
    fn programs(&self, name: &str) -> Vec<(Name, u64, u32)> {
        let node = self.bench.lab.node(name);
        if !node.has_power() {
            return Vec::new();
        }
        let read = |pid: u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let job = line.strip_prefix("tail\0-f\0/run/jobs/job-")?.split('.').next()?.to_owned();
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let began = stat.rsplit(") ").next()?.split(' ').nth(19)?.parse().ok()?;
            Some((Name::from(job), began, pid))
        };
        node.container().pids().into_iter().filter_map(read).collect()
    }

    /// Whether anything that runs on one node only has begun on one while it was seen on another.
    fn overlaps(&mut self, seen: &[Seen], ticks: u64) -> Result<(), String> {
        for (at, node) in seen.iter().enumerate() {
            for active in node.active.iter().filter(|it| &*it.resource != Scene::CLONE) {
                let Some(since) = active.since else { continue };
                let mut others = self
                    .lives
                    .iter()
                    .filter(|((it, on, _), _)| *it == active.resource && *on != at);
                // Its clock counts hundredths of a second.
                let both = others.find(|(_, last)| since + 2 < **last);
                if let Some(((.., on, _), last)) = both {
                    return Err(format!(
                        "{} began on {} at {since}, and was seen on {} at {last}",
                        active.resource, node.name, self.names[*on]
                    ));
                }
                self.lives.insert((active.resource.clone(), at, since), ticks);
            }
        }
        Ok(())
    }

    fn cut(&self, sides: &[u8]) -> Result<(), String> {
        let mut pairs = Vec::new();
        for (from, side) in self.names.iter().zip(sides) {
            let others = self.names.iter().zip(sides).filter(|(_, it)| *it != side);
            pairs.extend(others.map(|(to, _)| (&**from, &**to)));
        }
        self.bench.lab.divide(&pairs).map_err(|it| it.to_string())
    }
}

/// Now, as /proc counts.
fn ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    let (whole, part) = text.split_whitespace().next().unwrap().split_once('.').unwrap();
    whole.parse::<u64>().unwrap() * 100 + part.parse::<u64>().unwrap()
}

impl Stage for Machines {
    fn names(&self) -> Vec<Name> {
        self.names.clone()
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        let line = format!("{:?}: {act:?}", monotonic().since(self.began));
        if std::env::var_os("SCENARIO_STEPS").is_some() {
            println!("{line}");
        }
        self.acts.push_back(line);
        if self.acts.len() > 60 {
            self.acts.pop_front();
        }
        let name = |at: &usize| self.names[*at].clone();
        match act {
            Act::Start(at) => {
                let (name, at) = (name(at), *at);
                if std::mem::take(&mut self.stopping[at]) {
                    let mut trouble = Ok(());
                    let ended = wait_for(PATIENCE, || {
                        trouble = self.switch();
                        !self.bench.runs(&name) || trouble.is_err()
                    });
                    trouble?;
                    ended.ok_or_else(|| format!("{name} was told to stop, and does not end"))?;
                }
                self.down[at] = false;
                self.power_on(at)?;
            }
            Act::PowerOn(at) => {
                self.down[*at] = false;
                self.power_on(*at)?;
            }
            Act::Stop(at) => {
                let name = name(at);
                self.down[*at] = true;
                if self.bench.runs(&name) {
                    self.bench.process(&name).signal(ProcessSignal::TERM);
                    self.stopping[*at] = true;
                }
            }
            Act::Kill(at) => {
                let name = name(at);
                if self.bench.runs(&name) {
                    self.bench.kill(&name);
                }
            }
            Act::Crash(at) => {
                let name = name(at);
                if self.bench.lab.node(&name).has_power() {
                    self.bench.lab.crash(&name).map_err(|it| it.to_string())?;
                }
            }
            Act::Pause(at) | Act::Resume(at) => {
                let name = name(at);
                let pause = matches!(act, Act::Pause(_));
                if self.bench.runs(&name) {
                    let signal = if pause { ProcessSignal::STOP } else { ProcessSignal::CONT };
                    self.bench.process(&name).signal(signal);
                }
            }
            Act::Cut(sides) => self.cut(sides)?,
            Act::Heal => self.cut(&vec![0; self.names.len()])?,
            Act::Fail(at, program) => {
                for (job, _, pid) in self.programs(&name(at)) {
                    if &*job == *program {
                        let kill = format!("kill -9 {pid}");
                        let killed = Command::new("/bin/sh").args(["-c", &kill]).status();
                        killed.map_err(|it| it.to_string())?;
                    }
                }
            }
            Act::Standby(by, at, on) => {
                let word = if *on { "standby" } else { "online" };
                let name = name(at);
                self.ask(*by, &["node", word, &name])?;
            }
            Act::Maintenance(by, on) => {
                let value = if *on { "true" } else { "false" };
                self.ask(*by, &["crm_attribute", "-n", "maintenance-mode", "-v", value])?;
            }
            Act::Prefer(by, to) => {
                let (to, file) = (to.as_ref().map(name), "/run/lab/section.xml");
                let xml = Scene::constraints(to.as_deref());
                let name = self.names[*by].clone();
                let written = self.bench.lab.node_mut(&name).write(file, xml, 0o600);
                written.map_err(|it| it.to_string())?;
                self.ask(*by, &["cib", "replace", file, "--scope", "constraints"])?;
            }
            Act::Mark(by, number) => {
                self.ask(*by, &["crm_attribute", "-n", "mark", "-v", &number.to_string()])?;
            }
            Act::Trouble => return Err("only the simulator has that".to_owned()),
        }
        Ok(())
    }

    fn picture(&mut self) -> Picture {
        let mut nodes = Vec::new();
        for name in self.names.clone() {
            let ticks = ticks();
            let mut active: Vec<Active> = self
                .programs(&name)
                .into_iter()
                .map(|(resource, since, _)| Active { resource, since: Some(since) })
                .collect();
            for it in active.iter().filter(|it| &*it.resource != Scene::CLONE) {
                let at = self.names.iter().position(|it| *it == name).unwrap_or(0);
                let key = (it.resource.clone(), at, it.since.unwrap_or(0));
                self.lives.insert(key, ticks);
            }
            if self.bench.lab.node(&name).holds(VIP) {
                active.push(Active { resource: Scene::VIP.into(), since: None });
            }
            let status = if self.bench.runs(&name) { self.bench.status(&name) } else { None };
            let says = status.map(|status| {
                let (_, cib) = self.bench.command(&name, &["cib", "query"]);
                let mut hash = DefaultHasher::new();
                cib.hash(&mut hash);
                let mark = cib.split("name=\"mark\"").nth(1);
                let mark = mark.and_then(|it| it.split("value=\"").nth(1)?.split('"').next());
                let quorum = status.quorum;
                Says {
                    quorum,
                    directs: quorum && status.dc.as_ref() == Some(&name),
                    dc: status.dc.filter(|_| quorum),
                    settled: status.settled == Some(true),
                    document: hash.finish(),
                    mark: mark.and_then(|it| it.parse().ok()),
                }
            });
            nodes.push(Seen { name, says, active });
        }
        Picture { nodes }
    }

    fn pass(&mut self) -> Result<(), String> {
        self.switch()?;
        let ticks = ticks();
        let mut seen = Vec::new();
        for name in self.names.clone() {
            let active = self.programs(&name).into_iter();
            let active = active.map(|(resource, since, _)| Active { resource, since: Some(since) });
            seen.push(Seen { name, says: None, active: active.collect() });
        }
        self.overlaps(&seen, ticks)?;
        let overlap = self.asker.as_ref().map(|it| it.longest_overlap(self.began));
        if let Some(overlap) = overlap.filter(|it| *it > Duration::ZERO) {
            return Err(format!("two nodes answered for {VIP}, for {overlap:?}"));
        }
        std::thread::sleep(MOMENT);
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        monotonic().since(self.began)
    }

    fn pace(&self) -> (Duration, Duration) {
        (Duration::from_millis(300), PATIENCE * 2)
    }

    fn can(&self, step: Step) -> bool {
        step != Step::Trouble
    }

    fn tell(&mut self) -> String {
        let mut text = String::new();
        for act in &self.acts {
            let _ = writeln!(text, "  {act}");
        }
        let _ = writeln!(text, "fenced: {:?}", self.power.strokes());
        text + &self.bench.story()
    }
}
