//! One machine of the lab: a container with network cards, files, and the programs running on it.
//!
//! A node outlives its container. When the power goes, every process dies and memory is lost; when
//! it comes back, a new container starts with the same cards (and their MACs) and the same files,
//! and nothing else, as on a real machine.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base::{Mac, Name};
use linux::{
    AddressEntry, Container, Inventory, LinkEntry, Links, Neighbour, Process, ProcessSignal,
    Separations, Sysctl,
};

use crate::LabError;
use crate::holdings::{Ledger, Watch};
use crate::probe::Echo;

/// Where a node's own files are kept: `{dir}` in a [`CommandLine`].
pub const DIR: &str = "/run/lab";
/// The node's configuration file: `{conf}` in a [`CommandLine`].
pub const CONF: &str = "/run/lab/keepalived.conf";
/// The node's control socket: `{control}` in a [`CommandLine`].
pub const CONTROL: &str = "/run/lab/control.sock";

/// A network card and the addresses that belong to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Card {
    /// The interface's name inside the node.
    pub interface: Name,
    /// Its MAC.
    pub mac: Mac,
    /// Its own addresses with prefix lengths; no VIPs.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A command line with `{conf}`, `{control}`, `{dir}` and `{node}` standing for what they are in the
/// node it is started on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandLine {
    /// The program and its arguments; the first must be an absolute path or be found in `PATH`.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// Splits `line` at white space; no quoting.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        Self { arguments: line.split_whitespace().map(str::to_owned).collect() }
    }

    /// The command for `node`.
    #[must_use]
    pub fn command(&self, node: &str) -> Command {
        let fill = |argument: &String| {
            argument
                .replace("{conf}", CONF)
                .replace("{control}", CONTROL)
                .replace("{dir}", DIR)
                .replace("{node}", node)
        };
        let mut arguments = self.arguments.iter().map(fill);
        let mut command = Command::new(arguments.next().unwrap_or_default());
        command.args(arguments);
        command
    }
}

/// A machine of the lab.
#[derive(Debug)]
pub struct Node {
    name: Name,
    cards: Vec<Card>,
    files: Vec<(PathBuf, Vec<u8>, u32)>,
    container: Container,
    echo: Option<Echo>,
    watch: Option<Watch>,
    ledger: Ledger,
    daemon: Option<Process>,
    powered: bool,
}

impl Node {
    /// A machine without power's worth of programs: cards are put in by the [`Lab`](crate::Lab).
    pub(crate) fn create(name: Name, cards: Vec<Card>, ledger: Ledger) -> Result<Self, LabError> {
        let container = boot(&name)?;
        Ok(Self {
            name,
            cards,
            files: Vec::new(),
            container,
            echo: None,
            watch: None,
            ledger,
            daemon: None,
            powered: true,
        })
    }

    /// Its name, also its host name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its network cards.
    #[must_use]
    pub fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// Its first own address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.cards.first()?.addresses.first().map(|(address, _)| *address)
    }

    /// The MAC of its first card.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        self.cards.first().map(|card| card.mac)
    }

    /// Whether it has power; see [`Lab::crash`](crate::Lab::crash).
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.powered
    }

    /// The container it now is.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// What is separate in it beyond the network.
    #[must_use]
    pub fn separations(&self) -> Separations {
        self.container.separations()
    }

    /// Runs `work` inside; see [`Container::run`].
    pub fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> R {
        self.container.run(work)
    }

    /// Writes a file below `/run` or `/etc`; it survives a loss of power.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(
        &mut self,
        path: impl AsRef<Path>,
        contents: impl Into<Vec<u8>>,
        mode: u32,
    ) -> Result<(), LabError> {
        let file = (path.as_ref().to_path_buf(), contents.into(), mode);
        self.files.retain(|(path, _, _)| *path != file.0);
        self.files.push(file.clone());
        self.put(file)
    }

    fn put(&self, (path, contents, mode): (PathBuf, Vec<u8>, u32)) -> Result<(), LabError> {
        let doing = format!("writing {} on {}", path.display(), self.name);
        let put = move || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(&path, contents)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        };
        self.run(put).map_err(|cause| LabError::new(doing, cause))
    }

    /// Starts a program; see [`Container::spawn`].
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&self, program: &CommandLine) -> Result<Process, LabError> {
        let command = program.command(&self.name);
        let doing = format!("starting {:?} on {}", command.get_program(), self.name);
        self.container.spawn(command).map_err(|cause| LabError::new(doing, cause))
    }

    /// Runs a program to its end and returns what it wrote, or `None` if it took longer than `limit`
    /// (then it is killed) or did not end with exit status 0.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn output(
        &self,
        program: &CommandLine,
        limit: Duration,
    ) -> Result<Option<String>, LabError> {
        let process = self.spawn(program)?;
        let Some(status) = process.wait(limit) else {
            process.signal(ProcessSignal::KILL);
            return Ok(None);
        };
        Ok(status.success().then(|| process.log()))
    }

    /// Starts the daemon with this configuration; what it writes is in [`daemon`](Self::daemon)'s
    /// log.
    ///
    /// # Errors
    /// If the configuration cannot be written or the daemon not be started.
    pub fn start(&mut self, program: &CommandLine, conf: &str) -> Result<Process, LabError> {
        self.write(CONF, conf, 0o644)?;
        let process = self.spawn(program)?;
        self.daemon = Some(process.clone());
        Ok(process)
    }

    /// The daemon last started, if there is one.
    #[must_use]
    pub fn daemon(&self) -> Option<&Process> {
        self.daemon.as_ref()
    }

    /// Everything the daemon last started has written.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Sends `signal` to the daemon's first process only: TERM to stop it, HUP to reload.
    pub fn signal(&self, signal: ProcessSignal) {
        if let Some(daemon) = &self.daemon {
            daemon.signal(signal);
        }
    }

    /// Sends `signal` to every process of the node: KILL, STOP or CONT.
    pub fn signal_all(&self, signal: ProcessSignal) {
        self.container.signal_all(signal);
    }

    /// Sends `signal` to the processes of the node that go by this name, and says how many there were.
    pub fn signal_named(&self, name: &str, signal: ProcessSignal) -> usize {
        self.container.signal_named(name, signal)
    }

    /// All links, or none if the kernel does not tell.
    #[must_use]
    pub fn links(&self) -> Vec<LinkEntry> {
        self.run(|| Inventory::open().ok()?.links().ok()).unwrap_or_default()
    }

    /// All addresses, or none if the kernel does not tell.
    #[must_use]
    pub fn addresses(&self) -> Vec<AddressEntry> {
        self.run(|| Inventory::open().ok()?.addresses().ok()).unwrap_or_default()
    }

    /// The neighbour table, or none if the kernel does not tell.
    #[must_use]
    pub fn neighbours(&self) -> Vec<Neighbour> {
        self.run(|| Inventory::open().ok()?.neighbours().ok()).unwrap_or_default()
    }

    /// Whether it has power and `vip` is on one of its interfaces.
    #[must_use]
    pub fn holds(&self, vip: IpAddr) -> bool {
        self.powered && self.addresses().iter().any(|entry| entry.address == vip)
    }

    /// Addresses it has beyond its own: VIPs, in the kernel's order.
    #[must_use]
    pub fn foreign_addresses(&self) -> Vec<IpAddr> {
        let own: Vec<IpAddr> =
            self.cards.iter().flat_map(|card| &card.addresses).map(|(own, _)| *own).collect();
        let ours = |address: &IpAddr| match address {
            IpAddr::V4(v4) => v4.is_loopback() || own.contains(address),
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unicast_link_local() || own.contains(address)
            }
        };
        self.addresses().into_iter().map(|entry| entry.address).filter(|a| !ours(a)).collect()
    }

    /// Takes every process and the echo away at once; the kernel's tables can still be read.
    pub(crate) fn power_off(&mut self) {
        self.powered = false;
        self.echo = None;
        self.watch = None;
        self.daemon = None;
        self.container.kill();
        self.ledger.lose_all(&self.name);
    }

    /// Starts anew with nothing but cards and files. The cards must be plugged in again.
    pub(crate) fn power_on(&mut self) -> Result<(), LabError> {
        self.power_off();
        self.container = boot(&self.name)?;
        self.powered = true;
        for file in self.files.clone() {
            self.put(file)?;
        }
        Ok(())
    }

    /// Gives the cards, once plugged in, their addresses; takes them up, then starts the echo.
    pub(crate) fn bring_up(&mut self) -> Result<(), LabError> {
        // Another echo could not be heard beside the old one.
        (self.watch, self.echo) = (None, None);
        let cards = self.cards.clone();
        self.run(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let mut links = Links::open()?;
            links.set_up("lo", true)?;
            let several = cards.len() > 1;
            for card in cards {
                if several {
                    // All cards are on one switch: each may speak for its own addresses only, or
                    // neighbours learn the wrong card's MAC.
                    Sysctl::ArpIgnore(card.interface.clone(), 1).write()?;
                    Sysctl::ArpAnnounce(card.interface.clone(), 2).write()?;
                }
                // The lab gives every address once; waiting for duplicates would only delay it.
                // Without IPv6 in the kernel there is nothing to switch off.
                let _ = Sysctl::AcceptDad(card.interface.clone(), false).write();
                let _ = Sysctl::AcceptRa(card.interface.clone(), false).write();
                links.set_up(&card.interface, true)?;
                for (address, prefix) in card.addresses {
                    links.add_address(&card.interface, address, prefix)?;
                }
            }
            Ok(())
        })
        .map_err(|cause| LabError::new(format!("bringing up {}", self.name), cause))?;
        self.watch = Some(Watch::start(&self.container, &self.name, &self.ledger)?);
        self.echo = Some(Echo::start(&self.container, &self.name)?);
        Ok(())
    }
}

fn boot(name: &Name) -> Result<Container, LabError> {
    let container = Container::create(name)
        .map_err(|cause| LabError::new(format!("making a container for {name}"), cause))?;
    container
        .run(|| fs::create_dir(DIR))
        .map_err(|cause| LabError::new(format!("making {DIR} on {name}"), cause))?;
    Ok(container)
}
