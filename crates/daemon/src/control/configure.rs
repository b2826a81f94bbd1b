//! A configuration takes force: at the start, at a reload, and for an engine or a guardian that has
//! not heard of it.

use std::io;

use base::{Instant, Reason, Secret, Subject, What};
use linux::clock;
use ui::protocol::Response;

use super::files::{self, Loaded};
use super::{Control, LOST_AT_MOST};
use crate::messages::{ControlToGuardian, DumpFile, Script, Settings, ToEngine};
use crate::place::Place;
use crate::shape;
use crate::terms::Terms;

/// The same in new memory, close together: what the reading of a long file has left lies scattered among
/// what it needed only meanwhile, and keeps all of that from being given back.
fn compact(mut loaded: Loaded) -> io::Result<Loaded> {
    // As octets, what is shared would be there for each.
    let notify = files::unshared(std::mem::take(&mut loaded.notify));
    let groups = files::unshared(std::mem::take(&mut loaded.groups));
    let whole = (loaded, notify, groups);
    let octets = Secret::new(postcard::to_stdvec(&whole).map_err(io::Error::other)?);
    drop(whole);
    linux::memory::give_back();
    let (mut loaded, notify, groups): (Loaded, _, _) =
        postcard::from_bytes(octets.expose()).map_err(io::Error::other)?;
    loaded.notify = files::shared(notify);
    loaded.groups = files::shared(groups);
    Ok(loaded)
}

/// What is in force, for the next control: behind the shape it has, since that may be of another version.
pub(super) fn remember(loaded: &Loaded) -> io::Result<Secret> {
    let octets = postcard::to_stdvec(&(shape::of::<Loaded>(), loaded));
    Ok(Secret::new(octets.map_err(io::Error::other)?))
}

/// What was in force; `None` if a version left it whose configurations have another shape.
pub(super) fn recall(state: &Secret) -> Option<Loaded> {
    let (shape, octets) = postcard::take_from_bytes::<u64>(state.expose()).ok()?;
    (shape == shape::of::<Loaded>()).then(|| postcard::from_bytes(octets).ok()).flatten()
}

impl Control {
    /// What keepalived says when it begins.
    pub(super) fn greet(&mut self) {
        let version = crate::keepalived::VERSION;
        let file = self.settings.file.display().to_string();
        self.events.remark(&format!("Starting Keepalived v{version}"));
        self.events.remark(&format!("Configuration file {file}"));
        let pid = self.settings.pid;
        self.events.remark(&format!("Starting VRRP child process, pid={pid}"));
    }

    /// Has a configuration take force.
    pub(super) fn apply(&mut self, mut loaded: Loaded, begins: bool) -> io::Result<()> {
        if let Some(router_id) = &loaded.router_id {
            self.node = router_id.to_string();
        }
        files::share(&mut loaded.notify);
        files::share(&mut loaded.groups);
        let notified = loaded.notify.values().chain(loaded.groups.values());
        let mut scripts: Vec<Script> =
            notified.flat_map(|notify| notify.scripts()).cloned().collect();
        scripts.extend(loaded.sensors.checks.iter().map(|check| check.script.clone()));
        scripts.extend(loaded.pipes.iter().filter_map(|pipe| pipe.script.clone()));
        scripts.extend(loaded.hooks.scripts().cloned());
        scripts.sort();
        scripts.dedup();
        self.scripts.allow(scripts);
        self.refused = None;
        let state = remember(&loaded)?;
        self.packed = postcard::to_stdvec(&loaded.instances).map_err(io::Error::other)?;
        self.watched.configure(&loaded.instances);
        self.events.configure(&loaded.instances);
        self.meet_bus(&loaded)?;
        loaded.instances = Vec::new();
        let saved = loaded.saved.take();
        let loaded = compact(loaded)?;
        let gaps = std::mem::take(&mut self.gaps);
        if self.terms != Some(loaded.terms.clone()) {
            self.terms = Some(loaded.terms.clone());
            self.tell_terms()?;
        }
        self.guardian.send(&ControlToGuardian::InForce { state, gaps })?;
        self.meet_agent(clock::monotonic(), &loaded);
        if loaded.scheduling != self.scheduling {
            self.scheduling.clone_from(&loaded.scheduling);
            self.guardian.send(&ControlToGuardian::Schedule(self.scheduling.clone()))?;
        }
        if let Some((directory, text)) = saved {
            let name = format!("keepalived.conf.{}.{}", self.settings.pid, self.saved);
            self.saved += 1;
            let file = DumpFile { path: directory.join(name), text, mode: 0o600 };
            self.guardian.send(&ControlToGuardian::Keep(file))?;
        }
        let now = clock::monotonic();
        self.trackers.set(now, &self.poll, loaded.sensors.clone(), begins);
        self.clock.set(now, loaded.reload_time.clone());
        let states_again = self.loaded.is_some() && loaded.states_on_reload;
        let first = self.loaded.is_none() && begins;
        let before = self.loaded.replace(loaded);
        self.notify_before =
            before.map(|before| (before.notify, before.groups)).unwrap_or_default();
        for order in self.standing_orders() {
            self.scripts.order(&order);
        }
        if first {
            self.begin_startup(now);
        }
        self.configure();
        if states_again {
            self.tell_states();
        }
        // Reading thousands of instances needs much that is not needed any more.
        linux::memory::give_back();
        self.tidy.stir(now);
        Ok(())
    }

    /// Tells the engine what is in force, if there is one.
    pub(super) fn configure(&mut self) {
        let Some(loaded) = self.loaded.as_ref().filter(|_| self.startup_until.is_none()) else {
            return;
        };
        if let (Some(engine), Ok(instances)) =
            (&mut self.engine, postcard::from_bytes(&self.packed))
        {
            // The engine before may have numbered some that were lost with it.
            let events = self.events.last_of_engine().map_or(0, |last| last + LOST_AT_MOST);
            let (debounce, statics) = (loaded.debounce.clone(), loaded.statics.clone());
            // What is said already must be known to whoever is to start.
            let _ = engine.send(&self.trackers.all());
            let _ = engine.send(&ToEngine::Sessions(loaded.sessions.clone()));
            let _ = engine.send(&ToEngine::Configure { instances, debounce, events, statics });
        }
    }

    /// Tells the guardian on which terms processes are to be started.
    pub(super) fn tell_terms(&mut self) -> io::Result<()> {
        let Some(terms) = self.terms.clone().filter(|terms| *terms != Terms::default()) else {
            return Ok(());
        };
        self.guardian.send(&ControlToGuardian::Terms(terms))
    }

    /// SIGHUP: parse all, check all, then swap; a file with errors changes nothing.
    pub(super) fn reload(&mut self, now: Instant) -> io::Result<()> {
        let in_force = self.terms.as_ref().map(|terms| terms.place.clone()).unwrap_or_default();
        let stays = |from_file: Place| {
            let asked = from_file.namespace.is_some() && from_file.namespace != in_force.namespace;
            let other = from_file.instance != in_force.instance
                || from_file.pid_directory != in_force.pid_directory;
            // What the command line said goes before what the file says.
            if other || (asked && self.settings.namespace.is_none()) {
                eprintln!(
                    "warning: net_namespace, instance and use_pid_dir stay as they were until a \
                     restart"
                );
            }
            in_force
        };
        let Settings { file, reading, started, snmp, .. } = &self.settings;
        match files::load(file, reading, false, *started, snmp.clone(), stays) {
            Ok(loaded) => {
                eprint!("{}", loaded.remarks);
                if let Some(loaded) = self.reload_after(now, loaded) {
                    self.apply(loaded, true)?;
                    self.tell_reloaders(&Response::Reloaded);
                }
                Ok(())
            }
            Err(refused) => {
                eprint!("{}", refused.report());
                self.refused = Some(refused.report().to_string());
                let what = What::ConfigRefused { errors: refused.errors() };
                self.events.tell(now, Subject::Node, what, Reason::BadConfiguration, Vec::new());
                self.tell_reloaders(&Response::Error(format!(
                    "the configuration is refused, and what was in force stays\n{}",
                    refused.report().trim_end()
                )));
                self.guardian.send(&ControlToGuardian::ReloadRefused)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_version_had_in_force_is_not_taken_for_ours() {
        let text = b"vrrp_instance VI { interface lo
 virtual_router_id 5
 virtual_ipaddress { 192.0.2.9 }
}";
        let path = std::env::temp_dir().join(format!("mainstay-recall-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let reading = super::super::shelf::Reading::default();
        let loaded = files::load(&path, &reading, false, clock::monotonic(), None, |place| place);
        std::fs::remove_file(&path).unwrap();
        let Ok(loaded) = loaded else { panic!("it is a configuration") };
        let ours = remember(&loaded).unwrap();
        let again = recall(&ours).expect("it is ours");
        assert_eq!(again.instances, loaded.instances);
        // As every version up to now wrote it, and as one of another shape would.
        let bare = postcard::to_stdvec(&loaded).unwrap();
        let other = postcard::to_stdvec(&(shape::of::<Loaded>() ^ 1, &loaded)).unwrap();
        assert!(recall(&Secret::new(bare)).is_none() && recall(&Secret::new(other)).is_none());
        // And a version that knows of no shapes does not take ours for its own.
        assert!(postcard::from_bytes::<Loaded>(ours.expose()).is_err());
    }
}
