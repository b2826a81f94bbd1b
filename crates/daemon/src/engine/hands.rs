//! What the engine hears and what it carries out: between the machine and its sockets.
//!
//! Adverts come and go many at a time. What leaves together is what the machine asked for in one go:
//! before anything else is carried out, every advert that was asked for earlier has left. Words about
//! planned moves that one portion of packets calls for leave together behind it.

use std::io;

use linux::clock;
use vip::last_will::Edit;
use vrrp::wire::Arrival;
use vrrp::{Input, Output};

use super::Engine;
use crate::messages::{EngineToGuardian, ToKeeper};

/// Portions of packets read from one socket in one turn at most. What arrives faster than it can be
/// judged must not keep adverts from leaving.
const READ_AT_ONCE: usize = 128;

/// Outputs carried out between two looks at the clock.
const LOOK_EVERY: u32 = 32;

/// A datagram, as the machines take it.
fn arrival<'a>(datagram: &linux::Datagram, payload: &'a [u8]) -> Arrival<'a> {
    let linux::Datagram { source, destination, ttl, .. } = *datagram;
    Arrival { source, destination, ttl, payload }
}

impl Engine {
    pub(super) fn read_wire(&mut self, token: u64) -> io::Result<()> {
        let mut incoming = std::mem::take(&mut self.incoming);
        for _ in 0..READ_AT_ONCE {
            let Some((index, more)) = self.wires.recv(token, &mut incoming) else { break };
            for (datagram, payload) in incoming.iter() {
                let arrival = arrival(datagram, payload);
                self.router.handle_packet(self.now, index, &arrival);
                self.heard = true;
                self.carry_out()?;
            }
            // What was said because of these leaves together.
            self.notices.flush();
            if !more {
                break;
            }
        }
        self.incoming = incoming;
        Ok(())
    }

    pub(super) fn read_lookout(&mut self, token: u64) -> io::Result<()> {
        for claim in self.lookout.look(self.now, &self.poll, token) {
            self.handle(Input::Neighbour(claim))?;
        }
        Ok(())
    }

    pub(super) fn read_notices(&mut self, token: u64) -> io::Result<()> {
        let mut words = std::mem::take(&mut self.words);
        for _ in 0..READ_AT_ONCE {
            let Some(more) = self.notices.recv(token, &mut words) else { break };
            for (index, datagram, payload) in words.iter() {
                let arrival = arrival(datagram, payload);
                self.router.handle_notice(self.now, index, &arrival);
                self.carry_out()?;
            }
            self.notices.flush();
            if !more {
                break;
            }
        }
        self.words = words;
        Ok(())
    }

    pub(super) fn read_sessions(&mut self, token: u64) -> io::Result<()> {
        self.sessions.read(self.now, token);
        self.hear_sessions()
    }

    pub(super) fn wake_sessions(&mut self, drained: bool) -> io::Result<()> {
        self.sessions.wake(self.now, &self.poll, drained);
        self.hear_sessions()
    }

    /// Tells the router what the sessions say of their paths.
    pub(super) fn hear_sessions(&mut self) -> io::Result<()> {
        while let Some((tracker, verdict)) = self.sessions.verdict() {
            self.handle(Input::Verdict { tracker, verdict })?;
        }
        Ok(())
    }

    pub(super) fn handle(&mut self, input: Input) -> io::Result<()> {
        self.router.handle(self.now, input);
        self.drain()
    }

    /// Carries out what the machine asks for, in its order; nothing is left unsaid.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.carry_out()?;
        self.notices.flush();
        Ok(())
    }

    /// The same, but for words to other nodes, which may wait for others.
    fn carry_out(&mut self) -> io::Result<()> {
        let mut done: u32 = 0;
        while let Some(output) = self.router.poll_output() {
            if !matches!(output, Output::Advert(_)) {
                self.wires.flush();
            }
            match output {
                Output::Lease(ask) => {
                    let done = self.leases.execute(ask);
                    self.now = self.now.max(clock::monotonic());
                    self.router.handle(self.now, Input::LeaseDone(done));
                }
                Output::Will(edit) => {
                    if matches!(edit, Edit::Hold(_) | Edit::Release { .. }) {
                        self.tidy.stir(self.now);
                    }
                    self.guardian.will(edit);
                }
                Output::Sockets(wanted) => self.wires.open(self.now, &self.poll, wanted),
                Output::Watch(wanted) => self.lookout.watch(self.now, &self.poll, wanted),
                Output::Advert(transmit) => {
                    self.wires.queue(&transmit);
                    self.router.reuse(transmit);
                }
                Output::VirtualAdvert { mac, transmit } => {
                    self.wires.send_as(mac, &transmit);
                    self.router.reuse(transmit);
                }
                Output::Notice(transmit) => {
                    self.notices.queue(&transmit);
                    self.router.reuse(transmit);
                }
                Output::Frame { index, bytes } => self.wires.send_frame(index, &bytes),
                Output::Batch(batch) => {
                    // No address is installed of which the guardian does not know.
                    self.guardian.flush();
                    self.keeper.send(&ToKeeper::Batch(batch))?;
                }
                Output::Device(ask) => self.keeper.send(&ToKeeper::Device(ask))?,
                Output::Tune(tuning) => self.guardian.tell(&EngineToGuardian::Tune(tuning)),
                Output::Promote(names) => self.guardian.tell(&EngineToGuardian::Promote(names)),
                Output::Filter(filter) => self.keeper.send(&ToKeeper::Filter(filter))?,
                Output::Ways(batch) => {
                    self.guardian.flush();
                    self.keeper.send(&ToKeeper::Ways(batch))?;
                }
                Output::Event(event) => self.control.event(event),
            }
            done += 1;
            // What is left can wait for what has become due; it comes out behind that.
            if done.is_multiple_of(LOOK_EVERY) && self.moved_on() {
                self.wires.flush();
                self.router.handle(self.now, Input::Wake { drained: false });
            }
        }
        self.wires.flush();
        Ok(())
    }
}
