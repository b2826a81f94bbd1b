//! From what a configuration means to what the machines are told.
//!
//! The two are kept apart so that the language can grow spellings and the machines need not know;
//! this is the only place where both are visible.

mod devices;
mod statics;
mod tracking;

use std::time::Duration;

use base::Priority;
use conf::Config;
use vip::announcer::BurstPolicy;
use vip::lease::Terms;
use vrrp::wire::hmac::{Freshness, Key, Mode, Policy};
use vrrp::wire::{Auth, ChecksumForm, ChecksumRule, PeerTerms};
use vrrp::{Checksum, Fresh, InstanceConfig, Reach};

use devices::{Namer, Placed};
pub(crate) use statics::statics;
pub(crate) use tracking::{debounce, sensors, sessions};

/// A peer's interval is believed up to this many times our own (VRRP-075). One forged advert could
/// else silence everybody for two minutes.
const LEARNED_INTERVAL_CAP: u8 = 10;

/// Every instance of the configuration, in its order.
pub(crate) fn instances(config: &Config) -> Vec<InstanceConfig> {
    let mut namer = Namer::new(config);
    let instances = config.instances.iter();
    instances.map(|instance| one(config, instance, namer.place(instance))).collect()
}

/// What bounds the lease of an instance.
pub(crate) fn lease_terms(config: &Config, instance: &conf::InstanceConfig) -> Terms {
    one(config, instance, Placed::plainly(instance)).lease_terms()
}

fn one(config: &Config, instance: &conf::InstanceConfig, placed: Placed) -> InstanceConfig {
    let Placed { devices, speaks_as, vips, excluded } = placed;
    InstanceConfig {
        name: instance.name.clone(),
        interface: instance.interface.clone(),
        vrid: instance.vrid,
        family: instance.family,
        interval: instance.interval,
        priority: instance.priority,
        preempt: instance.preempt,
        reach: reach(&instance.reach),
        source: instance.source,
        auth: instance.password.map_or(Auth::None, |password| Auth::Pass(password.octets())),
        hmac: instance.hmac.as_ref().and_then(hmac),
        allowed_sources: instance.allowed_sources.clone(),
        checksum: Checksum {
            send: instance.v3_checksum_as_v2.then_some(ChecksumForm::Rfc9568),
            accept: ChecksumRule::Either,
        },
        vips,
        excluded,
        // An owner's addresses are its own, and it accepts what is sent to them (RFC 9568 §6.1).
        accept: instance.accept || instance.priority == Priority::OWNER,
        fresh: instance.extra_announce.map(|extra| Fresh { all: extra.all, every: extra.every }),
        promote_secondaries: instance.promote_secondaries,
        devices,
        speaks_as,
        ways: statics::ways(&instance.ways),
        burst: burst(config, instance),
        track: tracking::interfaces(config, instance),
        trackers: tracking::trackers(config, instance),
        sentinels: tracking::sentinels(config, instance),
        group: config.group_of(&instance.name).map(|group| group.name.clone()),
        track_own_interface: instance.track_own_interface,
        missed_adverts: instance.down_adverts,
        answer_rivals: instance.answer_weaker,
        owner_ignores_owners: instance.owner_ignores_adverts,
        // docs/decisions/0005: always, whatever `higher_prio_send_advert` says.
        parting_advert: true,
        learned_interval_cap: LEARNED_INTERVAL_CAP,
        startup_delay: config.globals.startup_delay,
        lifetimes: true,
        lease: instance.lease,
        strict_sources: false,
    }
}

/// How the engine is scheduled. A thread that is not in real time has no limit.
pub(crate) fn scheduling(given: &conf::Scheduling) -> linux::Scheduling {
    linux::Scheduling {
        nice: given.nice,
        real_time: given.real_time,
        run_limit: given.real_time.map_or(Duration::ZERO, |_| given.run_limit),
        locked: given.locked,
        processors: given.processors.clone(),
    }
}

/// Signing. Every key is legal by now: the configuration has refused others.
fn hmac(given: &conf::Hmac) -> Option<Policy> {
    let key = |key: &conf::HmacKey| match &key.secret {
        conf::Secret::Octets(octets) => Key::new(key.id, octets.clone()).ok(),
        conf::Secret::File(_) => None,
    };
    let keys = given.keys.iter().map(key).collect::<Option<Vec<_>>>()?;
    let freshness =
        if given.by_time { Freshness::Time { window: given.window } } else { Freshness::Monotonic };
    let mode = match given.mode {
        conf::HmacMode::Enforce => Mode::Enforce,
        conf::HmacMode::Permissive => Mode::Permissive,
        conf::HmacMode::ReceiveOnly => Mode::ReceiveOnly,
    };
    Policy::new(keys, given.active, freshness, mode).ok()
}

fn reach(reach: &conf::Reach) -> Reach {
    match reach {
        conf::Reach::Multicast { group } => Reach::Multicast { group: *group },
        conf::Reach::Unicast { peers, ttl, check_source } => Reach::Unicast {
            peers: peers
                .iter()
                .map(|peer| PeerTerms {
                    address: peer.address,
                    min_ttl: peer.min_ttl,
                    max_ttl: peer.max_ttl,
                })
                .collect(),
            ttl: *ttl,
            check_source: *check_source,
        },
    }
}

fn burst(config: &Config, instance: &conf::InstanceConfig) -> BurstPolicy {
    let announce = &instance.announce;
    let again = |burst: &conf::Burst| burst.again_after.unwrap_or(Duration::ZERO);
    BurstPolicy {
        repeat: announce.takeover.repeat,
        delay: again(&announce.takeover),
        refresh: announce.refresh.map_or(Duration::ZERO, |refresh| refresh.every),
        refresh_repeat: announce.refresh.map_or(1, |refresh| refresh.repeat),
        lower_prio_repeat: announce.weaker_heard.repeat,
        lower_prio_delay: again(&announce.weaker_heard),
        arp_interval: instance.arp_gap.unwrap_or(config.globals.arp_gap),
        na_interval: instance.na_gap.unwrap_or(config.globals.na_gap),
        // RFC 9568 §6.4.2. A neighbour that used the VIP as its router would else drop it, and one
        // that did not is not made to.
        router_flag: true,
        ..BurstPolicy::default()
    }
}
