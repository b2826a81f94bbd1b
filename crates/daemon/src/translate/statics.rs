//! What stays from start to stop, and the routes and rules of instances.

use base::Name;
use conf::{Config, HeldWay};
use vip::announcer::Pace;
use vip::ways::Managed;
use vrrp::{Filtering, Statics, TrackGroup};

/// Addresses, routes and rules that no instance holds, and the groups that track them.
pub(crate) fn statics(config: &Config) -> Statics {
    let statics = &config.statics;
    let groups = config.track_groups.iter().map(|group| {
        let vips = statics.addresses.iter();
        let vips = vips.filter(|it| it.options.track_group.as_ref() == Some(&group.name));
        let ways = statics.ways.iter();
        let ways = ways.filter(|it| it.track_group.as_ref() == Some(&group.name));
        TrackGroup {
            name: group.name.clone(),
            vips: vips.map(|it| it.vip.clone()).collect(),
            ways: ways.map(|it| it.way.clone()).collect(),
        }
    });
    Statics {
        vips: statics.addresses.iter().map(|it| it.vip.clone()).collect(),
        ways: ways(&statics.ways),
        groups: groups.collect(),
        paces: config.node.links.pacing.iter().map(pace).collect(),
        filtering: Filtering {
            table: filter_table(config),
            priority: config.node.firewall.priority,
            counters: config.node.firewall.counters,
        },
    }
}

/// Daemons of one node have a table each.
fn filter_table(config: &Config) -> Name {
    let table = &config.node.firewall.table;
    match &config.node.run.instance {
        Some(instance) if *table == conf::Firewall::default().table => {
            Name::from(format!("{table}_{instance}").as_str())
        }
        _ => table.clone(),
    }
}

fn pace(pacing: &conf::Pacing) -> Pace {
    Pace { interfaces: pacing.interfaces.clone(), arp: pacing.arp_gap, na: pacing.na_gap }
}

/// Routes and rules as the machines take them.
pub(super) fn ways(held: &[HeldWay]) -> Vec<Managed> {
    held.iter().map(|it| Managed { way: it.way.clone(), guarded: it.guarded }).collect()
}
