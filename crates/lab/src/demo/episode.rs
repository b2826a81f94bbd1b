//! One thing goes wrong, or right again: what happened when, what the client noticed, who serves
//! now, and why.

use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, Name, Priority, Reason, State};
use linux::clock::monotonic;

use super::Daemon;
use super::cast::Cast;
use super::claims::Claims;
use super::page::{Ink, Page, millis, seconds};
use super::why::Log;
use crate::{Lab, LabError, Outcome, Seen, Witness, wait_for};

/// Time between two requests of the client.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// What is shown of the time before and after.
const BEFORE: Duration = Duration::from_millis(300);
const AFTER: Duration = Duration::from_millis(400);
/// What processes and the kernel may add to the protocol's own intervals.
const SLACK: Duration = Duration::from_millis(400);
/// A prober that was itself late by more than this cannot tell an outage from its own.
const BUSY: Duration = Duration::from_millis(50);

/// Everything the story is told with.
pub(crate) struct Stage<'p, 'a> {
    pub(crate) page: Page<'p>,
    pub(crate) claims: Claims,
    pub(crate) lab: Lab,
    pub(crate) witness: Witness,
    pub(crate) cast: &'a Cast,
    pub(crate) daemon: &'a Daemon,
    pub(crate) vip: IpAddr,
}

/// What is going to happen.
pub(crate) struct Episode {
    /// The chapter's heading.
    pub(crate) title: String,
    /// Who holds the VIP now.
    pub(crate) holder: Name,
    /// To whom it happens.
    pub(crate) subject: Name,
    /// What happens, for the timeline.
    pub(crate) what: &'static str,
    /// Who is to hold it afterwards, where that is known.
    pub(crate) heir: Option<Name>,
    /// Whether it must move at all; if not and no heir is known, any outcome with one holder is
    /// right.
    pub(crate) moves: bool,
    /// The longest outage that is right, where that is known.
    pub(crate) limit: Option<Duration>,
    /// The reasons the heir may give; empty where none is known.
    pub(crate) reasons: &'static [Reason],
}

impl Stage<'_, '_> {
    /// Lets it happen by `act`, tells it, checks it; returns who holds the VIP afterwards.
    pub(crate) fn play(
        &mut self,
        episode: &Episode,
        act: impl FnOnce(&mut Lab) -> Result<(), LabError>,
    ) -> Result<Option<Name>, LabError> {
        self.page.heading(&episode.title)?;
        self.claims.chapter(&episode.title);
        let probe = self.lab.probe(self.vip, ASK_EVERY)?;
        std::thread::sleep(BEFORE);
        let fault = monotonic();
        act(&mut self.lab)?;
        let served = |by: &Name| match &episode.heir {
            Some(heir) => by == heir,
            None => !episode.moves || *by != episode.holder,
        };
        let settle = self.cast.advert.as_duration() * 4 + Duration::from_secs(1);
        let patience = episode.limit.unwrap_or(Duration::from_secs(8)) + settle;
        if episode.heir.is_none() && !episode.moves {
            std::thread::sleep(settle);
        }
        let done = || probe.last_answer().is_some_and(|a| a.at > fault && served(&a.node));
        // Whether it came true is what the claims say.
        let _ = wait_for(patience, done);
        std::thread::sleep(AFTER);
        let outcome = probe.finish();
        let now = outcome.answers.last().map(|answer| answer.node.clone());
        let now = now.filter(|now| served(now));
        // Whoever holds it has its part in the timeline, even if the client does not know.
        let holder = match self.lab.holders(self.vip).as_slice() {
            [one] => Some(Name::from(*one)),
            _ => None,
        };
        self.timeline(episode, fault, &outcome, now.as_ref().or(holder.as_ref()))?;
        self.check_service(episode, &outcome, now.as_ref())?;
        self.check_why(episode, fault, now.as_ref())?;
        Ok(now)
    }

    fn timeline(
        &mut self,
        episode: &Episode,
        fault: Instant,
        outcome: &Outcome,
        now: Option<&Name>,
    ) -> Result<(), LabError> {
        let mut moments: Vec<(Instant, Name, String)> = Vec::new();
        let mut note = |at, who: &Name, what: String| moments.push((at, who.clone(), what));
        note(fault, &episode.subject, episode.what.to_owned());
        let adverts = |from: &Name| {
            let from = from.clone();
            move |s: &crate::Sighting| matches!(s.seen, Seen::Advert { .. }) && s.from == from
        };
        let advert = |seen: &Seen| match seen {
            Seen::Advert { priority: Priority::RESIGN, .. } => "resigns: advert, priority 0".into(),
            Seen::Advert { priority, .. } => format!("advert, priority {priority}"),
            Seen::Announcement { .. } | Seen::Other => String::new(),
        };
        let old = &episode.holder;
        if let Some(last) = self.witness.last(fault, adverts(old)) {
            note(last.at, old, format!("last {}", advert(&last.seen)));
        }
        let resigned = self.witness.first(fault, |s| {
            let resigns = matches!(&s.seen, Seen::Advert { priority, .. } if priority.get() == 0);
            s.from == *old && resigns
        });
        if let Some(resigned) = resigned {
            note(resigned.at, old, advert(&resigned.seen));
        }
        let holdings = self.lab.holdings();
        let change = |node: &Name, present: bool| {
            holdings.iter().find(|h| {
                h.at >= fault && h.address == self.vip && h.node == *node && h.present == present
            })
        };
        if let Some(gone) = change(old, false).filter(|_| self.lab.node(old).has_power()) {
            note(gone.at, old, format!("releases {}", self.vip));
        }
        if let Some(now) = now {
            if let Some(first) = self.witness.first(fault, adverts(now)) {
                note(first.at, now, format!("first {}", advert(&first.seen)));
            }
            if let Some(here) = change(now, true) {
                note(here.at, now, format!("holds {}", self.vip));
            }
            let announced = self.witness.first(fault, |s| {
                let vip = matches!(s.seen, Seen::Announcement { vip, .. } if vip == self.vip);
                vip && s.from == *now
            });
            if let Some(sighting) = announced
                && let Seen::Announcement { vip, mac } = sighting.seen
            {
                note(sighting.at, now, format!("announces: {vip} is at {mac}"));
            }
            let answer = outcome.answers.iter().find(|a| a.at >= fault && a.node == *now);
            if let Some(answer) = answer {
                note(answer.at, &"client".into(), format!("is served by {now}"));
            }
        }
        moments.sort();
        for (at, who, what) in &moments {
            self.page.moment(fault, *at, who, what)?;
        }
        self.page.line("")?;
        let nodes: Vec<Name> = self.cast.parts.iter().map(|part| part.name.clone()).collect();
        let end = outcome.requests.last().copied().unwrap_or(fault);
        self.page.lanes(&nodes, &outcome.answers, (fault - BEFORE, fault, end))
    }

    fn check_service(
        &mut self,
        episode: &Episode,
        outcome: &Outcome,
        now: Option<&Name>,
    ) -> Result<(), LabError> {
        self.page.line("")?;
        let noticed = match (&outcome.outage, outcome.closed_outage()) {
            (_, Some(outage)) => format!(
                "Outage the client measured: {} ({} of {} requests lost).",
                seconds(outage),
                outcome.lost,
                outcome.sent
            ),
            (Some(gap), None) => {
                format!(
                    "The client was not served any more: {} without answer.",
                    seconds(gap.length)
                )
            }
            (None, None) => "The client was never served.".to_owned(),
        };
        let ink = if outcome.closed_outage().is_some() { Ink::Strong } else { Ink::Bad };
        self.page.inked(ink, format_args!("  {noticed}"))?;
        if outcome.longest_send_gap > BUSY {
            let late = millis(outcome.longest_send_gap);
            self.page
                .paragraph(2, &format!("(This machine is busy: the client paused {late} ms.)"))?;
        }
        match (&episode.heir, now) {
            (Some(heir), _) => {
                self.claims.check(format!("{heir} serves the client"), now == Some(heir));
            }
            (None, Some(now)) => self.claims.check(format!("{now} serves the client"), true),
            (None, None) => self.claims.check("another node serves the client", false),
        }
        let holders = self.lab.holders(self.vip);
        let only = now.is_some_and(|now| holders == [now.as_str()]);
        let who = now.map_or("nobody", Name::as_str);
        self.claims.check(format!("{who} alone holds {} in the end", self.vip), only);
        if let Some(limit) = episode.limit {
            let outage = outcome.closed_outage();
            let text = format!("the outage was at most {} ms", millis(limit));
            self.claims.check(text, outage.is_some_and(|outage| outage <= limit));
        }
        let twice = outcome.answered_twice;
        self.claims.check("no request was answered by two nodes", twice == 0);
        if let Some(now) = now {
            let macs: Vec<_> = self.lab.node(now).links().iter().filter_map(|l| l.mac).collect();
            let neighbours = self.lab.client().neighbours();
            let entry = neighbours.iter().find(|entry| entry.address == self.vip);
            let right = entry.and_then(|entry| entry.mac).is_some_and(|mac| macs.contains(&mac));
            self.claims.check(format!("the client knows the VIP at the MAC of {now}"), right);
        }
        Ok(())
    }

    fn check_why(
        &mut self,
        episode: &Episode,
        fault: Instant,
        now: Option<&Name>,
    ) -> Result<(), LabError> {
        let (Some(events), Some(now)) = (&self.daemon.events, now) else { return Ok(()) };
        if *now == episode.holder {
            return Ok(());
        }
        let log = Log::ask(self.lab.node(now), events)?.unwrap_or_default();
        let Some(taken) = log.last_move(fault, State::Active) else {
            self.claims.check(format!("the events of {now} tell that it took over"), false);
            return Ok(());
        };
        self.page.line("")?;
        self.page.inked(Ink::Strong, format_args!("  Why {now}? Its own events, latest first:"))?;
        let causes = log.causes(taken);
        let known = causes.as_deref().unwrap_or_default();
        for (depth, entry) in [taken].into_iter().chain(known.iter().copied()).enumerate() {
            // The sentence begins with the event's id.
            self.page.paragraph(if depth == 0 { 4 } else { 6 }, &entry.text)?;
        }
        let whole = causes.is_ok() && !known.is_empty();
        self.claims.check(format!("{now} names what made it take over"), whole);
        if !episode.reasons.is_empty() {
            let reason = taken.event.reason;
            let right = episode.reasons.contains(&reason);
            self.claims.check(format!("the reason of {now} is: {reason}"), right);
        }
        Ok(())
    }

    /// The outage a takeover by `heir` may cost when the holder falls silent.
    pub(crate) fn limit_silent(&self, heir: Option<&Name>) -> Option<Duration> {
        let part = self.cast.parts.iter().find(|part| Some(&part.name) == heir)?;
        self.cast.down_interval(part).map(|interval| interval + SLACK)
    }

    /// The outage a takeover by `heir` may cost when the holder resigns.
    pub(crate) fn limit_resigned(&self, heir: Option<&Name>) -> Option<Duration> {
        let part = self.cast.parts.iter().find(|part| Some(&part.name) == heir)?;
        self.cast.skew(part).map(|skew| skew + SLACK)
    }

    /// The outage a hand-over between two living nodes may cost, where the cast is known.
    pub(crate) fn limit_handed_over(&self) -> Option<Duration> {
        self.cast.vip.map(|_| SLACK)
    }

    /// The strongest node but those in `without`, where priorities are known.
    pub(crate) fn strongest(&self, without: &[&Name]) -> Option<Name> {
        let others = self.cast.parts.iter().filter(|part| !without.contains(&&part.name));
        let best = others.filter(|part| part.priority.is_some()).max_by_key(|part| part.priority);
        best.map(|part| part.name.clone())
    }
}
