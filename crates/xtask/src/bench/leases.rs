//! `cargo xtask bench lease`: what leases cost.
//!
//! The same configuration twice, with leases and with `lease off`, each daemon in a network of its own,
//! both at the same time, so that what else the machine does meets both alike. The kernel counts the
//! time their threads ran, over some windows of some seconds. Networks are anonymous and go with
//! their daemon.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::figures::{Figure, Spread};
use super::load;

/// Where the results go.
const PAGE: &str = "docs/performance-lease.md";
/// VIPs, half of each family.
const SIZES: [usize; 2] = [1_000, 4_000];
const WINDOW: Duration = Duration::from_secs(5);
const WINDOWS: usize = 5;
/// For all VIPs to be up.
const PATIENCE: Duration = Duration::from_secs(60);
/// For what comes after that: announcements, the last of duplicate address detection.
const SETTLE: Duration = Duration::from_secs(8);

pub(super) fn bench(root: &Path) -> Result<(), String> {
    super::build(root, &["--bins"])?;
    let binary = root.join("target/release/mainstay");
    let before = load();
    let mut table = String::new();
    for vips in SIZES {
        eprintln!("{vips} VIPs");
        let with = Subject::start(root, &binary, vips, true)?;
        let without = Subject::start(root, &binary, vips, false)?;
        with.ready(vips)?;
        without.ready(vips)?;
        with.has_table(true)?;
        without.has_table(false)?;
        sleep(SETTLE);
        let mut found: [Vec<[Option<Figure>; 3]>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..WINDOWS {
            let subjects = [&with, &without];
            let begin = subjects.map(|subject| (Instant::now(), subject.ran()));
            sleep(WINDOW);
            for ((subject, (since, ran)), found) in subjects.iter().zip(begin).zip(&mut found) {
                let (now, took) = (subject.ran(), since.elapsed());
                found.push([0, 1, 2].map(|n| share(now[n].checked_sub(ran[n])?, took)));
            }
        }
        for (what, runs) in ["on", "off"].iter().zip(&found) {
            let [all, protocol, keeper] =
                [0, 1, 2].map(|n| Spread::of(&runs.iter().map(|run| run[n]).collect::<Vec<_>>()));
            let row = format!("| {vips} | {what} | {all} | {protocol} | {keeper} |\n");
            eprint!("{row}");
            table += &row;
        }
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!(
        "# What leases cost\n\nWritten by `cargo xtask bench lease`; do not edit. One instance of each \
         family at one advert a second, half of the VIPs\neach, with leases and with `lease off` at the same \
         time, each in a network of its own. Hundredths of a core, least /\n**median** / most of {WINDOWS} \
         windows of {} s. What the timed element costs is the difference of the two; the keeper's\nthread \
         renews lifetimes, in both.\n\nLinux {}, {cores} cores; load before: {before}, after: {}.\n\n| VIPs \
         | lease | all processes | protocol thread | keeper thread |\n|---|---|---|---|---|\n{table}",
        WINDOW.as_secs(),
        kernel.trim(),
        load()
    );
    fs::write(root.join(PAGE), &text).map_err(|error| format!("{PAGE}: {error}"))?;
    print!("{text}");
    Ok(())
}

/// Hundredths of a core.
fn share(ran: u64, took: Duration) -> Option<Figure> {
    let took = i64::try_from(took.as_nanos()).ok()?;
    Some(Figure(i64::try_from(ran).ok()? * 100 * 1000 / took))
}

/// A daemon under test.
struct Subject {
    child: Child,
    conf: PathBuf,
}

impl Subject {
    fn start(root: &Path, binary: &Path, vips: usize, lease: bool) -> Result<Self, String> {
        let folder = root.join("target/bench");
        let name = format!("lease-{vips}-{}", if lease { "on" } else { "off" });
        let conf = folder.join(format!("{name}.conf"));
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&conf, configuration(vips, lease)))
            .and_then(|()| fs::File::create(folder.join(format!("{name}.log"))));
        let log = written.map_err(|error| format!("{}: {error}", folder.display()))?;
        let script = "mount -t tmpfs run /run && ip link set lo up && \
             ip link add eth0 type veth peer name other && \
             ip link set other up && ip address add 192.0.2.1/24 dev eth0 && ip link set eth0 up && \
             exec \"$0\" run -f \"$1\" --control /run/control";
        let child = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", script])
            .arg(binary)
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        Ok(Self { child, conf })
    }

    /// What a command says in its network.
    fn inside(&self, command: &[&str]) -> String {
        let pid = self.child.id().to_string();
        let output = Command::new("nsenter").args(["-t", &pid, "-n"]).args(command).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    fn ready(&self, vips: usize) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let listed = self.inside(&["ip", "-o", "address", "show", "dev", "eth0"]);
            let here = |line: &&str| line.contains("inet 10.") || line.contains("inet6 2001:");
            let up = listed.lines().filter(here).count();
            if up == vips {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                let log = self.conf.with_extension("log");
                return Err(format!("{up} of {vips} VIPs are up; see {}", log.display()));
            }
            sleep(Duration::from_millis(300));
        }
    }

    /// That there are leases where there should be, and nowhere else.
    fn has_table(&self, wanted: bool) -> Result<(), String> {
        let tables = self.inside(&["nft", "list", "tables"]);
        if tables.contains("mainstay") == wanted {
            return Ok(());
        }
        Err(format!("leases are wanted: {wanted}; nft says: {tables:?}"))
    }

    /// For how many nanoseconds its threads have run: all, the engine's protocol thread, its keeper.
    fn ran(&self) -> [u64; 3] {
        let mut ran = [0; 3];
        let mut processes = vec![self.child.id().to_string()];
        while let Some(pid) = processes.pop() {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads.map(|thread| thread.path()) {
                let read = |file: &str| fs::read_to_string(thread.join(file)).unwrap_or_default();
                let nanos = read("schedstat").split(' ').next().and_then(|text| text.parse().ok());
                let nanos: u64 = nanos.unwrap_or(0);
                ran[0] += nanos;
                match read("comm").trim() {
                    "ms:engine" => ran[1] += nanos,
                    "keeper" => ran[2] += nanos,
                    _ => {}
                }
                processes.extend(read("children").split_whitespace().map(str::to_owned));
            }
        }
        ran
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It is asked first: killed, it would leave its other roles to find out.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One instance of each family; all VIPs but one of each are not in adverts.
fn configuration(vips: usize, lease: bool) -> String {
    let mut text = String::from("global_defs {\n vrrp_version 3\n}\n");
    let off = if lease { "" } else { " lease off\n" };
    let families: [(&str, &dyn Fn(usize) -> String); 2] = [
        ("10.1.0.0/32", &|n| format!("10.1.{}.{}/32", n / 250, n % 250 + 1)),
        ("fe80::5/64", &|n| format!("2001:db8::{n:x}/128")),
    ];
    for (id, (first, vip)) in families.iter().enumerate() {
        let _ = write!(
            text,
            "vrrp_instance I{id} {{\n interface eth0\n state BACKUP\n virtual_router_id {}\n priority 100\n \
             advert_int 1\n{off} virtual_ipaddress {{\n  {first}\n }}\n virtual_ipaddress_excluded {{\n",
            id + 1
        );
        // The first of IPv4 counts, the link-local one does not.
        for n in id..vips / 2 + id - usize::from(id == 0) {
            let _ = writeln!(text, "  {}", vip(n));
        }
        text.push_str(" }\n}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_as_many_vips_as_it_is_asked_for_and_is_understood() {
        for lease in [true, false] {
            let text = configuration(1_000, lease);
            let source = conf::Source { name: "bench", text: text.as_bytes() };
            let loaded = conf::load(source, conf::Options::default());
            let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
            let vips = config.instances.iter().map(|one| one.vips.len() + one.excluded.len());
            assert_eq!(vips.sum::<usize>(), 1_001, "and a link-local one");
            assert_eq!(text.contains("lease off"), !lease);
        }
        assert_eq!(share(50_000_000, Duration::from_secs(5)), Some(Figure(1000)));
    }
}
