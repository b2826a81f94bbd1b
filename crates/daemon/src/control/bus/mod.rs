//! The D-Bus facade `org.keepalived.Vrrp1` (`enable_dbus`): what programs that watch keepalived over
//! the bus find is here too, under the same names.
//!
//! A thread of control's own speaks with the bus, because the library that does is asynchronous;
//! nothing is shared with it but two queues. A bus that is not there, or goes, is looked for again
//! every few seconds; VRRP and control never wait for it.

mod objects;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;

pub(super) use objects::Asked;
use objects::{Daemon, Desk, Instance, state_of};

/// How long until a bus that was not there is looked for again.
const RETRY: Duration = Duration::from_secs(5);
/// How long a stop waits for the bus to hear of it.
const FAREWELL: Duration = Duration::from_secs(1);

/// As what we are on the bus.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BusTerms {
    /// The name.
    pub(crate) service: String,
    /// Where all objects are.
    pub(crate) root: String,
    /// What stands for a missing interface.
    pub(crate) no_interface: String,
}

impl BusTerms {
    /// As the configuration has it, in the place the daemon works in.
    pub(crate) fn of(dbus: &conf::Dbus, place: &crate::place::Place) -> Option<Self> {
        let root = std::iter::once("/org/keepalived/Vrrp1".to_owned());
        let root: Vec<String> = root.chain(place.names().map(|name| element(name))).collect();
        dbus.enabled.then(|| Self {
            service: dbus.service.clone(),
            root: root.join("/"),
            no_interface: dbus.no_interface.clone(),
        })
    }

    fn daemon(&self) -> String {
        format!("{}/Vrrp", self.root)
    }

    /// Where an instance is.
    pub(super) fn path(&self, interface: Option<&str>, vrid: u8, v6: bool) -> String {
        let interface = element(interface.unwrap_or(&self.no_interface));
        let family = if v6 { "IPv6" } else { "IPv4" };
        format!("{}/Instance/{interface}/{vrid}/{family}", self.root)
    }
}

/// A name as part of a path, which takes letters, digits and `_` only.
fn element(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Instances: the name and the state of each by its path.
type Instances = BTreeMap<String, (String, String)>;

enum Order {
    /// These are there, and no others; a state that is known goes on.
    Instances(BTreeMap<String, String>),
    /// One is in this state now.
    State {
        name: String,
        word: &'static str,
        /// Whether that is news.
        changed: bool,
    },
    /// A configuration was taken over.
    Reloaded,
    /// The connection of this number is closed.
    Lost(u64),
    Stop,
}

/// The facade, as control sees it.
pub(super) struct Bus {
    terms: BusTerms,
    orders: UnboundedSender<Order>,
    asked: Receiver<Asked>,
    bell: UnixStream,
    thread: JoinHandle<()>,
}

impl Bus {
    pub(super) fn start(terms: BusTerms) -> io::Result<Self> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let (to, asked) = channel();
        let desk = Desk::new(to, rope);
        let (orders, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let speaker = Speaker {
            terms: terms.clone(),
            desk,
            instances: Instances::new(),
            own: orders.clone(),
            connections: 0,
            begun: false,
            complained: false,
        };
        let thread = std::thread::Builder::new()
            .name("ms:bus".into())
            .spawn(move || runtime.block_on(speaker.live(received)))?;
        Ok(Self { terms, orders, asked, bell, thread })
    }

    pub(super) fn terms(&self) -> &BusTerms {
        &self.terms
    }

    /// What was put on the desk since the last time.
    pub(super) fn hear(&mut self) -> Vec<Asked> {
        let mut rings = [0; 64];
        while matches!((&self.bell).read(&mut rings), Ok(n) if n > 0) {}
        self.asked.try_iter().collect()
    }

    /// These instances are there, by their paths.
    pub(super) fn instances(&self, instances: BTreeMap<String, String>) {
        self.give(Order::Instances(instances));
    }

    pub(super) fn state(&self, name: &str, word: &'static str) {
        self.give(Order::State { name: name.to_owned(), word, changed: true });
    }

    /// That is how an instance stands, which is no news.
    pub(super) fn stands(&self, name: &str, word: &'static str) {
        self.give(Order::State { name: name.to_owned(), word, changed: false });
    }

    pub(super) fn reloaded(&self) {
        self.give(Order::Reloaded);
    }

    /// Says that it is over, and waits a moment for the bus to hear it.
    pub(super) fn stop(self) {
        self.give(Order::Stop);
        let begun = std::time::Instant::now();
        while !self.thread.is_finished() && begun.elapsed() < FAREWELL {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn give(&self, order: Order) {
        // A thread that has ended has said why.
        let _ = self.orders.send(order);
    }
}

impl AsFd for Bus {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Who speaks with the bus.
struct Speaker {
    terms: BusTerms,
    desk: Desk,
    instances: Instances,
    /// For what it has to tell itself.
    own: UnboundedSender<Order>,
    connections: u64,
    begun: bool,
    complained: bool,
}

impl Speaker {
    async fn live(mut self, mut orders: UnboundedReceiver<Order>) {
        loop {
            let lost = match self.connect().await {
                Ok(bus) => {
                    self.complained = false;
                    match self.attend(&bus, &mut orders).await {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut self.complained, true) {
                let text = format!("no D-Bus, looking for it again: {lost}");
                self.desk.put(Asked::Trouble(text));
            }
            let until = Instant::now() + RETRY;
            loop {
                match timeout_at(until, orders.recv()).await {
                    Ok(None | Some(Order::Stop)) => return,
                    Ok(Some(order)) => drop(self.take(order)),
                    Err(_) => break,
                }
            }
        }
    }

    /// A connection on which all objects stand, and that has the name.
    async fn connect(&self) -> zbus::Result<Connection> {
        let daemon = Daemon { desk: self.desk.clone() };
        let mut builder = Builder::system().serve_at(self.terms.daemon(), daemon);
        for (path, (name, word)) in &self.instances {
            builder = builder.serve_at(path.clone(), self.instance(name, word));
        }
        // Not even another of ours takes it while this one lives.
        let builder = builder.allow_name_replacements(false).replace_existing_names(false);
        builder.name(self.terms.service.clone()).build().await
    }

    fn instance(&self, name: &str, word: &str) -> Instance {
        Instance { desk: self.desk.clone(), name: name.to_owned(), word: word.to_owned() }
    }

    /// Does what it is told until it is to stop; an error is that the bus is lost.
    async fn attend(
        &mut self,
        bus: &Connection,
        orders: &mut UnboundedReceiver<Order>,
    ) -> zbus::Result<()> {
        let daemon = SignalEmitter::new(bus, self.terms.daemon())?;
        self.connections += 1;
        let (number, own, watched) = (self.connections, self.own.clone(), bus.clone());
        tokio::spawn(async move {
            watched.closed().await;
            let _ = own.send(Order::Lost(number));
        });
        if !std::mem::replace(&mut self.begun, true) {
            Daemon::vrrp_started(&daemon).await?;
        }
        loop {
            let order = match orders.recv().await {
                Some(Order::Stop) | None => {
                    // Whoever does not hear it sees the name go.
                    let _ = Daemon::vrrp_stopped(&daemon).await;
                    let _ = bus.release_name(self.terms.service.as_str()).await;
                    return Ok(());
                }
                Some(Order::Lost(number)) if number == self.connections => {
                    return Err(zbus::Error::Failure("the bus has gone".into()));
                }
                Some(order) => order,
            };
            match self.take(order) {
                Change::None => {}
                Change::Reloaded => Daemon::vrrp_reloaded(&daemon).await?,
                Change::Instances { gone, new } => {
                    for path in gone {
                        bus.object_server().remove::<Instance, _>(path).await?;
                    }
                    for path in new {
                        if let Some((name, word)) = self.instances.get(&path) {
                            let instance = self.instance(name, word);
                            bus.object_server().at(path, instance).await?;
                        }
                    }
                }
                Change::State { paths, word, changed } => {
                    for path in paths {
                        let object = bus.object_server().interface::<_, Instance>(path).await?;
                        let emitter = object.signal_emitter();
                        word.clone_into(&mut object.get_mut().await.word);
                        object.get().await.state_changed(emitter).await?;
                        if changed {
                            Instance::vrrp_status_change(emitter, state_of(word).0).await?;
                        }
                    }
                }
            }
        }
    }

    /// What an order changes.
    fn take(&mut self, order: Order) -> Change {
        match order {
            Order::Instances(now) => {
                let gone =
                    |(path, (name, _)): &(&String, &(String, String))| now.get(*path) != Some(name);
                let gone: Vec<String> =
                    self.instances.iter().filter(gone).map(|(path, _)| path.clone()).collect();
                let known: BTreeMap<String, String> = self.instances.values().cloned().collect();
                self.instances.retain(|path, _| !gone.contains(path));
                let mut new = Vec::new();
                for (path, name) in now {
                    if !self.instances.contains_key(&path) {
                        // One that moved keeps its state.
                        let word = known.get(&name).cloned().unwrap_or_default();
                        self.instances.insert(path.clone(), (name, word));
                        new.push(path);
                    }
                }
                Change::Instances { gone, new }
            }
            Order::State { name, word, changed } => {
                let mut paths = Vec::new();
                for (path, (known, state)) in &mut self.instances {
                    if *known == name {
                        word.clone_into(state);
                        paths.push(path.clone());
                    }
                }
                Change::State { paths, word, changed }
            }
            Order::Reloaded => Change::Reloaded,
            Order::Lost(_) | Order::Stop => Change::None,
        }
    }
}

enum Change {
    None,
    Reloaded,
    Instances { gone: Vec<String>, new: Vec<String> },
    State { paths: Vec<String>, word: &'static str, changed: bool },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_keepalived_s() {
        let dbus = conf::Dbus { enabled: true, ..conf::Dbus::default() };
        let plain = BusTerms::of(&dbus, &crate::place::Place::default()).unwrap();
        assert_eq!(plain.daemon(), "/org/keepalived/Vrrp1/Vrrp");
        let path = plain.path(Some("bond0.20"), 51, false);
        assert_eq!(path, "/org/keepalived/Vrrp1/Instance/bond0_20/51/IPv4");
        assert_eq!(plain.path(None, 7, true), "/org/keepalived/Vrrp1/Instance/none/7/IPv6");
        let place = crate::place::Place {
            namespace: Some("blue".into()),
            instance: Some("no-2".into()),
            ..Default::default()
        };
        let named = BusTerms::of(&dbus, &place).unwrap();
        assert_eq!(named.daemon(), "/org/keepalived/Vrrp1/blue/no_2/Vrrp");
        assert_eq!(BusTerms::of(&conf::Dbus::default(), &place), None);
    }
}
