//! The story from the first cable to the last: election, faults, an orderly end.

use std::net::IpAddr;
use std::time::Duration;

use base::{Name, Reason, State};
use linux::clock::monotonic;
use linux::{Hear, ProcessSignal};

use super::cast::{Cast, write_interval};
use super::claims::Claims;
use super::episode::{Episode, Stage};
use super::page::{Ink, Page, seconds};
use super::why::Log;
use super::{Fault, Options};
use crate::{Lab, LabError, Seen, Sighting, show, wait_for};

const SILENT: &[Reason] = &[Reason::HolderSilent];
const RESIGNED: &[Reason] = &[Reason::HolderResigned, Reason::Nominated];
const PREEMPTED: &[Reason] = &[Reason::WeakerHolder];

pub(crate) fn tell(
    options: &Options,
    cast: &Cast,
    mut page: Page<'_>,
    in_user_namespace: bool,
) -> Result<Claims, LabError> {
    let mut lab = Lab::build(&cast.plan)?;
    introduce(&mut page, options, cast, &lab, in_user_namespace)?;
    let witness = lab.witness(Hear::Election)?;
    for part in &cast.parts {
        let node = lab.node_mut(&part.name);
        for (path, contents, mode) in &cast.files {
            node.write(path, contents.clone(), *mode)?;
        }
        node.start(&options.daemon.run, &part.conf)?;
    }
    let mut claims = Claims::default();
    let Some((vip, master)) = elect(&mut page, &mut claims, cast, &lab)? else {
        show_logs(&mut page, &lab)?;
        verdict(&mut page, &claims)?;
        return Ok(claims);
    };
    let daemon = &options.daemon;
    let mut stage = Stage { page, claims, lab, witness, cast, daemon, vip };
    stage.show_master(&master)?;
    stage.faults(options.fault, master)?;
    stage.end()
}

fn introduce(
    page: &mut Page<'_>,
    options: &Options,
    cast: &Cast,
    lab: &Lab,
    in_user_namespace: bool,
) -> Result<(), LabError> {
    page.heading(&format!("{} demo", options.daemon.name))?;
    let list = |addresses: &[(IpAddr, u8)]| {
        let v4 = addresses.iter().filter(|(address, _)| address.is_ipv4());
        v4.map(|(address, prefix)| format!("{address}/{prefix}")).collect::<Vec<_>>().join(" ")
    };
    for (node, part) in lab.nodes().iter().zip(&cast.parts) {
        let own = list(node.cards().first().map(|card| card.addresses.as_slice()).unwrap_or(&[]));
        let priority = part.priority.map(|p| format!("priority {p}")).unwrap_or_default();
        page.line(format_args!("  {:<7} {own:<28} {priority}", node.name().as_str()))?;
    }
    page.line(format_args!("  {:<7} {}", "client", list(&cast.plan.client.addresses)))?;
    let vip = cast.vip.map(|vip| format!(", VIP {vip}/16")).unwrap_or_default();
    page.line(format_args!(
        "  {:<7} one, for all of them; advert every {} s{vip}",
        "switch",
        write_interval(cast.advert)
    ))?;
    let mut off = Vec::new();
    if in_user_namespace {
        off.push(
            "not root: all runs in a user namespace, without other users and without real time",
        );
    }
    let separations = lab.nodes().first().map(crate::Node::separations);
    if separations.is_some_and(|separations| !separations.etc) {
        off.push("/etc is shared with this machine (no overlay file system)");
    }
    if separations.is_some_and(|separations| !separations.proc) {
        off.push("/proc shows the processes of this machine");
    }
    for text in off {
        page.paragraph(2, &format!("Separation off: {text}."))?;
    }
    Ok(())
}

/// Waits until one node serves one VIP to the client; which, and who.
fn elect(
    page: &mut Page<'_>,
    claims: &mut Claims,
    cast: &Cast,
    lab: &Lab,
) -> Result<Option<(IpAddr, Name)>, LabError> {
    page.heading("Election")?;
    claims.chapter("Election");
    let limit = cast.advert.as_duration() * 5 + Duration::from_secs(4);
    let vips = || {
        let mut vips: Vec<IpAddr> =
            lab.nodes().iter().flat_map(crate::Node::foreign_addresses).collect();
        vips.sort();
        vips.dedup();
        vips
    };
    let held_by_one = |vip: &IpAddr| match lab.holders(*vip).as_slice() {
        [one] => Some(Name::from(*one)),
        _ => None,
    };
    let best = cast.parts.iter().max_by_key(|part| part.priority).filter(|p| p.priority.is_some());
    let settled = || {
        let vips = vips();
        let first = vips.first()?;
        // In an unknown cluster two may hold for a moment, and a weaker one first.
        let all = vips.iter().all(|vip| held_by_one(vip).is_some());
        let master = held_by_one(first).filter(|_| all)?;
        best.is_none_or(|best| best.name == master).then_some((*first, master))
    };
    let mut found = None;
    let took = wait_for(limit, || {
        found = settled();
        found.is_some()
    });
    if cast.vip.is_none() && found.is_some() {
        std::thread::sleep(cast.advert.as_duration() * 4 + Duration::from_millis(500));
        found = settled();
    }
    let who = best.map_or("one node".to_owned(), |best| format!("{}, the strongest,", best.name));
    let what = cast.vip.map_or("a VIP".to_owned(), |vip| vip.to_string());
    claims.check(format!("{who} holds {what}, and no other does"), found.is_some());
    let (Some((vip, master)), Some(took)) = (found, took) else {
        page.inked(
            Ink::Bad,
            format_args!("  Nobody, or more than one, after {}.", seconds(limit)),
        )?;
        return Ok(None);
    };
    page.line(format_args!("  {master} holds {vip} {} after the start.", seconds(took)))?;
    Ok(Some((vip, master)))
}

impl Stage<'_, '_> {
    /// Shows by hand what the article shows by hand.
    fn show_master(&mut self, master: &Name) -> Result<(), LabError> {
        self.show_roles(master)?;
        let (vip, node) = (self.vip, self.lab.node(master));
        let (links, addresses) = (node.links(), node.addresses());
        let entry = addresses.iter().find(|entry| entry.address == vip);
        let link = links.iter().find(|link| entry.is_some_and(|entry| entry.index == link.index));
        let marked = [format!(" {vip}/"), format!("({vip})")];
        if let Some(link) = link {
            let output = show::ip_address(link, &addresses);
            let command = format!("ip address show dev {}", link.name);
            self.page.line("")?;
            self.page.shell(master, &command, &output, &marked)?;
        }
        self.claims.check(format!("{vip} is on the NIC of {master}"), entry.is_some());
        if self.cast.vip.is_some() {
            let secondary = entry.is_some_and(|entry| entry.flags.contains(&"secondary"));
            self.claims.check("it is secondary to the node's own address", secondary);
        }

        // The client has to have spoken with both before its table can show them.
        let own = node.address();
        let spoken = |address: IpAddr| -> Result<bool, LabError> {
            let probe = self.lab.probe(address, Duration::from_millis(5))?;
            let answered = || probe.last_answer().is_some_and(|answer| answer.node == *master);
            Ok(wait_for(Duration::from_secs(2), answered).is_some())
        };
        let served = spoken(vip)?;
        self.claims.check(format!("a client's request to {vip} is answered by {master}"), served);
        let mut both = vec![vip];
        if let Some(own) = own.filter(|own| own.is_ipv4() == vip.is_ipv4()) {
            spoken(own)?;
            both.push(own);
        }
        let (links, neighbours) = (self.lab.client().links(), self.lab.client().neighbours());
        let known = |address: &IpAddr| neighbours.iter().find(|entry| entry.address == *address);
        let entries: Vec<_> = both.iter().filter_map(known).collect();
        let output: Vec<String> = entries.iter().map(|entry| show::arp(entry, &links)).collect();
        self.page.line("")?;
        self.page.shell("client", "arp -a", &output.join("\n"), &marked)?;
        let macs: Vec<_> = self.lab.node(master).links().iter().filter_map(|l| l.mac).collect();
        let at = known(&vip).and_then(|entry| entry.mac);
        let right = at.is_some_and(|mac| macs.contains(&mac));
        self.claims.check(format!("the client knows {vip} at the MAC of {master}"), right);

        let announces = |s: &Sighting| {
            s.from == *master && matches!(s.seen, Seen::Announcement { vip, .. } if vip == self.vip)
        };
        let from = base::Instant::ZERO;
        let announced = self.witness.first(from, announces);
        let advert = self
            .witness
            .first(from, |s| s.from == *master && matches!(s.seen, Seen::Advert { .. }));
        self.page.line("")?;
        self.page.inked(Ink::Faint, "  on the wire, as the switch saw it")?;
        for sighting in [&advert, &announced].into_iter().flatten() {
            let text = match &sighting.seen {
                Seen::Advert { source, version, vrid, priority, .. } => {
                    format!("{source} VRRPv{version} advert, VRID {vrid}, priority {priority}")
                }
                Seen::Announcement { vip, mac } => format!("announcement: {vip} is at {mac}"),
                Seen::Other => continue,
            };
            self.page.line(format_args!("  {master}  {text}"))?;
        }
        let right = matches!(announced.map(|s| s.seen),
            Some(Seen::Announcement { mac, .. }) if macs.contains(&mac));
        self.claims.check(format!("{master} announced {vip} at its MAC on the wire"), right);
        Ok(())
    }

    /// The role each daemon says it has, against what its kernel has.
    fn show_roles(&mut self, master: &Name) -> Result<(), LabError> {
        let Some(events) = &self.daemon.events else { return Ok(()) };
        let mut agreed = true;
        for node in self.lab.nodes() {
            let log = Log::ask(node, events)?.unwrap_or_default();
            let states = log.states();
            let expected = if node.name() == master { State::Active } else { State::Backup };
            // With several instances a node may be Active in one and Backup in another.
            agreed &= match self.cast.vip {
                Some(_) => states.iter().all(|(_, s)| *s == expected) && !states.is_empty(),
                None => !states.is_empty(),
            };
            let roles: Vec<String> =
                states.iter().map(|(name, state)| format!("{name} {state}")).collect();
            self.page.line(format_args!(
                "  {:<7} says: {}",
                node.name().as_str(),
                roles.join(", ")
            ))?;
        }
        let text = "every node says of itself what its kernel shows";
        self.claims.check(text, agreed);
        Ok(())
    }

    fn faults(&mut self, fault: Fault, master: Name) -> Result<(), LabError> {
        match fault {
            Fault::Crash => {
                self.crash(&master)?;
            }
            Fault::Return => self.crash_and_return(&master)?,
            Fault::Cable => self.cable(&master)?,
            Fault::Stop => self.stop(&master)?,
            Fault::All => {
                // Each begins with the strongest as holder, and a stopped daemon stays stopped.
                self.crash_and_return(&master)?;
                if self.holds_again(&master) {
                    self.cable(&master)?;
                }
                if self.holds_again(&master) {
                    self.stop(&master)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the next fault can be shown; if not, that is a claim that failed.
    fn holds_again(&mut self, master: &Name) -> bool {
        let holds = self.lab.holders(self.vip) == [master.as_str()];
        if !holds && self.cast.vip.is_some() {
            self.claims.check(format!("{master} holds {} for the next fault", self.vip), false);
        }
        holds
    }

    fn crash(&mut self, master: &Name) -> Result<Option<Name>, LabError> {
        let heir = self.strongest(&[master]);
        let episode = Episode {
            title: format!("Crash: {master} loses its power"),
            holder: master.clone(),
            subject: master.clone(),
            what: "loses its power",
            limit: self.limit_silent(heir.as_ref()),
            heir,
            moves: true,
            reasons: SILENT,
        };
        self.play(&episode, |lab| lab.crash(master))
    }

    fn crash_and_return(&mut self, master: &Name) -> Result<(), LabError> {
        let Some(holder) = self.crash(master)? else { return Ok(()) };
        let part = self.cast.parts.iter().find(|part| part.name == *master);
        let Some(conf) = part.map(|part| part.conf.clone()) else { return Ok(()) };
        let episode = Episode {
            title: format!("Return: {master} has power again"),
            holder,
            subject: master.clone(),
            what: "has power again, and starts",
            heir: self.cast.vip.map(|_| master.clone()),
            moves: false,
            limit: self.limit_handed_over(),
            reasons: PREEMPTED,
        };
        let run = &self.daemon.run;
        self.play(&episode, |lab| {
            lab.power_on(master)?;
            lab.node_mut(master).start(run, &conf).map(drop)
        })?;
        Ok(())
    }

    fn cable(&mut self, master: &Name) -> Result<(), LabError> {
        let heir = self.strongest(&[master]);
        let cut = Episode {
            title: format!("Cable: {master} is cut off"),
            holder: master.clone(),
            subject: master.clone(),
            what: "its cable is cut",
            limit: self.limit_silent(heir.as_ref()),
            heir,
            moves: true,
            reasons: SILENT,
        };
        let Some(holder) = self.play(&cut, |lab| lab.cut(master))? else { return Ok(()) };
        let mended = Episode {
            title: format!("Cable: {master} is connected again"),
            holder,
            subject: master.clone(),
            what: "its cable is mended",
            heir: self.cast.vip.map(|_| master.clone()),
            moves: false,
            limit: self.limit_handed_over(),
            reasons: PREEMPTED,
        };
        self.play(&mended, |lab| lab.mend(master))?;
        Ok(())
    }

    fn stop(&mut self, master: &Name) -> Result<(), LabError> {
        let heir = self.strongest(&[master]);
        let episode = Episode {
            title: format!("Stop: {master} is told to stop"),
            holder: master.clone(),
            subject: master.clone(),
            what: "is told to stop (SIGTERM)",
            limit: self.limit_resigned(heir.as_ref()),
            heir,
            moves: true,
            reasons: RESIGNED,
        };
        let start = monotonic();
        self.play(&episode, |lab| {
            lab.node(master).signal(ProcessSignal::TERM);
            Ok(())
        })?;
        let resigned = self.witness.first(start, |s| {
            let zero = matches!(&s.seen, Seen::Advert { priority, .. } if priority.get() == 0);
            s.from == *master && zero
        });
        self.claims
            .check(format!("{master} resigned on the wire (priority 0)"), resigned.is_some());
        Ok(())
    }

    /// Stops everything in good order and takes the lab down.
    fn end(mut self) -> Result<Claims, LabError> {
        self.claims.chapter("The end");
        let stopped = self.lab.stop_all(Duration::from_secs(3));
        self.claims.check("every daemon ended when told to", stopped);
        let holders = self.lab.holders(self.vip);
        self.claims.check("no address was left behind", holders.is_empty());
        let Self { mut page, mut claims, lab, witness, .. } = self;
        if !claims.all_held() {
            show_logs(&mut page, &lab)?;
        }
        let pids: Vec<u32> =
            lab.nodes().iter().filter_map(|node| Some(node.daemon()?.pid())).collect();
        drop(witness);
        drop(lab);
        let alive = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        claims.check("nothing of the demo still runs", !pids.iter().any(alive));
        verdict(&mut page, &claims)?;
        Ok(claims)
    }
}

/// The last words of each daemon, for whoever wants to know what went wrong.
pub(super) fn show_logs(page: &mut Page<'_>, lab: &Lab) -> Result<(), LabError> {
    page.line("")?;
    for node in lab.nodes().iter().filter(|node| node.daemon().is_some()) {
        page.inked(Ink::Faint, format_args!("  what {} wrote last:", node.name()))?;
        let log = node.log();
        let lines: Vec<&str> = log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(12)) {
            page.paragraph(4, line)?;
        }
    }
    Ok(())
}

pub(super) fn verdict(page: &mut Page<'_>, claims: &Claims) -> Result<(), LabError> {
    page.heading("What was claimed")?;
    page.claims(claims)?;
    page.line("")?;
    match claims.count() {
        (all, 0) => page.inked(Ink::Good, format_args!("  All {all} claims held.")),
        (all, failed) => page.inked(Ink::Bad, format_args!("  {failed} of {all} claims FAILED.")),
    }
}
