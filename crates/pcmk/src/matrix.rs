//! `--matrix`: for each node (or each pair of nodes) that could fail, where everything ends up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cib::Cib;
use cib::dates::WallTime;
use cib::model::NodeState;
use sched::{NodeKind, Role, Shape, StepKind, Task, Transition};
use serde_json::{Value, json};

/// What is to be tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial {
    /// Each pair of nodes, too.
    pub pairs: bool,
    /// For programs.
    pub json: bool,
    /// Whether the rest has quorum, where somebody says so.
    pub quorum: Option<bool>,
}

/// Where resources are: nodes by resource, promoted ones marked.
type Places = BTreeMap<String, Vec<String>>;

struct Case {
    failed: Vec<String>,
    quorum: bool,
    fenced: Vec<String>,
    after: Places,
    invalid: Vec<String>,
}

/// The table, or JSON.
#[must_use]
pub fn matrix(cib: &Cib, now: WallTime, trial: Trial) -> String {
    let base = sched::plan(cib, now);
    let members: Vec<(String, String)> = base
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Member && node.online && !node.unclean)
        .map(|node| (node.id.to_string(), node.name.to_string()))
        .collect();
    let total = base.nodes.iter().filter(|node| node.kind == NodeKind::Member).count();
    let settled = after(&base);
    let mut cases = Vec::new();
    for (at, first) in members.iter().enumerate() {
        cases.push(case(cib, now, &[first], total, trial));
        for second in members.iter().skip(at + 1).filter(|_| trial.pairs) {
            cases.push(case(cib, now, &[first, second], total, trial));
        }
    }
    cases.sort_by_key(|case| case.failed.len());
    if trial.json { as_json(&settled, &cases) } else { as_text(&settled, &cases) }
}

fn case(
    cib: &Cib,
    now: WallTime,
    failed: &[&(String, String)],
    total: usize,
    trial: Trial,
) -> Case {
    let mut cib = cib.clone();
    for (id, name) in failed {
        lose(&mut cib, id, name);
    }
    let left = total.saturating_sub(failed.len());
    // Two nodes are run such that each may go on alone; more need more than half.
    let enough = left > 0 && (total <= 2 || left * 2 > total);
    let had = cib.have_quorum.unwrap_or(true);
    let quorum = trial.quorum.unwrap_or(had && enough);
    cib.have_quorum = Some(quorum);
    let transition = sched::plan(&cib, now);
    let fenced = transition
        .steps
        .iter()
        .filter(|step| step.task == Task::Fence && downs(step))
        .filter_map(|step| step.node.as_ref().map(|(name, _)| name.to_string()));
    Case {
        failed: failed.iter().map(|(_, name)| name.clone()).collect(),
        quorum,
        fenced: fenced.collect(),
        after: after(&transition),
        invalid: sched::check(&transition),
    }
}

/// Lets a node be lost, as a cluster would see it.
fn lose(cib: &mut Cib, id: &str, name: &str) {
    let known = |state: &NodeState| &*state.id == id || &*state.name == name;
    if !cib.node_states.iter().any(known) {
        let state = NodeState { id: id.into(), name: name.into(), ..NodeState::default() };
        cib.node_states.push(state);
    }
    for state in cib.node_states.iter_mut().filter(|state| known(state)) {
        state.in_ccm = Some("false".into());
        state.crmd = Some("offline".into());
        state.join = Some("member".into());
        state.expected = Some("member".into());
    }
}

fn downs(step: &sched::Step) -> bool {
    let op = step.attributes.iter().find(|(name, _)| &**name == "CRM_meta_stonith_action");
    op.is_none_or(|(_, value)| &**value != "on")
}

/// Where everything is when a plan has been carried out.
fn after(transition: &Transition) -> Places {
    let name = |at: usize| transition.nodes[at].name.to_string();
    let mut places: BTreeMap<String, BTreeMap<String, Role>> = BTreeMap::new();
    for view in transition.resources.iter().filter(|view| view.shape == Shape::Primitive) {
        let here = places.entry(view.id.to_string()).or_default();
        for node in &view.running_on {
            let seen = &transition.nodes[*node];
            // What is lost without fencing runs nowhere for all that is known.
            if seen.online || seen.unclean {
                here.insert(name(*node), view.role);
            }
        }
    }
    for at in crate::execute::order(transition) {
        let step = &transition.steps[at];
        let Some((node, _)) = &step.node else { continue };
        if step.task == Task::Fence && downs(step) {
            for here in places.values_mut() {
                here.remove(&**node);
            }
        }
        if step.kind != StepKind::Resource {
            continue;
        }
        let Some(id) = &step.resource_id else { continue };
        let here = places.entry(id.to_string()).or_default();
        match step.task {
            Task::Start | Task::Demote => {
                here.insert(node.to_string(), Role::Started);
            }
            Task::MigrateFrom => {
                here.clear();
                here.insert(node.to_string(), Role::Started);
            }
            Task::Promote => {
                here.insert(node.to_string(), Role::Promoted);
            }
            Task::Stop => {
                here.remove(&**node);
            }
            _ => {}
        }
    }
    let mut by_base: Places = BTreeMap::new();
    let instance = |id: &str| {
        let (base, number) = id.rsplit_once(':')?;
        number.parse::<u32>().ok()?;
        Some(base.to_owned())
    };
    for (id, nodes) in places {
        let unique = transition.resources.iter().any(|view| *view.id == *id && view.unique);
        let base = instance(&id).filter(|_| !unique).unwrap_or(id);
        let all = by_base.entry(base).or_default();
        all.extend(nodes.into_iter().map(|(node, role)| match role {
            Role::Promoted => format!("{node}!"),
            _ => node,
        }));
        all.sort();
    }
    by_base
}

fn cell(nodes: Option<&Vec<String>>) -> String {
    match nodes {
        Some(nodes) if !nodes.is_empty() => nodes.join(" "),
        _ => "-".into(),
    }
}

/// Widest table that is still one; more cases are told one below the other.
const COLUMNS: usize = 8;

fn as_text(settled: &Places, cases: &[Case]) -> String {
    let mut text = String::new();
    if cases.len() <= COLUMNS {
        grid(&mut text, settled, cases);
    }
    for case in cases {
        let quorum = if case.quorum { "quorum is kept" } else { "quorum is lost" };
        let fenced = if case.fenced.is_empty() {
            "nobody is fenced".into()
        } else {
            format!("{} fenced", case.fenced.join(" and "))
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{} fails: {quorum}, {fenced}", case.failed.join(" and "));
        let mut stays = 0;
        for (id, before) in settled {
            let now = case.after.get(id);
            if now.is_some_and(|now| now == before) {
                stays += 1;
                continue;
            }
            let stops = now.is_none_or(Vec::is_empty) && !before.is_empty();
            let mark = if stops { "  STOPS" } else { "" };
            let _ = writeln!(text, "  {id}: {} -> {}{mark}", cell(Some(before)), cell(now));
        }
        let _ = writeln!(text, "  {stays} of {} stay as they are", settled.len());
        for wrong in &case.invalid {
            let _ = writeln!(text, "  PLAN IS INVALID: {wrong}");
        }
    }
    text.push_str("! is promoted, - is stopped\n");
    text
}

fn grid(text: &mut String, settled: &Places, cases: &[Case]) {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut head = vec!["resource".to_owned(), "now".to_owned()];
    head.extend(cases.iter().map(|case| format!("without {}", case.failed.join("+"))));
    rows.push(head);
    for (id, before) in settled {
        let mut row = vec![id.clone(), cell(Some(before))];
        row.extend(cases.iter().map(|case| cell(case.after.get(id))));
        rows.push(row);
    }
    let mut fences = vec!["(fenced)".to_owned(), String::new()];
    fences.extend(cases.iter().map(|case| case.fenced.join(" ")));
    rows.push(fences);
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text.push('\n');
}

fn as_json(settled: &Places, cases: &[Case]) -> String {
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            let stops = settled.iter().filter(|(id, before)| {
                !before.is_empty() && case.after.get(*id).is_none_or(Vec::is_empty)
            });
            json!({
                "failed": case.failed,
                "quorum": case.quorum,
                "fenced": case.fenced,
                "places": case.after,
                "stops": stops.map(|(id, _)| id).collect::<Vec<_>>(),
                "invalid": case.invalid,
            })
        })
        .collect();
    format!("{:#}\n", json!({"now": settled, "cases": cases}))
}
