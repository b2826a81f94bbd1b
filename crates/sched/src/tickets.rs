//! Tickets: what may run at this site, and what happens when it may no longer.

use cib::model::TicketUse;

use crate::world::{NodeId, Role, RscId, World};

/// What to do when a ticket is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loss {
    Stop,
    Demote,
    Fence,
    Freeze,
}

impl World<'_> {
    pub(crate) fn read_ticket(&mut self, usage: &TicketUse) {
        if usage.ticket.is_empty() {
            return;
        }
        if usage.sets.is_empty() {
            if let Some(name) = &usage.resource {
                for rsc in self.resources_named(name) {
                    self.depend_on_ticket(usage, rsc, usage.role.as_deref());
                }
            }
            return;
        }
        for set in &usage.sets {
            for member in &set.members {
                for rsc in self.resources_named(member) {
                    let role = set.role.as_deref().or(usage.role.as_deref());
                    self.depend_on_ticket(usage, rsc, role);
                }
            }
        }
    }

    fn depend_on_ticket(&mut self, usage: &TicketUse, rsc: RscId, role: Option<&str>) {
        let role = match role.and_then(Role::parse) {
            Some(Role::Started) | None => Role::Unknown,
            Some(role) => role,
        };
        let loss = match usage.loss_policy.as_deref() {
            Some("fence") if self.options.fencing => Loss::Fence,
            Some("fence" | "stop") => Loss::Stop,
            Some("freeze") => Loss::Freeze,
            Some("demote") => Loss::Demote,
            _ if role == Role::Promoted => Loss::Demote,
            _ => Loss::Stop,
        };
        if role == Role::Promoted {
            self[rsc].tickets.push(usage.ticket.clone());
        }
        let state = self.ticket(&usage.ticket);
        if state.granted && !state.standby {
            return;
        }
        for leaf in self.leaves(rsc) {
            self.without_ticket(leaf, role, loss, state.granted);
        }
    }

    fn without_ticket(&mut self, rsc: RscId, role: Role, loss: Loss, granted: bool) {
        let fits = role == Role::Unknown || role == self[rsc].role;
        if !granted && !self[rsc].running_on.is_empty() {
            match loss {
                Loss::Stop => self.ban(rsc, None, "__loss_of_ticket__"),
                Loss::Demote => {
                    if role != Role::Promoted {
                        self.ban(rsc, None, "__loss_of_ticket__");
                    }
                }
                Loss::Fence if fits => {
                    self.ban(rsc, None, "__loss_of_ticket__");
                    let nodes: Vec<NodeId> = self[rsc].running_on.clone();
                    for node in nodes {
                        self.want_fencing(node, "deadman ticket was lost", false);
                    }
                }
                Loss::Freeze if fits => {
                    self[rsc].managed = false;
                    self[rsc].blocked = true;
                }
                Loss::Fence | Loss::Freeze => {}
            }
        } else if role != Role::Promoted || loss == Loss::Stop {
            let why = if granted { "__ticket_standby__" } else { "__no_ticket__" };
            self.ban(rsc, None, why);
        }
    }

    /// Whether a ticket keeps a clone from promoting.
    pub(crate) fn promotion_forbidden(&mut self, rsc: RscId) -> bool {
        let tickets = self[rsc].tickets.clone();
        tickets.iter().any(|ticket| {
            let state = self.ticket(ticket);
            !state.granted || state.standby
        })
    }
}
