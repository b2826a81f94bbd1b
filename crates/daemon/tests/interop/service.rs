//! What a service manager hears (sd_notify(3)): ready when an engine takes part, reloading and ready
//! again whether the file was taken or refused, stopping, and signs of life.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use lab::{CONF, CommandLine, Lab, Need, Plan, ProcessSignal};

use crate::bench::PATIENCE;
use crate::mainstay::BINARY;
use crate::mode::{Part, V3_IPV4};

struct Manager(UnixDatagram, PathBuf);

impl Manager {
    /// The next thing that is said and is no sign of life.
    fn hears(&self) -> String {
        loop {
            let mut buffer = [0; 256];
            let length = self.0.recv(&mut buffer).expect("something is said");
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !said.starts_with("WATCHDOG=1") {
                return said.lines().next().unwrap_or_default().to_owned();
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.1);
    }
}

#[test]
fn a_service_manager_is_told_what_happens() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let path = std::env::temp_dir().join(format!("mainstay-notify-{}", std::process::id()));
    let manager = Manager(UnixDatagram::bind(&path).unwrap(), path.clone());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lab = Lab::build(&Plan::article(1)).unwrap();
    let run = format!(
        "/usr/bin/env NOTIFY_SOCKET={} WATCHDOG_USEC=600000 {BINARY} run -f {{conf}} --control \
         {{control}}",
        path.display()
    );
    let conf = Part::new(V3_IPV4, 150).conf();
    let daemon = lab.node_mut("n1").start(&CommandLine::parse(&run), &conf).unwrap();
    assert_eq!(manager.hears(), "READY=1");
    daemon.signal(ProcessSignal::HUP);
    assert_eq!([manager.hears(), manager.hears()], ["RELOADING=1", "READY=1"]);
    lab.node_mut("n1").write(PathBuf::from(CONF), "vrrp_instance {", 0o600).unwrap();
    daemon.signal(ProcessSignal::HUP);
    assert_eq!([manager.hears(), manager.hears()], ["RELOADING=1", "READY=1"]);
    // Signs of life come three times within what was asked for.
    let mut buffer = [0; 64];
    manager.0.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
    for _ in 0..3 {
        let length = manager.0.recv(&mut buffer).expect("a sign of life in time");
        assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
    }
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    daemon.signal(ProcessSignal::TERM);
    assert_eq!(manager.hears(), "STOPPING=1");
}
