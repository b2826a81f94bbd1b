//! Clusters out of bytes, and what must hold of every plan for one.
//!
//! The bytes decide; when they are used up, everything takes its first choice, so that short inputs
//! are small clusters.

use std::fmt::Write as _;

use cib::Cib;
use cib::dates::WallTime;
use cib::xml;
use pcmk::execute::Outcome;
use sched::{NodeKind, Shape, StepKind, Task};

use crate::bytes::Bytes;
use crate::unrest::Unrest;

/// When all of it is planned, where the document does not say.
const NOW: WallTime = WallTime(1_700_000_000);
/// Plans carried out one after the other before a cluster must be at rest.
const ROUNDS: usize = 6;

/// What can be wrong with the plans for a cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// The two ways of reading a document differ.
    Reading,
    /// The checker refuses a plan.
    Refused,
    /// Something starts where it may not be.
    Banned,
    /// Something stays active in several places.
    Multiple,
    /// Something stays active in several places, and the plan says what keeps it there: a stop
    /// that waits for one which must not be done (`on-fail=block`, or a node that is not fenced).
    Held,
    /// There is no end to planning.
    Restless,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Reading, Self::Refused, Self::Banned, Self::Multiple, Self::Held, Self::Restless];

    /// In words.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Reading => "read differently as text and as a tree",
            Self::Refused => "refused by the checker",
            Self::Banned => "started where it is banned",
            Self::Multiple => "left active more than once",
            Self::Held => {
                "left active more than once behind a stop that is blocked, as the plan says"
            }
            Self::Restless => "never at rest",
        }
    }
}

/// What one cluster came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What must not be, in words.
    pub wrong: Vec<(Class, String)>,
    /// How many plans had something to do.
    pub rounds: usize,
    /// Whether the last of them left nothing to be done.
    pub rests: bool,
    /// If not, what the last of them came to.
    pub unrest: Option<Unrest>,
}

/// Plans for a document, carries the plan out on paper, and plans again, until nothing is left.
///
/// # Errors
/// When the text is not a document.
pub fn judge(text: &str) -> Result<Verdict, xml::Error> {
    let mut document = xml::parse(text)?;
    let mut verdict = Verdict::default();
    let read = Cib::parse(text)?;
    let first = Cib::read(&document.root);
    if format!("{read:?}") != format!("{first:?}") {
        verdict.wrong.push((Class::Reading, "the whole of it".into()));
    }
    let mut cib = first;
    let mut last = Vec::new();
    for round in 0..ROUNDS {
        let now = cib.execution_date.unwrap_or(NOW);
        let plan = sched::plan(&cib, now);
        verdict.wrong.extend(
            sched::check(&plan)
                .into_iter()
                .map(|it| (Class::Refused, format!("plan {round}: {it}"))),
        );
        for step in &plan.steps {
            if let (Task::Start, StepKind::Resource, Some((name, _))) =
                (step.task, step.kind, &step.node)
            {
                banned_start(&plan, step, name, &mut verdict.wrong);
            }
        }
        // Milestones change nothing, and a history that is deleted is not deleted on paper.
        let works = |step: &sched::Step| {
            step.kind == StepKind::Cluster
                || (step.kind == StepKind::Resource && step.task != Task::Delete)
        };
        if !plan.steps.iter().any(works) {
            verdict.rests = true;
            verdict.unrest = None;
            multiple(&plan, round, &mut verdict.wrong);
            break;
        }
        verdict.rounds += 1;
        verdict.unrest = Some(Unrest::of(&plan));
        last = plan.steps.iter().map(|step| step.key.to_string()).collect();
        let known = pcmk::simulate::names(&plan);
        let mut paper = pcmk::paper::Tree::new(&mut document.root);
        for at in pcmk::execute::order(&plan) {
            let outcome = Outcome { rc: None, at: now.0 };
            pcmk::execute::apply(&mut paper, &plan.steps[at], &known, outcome);
        }
        cib = Cib::read(&document.root);
    }
    if !verdict.rests {
        let left: Vec<&str> = last.iter().map(|key| &**key).take(4).collect();
        verdict.wrong.push((Class::Restless, format!("still {}", left.join(", "))));
    }
    Ok(verdict)
}

fn banned_start(
    plan: &sched::Transition,
    step: &sched::Step,
    name: &str,
    wrong: &mut Vec<(Class, String)>,
) {
    let view = plan.resources.iter().find(|view| Some(&view.id) == step.resource_id.as_ref());
    let node = plan.nodes.iter().position(|node| &*node.name == name);
    let (Some(view), Some(node)) = (view, node) else { return };
    let score = view.score_on.iter().find(|(at, _)| *at == node).map(|(_, score)| *score);
    if view.managed && score.is_some_and(|score| score <= -1_000_000) {
        wrong.push((Class::Banned, format!("{} on {name}", view.id)));
    }
}

fn multiple(plan: &sched::Transition, round: usize, wrong: &mut Vec<(Class, String)>) {
    if round == 0 {
        return;
    }
    for view in plan.resources.iter().filter(|view| view.shape == Shape::Primitive) {
        let live = view.running_on.iter().filter(|node| {
            let node = &plan.nodes[**node];
            node.kind != NodeKind::Member || (node.online && !node.unclean)
        });
        if view.managed && !view.blocked && live.count() > 1 {
            let held = plan
                .events
                .iter()
                .any(|event| event.blocked && *event.subject == *view.id && *event.verb == *"Stop");
            wrong.push((if held { Class::Held } else { Class::Multiple }, view.id.to_string()));
        }
    }
}

/// How much sense a document makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sense {
    /// As a cluster could have written it: references lead somewhere, and each resource has one
    /// history on a node, in which each record has an id of its own.
    Possible,
    /// Also as none would.
    Wild,
}

/// A document that bytes describe.
pub(crate) fn document(bytes: &mut Bytes<'_>, sense: Sense) -> String {
    let nodes = 1 + below(bytes, 5);
    let count = 1 + below(bytes, 8);
    let mut text = String::from(
        "<cib validate-with='pacemaker-3.9' epoch='1' num_updates='0' admin_epoch='0' have-quorum='1' \
         dc-uuid='n0' execution-date='1700000000'><configuration><crm_config>\
         <cluster_property_set id='o'>",
    );
    let options = [
        ("stonith-enabled", ["true", "false", "true"]),
        ("no-quorum-policy", ["stop", "freeze", "demote"]),
        ("symmetric-cluster", ["true", "true", "false"]),
        ("placement-strategy", ["default", "balanced", "minimal"]),
        ("start-failure-is-fatal", ["true", "false", "true"]),
        ("stop-orphan-resources", ["true", "false", "true"]),
        ("node-health-strategy", ["none", "migrate-on-red", "progressive"]),
        ("shutdown-lock", ["false", "false", "true"]),
    ];
    for (name, values) in options {
        let value = values[below(bytes, 3)];
        let _ = write!(text, "<nvpair id='o-{name}' name='{name}' value='{value}'/>");
    }
    text.push_str("</cluster_property_set></crm_config><nodes>");
    for node in 0..nodes {
        let standby = if below(bytes, 8) == 7 { "on" } else { "off" };
        let colour = ["green", "green", "green", "yellow", "red"][below(bytes, 5)];
        let _ = write!(
            text,
            "<node id='n{node}' uname='n{node}'><instance_attributes id='n{node}-a'><nvpair \
             id='n{node}-s' name='standby' value='{standby}'/><nvpair id='n{node}-h' \
             name='#health-x' value='{colour}'/></instance_attributes><utilization \
             id='n{node}-u'><nvpair id='n{node}-c' name='cpu' value='{}'/></utilization></node>",
            1 + below(bytes, 6)
        );
    }
    text.push_str("</nodes><resources><primitive id='f' class='stonith' type='x'/>");
    let mut agents = Vec::new();
    for at in 0..count {
        resource(&mut text, bytes, at, &mut agents);
    }
    text.push_str("</resources><constraints>");
    for at in 0..below(bytes, 10) {
        constraint(&mut text, bytes, at, count, nodes, sense);
    }
    text.push_str("</constraints></configuration><status>");
    for node in 0..nodes {
        state(&mut text, bytes, (node, nodes), &agents, sense);
    }
    text.push_str("</status></cib>");
    text
}

fn below(bytes: &mut Bytes<'_>, limit: usize) -> usize {
    usize::from(bytes.next().unwrap_or(0)) % limit.max(1)
}

fn primitive(text: &mut String, bytes: &mut Bytes<'_>, id: &str) {
    let on_fail = ["restart", "block", "stop", "standby", "ignore", "fence", "demote"];
    let on_fail = on_fail[below(bytes, 7)];
    let requires = ["fencing", "fencing", "quorum", "nothing"][below(bytes, 4)];
    let _ = write!(
        text,
        "<primitive id='{id}' class='ocf' provider='p' type='t'><meta_attributes \
         id='{id}-m'><nvpair id='{id}-m1' name='resource-stickiness' value='{}'/><nvpair \
         id='{id}-m2' name='allow-migrate' value='{}'/><nvpair id='{id}-m3' \
         name='migration-threshold' value='{}'/><nvpair id='{id}-m4' name='requires' \
         value='{requires}'/></meta_attributes><utilization id='{id}-u'><nvpair id='{id}-c' \
         name='cpu' value='{}'/></utilization><operations><op id='{id}-o' name='monitor' \
         interval='10s' on-fail='{on_fail}'/></operations></primitive>",
        below(bytes, 3) * 50,
        below(bytes, 4) == 3,
        below(bytes, 4),
        below(bytes, 3)
    );
}

fn resource(text: &mut String, bytes: &mut Bytes<'_>, at: usize, agents: &mut Vec<String>) {
    let shape = below(bytes, 6);
    let notify = below(bytes, 4) == 3;
    let interleave = below(bytes, 2) == 1;
    let clone = |text: &mut String, name: &str| {
        let _ = write!(
            text,
            "<clone id='t{at}'><meta_attributes id='t{at}-m'><nvpair id='t{at}-1' name='{name}' \
             value='true'/><nvpair id='t{at}-2' name='notify' value='{notify}'/><nvpair \
             id='t{at}-3' name='interleave' value='{interleave}'/></meta_attributes>"
        );
    };
    match shape {
        0 | 1 => {
            primitive(text, bytes, &format!("t{at}"));
            agents.push(format!("t{at}"));
        }
        2 => {
            let _ = write!(text, "<group id='t{at}'>");
            primitive(text, bytes, &format!("p{at}"));
            primitive(text, bytes, &format!("q{at}"));
            text.push_str("</group>");
            agents.extend([format!("p{at}"), format!("q{at}")]);
        }
        3 | 4 => {
            clone(text, if shape == 3 { "ordered" } else { "promotable" });
            primitive(text, bytes, &format!("p{at}"));
            text.push_str("</clone>");
            agents.push(format!("p{at}"));
        }
        _ => {
            clone(text, "interleave");
            let _ = write!(text, "<group id='g{at}'>");
            primitive(text, bytes, &format!("p{at}"));
            primitive(text, bytes, &format!("q{at}"));
            text.push_str("</group></clone>");
            agents.extend([format!("p{at}"), format!("q{at}")]);
        }
    }
}

fn constraint(
    text: &mut String,
    bytes: &mut Bytes<'_>,
    at: usize,
    count: usize,
    nodes: usize,
    sense: Sense,
) {
    let (a, mut b) = (below(bytes, count), below(bytes, count));
    let mut third = below(bytes, nodes.max(count));
    if sense == Sense::Possible {
        // Nothing waits for itself or is where it is.
        third %= count;
        if count < 3 {
            return;
        }
        while b == a {
            b = (b + 1) % count;
        }
        while third == a || third == b {
            third = (third + 1) % count;
        }
    }
    let score = ["100", "INFINITY", "-INFINITY", "-50", "10"][below(bytes, 5)];
    let kind = ["Mandatory", "Optional", "Serialize"][below(bytes, 3)];
    let node = below(bytes, nodes);
    let days = below(bytes, 40);
    let _ = match below(bytes, 8) {
        0 | 1 => {
            write!(text, "<rsc_order id='c{at}' first='t{a}' then='t{b}' kind='{kind}'/>")
        }
        2 | 3 => {
            write!(text, "<rsc_colocation id='c{at}' rsc='t{a}' with-rsc='t{b}' score='{score}'/>")
        }
        4 => write!(text, "<rsc_location id='c{at}' rsc='t{a}' node='n{node}' score='{score}'/>"),
        5 => write!(
            text,
            "<rsc_location id='c{at}' rsc='t{a}'><rule id='c{at}-r' score='{score}' \
             boolean-op='or'><expression id='c{at}-e' attribute='#uname' operation='eq' \
             value='n{node}'/><date_expression id='c{at}-d' operation='date_spec'><date_spec \
             id='c{at}-s' monthdays='{}-{days}' hours='0-{node}'/></date_expression></rule>\
             </rsc_location>",
            days / 2
        ),
        6 => write!(
            text,
            "<rsc_order id='c{at}' kind='{kind}'><resource_set id='c{at}-s' sequential='{}' \
             require-all='{}'><resource_ref id='t{a}'/><resource_ref id='t{b}'/></resource_set>\
             <resource_set id='c{at}-z'><resource_ref id='t{third}'/></resource_set></rsc_order>",
            days.is_multiple_of(2),
            days.is_multiple_of(3)
        ),
        _ => write!(
            text,
            "<rsc_location id='c{at}' rsc='t{a}'><rule id='c{at}-r' score='{score}'>\
             <date_expression id='c{at}-d' operation='in_range' start='2023-11-{:02}' \
             end='2023-12-01 12:00:00 +02:00'/></rule></rsc_location>",
            1 + days % 31
        ),
    };
}

fn state(
    text: &mut String,
    bytes: &mut Bytes<'_>,
    (node, nodes): (usize, usize),
    agents: &[String],
    sense: Sense,
) {
    let (ccm, crmd, expected) = match below(bytes, 10) {
        9 => ("false", "offline", "member"),
        8 => ("false", "offline", "down"),
        7 => ("true", "offline", "member"),
        _ => ("true", "online", "member"),
    };
    let _ = write!(
        text,
        "<node_state id='n{node}' uname='n{node}' in_ccm='{ccm}' crmd='{crmd}' join='member' \
         expected='{expected}'><lrm id='n{node}'><lrm_resources>"
    );
    let mut told = Vec::new();
    for _ in 0..below(bytes, 7) {
        let at = below(bytes, agents.len() + 1);
        let wild = sense == Sense::Wild;
        // What is past the end is no longer configured.
        let id = match agents.get(at) {
            Some(id) if wild && below(bytes, 4) == 3 => id.replace('p', "t"),
            Some(id) => id.clone(),
            None => "gone".to_owned(),
        };
        let repeated = told.contains(&id);
        if wild || !repeated {
            history(text, bytes, &id, (node, nodes), sense);
            told.push(id);
        }
    }
    text.push_str("</lrm_resources></lrm></node_state>");
}

/// What a node says of a resource: what was done last, and at times what is done again and again.
fn history(
    text: &mut String,
    bytes: &mut Bytes<'_>,
    id: &str,
    (node, nodes): (usize, usize),
    sense: Sense,
) {
    let _ = write!(text, "<lrm_resource id='{id}' class='ocf' provider='p' type='t'>");
    let task = ["start", "monitor", "stop", "promote", "migrate_to", "start"][below(bytes, 6)];
    let call = 1 + below(bytes, 40);
    let target = if sense == Sense::Wild { below(bytes, nodes) } else { (node + 1) % nodes };
    let mut record = |task: &str, interval: i64, call: usize| {
        let status = [0, 0, 0, 4, 2, -1][below(bytes, 6)];
        let rc = match ([0, 0, 0, 7, 8, 1, 5][below(bytes, 7)], status) {
            (_, -1) if sense == Sense::Possible => 193,
            (rc, _) => rc,
        };
        let name = if interval == 0 { "last" } else { task };
        let places = if task == "migrate_to" {
            format!("migrate_source='n{node}' migrate_target='n{target}' ")
        } else {
            String::new()
        };
        let _ = write!(
            text,
            "<lrm_rsc_op id='{id}_{name}_{interval}' operation_key='{id}_{task}_{interval}' \
             operation='{task}' interval='{interval}' call-id='{call}' rc-code='{rc}' \
             op-status='{status}' transition-key='1:1:0:u' transition-magic='{status}:{rc};1:1:0:u' \
             crm_feature_set='3.16.2' {places}last-rc-change='1699999000' \
             op-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'/>"
        );
    };
    record(task, 0, call);
    if matches!(task, "start" | "promote" | "monitor") && call % 2 == 1 {
        record("monitor", 10_000, call + 1);
    }
    text.push_str("</lrm_resource>");
}
