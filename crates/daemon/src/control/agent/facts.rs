//! What control has to do with the master agent: it tells it what happens, and has it answered by what
//! engine and runner say when they are asked.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use base::{Event, Instant, Name, Reason, State, Subject, What};
use compat::snmp::{Mark, Scene, Trap, View, protocol_error};
use compat::{Snapshot, Standing};
use linux::{Interest, clock};
use vrrp::{InstanceConfig, RouterStatus};

use super::super::files::Loaded;
use super::super::{AGENT, Control};
use super::Agent;
use crate::messages::{ControlToGuardian, GuardianToControl};

impl Control {
    /// A configuration takes force: the master agent is spoken with, where that is asked for.
    pub(in crate::control) fn meet_agent(&mut self, now: Instant, loaded: &Loaded) {
        let keep = match (&mut self.agent, &loaded.agent) {
            (Some(agent), Some(terms)) => agent.take(terms),
            _ => false,
        };
        if !keep {
            self.leave_agent(now);
            self.agent = loaded.agent.as_ref().map(|terms| Agent::new(now, terms));
        }
        if let Some(agent) = &mut self.agent {
            agent.instances = self.packed.all().unwrap_or_default();
            let known = |name: &Name| agent.instances.iter().any(|one| one.name == *name);
            agent.marks.retain(|name, _| known(name));
        }
    }

    /// Says to the master agent that it is over, and waits a moment for it to leave.
    pub(in crate::control) fn leave_agent(&mut self, now: Instant) {
        let Some(mut agent) = self.agent.take() else { return };
        agent.session.part(now);
        for _ in 0..20 {
            let _ = agent.flush(now);
            if agent.session.outgoing().is_empty() || agent.line().is_none() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if let Some(line) = agent.line() {
            let _ = self.poll.remove(line);
        }
    }

    /// What has become of the call the guardian was asked for.
    pub(in crate::control) fn agent_called(&mut self, what: GuardianToControl) -> io::Result<()> {
        let now = clock::monotonic();
        match what {
            GuardianToControl::Links => {
                let socket = self.guardian.take_fd()?;
                if let Some(agent) = &mut self.agent {
                    agent.links_by(socket);
                }
            }
            GuardianToControl::Agent => {
                let line = self.guardian.take_fd()?;
                if let Some(agent) = &mut self.agent {
                    self.poll.add(&line, AGENT, Interest::Both)?;
                    agent.connected(now, line);
                }
            }
            GuardianToControl::NoAgent { why } => {
                let notice = self.agent.as_mut().and_then(|agent| agent.lost(now, &why));
                self.agent_notices(now, notice);
            }
            _ => {}
        }
        Ok(())
    }

    fn agent_notices(&mut self, now: Instant, notices: impl IntoIterator<Item = String>) {
        for text in notices {
            let what = What::Notice { text };
            self.events.tell(now, Subject::Node, what, Reason::Kernel, Vec::new());
        }
    }

    /// Takes in what the master agent says.
    pub(in crate::control) fn hear_agent(&mut self, now: Instant) {
        let Some(agent) = &mut self.agent else { return };
        let notices = agent.hear(now);
        self.agent_notices(now, notices);
    }

    /// Answers, sends, and does what is due.
    pub(in crate::control) fn attend_agent(&mut self, now: Instant) -> io::Result<()> {
        let Some(agent) = &mut self.agent else { return Ok(()) };
        let wanted = agent.look(now);
        if wanted.call {
            let place = agent.place().clone();
            self.guardian.send(&ControlToGuardian::NeedAgent(place))?;
        }
        let asked = agent.session.is_asked() && !agent.answer_again(now);
        if asked {
            self.ask_for_agent();
        }
        let Some(agent) = &mut self.agent else { return Ok(()) };
        let broken = agent.flush(now);
        let interest = agent.interest();
        if let Some(line) = agent.line() {
            self.poll.modify(line, AGENT, interest)?;
        }
        self.agent_notices(now, wanted.notices.into_iter().chain(broken));
        Ok(())
    }

    /// Asks whoever knows.
    fn ask_for_agent(&mut self) {
        if self.dumps.waits_for_agent() {
            return;
        }
        // Without an engine the question waits for the next one.
        self.begin_question();
    }

    /// Engine and runner have said how things are.
    pub(in crate::control) fn answer_agent(
        &mut self,
        at: Instant,
        status: &RouterStatus,
        standing: &Standing,
    ) {
        let now = clock::monotonic();
        let (Some(loaded), Some(agent)) = (&self.loaded, &mut self.agent) else { return };
        let face = loaded.face.whole();
        let verdicts =
            self.trackers.each().map(|(tracker, verdict, _, _)| (tracker, verdict)).collect();
        let links = agent.links(now).by_name.clone();
        let snapshot = Snapshot {
            face: &face,
            configs: &agent.instances,
            status,
            at,
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            verdicts: &verdicts,
            standing,
            baseline: self.dumps.baseline(),
        };
        let view = View::of(&Scene {
            snapshot: &snapshot,
            facts: &agent.facts,
            links: &links,
            marks: &agent.marks,
            uptime: agent.session.uptime(now),
        });
        agent.answer(now, view);
    }

    /// Keeps of an event what somebody may ask for later, and tells of what is no change of state.
    pub(in crate::control) fn note_for_agent(&mut self, event: &Event) {
        let now = clock::monotonic();
        let Some(agent) = &mut self.agent else { return };
        agent.stir();
        let Subject::Instance(name) = &event.subject else { return };
        match &event.what {
            What::StateChanged { from, to, .. } => {
                let mark = agent.marks.entry(name.clone()).or_default();
                mark.since = match (from, to) {
                    (_, State::Initialize) => None,
                    (State::Initialize, _) => Some(event.at),
                    _ => mark.since,
                };
                if *to == State::Active {
                    mark.because = Some(event.reason);
                }
            }
            What::Discarded { cause, source, .. } => {
                let error = protocol_error(cause);
                if let Some(error) = error {
                    let mark = agent.marks.entry(name.clone()).or_default();
                    *mark = Mark { error, ..*mark };
                }
                let answers = agent.facts.answers;
                if !answers.traps {
                    return;
                }
                if let Some(trap) = Trap::auth_failure(cause, *source).filter(|_| answers.rfc_v2) {
                    agent.session.tell(now, trap);
                }
                let config = agent.instances.iter().find(|one| one.name == *name).cloned();
                if let (Some(error), Some(config)) = (error.filter(|_| answers.rfc_v3), config)
                    && let Some(link) = agent.link(now, &config)
                {
                    agent.session.tell(now, Trap::protocol_error(&config, link, error));
                }
            }
            _ => {}
        }
    }

    /// Tells of a state, in the word that scripts are told.
    pub(in crate::control) fn tell_agent(&mut self, subject: &Subject, word: &str) {
        let now = clock::monotonic();
        let router_id = self.node.clone();
        let Some(agent) = &mut self.agent else { return };
        agent.stir();
        let answers = agent.facts.answers;
        if !answers.traps {
            return;
        }
        match subject {
            Subject::Group(name) if answers.vrrp => {
                agent.session.tell(now, Trap::group(name, word, &router_id));
            }
            Subject::Instance(name) => {
                if answers.vrrp {
                    let starts_active = agent.facts.starts_active.contains(name);
                    let trap = Trap::instance(name, word, starts_active, &router_id);
                    agent.session.tell(now, trap);
                }
                if word == "MASTER" {
                    agent.tell_new_master(now, name);
                }
            }
            _ => {}
        }
    }
}

impl Agent {
    /// The interface that an instance is numbered by.
    fn link(&mut self, now: Instant, config: &InstanceConfig) -> Option<compat::snmp::Link> {
        let device = config.devices.first().map(|device| &device.name);
        let name = device.or(config.interface.as_ref())?;
        self.links(now).by_name.get(name).copied()
    }

    /// What the RFCs have told when a node becomes the holder.
    fn tell_new_master(&mut self, now: Instant, name: &Name) {
        let answers = self.facts.answers;
        let Some(config) = self.instances.iter().find(|one| one.name == *name).cloned() else {
            return;
        };
        if !answers.rfc_v2 && !answers.rfc_v3 {
            return;
        }
        let (Some(link), Some(source)) = (self.link(now, &config), self.links(now).source(&config))
        else {
            return;
        };
        let reason = self.marks.get(name).and_then(|mark| mark.because);
        if answers.rfc_v2
            && let Some(trap) = Trap::new_master_v2(&config, link, source)
        {
            self.session.tell(now, trap);
        }
        if answers.rfc_v3 {
            let reason = reason.unwrap_or(Reason::HolderSilent);
            self.session.tell(now, Trap::new_master_v3(&config, link, source, reason));
        }
    }
}
