//! `--explain`: why a resource goes where it goes, as a proof that can be checked line by line.
//!
//! For each node everything that was added to its score, in the order in which it was added; then
//! the choice, and what would have to be different for another choice. Then every action on the
//! resource, with what put it into the plan and what it waits for.

use std::fmt::Write as _;

use cib::dates::WallTime;
use cib::{Cib, Score};
use sched::{
    Ask, Candidate, Cause, Choice, Decision, ResourceView, Role, Shape, Step, StepKind, Task,
    Transition, Unfit,
};
use serde_json::{Value, json};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The resource: a primitive, an instance, or what they are part of.
    pub resource: String,
    /// Only what concerns this node.
    pub node: Option<String>,
    /// For programs.
    pub json: bool,
}

/// Explains a resource's placement and actions.
///
/// # Errors
/// When there is no such resource or node.
pub fn explain(cib: &Cib, now: WallTime, question: &Question) -> Result<String, String> {
    let transition = sched::plan_with(cib, now, Ask { reasons: true, ..Ask::default() });
    let leaves = leaves(&transition, &question.resource)?;
    let node = match &question.node {
        Some(name) => Some(node_named(&transition, name)?),
        None => None,
    };
    let proofs: Vec<Proof<'_>> =
        leaves.into_iter().map(|at| Proof::of(&transition, at, node)).collect();
    if question.json {
        let all: Vec<Value> = proofs.iter().map(Proof::json).collect();
        return Ok(format!("{:#}\n", Value::from(all)));
    }
    let mut text = String::new();
    for proof in &proofs {
        if !text.is_empty() {
            text.push('\n');
        }
        proof.write(&mut text);
    }
    Ok(text)
}

/// Why what is nowhere stays there: primitives, and what keeps each from running.
#[must_use]
pub fn idle(cib: &Cib, now: WallTime) -> Vec<(String, String)> {
    let transition = sched::plan_with(cib, now, Ask { reasons: true, ..Ask::default() });
    let all = transition.resources.iter().enumerate();
    let idle = all.filter(|(_, it)| {
        let nowhere = it.running_on.is_empty() && it.next_role <= Role::Stopped;
        it.shape == Shape::Primitive && nowhere && !it.orphan && !it.internal
    });
    idle.map(|(at, it)| {
        let proof = Proof::of(&transition, at, None);
        let would = proof.changes().into_iter().next();
        let would = would.map_or_else(String::new, |it| format!("; would change: {it}"));
        (it.id.to_string(), format!("{}{would}", proof.verdict()))
    })
    .collect()
}

/// The primitives a name means.
fn leaves(transition: &Transition, name: &str) -> Result<Vec<usize>, String> {
    let named = |view: &ResourceView| &*view.id == name || &*view.base == name;
    let all = &transition.resources;
    let exact: Vec<usize> = (0..all.len()).filter(|at| &*all[*at].id == name).collect();
    let found = if exact.is_empty() {
        (0..all.len()).filter(|at| named(&all[*at])).collect()
    } else {
        exact
    };
    if found.is_empty() {
        let known: Vec<&str> = transition.top.iter().map(|at| &*all[*at].id).collect();
        return Err(format!("there is no resource {name}; there are: {}", known.join(", ")));
    }
    let mut leaves = Vec::new();
    let mut pending = found;
    pending.reverse();
    while let Some(at) = pending.pop() {
        if all[at].shape == Shape::Primitive {
            if !leaves.contains(&at) {
                leaves.push(at);
            }
        } else {
            pending.extend(all[at].children.iter().rev());
        }
    }
    Ok(leaves)
}

fn node_named(transition: &Transition, name: &str) -> Result<usize, String> {
    let found = transition.nodes.iter().position(|node| &*node.name == name || &*node.id == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = transition.nodes.iter().map(|node| &*node.name).collect();
        format!("there is no node {name}; there are: {}", known.join(", "))
    })
}

/// What is known of one primitive.
struct Proof<'a> {
    transition: &'a Transition,
    view: &'a ResourceView,
    decision: Option<&'a Decision>,
    /// What was added, on each node asked for.
    lines: Vec<(&'a Candidate, Vec<(Score, &'a Cause)>)>,
    steps: Vec<&'a Step>,
}

impl<'a> Proof<'a> {
    fn of(transition: &'a Transition, at: usize, node: Option<usize>) -> Self {
        let view = &transition.resources[at];
        let trace = &transition.trace;
        let decision = trace.decisions.iter().rev().find(|decision| decision.resource == at);
        let mut lines = Vec::new();
        for candidate in decision.into_iter().flat_map(|decision| &decision.candidates) {
            if node.is_some_and(|node| node != candidate.node) {
                continue;
            }
            let own = trace.contributions.iter();
            let own = own.filter(|it| it.resource == at && it.node == candidate.node);
            lines.push((candidate, own.map(|it| (it.score, &it.cause)).collect()));
        }
        lines.sort_by_key(|(candidate, _)| {
            let first = decision.and_then(|decision| decision.chosen) == Some(candidate.node);
            (!first, candidate.unfit.is_some(), std::cmp::Reverse(candidate.score))
        });
        let here = node.map(|node| &transition.nodes[node].name);
        let mine = |step: &&Step| {
            step.resource_id.as_ref() == Some(&view.id)
                && here.is_none_or(|here| step.node.as_ref().is_some_and(|(name, _)| name == here))
        };
        let steps = transition.steps.iter().filter(mine).collect();
        Self { transition, view, decision, lines, steps }
    }

    fn name(&self, node: usize) -> &'a str {
        &self.transition.nodes[node].name
    }

    fn places(&self) -> String {
        let names: Vec<&str> = self.view.running_on.iter().map(|node| self.name(*node)).collect();
        if names.is_empty() { "nowhere".into() } else { names.join(", ") }
    }

    fn write(&self, text: &mut String) {
        let view = self.view;
        // Writing to a `String` cannot fail, here and below.
        let _ = writeln!(text, "{} ({})", view.id, kind(view));
        let _ = writeln!(text, "  is    {}", self.with_role(view.role, &self.places()));
        let next = view.assigned.map_or("nowhere".into(), |node| self.name(node).to_owned());
        let _ = writeln!(text, "  goes  {}", self.with_role(view.next_role, &next));
        let _ = writeln!(text, "  because {}", self.verdict());
        for (candidate, parts) in &self.lines {
            self.write_candidate(text, candidate, parts);
        }
        for change in self.changes() {
            let _ = writeln!(text, "  would change: {change}");
        }
        if self.steps.is_empty() {
            let _ = writeln!(text, "  nothing is done with it");
        }
        for step in &self.steps {
            let node = step.node.as_ref().map(|(name, _)| format!(" on {name}"));
            let _ = writeln!(text, "  action {}{}", step.key, node.unwrap_or_default());
            let _ = writeln!(text, "    because {}", self.cause_of(step));
            for first in self.waits(step) {
                let _ = writeln!(text, "    after {first}");
            }
        }
    }

    fn with_role(&self, role: Role, place: &str) -> String {
        match role {
            Role::Promoted => format!("promoted on {place}"),
            Role::Unpromoted => format!("unpromoted on {place}"),
            Role::Started => format!("on {place}"),
            Role::Stopped | Role::Unknown => "stopped".into(),
        }
    }

    fn write_candidate(&self, text: &mut String, candidate: &Candidate, parts: &[(Score, &Cause)]) {
        let score = candidate.score.map_or("none".into(), |score| score.to_string());
        let unfit = candidate.unfit.map(|unfit| format!(", out of the question: {}", word(unfit)));
        let _ =
            writeln!(text, "  {} {score}{}", self.name(candidate.node), unfit.unwrap_or_default());
        for (score, cause) in parts {
            let _ = writeln!(text, "    {:>9}  {}", signed(*score), cause_text(cause));
        }
    }

    /// The best node that was not chosen, of those that were possible.
    fn runner_up(&self) -> Option<&'a Candidate> {
        let decision = self.decision?;
        let rest = decision.candidates.iter().filter(|candidate| {
            Some(candidate.node) != decision.chosen
                && candidate.unfit.is_none()
                && candidate.score.is_some_and(|score| score >= Score::ZERO)
        });
        rest.max_by_key(|candidate| (candidate.score, std::cmp::Reverse(candidate.load)))
    }

    fn chosen(&self) -> Option<&'a Candidate> {
        let decision = self.decision?;
        decision.candidates.iter().find(|candidate| Some(candidate.node) == decision.chosen)
    }

    fn verdict(&self) -> String {
        let Some(decision) = self.decision else {
            return "nothing had to be decided: it is placed together with something else, or not \
                    at all"
                .into();
        };
        match decision.choice {
            Choice::Unmanaged => return "it is not managed: it is left as it is".into(),
            Choice::StopAll => return "all resources shall stop (stop-all-resources)".into(),
            Choice::Best | Choice::Stays | Choice::Asked => {}
        }
        let Some(chosen) = self.chosen() else {
            return "no node can take it".into();
        };
        let name = self.name(chosen.node);
        let score = chosen.score.unwrap_or_default();
        let Some(second) = self.runner_up() else {
            return format!("{name} is the only node that can take it");
        };
        let (other, theirs) = (self.name(second.node), second.score.unwrap_or_default());
        if score > theirs {
            return format!("{name} has {score}, the runner-up {other} has {theirs}");
        }
        let tie = format!("{name} and {other} both have {score}");
        match decision.choice {
            Choice::Asked => format!("{tie}, and what it belongs to goes to {name}"),
            Choice::Stays => format!("{tie}, and it is on {name} already"),
            _ if chosen.load < second.load => format!(
                "{tie}; {name} had been given {} resources, {other} {}",
                chosen.load, second.load
            ),
            _ => format!("{tie}; {name} comes first"),
        }
    }

    /// What would have to be different for another outcome.
    fn changes(&self) -> Vec<String> {
        let mut all = Vec::new();
        let best = self.chosen().and_then(|chosen| chosen.score);
        for (candidate, parts) in &self.lines {
            if self.decision.and_then(|decision| decision.chosen) == Some(candidate.node) {
                continue;
            }
            let name = self.name(candidate.node);
            let mut needs = Vec::new();
            if let Some(unfit) = candidate.unfit {
                needs.push(remedy(unfit).to_owned());
            }
            let bans = parts.iter().filter(|(score, _)| score.is_never());
            needs.extend(bans.map(|(_, cause)| format!("without {}", cause_text(cause))));
            let score = candidate.score.unwrap_or_default();
            if let Some(best) = best.filter(|_| needs.is_empty() && !score.is_never()) {
                let missing = i64::from(best.get()) - i64::from(score.get()) + 1;
                needs.push(if best.is_always() {
                    "if nothing held it where it is with INFINITY".into()
                } else {
                    format!("with a preference of {missing} more than it has")
                });
            } else if let (true, false) = (needs.is_empty(), score >= Score::ZERO) {
                needs.push(format!("with a preference of at least {}", -i64::from(score.get())));
            }
            if !needs.is_empty() {
                all.push(format!("{name} could have it {}", needs.join(", and ")));
            }
        }
        all
    }

    fn cause_of(&self, step: &Step) -> String {
        let place = step.node.as_ref().map(|(name, _)| &**name).unwrap_or_default();
        let goes = self.view.assigned.map(|node| self.name(node));
        let due = step.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let runs = self.view.running_on.iter().any(|node| self.name(*node) == place);
        let what = match (step.task, step.kind) {
            (_, StepKind::Pseudo) => "others wait for it".into(),
            (Task::Monitor, _) if step.interval == 0 => {
                format!("nobody has looked yet what it does on {place}")
            }
            (Task::Monitor, _) => format!("it shall be watched on {place}, and is not yet"),
            (Task::Start, _) if runs => "it has to be restarted".into(),
            (Task::Start, _) => format!("it shall run on {place}, and does not"),
            (Task::Stop, _) => match goes {
                None => format!("it runs on {place}, and no node may have it"),
                Some(goes) if goes != place => format!("it runs on {place}, and goes to {goes}"),
                Some(_) => "it has to be restarted".into(),
            },
            (Task::Promote, _) => format!("it shall be promoted on {place}"),
            (Task::Demote, _) => format!("it shall not be promoted on {place} any more"),
            (Task::MigrateTo | Task::MigrateFrom, _) => {
                format!("it can move to {} while it runs", goes.unwrap_or_default())
            }
            (Task::Notify, _) => "its clone wants to be told of what happens".into(),
            (Task::Reload, _) => "its parameters have changed".into(),
            (Task::Cancel, _) => "it is watched in a way that is not wanted any more".into(),
            (Task::Delete | Task::LrmDelete, _) => "what is recorded of it is to go".into(),
            (Task::ClearFailCount, _) => "its failures are over and done with".into(),
            (task, _) => format!("the plan needs its {task}"),
        };
        format!("{what}{due}")
    }

    /// What a step waits for, milestones seen through.
    fn waits(&self, step: &Step) -> Vec<String> {
        let steps = &self.transition.steps;
        let mut seen = vec![false; steps.len()];
        let mut pending: Vec<usize> = step.inputs.iter().rev().copied().collect();
        let mut found = Vec::new();
        while let Some(at) = pending.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let first = &steps[at];
            if first.kind == StepKind::Pseudo && first.task != Task::Fence {
                pending.extend(first.inputs.iter().rev());
            } else {
                let node = first.node.as_ref().map(|(name, _)| format!(" on {name}"));
                found.push(format!("{}{}", first.key, node.unwrap_or_default()));
            }
        }
        found
    }

    fn json(&self) -> Value {
        let nodes: Vec<Value> = self
            .lines
            .iter()
            .map(|(candidate, parts)| {
                let parts: Vec<Value> = parts
                    .iter()
                    .map(|(score, cause)| json!({"score": score.to_string(), "cause": cause_text(cause)}))
                    .collect();
                json!({
                    "node": self.name(candidate.node),
                    "score": candidate.score.map(|score| score.to_string()),
                    "unfit": candidate.unfit.map(word),
                    "contributions": parts,
                })
            })
            .collect();
        let actions: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "action": step.key,
                    "node": step.node.as_ref().map(|(name, _)| &**name),
                    "because": self.cause_of(step),
                    "after": self.waits(step),
                })
            })
            .collect();
        json!({
            "resource": &*self.view.id,
            "role": self.view.role.word(),
            "next_role": self.view.next_role.word(),
            "running_on": self.view.running_on.iter().map(|n| self.name(*n)).collect::<Vec<_>>(),
            "goes_to": self.view.assigned.map(|node| self.name(node)),
            "because": self.verdict(),
            "runner_up": self.runner_up().map(|candidate| self.name(candidate.node)),
            "would_change": self.changes(),
            "nodes": nodes,
            "actions": actions,
        })
    }
}

fn kind(view: &ResourceView) -> String {
    if view.provider.is_empty() {
        format!("{}:{}", view.class, view.agent)
    } else {
        format!("{}:{}:{}", view.class, view.provider, view.agent)
    }
}

fn signed(score: Score) -> String {
    if score > Score::ZERO { format!("+{score}") } else { score.to_string() }
}

fn word(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Offline => "it is offline",
        Unfit::Unclean => "it is lost and has to be fenced",
        Unfit::Standby => "it is in standby",
        Unfit::Maintenance => "it is in maintenance",
        Unfit::Leaving => "it is shutting down",
        Unfit::NotAllowed => "no location allows it (the cluster is opt-in)",
    }
}

fn remedy(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Offline | Unfit::Unclean | Unfit::Leaving => "if it were online",
        Unfit::Standby => "if it were not in standby",
        Unfit::Maintenance => "if it were not in maintenance",
        Unfit::NotAllowed => "if a location allowed it",
    }
}

fn cause_text(cause: &Cause) -> String {
    match cause {
        Cause::Location(id) => format!("location {id}"),
        Cause::Stickiness => "stickiness: it is there already".into(),
        Cause::Colocation(id, other) => format!("colocation {id} with {other}"),
        Cause::Node => "the node's health".into(),
        Cause::Failures => "its failures there (migration-threshold)".into(),
        Cause::Capacity => "too little room left (utilization)".into(),
        Cause::Instances => "as many instances as the node may have".into(),
        Cause::Remainder => "what belongs to the group or clone it is part of".into(),
        Cause::Other(text) => match &**text {
            "target-role" => "it shall be stopped (target-role)".into(),
            "shutdown-lock" => "it waits for the node it is locked to (shutdown-lock)".into(),
            "__orphan_do_not_run__" => "it is not in the configuration any more".into(),
            "__loss_of_ticket__" | "__no_ticket__" => "a ticket it needs is not here".into(),
            "hard-error" | "fatal-error" => "an error that will not go away by itself".into(),
            "__stop_fail__" => "it could not be stopped there".into(),
            "collective_limit_reached" => "there are as many instances as there shall be".into(),
            "not_managed_default" => "it is not managed, and there already".into(),
            other => other.to_owned(),
        },
    }
}
