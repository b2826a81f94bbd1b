//! A driver and what a test needs around it: a directory, orders, waiting.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agents::{AgentId, Ask, Driver, Settings, Told};
use cluster::controller::Order;
use cluster::executor::{Call, CallDone};
use cluster::operation::{OpKey, OpStatus};
use linux::{Interest, Poll};

/// Longer than any of it takes, on a machine as busy as may be.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of a test, gone with it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainstay-agents-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file that can be executed at once. It is written by another process: had we it open for
    /// writing, whatever another test forks just then would keep it open, and it would be busy.
    pub(crate) fn program(&self, name: &str, text: &str) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Settings under which everything is looked for below a directory of the test's.
pub(crate) fn settings(directory: &Directory) -> Settings {
    Settings {
        ocf_root: directory.path().into(),
        init_scripts: directory.join("init.d"),
        fence_agents: vec![directory.join("sbin")],
        run: directory.join("run"),
        unit_overrides: Some(directory.join("units")),
        // The directory is in one that everybody may write to.
        only_roots: false,
        ..Settings::default()
    }
}

/// Parameters of an order.
pub(crate) type Given<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn order(agent: &str, operation: &str, parameters: Given<'_>) -> Order {
    let parts: Vec<&str> = agent.split(':').collect();
    let (class, provider, name) = match parts[..] {
        [class, provider, name] => (class, provider, name),
        [class, name] => (class, "", name),
        _ => panic!("{agent}"),
    };
    Order {
        key: OpKey { transition: 1, step: 1, expected: 0, walker: "n1".into() },
        node: "n1".into(),
        via: "n1".into(),
        resource: "it".into(),
        class: class.into(),
        provider: provider.into(),
        agent: name.into(),
        operation: operation.into(),
        interval: 0,
        timeout: PATIENCE,
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

pub(crate) fn id(agent: &str) -> AgentId {
    let order = order(agent, "", &[]);
    AgentId { class: order.class, provider: order.provider, agent: order.agent }
}

pub(crate) struct Bench {
    pub(crate) driver: Driver,
    poll: Poll,
    numbers: u64,
    told: Vec<Told>,
}

impl Bench {
    pub(crate) fn new(settings: Settings) -> Self {
        let driver = Driver::new(settings).unwrap();
        let poll = Poll::new().unwrap();
        poll.add(&driver, 0, Interest::Read).unwrap();
        Self { driver, poll, numbers: 0, told: Vec::new() }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Asks for an action; the number it has.
    pub(crate) fn call(&mut self, order: Order) -> u64 {
        let number = self.number();
        self.driver.ask(Ask::Call(Call { number, order }));
        number
    }

    /// Waits until something is told that is of interest.
    pub(crate) fn wait<R>(&mut self, mut which: impl FnMut(&Told) -> Option<R>) -> R {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.told.iter().position(|told| which(told).is_some()) {
                let told = self.told.remove(at);
                return which(&told).unwrap();
            }
            assert!(begun.elapsed() < PATIENCE, "only this was told: {:?}", self.told);
            self.poll.wait(Some(PATIENCE)).unwrap().for_each(drop);
            self.told.extend(self.driver.advance().unwrap());
        }
    }

    pub(crate) fn done(&mut self, number: u64) -> CallDone {
        self.wait(|told| match told {
            Told::Done(done) if done.number == number => Some(done.clone()),
            _ => None,
        })
    }

    /// Waits for some time, in which nothing of interest may be told.
    pub(crate) fn quiet(&mut self, time: Duration, which: impl Fn(&Told) -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.poll.wait(Some(time)).unwrap().for_each(drop);
            self.told.extend(self.driver.advance().unwrap());
        }
        let told: Vec<_> = self.told.iter().filter(|told| which(told)).collect();
        assert!(told.is_empty(), "{told:?}");
    }

    pub(crate) fn act(&mut self, agent: &str, operation: &str, parameters: Given<'_>) -> CallDone {
        let number = self.call(order(agent, operation, parameters));
        self.done(number)
    }

    /// The exit code an action comes to by itself.
    pub(crate) fn rc(&mut self, agent: &str, operation: &str, parameters: Given<'_>) -> i32 {
        let done = self.act(agent, operation, parameters);
        assert_eq!(done.status, OpStatus::Done, "{agent} {operation}: {done:?}");
        done.rc
    }

    pub(crate) fn metadata(&mut self, agent: &str) -> Result<agents::Metadata, String> {
        let number = self.number();
        self.driver.ask(Ask::Metadata(number, id(agent)));
        self.wait(|told| match told {
            Told::Metadata(known, answer) if *known == number => Some(answer.clone()),
            _ => None,
        })
    }

    pub(crate) fn validate(&mut self, agent: &str, given: Given<'_>) -> agents::Validation {
        let number = self.number();
        let given = order(agent, "", given).parameters;
        self.driver.ask(Ask::Validate(number, id(agent), given));
        self.wait(|told| match told {
            Told::Validated(known, answer) if *known == number => Some(answer.clone()),
            _ => None,
        })
    }
}

/// Whether a process runs (and is no zombie).
pub(crate) fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

pub(crate) fn eventually(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
