//! Units, by a systemd that was made up, on a bus of the test's own.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agents::{Ask, Settings};
use cluster::operation::OpStatus;
use lab::{Need, requires};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, ObjectServer, OwnedObjectPath, connection::Builder, fdo, interface};

use crate::bench::{Bench, Directory, PATIENCE, eventually, order, settings};

const POLICY: &str =
    "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN'
 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'><busconfig><type>session</type>
 <listen>unix:path=SOCKET</listen><auth>EXTERNAL</auth><policy context='default'><allow user='*'/>
 <allow own='*'/><allow send_destination='*'/><allow receive_sender='*'/></policy></busconfig>";

type States = Arc<Mutex<BTreeMap<String, String>>>;

/// What systemd would do with a unit is told by the unit's name.
struct Manager {
    states: States,
    jobs: u32,
    reloads: Arc<Mutex<u32>>,
}

struct Unit(String, States);

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn load_state(&self) -> String {
        if self.0.starts_with("missing") { "not-found" } else { "loaded" }.into()
    }

    #[zbus(property)]
    fn active_state(&self) -> String {
        let mut states = self.1.lock().unwrap();
        let state = states.get(&self.0).cloned().unwrap_or_else(|| "inactive".into());
        if state == "activating" {
            // The next who looks finds it there.
            states.insert(self.0.clone(), "active".into());
        }
        state
    }
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn subscribe(&self) {}

    fn reload(&self) {
        *self.reloads.lock().unwrap() += 1;
    }

    async fn load_unit(
        &self,
        name: &str,
        #[zbus(object_server)] server: &ObjectServer,
    ) -> fdo::Result<OwnedObjectPath> {
        let path = format!("/org/freedesktop/systemd1/unit/{}", name.replace('.', "_2e"));
        let _ = server.at(&*path, Unit(name.to_owned(), Arc::clone(&self.states))).await;
        Ok(path.try_into().unwrap())
    }

    async fn start_unit(
        &mut self,
        name: &str,
        mode: &str,
        #[zbus(signal_emitter)] signals: SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        assert_eq!(mode, "replace");
        let state = match name {
            "slow.service" => "activating",
            "broken.service" => "failed",
            _ => "active",
        };
        self.job(name, state, &signals).await
    }

    async fn stop_unit(
        &mut self,
        name: &str,
        _mode: &str,
        #[zbus(signal_emitter)] signals: SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        self.job(name, "inactive", &signals).await
    }

    #[zbus(signal)]
    async fn job_removed(
        signals: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

impl Manager {
    async fn job(
        &mut self,
        name: &str,
        state: &str,
        signals: &SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        self.jobs += 1;
        let path: OwnedObjectPath =
            format!("/org/freedesktop/systemd1/job/{}", self.jobs).try_into().unwrap();
        if name == "endless.service" {
            return Ok(path);
        }
        self.states.lock().unwrap().insert(name.to_owned(), state.to_owned());
        let result = if state == "failed" { "failed" } else { "done" };
        // Somebody else's job ends first.
        for (path, result) in
            [("/org/freedesktop/systemd1/job/0", "failed"), (path.as_str(), result)]
        {
            let path = path.try_into().unwrap();
            Self::job_removed(signals, self.jobs, path, name.into(), result.into()).await?;
        }
        Ok(path)
    }
}

/// A bus with a made-up systemd on it.
struct Stage {
    directory: Directory,
    bus: Child,
    reloads: Arc<Mutex<u32>>,
    _runtime: tokio::runtime::Runtime,
    _systemd: Connection,
    address: String,
}

impl Stage {
    fn new() -> Self {
        let directory = Directory::new();
        let socket = directory.join("bus");
        let policy = POLICY.replace("SOCKET", &socket.display().to_string());
        std::fs::write(directory.join("bus.conf"), policy).unwrap();
        let conf = format!("--config-file={}", directory.join("bus.conf").display());
        let mut line = Command::new("dbus-daemon");
        line.args([&*conf, "--nofork", "--nopidfile"]).stderr(Stdio::null());
        let bus = line.spawn().unwrap();
        eventually("there is no bus", || socket.exists());
        let address = format!("unix:path={}", socket.display());
        let reloads = Arc::new(Mutex::new(0));
        let manager = Manager { states: States::default(), jobs: 0, reloads: Arc::clone(&reloads) };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let systemd = runtime.block_on(async {
            Builder::address(&*address)
                .name("org.freedesktop.systemd1")
                .serve_at("/org/freedesktop/systemd1", manager)
                .build()
                .await
                .unwrap()
        });
        Self { directory, bus, reloads, _runtime: runtime, _systemd: systemd, address }
    }

    fn bench(&self) -> Bench {
        let bus = Some(self.address.clone());
        Bench::new(Settings { bus, ..settings(&self.directory) })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

#[test]
fn units_are_started_stopped_and_looked_at() {
    if !requires(&[Need::program("dbus-daemon")]) {
        return;
    }
    let stage = Stage::new();
    let mut bench = stage.bench();
    for unit in ["systemd:nginx", "systemd:nginx.service", "service:nginx", "systemd:slow"] {
        let told: Vec<i32> = ["monitor", "start", "monitor", "stop", "stop", "monitor"]
            .iter()
            .map(|operation| bench.rc(unit, operation, &[]))
            .collect();
        assert_eq!(told, [7, 0, 0, 0, 0, 7], "{unit}");
    }
    // While it is the cluster's, systemd does not restart it.
    assert_eq!(bench.rc("systemd:nginx", "start", &[]), 0);
    let told = stage.directory.read("units/nginx.service.d/50-mainstay.conf");
    assert!(told.contains("Restart=no"), "{told}");
    assert_eq!(bench.rc("systemd:nginx", "stop", &[]), 0);
    assert!(!stage.directory.join("units/nginx.service.d").exists());
    assert_eq!(*stage.reloads.lock().unwrap(), 10, "one for each start and one for each stop");
}

#[test]
fn what_systemd_cannot_do_says_why() {
    if !requires(&[Need::program("dbus-daemon")]) {
        return;
    }
    let mut stage = Stage::new();
    let mut bench = stage.bench();
    let mut story = Vec::new();
    for (unit, operation) in [
        ("systemd:broken", "start"),
        ("systemd:broken", "monitor"),
        ("systemd:missing", "start"),
        ("systemd:missing", "monitor"),
        ("systemd:missing", "stop"),
        ("systemd:nginx", "promote"),
    ] {
        let done = bench.act(unit, operation, &[]);
        story.push((done.rc, done.status));
        assert_eq!(done.rc == 0, done.reason.is_empty(), "{done:?}");
    }
    assert_eq!(
        story,
        [
            (1, OpStatus::Error),
            (7, OpStatus::Done),
            (5, OpStatus::NotInstalled),
            (5, OpStatus::NotInstalled),
            (0, OpStatus::Done),
            (3, OpStatus::NotSupported),
        ]
    );
    // A job that does not end, one that is called off, and then the bus goes away.
    let mut endless = order("systemd:endless", "start", &[]);
    endless.timeout = Duration::from_millis(200);
    let number = bench.call(endless);
    assert_eq!(bench.done(number).status, OpStatus::TimedOut);
    let number = bench.call(order("systemd:endless", "start", &[]));
    bench.driver.ask(Ask::Kill(number));
    assert_eq!(bench.done(number).status, OpStatus::TimedOut);
    let number = bench.call(order("systemd:endless", "start", &[]));
    std::thread::sleep(Duration::from_millis(100));
    stage.bus.kill().unwrap();
    let done = bench.done(number);
    assert_eq!((done.rc, done.status), (1, OpStatus::Error), "{done:?}");
    let begun = std::time::Instant::now();
    let done = bench.act("systemd:nginx", "monitor", &[]);
    assert!(done.reason.starts_with("systemd cannot be asked"), "{done:?}");
    assert!(begun.elapsed() < PATIENCE);
}
