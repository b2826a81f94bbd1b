//! mainstay itself, seen from outside: by its kernel's addresses and by what `mainstay status` and
//! `mainstay events` tell.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{State, What};
use lab::{CommandLine, Process, ProcessSignal, wait_for};
use ui::protocol::{EventRecord, InstanceReport, Status};

use crate::bench::{Bench, PATIENCE};
use crate::mode::Part;
use crate::speaker::{Speaker, faults};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mainstay");

/// mainstay on a node.
pub(crate) struct Mainstay {
    node: &'static str,
    daemon: Option<Process>,
}

impl Mainstay {
    pub(crate) fn on(node: &'static str) -> Self {
        Self { node, daemon: None }
    }

    /// `mainstay status --json`, waiting for the daemon to answer at all.
    pub(crate) fn status(&self, bench: &Bench) -> Status {
        serde_json::from_str(&self.ask(bench, "status")).expect("the status is as documented")
    }

    /// Its only instance.
    pub(crate) fn instance(&self, bench: &Bench) -> InstanceReport {
        self.status(bench).instances.into_iter().next().expect("one instance is configured")
    }

    /// `mainstay events --json`.
    pub(crate) fn events(&self, bench: &Bench) -> Vec<EventRecord> {
        let text = self.ask(bench, "events");
        let record = |line| serde_json::from_str(line).expect("an event is as documented");
        text.lines().map(record).collect()
    }

    /// The states it has been in since it was started, in order.
    pub(crate) fn states(&self, bench: &Bench) -> Vec<State> {
        let to = |record: &EventRecord| match record.event.what {
            What::StateChanged { to, .. } => Some(to),
            _ => None,
        };
        self.events(bench).iter().filter_map(to).collect()
    }

    /// Whether it has told of something that `wanted` accepts.
    pub(crate) fn told(&self, bench: &Bench, wanted: impl Fn(&What) -> bool) -> bool {
        self.events(bench).iter().any(|record| wanted(&record.event.what))
    }

    /// What it has refused, by cause: only what is not zero.
    pub(crate) fn refused(&self, bench: &Bench) -> BTreeMap<String, u64> {
        let status = self.status(bench);
        let of_instances = status.instances.into_iter().flat_map(|one| one.discards);
        let mut refused = BTreeMap::new();
        for (cause, count) in of_instances.chain(status.discards) {
            *refused.entry(cause).or_default() += count;
        }
        refused.retain(|_, count| *count > 0);
        refused
    }

    /// Waits until the instance is as `wanted` says.
    pub(crate) fn wait(&self, bench: &Bench, wanted: impl Fn(&InstanceReport) -> bool) {
        let found = wait_for(PATIENCE, || wanted(&self.instance(bench)));
        assert!(found.is_some(), "{:#?}\n{}", self.instance(bench), bench.story());
    }

    /// Sends a signal to one of its roles: `engine`, `control`, `runner`.
    pub(crate) fn signal_role(&self, bench: &Bench, role: &str, signal: ProcessSignal) {
        let name = format!("ms:{role}");
        let found = bench.lab.node(self.node).signal_named(&name, signal);
        // A program that the runner is starting has the runner's name until it is executed.
        let starting = role == "runner" && found > 1;
        assert!(found == 1 || starting, "{found} of {role}\n{}", bench.story());
    }

    /// Waits until the daemon has ended.
    fn ended(&self, bench: &Bench) {
        let ended = self.daemon.as_ref().and_then(|daemon| daemon.wait(PATIENCE));
        assert!(ended.is_some(), "{}", bench.story());
    }

    fn ask(&self, bench: &Bench, what: &str) -> String {
        self.ask_for(bench, &format!("{what} --json"))
    }

    /// What a command that asks the daemon prints.
    pub(crate) fn ask_for(&self, bench: &Bench, command: &str) -> String {
        let question = CommandLine::parse(&format!("{BINARY} {command} --control {{control}}"));
        let mut answer = None;
        let _ = wait_for(PATIENCE, || {
            let limit = Duration::from_secs(5);
            answer = bench.lab.node(self.node).output(&question, limit).unwrap();
            answer.is_some()
        });
        answer.unwrap_or_else(|| panic!("mainstay does not answer\n{}", bench.story()))
    }
}

impl Speaker for Mainstay {
    fn node(&self) -> &'static str {
        self.node
    }

    fn start(&mut self, bench: &mut Bench, part: &Part) {
        if self.daemon.is_some() {
            self.ended(bench);
        }
        let run = CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"));
        self.daemon = Some(bench.lab.node_mut(self.node).start(&run, &part.conf()).unwrap());
    }

    fn holds(&self, bench: &Bench) -> bool {
        bench.has_vip(self.node)
    }

    fn resign(&mut self, bench: &Bench) {
        bench.lab.node(self.node).signal(ProcessSignal::TERM);
    }

    fn freeze(&self, bench: &Bench) {
        bench.lab.node(self.node).signal_all(ProcessSignal::STOP);
    }

    fn thaw(&self, bench: &Bench) {
        bench.lab.node(self.node).signal_all(ProcessSignal::CONT);
    }

    fn kill(&self, bench: &Bench) {
        bench.lab.node(self.node).signal_all(ProcessSignal::KILL);
    }

    fn agrees(&self, bench: &Bench, part: &Part, state: State) {
        let instance = self.instance(bench);
        let down = part.mode.active_down(part.priority);
        let differs = (instance.active_down_ms / 1000.0 - down.as_secs_f64()).abs();
        let interval = u128::from(instance.active_interval_ms);
        assert_eq!((instance.state, interval), (state, part.mode.interval.as_millis()));
        assert!(
            differs < 0.001,
            "Active_Down_Interval {} ms, not {down:?}",
            instance.active_down_ms
        );
    }

    fn complaints(&self, _: &Bench) -> Vec<String> {
        self.daemon.as_ref().map(|daemon| faults(&daemon.log())).unwrap_or_default()
    }
}
