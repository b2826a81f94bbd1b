//! Planning: from a CIB and a time to the transition that makes the cluster what it shall be.
//!
//! [`plan`] is a pure, total function; its body is the table of contents of this crate. What it
//! knows of the document comes from [`cib::model`]; no XML is seen here.

#![forbid(unsafe_code)]

mod action;
mod assign;
mod bundle;
mod changes;
mod check;
mod colocations;
mod constraint;
mod create;
mod criteria;
mod digest;
mod fencing;
mod graph;
mod history;
mod internal;
mod locations;
mod nodes;
mod operation;
mod options;
mod ordering;
mod orders;
mod probes;
mod reason;
mod remote;
mod resources;
mod sorting;
mod status;
mod table;
mod task;
mod tickets;
mod transition;
mod world;

use std::collections::{HashMap, HashSet};

use cib::Cib;
use cib::dates::WallTime;
use cib::rules::Facts;

pub use check::check;
pub use reason::{Candidate, Cause, Choice, Contribution, Decision, Trace, Unfit};
pub use task::{Key, Phase, Task};
pub use transition::{
    Before, BundleView, Considered, Event, FailedView, GraphOptions, Health, NodeView, Observed,
    ReplicaView, ResourceView, Shape, Step, StepKind, StepResource, Transition,
};
pub use world::{NodeId, NodeKind, Role, RscId};

use world::World;

/// What a plan shall tell besides what is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// The placement scores, line by line.
    pub scores: bool,
    /// What contributed to them.
    pub reasons: bool,
    /// All actions considered, also those that will not be done.
    pub considered: bool,
    /// The cluster as it was before planning.
    pub before: bool,
}

/// What has to be done so that the cluster becomes what its CIB says, at a given time.
#[must_use]
pub fn plan(cib: &Cib, now: WallTime) -> Transition {
    plan_with(cib, now, Ask::default())
}

/// The same, telling more.
#[must_use]
pub fn plan_with(cib: &Cib, now: WallTime, ask: Ask) -> Transition {
    let mut world = World::new(cib, now, ask);
    world.read_nodes();
    let connections = world.read_connections();
    world.read_resources(connections);
    world.read_status();
    if ask.before {
        world.before = world.observed();
    }
    world.apply_health();
    world.read_constraints();
    world.apply_criteria();
    world.add_internal_constraints();
    world.handle_changes();
    world.assign_all();
    world.check_parameters_of_replicas();
    world.clear_counts_of_orphans();
    world.schedule_probes();
    world.create_all_actions();
    world.order_remote_actions();
    world.schedule_fencing_and_shutdowns();
    world.apply_orders();
    world.create_notifications();
    world.finish()
}

/// What a CIB says of its cluster, without any plan.
#[must_use]
pub fn observe(cib: &Cib, now: WallTime) -> Observed {
    let mut world = World::new(cib, now, Ask::default());
    world.read_nodes();
    let connections = world.read_connections();
    world.read_resources(connections);
    world.read_status();
    world.observed()
}

/// The digest by which histories record with which parameters something was done.
#[must_use]
pub fn parameter_digest<'a>(
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) -> cib::model::Text {
    digest::digest(parameters)
}

/// The number in an instance's name.
pub(crate) fn assign_number(id: &str) -> i64 {
    id.rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or(-1)
}

impl<'c> World<'c> {
    fn new(cib: &'c Cib, now: WallTime, ask: Ask) -> Self {
        let facts = Facts { now, ..Facts::default() };
        let options = options::Options::read(cib, &facts);
        // Nodes that a watchdog resets fence themselves; no device is needed.
        let watchdog = cib::value::is_true(options.get("have-watchdog"));
        World {
            cib,
            now,
            options,
            nodes: Vec::new(),
            node_order: Vec::new(),
            rscs: Vec::new(),
            top: Vec::new(),
            by_id: HashMap::new(),
            actions: Vec::new(),
            named: HashMap::new(),
            links: Vec::new(),
            orders: Vec::new(),
            colocs: Vec::new(),
            locs: Vec::new(),
            group_of_tag: HashMap::new(),
            tickets: HashMap::new(),
            ticket_states: Vec::new(),
            stop_needed: Vec::new(),
            failed_ops: Vec::new(),
            param_checks: Vec::new(),
            reasons: reason::Reasons::new(ask.reasons),
            scores: Vec::new(),
            show_scores: ask.scores,
            want_considered: ask.considered,
            op_cache: HashMap::new(),
            epoch: 0,
            dirty: Vec::new(),
            expired_monitors: Vec::new(),
            wanted_anew: HashSet::new(),
            dangling_stops: HashSet::new(),
            notifications: HashMap::new(),
            warnings: Vec::new(),
            before: Observed::default(),
            have_stonith_resource: watchdog,
            have_remote_nodes: false,
            dc: None,
        }
    }

    fn create_all_actions(&mut self) {
        for rsc in self.top.clone() {
            self.create_actions(rsc);
        }
    }

    fn clear_counts_of_orphans(&mut self) {
        for rsc in self.top.clone() {
            if !self[rsc].orphan {
                continue;
            }
            for node in self.node_order.clone() {
                if self[node].online && self.fail_count(rsc, node, true, false, None).0 > 0 {
                    let clear = self.clear_fail_count(rsc, node);
                    self.order_action_before(clear, rsc, Key::STOP, action::Rel::ORDERED);
                }
            }
        }
    }

    fn check_parameters_of_replicas(&mut self) {
        for check in std::mem::take(&mut self.param_checks) {
            let op = &self.cib.node_states[check.state].history[check.history].operations[check.op];
            let place = (check.state, check.history, check.op);
            let clear = if check.active {
                self.check_op(check.resource, check.node, op, place)
                    && self.fail_count(check.resource, check.node, true, false, None).0 > 0
            } else {
                self.parameters_changed(check.resource, check.node, op)
            };
            if clear {
                self.clear_fail_count(check.resource, check.node);
            }
        }
    }
}
