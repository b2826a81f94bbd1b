//! From what was written to what it means: defaults, inheritance, and everything that can be wrong
//! within one instance.
//!
//! Where keepalived shrugs (rounds an interval, multicasts for want of peers, moves a VIP of the
//! other family out of the advert) this refuses: two nodes that read one file differently are two
//! holders. Each refusal says what keepalived would have done, if a reader could miss it.
//!
//! A wrong setting is replaced by a harmless one so that the rest can still be checked; nothing of
//! it is ever used, because one error is enough for there to be no configuration.

mod across;
mod extras;
mod groups;
pub(crate) mod hmac;
mod node;
mod reach;
mod timing;
mod trackers;
mod vips;

use core::time::Duration;

use base::{Family, Name, Preempt, Priority, State, TrackEffect, Vrid};

use crate::blocks::{RawConfig, RawGlobals, RawInstance};
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::lines::VipLine;
use crate::reader::At;
use crate::ways::{Tables, ways};
use crate::{
    Announce, Burst, Config, Globals, InstanceConfig, InstancePlaces, Place, Refresh, Span,
    TrackedInterface,
};

/// The whole configuration. Whether it may be used is the report's to say.
pub(crate) fn config(mut raw: RawConfig, mut tables: Tables<'_>, report: &mut Report) -> Config {
    let globals = core::mem::take(&mut raw.globals);
    tables.look_in(["iproute_etc_dir", "iproute_usr_dir"].map(|name| globals.given.text(name)));
    let tables = &tables;
    across::check_names(&mut raw.instances, report);
    let known = trackers::Known::new(&mut raw, &globals, report);
    let mut grouped = groups::groups(&mut raw, &globals, &known, report);
    let instances: Vec<_> = core::mem::take(&mut raw.instances)
        .into_iter()
        .filter_map(|raw| {
            let group = grouped.get(&raw.name.value).cloned();
            Resolver { raw, globals: &globals, known: &known, group, tables, report }.instance()
        })
        .collect();
    across::check_routers(&instances, report);
    across::check_vips(&instances, report);
    across::check_vmacs(&instances, report);
    let track_groups = groups::track_groups(&mut raw, &instances, report);
    let statics = node::statics(&mut raw, &globals, &track_groups, tables, report);
    Config {
        globals: Globals {
            router_id: globals.router_id.clone().map(Name::from),
            startup_delay: globals.startup_delay.unwrap_or_default(),
            arp_gap: globals.arp_gap.unwrap_or_default(),
            na_gap: globals.na_gap.unwrap_or_default(),
            script_security: globals.script_security,
            interfaces_may_change: globals.interfaces_may_change,
        },
        node: node::node(&raw, &globals, report),
        instances,
        groups: grouped.take(),
        scripts: known.scripts,
        files: known.files,
        processes: known.processes,
        bfd: known.bfd,
        statics,
        track_groups,
    }
}

/// One instance on its way.
struct Resolver<'a> {
    raw: RawInstance,
    globals: &'a RawGlobals,
    known: &'a trackers::Known,
    /// The sync group it is in.
    group: Option<groups::Membership>,
    tables: &'a Tables<'a>,
    report: &'a mut Report,
}

impl Resolver<'_> {
    fn instance(mut self) -> Option<InstanceConfig> {
        let name_span = self.raw.name.span;
        let family = self.family();
        let v3 = timing::version_3(&self.raw, self.globals, family, self.report);
        let interval = timing::interval(&self.raw, v3, self.report);
        let (priority, start) = self.priority();
        let source = self.source(family);
        let reach = self.reach(family, source.as_ref());
        let vrid = self.vrid();
        self.check_interface(&reach, source.is_some());
        let strict = self.raw.strict.unwrap_or(self.globals.strict);
        let preempt = if strict { self.strictly(priority) } else { self.preempt(priority) };
        let password = timing::password(&self.raw, v3, strict, self.report);
        self.check_vip_count(family, v3);
        if self.report.lenient {
            self.keep_what_keepalived_keeps(family);
        }
        let (vips, vip_places) = self.vips(self.raw.vips.clone());
        let (excluded, excluded_places) = self.vips(self.raw.excluded.clone());
        let options = |lines: &[VipLine]| lines.iter().map(|line| line.options.clone()).collect();
        let (vip_options, excluded_options) =
            (options(&self.raw.vips), options(&self.raw.excluded));
        self.check_duplicates(&vips, &vip_places, &excluded, &excluded_places);
        let tracked_interfaces = self.tracked(priority);
        let announce = self.announce(strict);
        let trackers = self.trackers(priority);
        let extras = self.extras(family, v3, interval);
        let password = password.filter(|_| extras.hmac.is_none());
        let mut notify = core::mem::take(&mut self.raw.notify);
        notify.deleted = self.raw.given.command("notify_deleted");
        notify.says_deleted = self.raw.seen.contains_key("notify_deleted");
        notify.weaker_heard = self.raw.given.command("notify_master_rx_lower_pri");
        notify.priority_changes = self.raw.given.flag("notify_priority_changes");
        notify.before_release = self.raw.given.command("notify_before_release");
        notify.before_release_timeout =
            self.raw.given.integer("notify_before_release_timeout").map(Duration::from_secs);
        trackers::default_user(notify.commands_mut(), self.globals);
        let place = |span: Option<Span>| Place(span.unwrap_or(name_span));
        let own = self.raw.interface.as_ref().map(|at| &at.value);
        let given = &self.raw.given;
        let ways = ways(&given.routes, &given.rules, own, self.tables, self.report);
        if self.report.lenient {
            // Those that cannot be made are gone.
            let made = |place: Place| ways.iter().any(|way| way.place.0 == place.0);
            self.raw.given.routes.retain(|route| made(route.place));
            self.raw.given.rules.retain(|rule| made(rule.place));
        }
        let raw = self.raw;
        let globals = self.globals;
        Some(InstanceConfig {
            name: Name::from(raw.name.value),
            family,
            vrid: vrid?,
            priority,
            start,
            says_master: raw.state_master.as_ref().is_some_and(|at| at.value),
            interval: interval?,
            down_adverts: if strict {
                3
            } else {
                raw.down_adverts.or(globals.down_adverts).unwrap_or(3)
            },
            preempt,
            password,
            reach: reach?,
            v3_checksum_as_v2: raw.v3_checksum_as_v2.unwrap_or(globals.v3_checksum_as_v2),
            vips,
            excluded,
            lease: raw.lease.unwrap_or(true),
            track_own_interface: !raw.dont_track_primary,
            tracked_interfaces,
            announce,
            answer_weaker: !strict
                && !raw.lower_prio_no_advert.unwrap_or(globals.lower_prio_no_advert),
            answer_stronger: !strict
                && raw.higher_prio_send_advert.unwrap_or(globals.higher_prio_send_advert),
            skip_vip_list_check: raw.skip_check_adv_addr.unwrap_or(globals.skip_check_adv_addr),
            strict,
            notify,
            trackers,
            vip_options,
            excluded_options,
            smtp_alert: raw
                .smtp_alert
                .map(|at| at.value)
                .or(globals.smtp_alert_vrrp)
                .or(globals.smtp_alert)
                .unwrap_or(false),
            hmac: extras.hmac,
            allowed_sources: extras.allowed_sources,
            ways,
            routes: raw.given.routes,
            rules: raw.given.rules,
            promote_secondaries: extras.promote_secondaries,
            track_source: extras.track_source,
            vmac: extras.vmac,
            ipvlan: extras.ipvlan,
            vrf: extras.vrf,
            accept: extras.accept,
            extra_announce: extras.extra_announce,
            arp_gap: extras.arp_gap,
            na_gap: extras.na_gap,
            owner_ignores_adverts: extras.owner_ignores_adverts,
            old_checksum: extras.old_checksum,
            poll_carrier: extras.poll_carrier,
            receive_buffer: extras.receive_buffer,
            places: InstancePlaces {
                name: Place(name_span),
                interface: place(raw.interface.as_ref().map(|at| at.span)),
                vrid: place(raw.vrid.map(|at| at.span)),
                priority: place(raw.priority.map(|at| at.span)),
                start: place(raw.state_master.map(|at| at.span)),
                interval: place(raw.interval.map(|at| at.span)),
                source: place(source.as_ref().map(|at| at.span)),
                vips: vip_places,
                excluded: excluded_places,
                password: place(raw.authentication.and_then(|a| Some(a.password?.span))),
            },
            interface: raw.interface.map(|at| at.value),
            source: source.map(|at| at.value),
        })
    }

    /// The family of the first address that decides it: a VIP, else a source, a peer, an excluded
    /// VIP; IPv4 when there is none.
    fn family(&self) -> Family {
        let raw = &self.raw;
        let vip = |lines: &[VipLine]| lines.first().map(|line| line.address.value);
        vip(&raw.vips)
            .or_else(|| raw.sources.first().map(|at| at.value))
            .or_else(|| raw.peers.first().map(|peer| peer.address))
            .or_else(|| vip(&raw.excluded))
            .map_or(Family::V4, |address| Family::of(&address))
    }

    fn vrid(&mut self) -> Option<Vrid> {
        if let Some(at) = &self.raw.vrid {
            return Vrid::new(at.value);
        }
        // Nothing can stand in for a VRID, not even leniently.
        if !self.raw.seen.contains_key("virtual_router_id") || self.report.lenient {
            self.report.push(
                Diagnostic::error(
                    Code::NoVrid,
                    self.raw.name.span,
                    "this instance has no virtual_router_id",
                )
                .label("in this instance")
                .help("add `virtual_router_id N`, 1 to 255, the same on all its nodes"),
            );
        }
        None
    }

    /// RFC 9568 §6.4.1: an owner starts Active. As keepalived: `state MASTER` without a priority
    /// means owner, and `state BACKUP` makes an owner listen first.
    fn priority(&mut self) -> (Priority, State) {
        let state = self.raw.state_master.as_ref();
        let master = state.is_some_and(|at| at.value);
        let priority = match (&self.raw.priority, state) {
            (Some(at), _) => Priority::new(at.value),
            (None, Some(at)) if master && !self.raw.seen.contains_key("priority") => {
                self.report.push(
                    Diagnostic::warning(
                        Code::BecomesOwner,
                        at.span,
                        "`state MASTER` without a priority means priority 255, the owner",
                    )
                    .label("claims to own the addresses")
                    .help("add `priority N`, 1 to 254, unless the VIPs are this node's own"),
                );
                Priority::OWNER
            }
            _ => Priority::DEFAULT,
        };
        let start = match state {
            _ if !priority.is_owner() => State::Backup,
            Some(at) if !at.value => State::Backup,
            _ => State::Active,
        };
        (priority, start)
    }

    fn preempt(&mut self, priority: Priority) -> Preempt {
        let never = self.raw.preempt.as_ref().filter(|at| !at.value);
        let delay = self.raw.preempt_delay.as_ref().filter(|at| !at.value.is_zero());
        let master = self.raw.state_master.as_ref().filter(|at| at.value);
        let cancelled = master.is_some() || priority.is_owner();
        if cancelled && let Some(span) = never.map(|at| at.span).or(delay.map(|at| at.span)) {
            let mut diagnostic = Diagnostic::warning(
                Code::PreemptCancelled,
                span,
                "this setting about preemption has no effect",
            )
            .help("write `state BACKUP` on all nodes, or remove this line");
            diagnostic = match master {
                Some(at) => diagnostic
                    .label("cancelled, as keepalived does")
                    .related(at.span, "by the state to start in"),
                None => diagnostic.label("the owner, priority 255, always takes over"),
            };
            self.report.push(diagnostic);
        }
        match (never, delay) {
            _ if cancelled => Preempt::After(Duration::ZERO),
            (Some(_), _) => Preempt::Never,
            (None, Some(at)) => Preempt::After(at.value),
            (None, None) => Preempt::After(Duration::ZERO),
        }
    }

    fn tracked(&mut self, priority: Priority) -> Vec<TrackedInterface> {
        let mut tracked: Vec<TrackedInterface> = Vec::new();
        for line in core::mem::take(&mut self.raw.interfaces) {
            let At { value: interface, span } = line.interface;
            if self.raw.interface.as_ref().is_some_and(|own| own.value == interface) {
                self.report.push(
                    Diagnostic::warning(
                        Code::OwnInterface,
                        span,
                        format!("`{interface}` is this instance's own interface"),
                    )
                    .label("not tracked a second time")
                    .help("remove it; `dont_track_primary` is how not to track it"),
                );
                continue;
            }
            let delta = matches!(
                line.effect,
                TrackEffect::DeltaWhileGood(_) | TrackEffect::DeltaWhileBad(_)
            );
            let effect = if delta && self.group.as_ref().is_some_and(|group| !group.keeps_weights) {
                self.weightless(span, "an interface");
                TrackEffect::FaultWhileBad
            } else {
                line.effect
            };
            let delta = delta && effect == line.effect;
            if delta && priority.is_owner() {
                self.report.push(
                    Diagnostic::warning(
                        Code::OwnerNotTracked,
                        span,
                        "a weight changes nothing for the owner, priority 255",
                    )
                    .label("not tracked")
                    .help("remove the weight to fault instead, or choose a priority below 255"),
                );
                continue;
            }
            if let Some(before) = tracked.iter().find(|t| t.interface == interface) {
                self.report.push(
                    Diagnostic::warning(
                        Code::SetTwice,
                        span,
                        format!("`{interface}` is tracked twice"),
                    )
                    .label("this one does not count")
                    .related(before.place.0, "this one does")
                    .help("remove one of them"),
                );
                continue;
            }
            tracked.push(TrackedInterface { interface, effect, place: Place(span) });
        }
        tracked
    }

    /// In strict mode a weaker advert changes nothing and preemption waits for nothing, whatever else is
    /// written; keepalived resets the same settings.
    fn strictly(&mut self, priority: Priority) -> Preempt {
        for keyword in [
            "down_timer_adverts",
            "garp_lower_prio_delay",
            "garp_lower_prio_repeat",
            "higher_prio_send_advert",
            "preempt_delay",
        ] {
            let Some(span) = self.raw.seen.get(keyword).copied() else { continue };
            self.report.push(
                Diagnostic::warning(
                    Code::NoEffect,
                    span,
                    format!("`{keyword}` is left out in strict mode"),
                )
                .label("the RFC knows no such thing")
                .help("remove it, or switch strict mode off"),
            );
        }
        match self.preempt(priority) {
            Preempt::Never => Preempt::Never,
            _ => Preempt::After(Duration::ZERO),
        }
    }

    /// As keepalived resolves them: `garp_lower_prio_*` falls back to the *global* master values.
    fn announce(&self, strict: bool) -> Announce {
        let (own, all) = (&self.raw.announce, &self.globals.announce);
        let min = self.globals.min_garp;
        let all_repeat = all.repeat.unwrap_or(if min { 1 } else { 5 });
        let all_delay = all.delay.unwrap_or(Duration::from_secs(if min { 0 } else { 5 }));
        let nonzero = |time: Duration| (!time.is_zero()).then_some(time);
        let burst = |repeat, delay| Burst { repeat, again_after: nonzero(delay) };
        let every = own.refresh.or(all.refresh).and_then(nonzero);
        Announce {
            takeover: burst(own.repeat.unwrap_or(all_repeat), own.delay.unwrap_or(all_delay)),
            weaker_heard: if strict {
                burst(0, Duration::ZERO)
            } else {
                burst(
                    own.lower_repeat.or(all.lower_repeat).unwrap_or(all_repeat),
                    own.lower_delay.or(all.lower_delay).unwrap_or(all_delay),
                )
            },
            refresh: every.map(|every| Refresh {
                every,
                repeat: own.refresh_repeat.or(all.refresh_repeat).unwrap_or(1),
            }),
        }
    }
}
