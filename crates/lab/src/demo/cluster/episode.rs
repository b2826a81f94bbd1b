//! One thing goes wrong in the cluster: what happened when, what the client noticed, whether the node in
//! doubt was made certain of first, and who serves now.

use std::time::Duration;

use base::{Instant, Name};
use linux::clock::monotonic;

use super::cast::Cast;
use crate::demo::claims::Claims;
use crate::demo::page::{Ink, Page, millis, seconds};
use crate::{Asker, Lab, LabError, Outcome, Power, Seen, Web, Witness, show};

/// Time between two requests of the client.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// Time between two pages of the browser.
const BROWSE_EVERY: Duration = Duration::from_millis(10);
/// What is shown of the time before and after.
const BEFORE: Duration = Duration::from_millis(300);
const AFTER: Duration = Duration::from_millis(400);
/// A node that was switched off is switched on again after this, as by its firmware.
const BOOT: Duration = Duration::from_millis(800);
/// For whatever must come about.
const PATIENCE: Duration = Duration::from_secs(20);
/// A prober that was itself late by more than this cannot tell an outage from its own.
const BUSY: Duration = Duration::from_millis(50);

/// Everything the story is told with.
pub(super) struct Stage<'p, 'a> {
    pub(super) page: Page<'p>,
    pub(super) claims: Claims,
    pub(super) lab: Lab,
    pub(super) witness: Witness,
    pub(super) power: Power,
    pub(super) cast: &'a Cast,
    /// A bystander who asks again and again where the VIP is.
    pub(super) asker: Option<Asker>,
    since: Instant,
    boots: Vec<(Instant, Name)>,
}

/// What is going to happen.
pub(super) struct Episode {
    /// The chapter's heading.
    pub(super) title: String,
    /// Who holds the VIP now, and to whom it happens.
    pub(super) holder: Name,
    /// What happens, for the timeline.
    pub(super) what: &'static str,
    /// Whether it must be switched off before anybody else begins.
    pub(super) fenced: bool,
    /// The longest outage that is right.
    pub(super) limit: Duration,
}

impl<'p, 'a> Stage<'p, 'a> {
    pub(super) fn new(
        page: Page<'p>,
        claims: Claims,
        lab: Lab,
        witness: Witness,
        power: Power,
        cast: &'a Cast,
    ) -> Self {
        let (since, boots) = (monotonic(), Vec::new());
        Self { page, claims, lab, witness, power, cast, asker: None, since, boots }
    }

    pub(super) fn others(&self, node: &Name) -> Vec<Name> {
        let names = self.lab.nodes().iter().map(|it| it.name().clone());
        names.filter(|it| it != node).collect()
    }

    /// Whether the bystander never had answers of two nodes at a time.
    pub(super) fn overlap(&self) -> bool {
        self.asker.as_ref().is_none_or(|it| it.longest_overlap(self.since).is_zero())
    }

    /// Waits for something, and meanwhile does what power switches and firmware do.
    fn wait(&mut self, is: impl Fn(&Self) -> bool) -> Result<bool, LabError> {
        let began = monotonic();
        loop {
            for node in self.power.work(&mut self.lab)? {
                self.boots.push((monotonic() + BOOT, node));
            }
            let now = monotonic();
            let due = self.boots.iter().position(|(at, _)| *at <= now);
            if let Some((_, node)) = due.map(|at| self.boots.remove(at)) {
                // A new machine on an old switch port, with a cable that works.
                self.lab.power_on(&node)?;
                self.cast.start(&mut self.lab, &self.power, &node)?;
            }
            if is(self) {
                return Ok(true);
            }
            if now.since(began) > PATIENCE {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn only_holder(&self) -> Option<Name> {
        match self.lab.holders(self.cast.vip).as_slice() {
            [one] => Some(Name::from(*one)),
            _ => None,
        }
    }

    /// The cluster is told what to run; who serves then.
    pub(super) fn serve(&mut self) -> Result<Option<Name>, LabError> {
        let told = monotonic();
        if let Err(error) = self.cast.configure(&mut self.lab) {
            self.page.paragraph(2, &format!("It takes no document: {error}."))?;
            self.claims.check("the cluster takes a document", false);
            return Ok(None);
        }
        self.asker = Some(self.lab.asker(self.cast.vip, Duration::from_millis(10))?);
        let probe = self.lab.probe(self.cast.vip, ASK_EVERY)?;
        self.wait(|_| probe.last_answer().is_some())?;
        let answer = probe.last_answer();
        let holder = self.only_holder();
        let right = holder.is_some() && answer.as_ref().map(|it| &it.node) == holder.as_ref();
        self.claims
            .check(format!("one node holds {}, and serves the client", self.cast.vip), right);
        let (Some(holder), Some(answer)) = (holder, answer) else { return Ok(None) };
        let took = seconds(answer.at.since(told));
        self.page.line(format_args!(
            "  {holder} serves {} {took} after it was asked for.",
            self.cast.vip
        ))?;
        if self.cast.web {
            let web = self.lab.web(self.cast.vip, BROWSE_EVERY)?;
            let served = self.wait(|_| !web.answers().is_empty())?;
            let by = web.answers().last().map(|it| it.node.clone());
            let right = served && by.as_ref() == Some(&holder);
            self.claims.check(format!("the web server behind it is that of {holder}"), right);
        }
        Ok(Some(holder))
    }

    /// Shows by hand what a person would look at.
    pub(super) fn show(&mut self, holder: &Name) -> Result<(), LabError> {
        let node = self.lab.node(holder);
        let (links, addresses) = (node.links(), node.addresses());
        let entry = addresses.iter().find(|entry| entry.address == self.cast.vip);
        let link = links.iter().find(|link| entry.is_some_and(|entry| entry.index == link.index));
        let marked = [format!(" {}/", self.cast.vip)];
        if let Some(link) = link {
            let output = show::ip_address(link, &addresses);
            self.page.line("")?;
            self.page.shell(
                holder,
                &format!("ip address show dev {}", link.name),
                &output,
                &marked,
            )?;
        }
        self.show_status(holder)
    }

    fn show_status(&mut self, node: &Name) -> Result<(), LabError> {
        let text = self.cast.ask(self.lab.node(node), &["cluster", "status"])?.unwrap_or_default();
        let text = text.lines().filter(|it| !it.trim().is_empty()).collect::<Vec<_>>().join("\n");
        self.page.line("")?;
        self.page.shell(node, "mainstay cluster status", &text, &[])
    }

    /// Lets it happen by `act`, tells it, checks it; returns who holds the VIP afterwards.
    pub(super) fn play(
        &mut self,
        episode: &Episode,
        act: impl FnOnce(&mut Lab) -> Result<(), LabError>,
    ) -> Result<Option<Name>, LabError> {
        self.page.heading(&episode.title)?;
        self.claims.chapter(&episode.title);
        let (vip, old) = (self.cast.vip, &episode.holder);
        let probe = self.lab.probe(vip, ASK_EVERY)?;
        let web = if self.cast.web { Some(self.lab.web(vip, BROWSE_EVERY)?) } else { None };
        std::thread::sleep(BEFORE);
        let fault = monotonic();
        act(&mut self.lab)?;
        let elsewhere = |at: Instant, node: &Name| at > fault && node != old;
        self.wait(|_| {
            let vip = probe.last_answer().is_some_and(|it| elsewhere(it.at, &it.node));
            let page = web.as_ref().is_none_or(|web| {
                web.answers().last().is_some_and(|it| elsewhere(it.at, &it.node))
            });
            vip && page
        })?;
        std::thread::sleep(AFTER);
        let outcome = probe.finish();
        let now = outcome.answers.last().filter(|it| elsewhere(it.at, &it.node));
        let now = now.map(|it| it.node.clone());
        self.timeline(episode, fault, &outcome, web.as_ref(), now.as_ref())?;
        self.check(episode, fault, &outcome, web.as_ref(), now.as_ref())?;
        if let Some(now) = &now {
            self.back(episode, fault, now)?;
        }
        Ok(now)
    }

    /// When another node had the VIP first.
    fn began_elsewhere(&self, old: &Name, since: Instant) -> Option<(Instant, Name)> {
        let holdings = self.lab.holdings();
        let ours = |it: &&crate::Holding| {
            it.address == self.cast.vip && it.present && it.at > since && it.node != *old
        };
        holdings.iter().find(ours).map(|it| (it.at, it.node.clone()))
    }

    fn timeline(
        &mut self,
        episode: &Episode,
        fault: Instant,
        outcome: &Outcome,
        web: Option<&Web>,
        now: Option<&Name>,
    ) -> Result<(), LabError> {
        let (vip, old) = (self.cast.vip, &episode.holder);
        let mut moments: Vec<(Instant, Name, String)> = Vec::new();
        moments.push((fault, old.clone(), episode.what.to_owned()));
        if let Some(last) = outcome.answers.iter().rfind(|it| it.node == *old) {
            moments.push((
                last.at,
                "client".into(),
                format!("is served by {old} for the last time"),
            ));
        }
        for stroke in self.power.strokes().iter().filter(|it| it.at > fault) {
            let what = match &*stroke.action {
                "reboot" => format!("{} is off (asked for: reboot)", stroke.node),
                other => format!("{} is {other}", stroke.node),
            };
            moments.push((stroke.at, "power".into(), what));
        }
        if let Some((at, node)) = self.began_elsewhere(old, fault) {
            moments.push((at, node, format!("holds {vip}")));
        }
        if let Some(now) = now {
            let announced = self.witness.first(fault, |it| {
                it.from == *now
                    && matches!(it.seen, Seen::Announcement { vip: of, .. } if of == vip)
            });
            if let Some(sighting) = announced
                && let Seen::Announcement { mac, .. } = sighting.seen
            {
                moments.push((sighting.at, now.clone(), format!("announces: {vip} is at {mac}")));
            }
            if let Some(first) = outcome.answers.iter().find(|it| it.at > fault && it.node == *now)
            {
                moments.push((first.at, "client".into(), format!("is served by {now}")));
            }
        }
        let pages = web.map(Web::answers).unwrap_or_default();
        if let Some(first) = pages.iter().find(|it| it.at > fault && it.node != *old) {
            moments.push((first.at, "client".into(), format!("has the page of {}", first.node)));
        }
        moments.sort();
        for (at, who, what) in &moments {
            self.page.moment(fault, *at, who, what)?;
        }
        self.page.line("")?;
        let nodes: Vec<Name> = self.lab.nodes().iter().map(|it| it.name().clone()).collect();
        let end = outcome.requests.last().copied().unwrap_or(fault);
        self.page.lanes(&nodes, &outcome.answers, (fault - BEFORE, fault, end))
    }

    fn check(
        &mut self,
        episode: &Episode,
        fault: Instant,
        outcome: &Outcome,
        web: Option<&Web>,
        now: Option<&Name>,
    ) -> Result<(), LabError> {
        let (vip, old) = (self.cast.vip, &episode.holder);
        self.page.line("")?;
        let outage = outcome.closed_outage();
        let noticed = match outage {
            Some(outage) => format!(
                "Outage the client measured: {} ({} of {} requests lost).",
                seconds(outage),
                outcome.lost,
                outcome.sent
            ),
            None => "The client was not served any more.".to_owned(),
        };
        let ink = if outage.is_some() { Ink::Strong } else { Ink::Bad };
        self.page.inked(ink, format_args!("  {noticed}"))?;
        if let Some(outage) = web.and_then(|web| web.outage(fault)) {
            self.page
                .line(format_args!("  Without a page of the web server: {}.", seconds(outage)))?;
        }
        if outcome.longest_send_gap > BUSY {
            let late = millis(outcome.longest_send_gap);
            self.page
                .paragraph(2, &format!("(This machine is busy: the client paused {late} ms.)"))?;
        }
        let who = now.map_or("another node", Name::as_str);
        self.claims.check(format!("{who} serves the client"), now.is_some());
        let alone = now.is_some() && self.only_holder().as_ref() == now;
        self.claims.check(format!("{who} alone holds {vip} in the end"), alone);
        let text = format!("the outage was at most {} ms", millis(episode.limit));
        self.claims.check(text, outage.is_some_and(|it| it <= episode.limit));
        let off = self.power.strokes().iter().find(|it| it.at > fault && it.node == *old);
        if episode.fenced {
            let began = self.began_elsewhere(old, fault).map(|it| it.0);
            let first = off.map(|it| it.at).is_some_and(|off| began.is_some_and(|it| off < it));
            let text = format!("{old} was off before {vip} began elsewhere, says the power switch");
            self.claims.check(text, first);
        } else {
            let quiet = !self.power.strokes().iter().any(|it| it.at > fault);
            self.claims.check("nobody had to be switched off", quiet);
        }
        self.claims.check("no request was answered by two nodes", outcome.answered_twice == 0);
        if let Some(web) = web {
            let pages = web.answers();
            let right = pages.last().map(|it| &it.node) == now;
            self.claims.check(format!("the client has the page of {who}"), right && now.is_some());
        }
        if let Some(now) = now {
            let macs: Vec<_> = self.lab.node(now).links().iter().filter_map(|it| it.mac).collect();
            let neighbours = self.lab.client().neighbours();
            let entry = neighbours.iter().find(|entry| entry.address == vip);
            let right = entry.and_then(|it| it.mac).is_some_and(|mac| macs.contains(&mac));
            self.claims.check(format!("the client knows the VIP at the MAC of {now}"), right);
        }
        Ok(())
    }

    /// The node takes part again, and its return moves nothing.
    fn back(&mut self, episode: &Episode, fault: Instant, now: &Name) -> Result<(), LabError> {
        let old = &episode.holder;
        // What was cut is mended: a node that was switched off comes back to a whole network.
        let _ = self.lab.divide(&[]);
        if !episode.fenced {
            let node = old.clone();
            self.wait(|it| it.lab.node(&node).daemon().is_none_or(|it| it.ended().is_some()))?;
            self.cast.start(&mut self.lab, &self.power, &node)?;
        }
        let all = ["n1", "n2", "n3"];
        let whole = self.wait(|it| it.boots.is_empty() && it.cast.agree(&it.lab, &all))?;
        let took = seconds(monotonic().since(fault));
        if whole {
            self.page.line(format_args!("  {old} takes part again {took} after the fault."))?;
        }
        self.claims.check(format!("{old} comes back, and all three agree again"), whole);
        let stays = self.only_holder().as_ref() == Some(now);
        self.claims.check(format!("its return moves nothing: {now} still holds the VIP"), stays);
        let status = self.cast.status(self.lab.node(now))?.unwrap_or_default();
        let fenced = status["fencings"].as_array().and_then(|it| it.last().cloned());
        if let Some(last) = fenced.filter(|_| episode.fenced) {
            let word = |name: &str| last[name].as_str().unwrap_or("?").to_owned();
            let text = format!(
                "  {now} says: {} was fenced ({}), asked for by {}",
                word("node"),
                word("action"),
                word("origin")
            );
            self.page.inked(Ink::Faint, text)?;
        }
        Ok(())
    }
}
