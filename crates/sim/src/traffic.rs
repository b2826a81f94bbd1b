//! What goes in and out of the routers: adverts, frames, what their kernels tell.

use core::net::{IpAddr, Ipv6Addr};

use base::{BatchDone, IfIndex, Instant, LeaseDone, LeaseOp, Mac, Neighbour, Transmit};
use vrrp::moves::{Kind, Notice};
use vrrp::{Input, InstanceConfig, Output, Packet, Router, RouterStatus, SwitchoverError};

use crate::kernel::Segment;
use crate::lan::{Coming, KERNEL_TIME, Lan};
use crate::sight::{Glimpse, Mail, Sight};

impl Lan {
    pub(crate) fn handle(&mut self, at: usize, input: Input) {
        if !self.rouse(at) {
            return;
        }
        let clock = self.nodes[at].clock(self.now);
        self.nodes[at].router.handle(clock, input);
        self.stirred.insert(at);
        self.flush(at);
    }

    /// A node that has slept learns of it before anything else; whether it is awake at all.
    pub(crate) fn rouse(&mut self, at: usize) -> bool {
        let now = self.now;
        let node = &mut self.nodes[at];
        if !node.is_awake(now) {
            return false;
        }
        if node.paused_until.take().is_none() {
            return true;
        }
        node.awake(now);
        let clock = node.clock(now);
        // The driver compares two clocks, one of which went on.
        let span = core::mem::take(&mut node.slept);
        if !span.is_zero() {
            node.router.handle(clock, Input::Slept { span });
        }
        // Whoever stepped the wall clock meanwhile could tell nobody.
        let wall = self.wall(at);
        self.nodes[at].router.handle(clock, Input::Wall(wall));
        self.flush(at);
        true
    }

    /// An advert comes to a node: to its router, or to its socket if that is held up.
    pub(crate) fn arrive(&mut self, at: usize, mut mail: Mail) {
        let node = &mut self.nodes[at];
        let Some(index) = node.kernel.on_segment(mail.segment).map(|link| link.index) else {
            return;
        };
        mail.packet.index = index;
        if !node.is_on(self.now, index) || !node.running || !node.listens(&mail) {
            return;
        }
        if let Some(former) = &mut node.former {
            former.inbox.push_back(mail.clone());
        }
        if node.is_awake(self.now) && node.inbox.is_empty() {
            self.hand_over(at, mail);
        } else {
            node.keep(mail);
        }
    }

    fn hand_over(&mut self, at: usize, mail: Mail) {
        let Mail { packet, segment, spoiled, notice, .. } = mail;
        if notice {
            self.tape.mark(self.now, at, 8);
            self.tape.bytes(&packet.payload);
            return self.handle(at, Input::Notice(packet));
        }
        self.tape.mark(self.now, at, 1);
        self.tape.bytes(&packet.payload);
        let advert = Glimpse::of(segment, packet.source, &packet.payload);
        let spoiled = spoiled || advert.is_some_and(|advert| self.refuses(at, advert, &packet));
        if let Some(advert) = advert {
            self.see_that(Sight::Handed { node: at, advert, valid: !spoiled });
        }
        if spoiled && self.sights.is_some() {
            self.rouse(at);
            let before = shape(self.nodes[at].router.status());
            self.handle(at, Input::Packet(packet));
            let after = shape(self.nodes[at].router.status());
            if before != after {
                let difference = format!("{before:?} became {after:?}");
                self.see_that(Sight::Swayed { node: at, difference });
            }
        } else {
            self.handle(at, Input::Packet(packet));
        }
    }

    /// Whether a node refuses an advert for its signature's sake.
    fn refuses(&mut self, at: usize, advert: Glimpse, packet: &Packet) -> bool {
        let wall = self.wall(at);
        let Some(config) = self.nodes[at].config_of(advert.vr) else { return false };
        self.heard.refuses((at, advert.vr, packet.source), config, wall, &packet.payload)
    }

    /// A node reads what lies in its sockets.
    pub(crate) fn read(&mut self, at: usize) {
        while self.nodes[at].is_awake(self.now) {
            let node = &mut self.nodes[at];
            let Some(fact) = node.netlink.pop(self.now, &mut node.kernel) else { break };
            self.tape.mark(self.now, at, 2);
            self.handle(at, Input::Fact(fact));
        }
        while self.nodes[at].is_awake(self.now) {
            let Some(mail) = self.nodes[at].inbox.pop_front() else { break };
            self.hand_over(at, mail);
        }
    }

    /// Carries out what a node's router asks for.
    pub(crate) fn flush(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].router.poll_output() {
            match output {
                Output::Notice(transmit) => self.send_notice(at, &transmit),
                Output::Advert(transmit) => self.send(at, &transmit, None),
                Output::VirtualAdvert { mac, transmit } => self.send(at, &transmit, Some(mac)),
                Output::Lease(ask) => {
                    let (now, node) = (self.now, &mut self.nodes[at]);
                    self.tape.mark(now, at, 7);
                    if let (Some(sights), LeaseOp::Arm { class }) = (&mut self.sights, &ask.op)
                        && let Some((ended, silent)) = node.kernel.table.ended(*class, now)
                    {
                        let here = |address: &IpAddr| node.kernel.has(*address);
                        let addresses: Vec<IpAddr> = silent.filter(here).collect();
                        sights.push(Sight::Revived { node: at, ended, addresses });
                    }
                    let outcome = node.kernel.execute_lease(now, &ask.op);
                    let done = LeaseDone { ticket: ask.ticket, outcome };
                    let clock = node.clock(now);
                    node.router.handle(clock, Input::LeaseDone(done));
                }
                Output::Batch(batch) => {
                    let life = self.nodes[at].life;
                    self.put(KERNEL_TIME, Coming::Batch(at, life, batch));
                }
                Output::Filter(_) => {
                    let clock = self.nodes[at].clock(self.now);
                    self.nodes[at].router.handle(clock, Input::Filtered(None));
                }
                // This kernel keeps no routes: it takes them all.
                Output::Ways(batch) => {
                    let outcomes = vec![Ok(()); batch.ops.len()];
                    let done = BatchDone { ticket: batch.ticket, outcomes };
                    let clock = self.nodes[at].clock(self.now);
                    self.nodes[at].router.handle(clock, Input::WaysDone(done));
                }
                Output::Frame { index, bytes } => {
                    let Some(segment) = self.nodes[at].kernel.segment(index) else { continue };
                    if !self.nodes[at].is_on(self.now, index) {
                        continue;
                    }
                    self.send_frame(at, segment, &bytes);
                    self.shout(at, segment, index, &bytes);
                }
                Output::Device(ask) => {
                    let life = self.nodes[at].life;
                    self.put(KERNEL_TIME, Coming::Device(at, life, ask));
                }
                Output::Tune(tuning) => {
                    let life = self.nodes[at].life;
                    self.put(KERNEL_TIME, Coming::Tune(at, life, tuning.index));
                }
                Output::Promote(_) => {}
                Output::Watch(wanted) => self.nodes[at].watched = wanted,
                Output::Sockets(wanted) => self.nodes[at].sockets = wanted,
                Output::Will(edit) => self.will(at, edit),
                Output::Event(event) => {
                    self.tape.mark(self.now, at, 4);
                    self.tape.bytes(format!("{:?}", event.what).as_bytes());
                    if self.sights.is_some() {
                        let unread = !self.nodes[at].inbox.is_empty();
                        self.see_that(Sight::Event { node: at, event: event.clone(), unread });
                    }
                    self.nodes[at].note(event);
                }
            }
        }
    }

    fn send_frame(&mut self, at: usize, segment: Segment, bytes: &[u8]) {
        self.tape.mark(self.now, at, 5);
        self.tape.bytes(bytes);
        if let Some((address, mac)) = announced(bytes) {
            self.see_that(Sight::Announced { node: at, address, mac });
        }
        if !self.reaches_client(at, segment) {
            return self.see_that(Sight::Lost { from: at, to: None });
        }
        let arrivals = self.weather.arrivals(&mut self.random);
        if arrivals.is_empty() {
            self.see_that(Sight::Lost { from: at, to: None });
        }
        for delay in arrivals {
            self.put(delay, Coming::Frame(at, bytes.to_vec()));
        }
    }

    /// The same frame, to the other nodes on the link.
    fn shout(&mut self, from: usize, segment: Segment, index: IfIndex, frame: &[u8]) {
        let Some(seen) = vip::claim::read(index, frame) else { return };
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if self.cuts.is_cut(from, Some(to)) || self.nodes[to].watched.is_empty() {
                continue;
            }
            for delay in self.weather.arrivals(&mut self.random) {
                self.put(delay, Coming::Claim(to, segment, seen));
            }
        }
    }

    /// A claim comes to a node that may look out for it; a sleeper reads it when it wakes.
    pub(crate) fn hear_claim(&mut self, at: usize, segment: Segment, mut seen: Neighbour) {
        for index in self.nodes[at].kernel.seers(segment, seen.mac) {
            seen.index = index;
            let node = &self.nodes[at];
            if !node.is_on(self.now, index) || !node.running || !node.looks_out_for(&seen) {
                continue;
            }
            match self.postponed(at) {
                Some(until) => return self.put(until, Coming::Claim(at, segment, seen)),
                None => self.handle(at, Input::Neighbour(seen)),
            }
        }
    }

    pub(crate) fn show_client(&mut self, from: usize, frame: &[u8]) {
        self.client.hear(frame);
        if let Some((address, _)) = announced(frame) {
            self.see_that(Sight::Believed { node: from, address });
        }
        for address in self.client.learn_port(from, frame) {
            self.see_that(Sight::Believed { node: from, address });
        }
    }

    /// The switch to the client learns where a virtual MAC lives from whatever comes from there.
    fn show_switch(&mut self, from: usize, segment: Segment, mac: Mac) {
        if !self.reaches_client(from, segment) {
            return self.see_that(Sight::Lost { from, to: None });
        }
        let arrivals = self.weather.arrivals(&mut self.random);
        if arrivals.is_empty() {
            self.see_that(Sight::Lost { from, to: None });
        }
        for delay in arrivals {
            let header = [[0xff; 6], mac.0].concat();
            self.put(delay, Coming::Frame(from, header));
        }
    }

    pub(crate) fn send(&mut self, from: usize, transmit: &Transmit, mac: Option<Mac>) {
        self.nodes[from].adverts_sent += 1;
        let Transmit { index, source, destination, ttl, payload } = transmit;
        let (index, source, destination, ttl) = (*index, *source, *destination, *ttl);
        self.tape.mark(self.now, from, 6);
        self.tape.bytes(payload);
        let Some(segment) = self.nodes[from].kernel.segment(index) else { return };
        if let Some(advert) = Glimpse::of(segment, source, payload) {
            self.see_that(Sight::Sent { node: from, advert });
        }
        if !self.nodes[from].is_on(self.now, index) || !self.nodes[from].kernel.has(source) {
            return;
        }
        if self.sights.is_some() && self.nodes[from].adverts_sent % 37 == 1 {
            let packet = Packet { index, source, destination, ttl, payload: payload.clone() };
            self.recorded.push_back(Mail { packet, segment, spoiled: false, notice: false, mac });
            if self.recorded.len() > 16 {
                self.recorded.pop_front();
            }
        }
        // By the interface that has it, a frame goes with its MAC.
        let device = || {
            let mut devices = self.nodes[from].kernel.devices();
            devices.find(|device| device.index == index)?.mac
        };
        let mac = mac.or_else(device);
        if let Some(mac) = mac.filter(|_| destination.is_multicast()) {
            self.show_switch(from, segment, mac);
        }
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if self.cuts.is_cut(from, Some(to)) {
                continue;
            }
            if !destination.is_multicast() && !self.nodes[to].kernel.has(destination) {
                continue;
            }
            let arrivals = self.weather.arrivals(&mut self.random);
            if arrivals.is_empty() {
                self.see_that(Sight::Lost { from, to: Some(to) });
            }
            for delay in arrivals {
                let payload = payload.clone();
                let packet = Packet { index, source, destination, ttl, payload };
                let mail = Mail { packet, segment, spoiled: false, notice: false, mac };
                self.put(delay, Coming::Mail(to, mail));
            }
        }
    }
}

impl Lan {
    /// A word about a planned move, by unicast.
    pub(crate) fn send_notice(&mut self, from: usize, transmit: &Transmit) {
        let Transmit { index, source, destination, ttl, payload } = transmit.clone();
        self.tape.mark(self.now, from, 9);
        self.tape.bytes(&payload);
        self.see_named(from, &payload);
        let Some(segment) = self.nodes[from].kernel.segment(index) else { return };
        if !self.nodes[from].is_on(self.now, index) || !self.nodes[from].kernel.has(source) {
            return;
        }
        if self.strangers {
            return;
        }
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if self.cuts.is_cut(from, Some(to)) || !self.nodes[to].kernel.has(destination) {
                continue;
            }
            for delay in self.weather.arrivals(&mut self.random) {
                let payload = payload.clone();
                let packet = Packet { index, source, destination, ttl, payload };
                let mail = Mail { packet, segment, spoiled: false, notice: true, mac: None };
                self.put(delay, Coming::Mail(to, mail));
            }
        }
    }

    /// Takes note of which VIPs a node answers for at the moment in which it names who follows.
    fn see_named(&mut self, from: usize, payload: &[u8]) {
        let Ok(notice) = Notice::decode(payload) else { return };
        if self.sights.is_none() || notice.kind != Kind::Nominated {
            return;
        }
        let this = &self.nodes[from];
        let same =
            |config: &&InstanceConfig| (config.vrid, config.family) == (notice.vrid, notice.family);
        let vips = this.configs().iter().filter(same).flat_map(InstanceConfig::all_vips);
        let vips = vips.map(|vip| vip.address);
        let answers = |address: &IpAddr| this.kernel.answers(*address, self.now);
        let answered = vips.filter(answers).collect();
        self.see_that(Sight::Named { node: from, answered });
    }

    /// Somebody asks a node to hand an instance over.
    ///
    /// # Errors
    /// The router's.
    pub fn switchover(&mut self, name: &str, instance: &str) -> Result<(), SwitchoverError> {
        self.order(name, |router, now| router.switchover(now, &instance.into(), None).map(drop))
    }

    /// And lets it preempt again.
    ///
    /// # Errors
    /// The router's.
    pub fn end_switchover(&mut self, name: &str, instance: &str) -> Result<(), SwitchoverError> {
        self.order(name, |router, now| router.end_switchover(now, &instance.into()))
    }

    fn order<T>(&mut self, name: &str, order: impl FnOnce(&mut Router, Instant) -> T) -> T {
        let at = self.at(name);
        let now = self.nodes[at].clock(self.now);
        let done = order(&mut self.nodes[at].router, now);
        self.stirred.insert(at);
        self.flush(at);
        done
    }
}

/// What the rules of reception protect: a status without its counters of refusals.
fn shape(mut status: RouterStatus) -> RouterStatus {
    status.discards = Default::default();
    status.packets = 0;
    status.floods = 0;
    status.refused_notices = 0;
    for instance in &mut status.instances {
        instance.discards = Default::default();
    }
    status
}

/// What a gratuitous ARP or an unsolicited neighbour advertisement tells.
pub(crate) fn announced(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    arp(frame).or_else(|| neighbour_advertisement(frame))
}

/// RFC 826.
fn arp(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    if frame.get(12..14)? != [0x08, 0x06] {
        return None;
    }
    let mac = frame.get(22..28)?.try_into().ok()?;
    let address: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    Some((IpAddr::from(address), Mac(mac)))
}

/// RFC 4861 §4.4.
fn neighbour_advertisement(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    const ICMPV6: u8 = 58;
    const ADVERTISEMENT: u8 = 136;
    if frame.get(12..14)? != [0x86, 0xdd]
        || *frame.get(20)? != ICMPV6
        || *frame.get(54)? != ADVERTISEMENT
    {
        return None;
    }
    let address: [u8; 16] = frame.get(62..78)?.try_into().ok()?;
    let mac = frame.get(80..86)?.try_into().ok()?;
    Some((Ipv6Addr::from(address).into(), Mac(mac)))
}
