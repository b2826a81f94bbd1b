//! What control has to do with the bus: it says which instances there are and how they stand, and does
//! what somebody there asks for as if a signal had.

use std::collections::BTreeMap;
use std::io;

use base::{Family, Name, Reason, State, Subject, What};
use linux::{Interest, clock};
use vrrp::RouterStatus;

use super::bus::{Asked, Bus};
use super::files::Loaded;
use super::{BUS, Control};
use crate::messages::{ControlToGuardian, Dump, ToEngine};

impl Control {
    /// A configuration takes force: the facade shows its instances, where it is asked for.
    pub(super) fn meet_bus(&mut self, loaded: &Loaded) -> io::Result<()> {
        let goes_on = self.bus.is_some();
        if let Some(bus) = self.bus.take_if(|bus| Some(bus.terms()) != loaded.bus.as_ref()) {
            let _ = self.poll.remove(&bus);
            bus.stop();
        }
        if let (None, Some(terms)) = (&self.bus, &loaded.bus) {
            let bus = Bus::start(terms.clone())?;
            self.poll.add(&bus, BUS, Interest::Read)?;
            self.bus = Some(bus);
        }
        let Some(bus) = &self.bus else { return Ok(()) };
        let place = |one: &vrrp::InstanceConfig| {
            let v6 = one.family == Family::V6;
            let path = bus.terms().path(one.interface.as_deref(), one.vrid.get(), v6);
            (path, one.name.to_string())
        };
        let instances: BTreeMap<String, String> = loaded.instances.iter().map(place).collect();
        bus.instances(instances);
        if goes_on {
            bus.reloaded();
        }
        // What it was told before this facade stood, or before it was told of the instance.
        for (subject, last) in &self.told {
            if let Subject::Instance(name) = subject
                && loaded.instances.iter().any(|one| one.name == *name)
            {
                bus.stands(name, last.word);
            }
        }
        Ok(())
    }

    /// A line to an engine is there: it may have told another control how its instances stand.
    pub(super) fn ask_for_bus(&mut self) {
        let (Some(_), Some(engine)) = (&self.bus, &mut self.engine) else { return };
        self.asks += 1;
        self.bus_asks = Some(self.asks);
        let _ = engine.send(&ToEngine::Status { ask: self.asks });
    }

    /// Shows how instances stand of which no news has come yet.
    pub(super) fn show_on_bus(&mut self, status: &RouterStatus) {
        self.bus_asks = None;
        let Some(bus) = &self.bus else { return };
        for one in &status.instances {
            let word = match one.state {
                State::Active => "MASTER",
                State::Backup => "BACKUP",
                State::Initialize => "FAULT",
            };
            if !self.told.contains_key(&Subject::Instance(one.name.clone())) {
                bus.stands(&one.name, word);
            }
        }
    }

    /// Does what somebody on the bus asks for.
    pub(super) fn hear_bus(&mut self) -> io::Result<()> {
        let asked = self.bus.as_mut().map(Bus::hear).unwrap_or_default();
        for one in asked {
            let dump = match one {
                Asked::PrintData => Dump::Data,
                Asked::PrintStats => Dump::Stats,
                Asked::PrintStatsClear => Dump::StatsClear,
                Asked::Reload => {
                    self.guardian.send(&ControlToGuardian::ReloadDue { remove: None })?;
                    continue;
                }
                Asked::SendGarp(name) => {
                    if let Some(engine) = &mut self.engine {
                        let _ = engine.send(&ToEngine::AnnounceAgain(Name::from(name.as_str())));
                    }
                    continue;
                }
                Asked::Trouble(text) => {
                    let now = clock::monotonic();
                    let what = What::Notice { text };
                    self.events.tell(now, Subject::Node, what, Reason::Kernel, Vec::new());
                    continue;
                }
            };
            self.guardian.send(&ControlToGuardian::DumpDue(dump))?;
        }
        Ok(())
    }
}
