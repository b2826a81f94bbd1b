//! Whatever the cluster: no panic, and no plan that could not be carried out.

use std::fmt::Write as _;

use cib::Cib;
use cib::dates::WallTime;
use proptest::prelude::*;

/// The ingredients of a cluster.
#[derive(Clone, Debug)]
struct Recipe {
    nodes: usize,
    shapes: Vec<u8>,
    constraints: Vec<(u8, u8, u8, i32)>,
    running: Vec<(u8, u8, u8)>,
    lost: u8,
    fencing: bool,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    (
        1..5usize,
        prop::collection::vec(0..5u8, 1..7),
        prop::collection::vec((0..6u8, any::<u8>(), any::<u8>(), -3..4i32), 0..8),
        prop::collection::vec((any::<u8>(), any::<u8>(), 0..9u8), 0..10),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(nodes, shapes, constraints, running, lost, fencing)| Recipe {
            nodes,
            shapes,
            constraints,
            running,
            lost,
            fencing,
        })
}

fn write(recipe: &Recipe) -> String {
    let mut text = format!(
        "<cib have-quorum='1' dc-uuid='n0'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='{}'/></cluster_property_set></crm_config><nodes>",
        recipe.fencing
    );
    for node in 0..recipe.nodes {
        let _ = write!(text, "<node id='n{node}' uname='n{node}'/>");
    }
    text.push_str("</nodes><resources><primitive id='f' class='stonith' type='x'/>");
    let op = |id: &str| {
        format!("<operations><op id='{id}-m' name='monitor' interval='10s'/></operations>")
    };
    let one = |id: &str| {
        format!("<primitive id='{id}' class='ocf' provider='p' type='t'>{}</primitive>", op(id))
    };
    for (at, shape) in recipe.shapes.iter().enumerate() {
        let meta = |name: &str| {
            format!(
                "<meta_attributes id='t{at}-m'><nvpair id='t{at}-1' name='{name}' value='true'/></meta_attributes>"
            )
        };
        let _ = match shape {
            0 => write!(
                text,
                "<group id='t{at}'>{}{}</group>",
                one(&format!("p{at}")),
                one(&format!("q{at}"))
            ),
            1 => write!(
                text,
                "<clone id='t{at}'>{}{}</clone>",
                meta("interleave"),
                one(&format!("p{at}"))
            ),
            2 => write!(
                text,
                "<clone id='t{at}'>{}{}</clone>",
                meta("promotable"),
                one(&format!("p{at}"))
            ),
            3 => write!(
                text,
                "<clone id='t{at}'>{}<group id='g{at}'>{}{}</group></clone>",
                meta("notify"),
                one(&format!("p{at}")),
                one(&format!("q{at}"))
            ),
            _ => write!(text, "{}", one(&format!("t{at}"))),
        };
    }
    text.push_str("</resources><constraints>");
    let count = recipe.shapes.len();
    for (at, (kind, a, b, score)) in recipe.constraints.iter().enumerate() {
        let (a, b) = (usize::from(*a) % count, usize::from(*b) % count);
        let score = match score {
            3 => "INFINITY".to_owned(),
            -3 => "-INFINITY".to_owned(),
            other => (other * 100).to_string(),
        };
        let node = b % recipe.nodes;
        let _ = match kind {
            0 | 1 => write!(
                text,
                "<rsc_order id='c{at}' first='t{a}' then='t{b}' kind='{}'/>",
                if *kind == 0 { "Mandatory" } else { "Optional" }
            ),
            2 | 3 => write!(
                text,
                "<rsc_colocation id='c{at}' rsc='t{a}' with-rsc='t{b}' score='{score}'/>"
            ),
            _ => {
                write!(text, "<rsc_location id='c{at}' rsc='t{a}' node='n{node}' score='{score}'/>")
            }
        };
    }
    text.push_str("</constraints></configuration><status>");
    for node in 0..recipe.nodes {
        let lost = recipe.nodes > 1 && usize::from(recipe.lost) % (recipe.nodes * 2) == node;
        let (ccm, crmd) = if lost { ("false", "offline") } else { ("true", "online") };
        let _ = write!(
            text,
            "<node_state id='n{node}' uname='n{node}' in_ccm='{ccm}' crmd='{crmd}' join='member' expected='member'><lrm id='n{node}'><lrm_resources>"
        );
        let mut seen = Vec::new();
        for (on, rsc, rc) in &recipe.running {
            let at = usize::from(*rsc) % count;
            if usize::from(*on) % recipe.nodes != node || seen.contains(&at) {
                continue;
            }
            seen.push(at);
            let id = if recipe.shapes[at] == 4 { format!("t{at}") } else { format!("p{at}") };
            let _ = write!(
                text,
                "<lrm_resource id='{id}' class='ocf' provider='p' type='t'><lrm_rsc_op id='{id}_last_0' operation='start' interval='0' call-id='3' rc-code='{rc}' op-status='0' transition-key='1:1:0:u' op-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'/></lrm_resource>"
            );
        }
        text.push_str("</lrm_resources></lrm></node_state>");
    }
    text.push_str("</status></cib>");
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_can_be_carried_out(recipe in recipe()) {
        let text = write(&recipe);
        let cib = Cib::parse(&text).expect("well-formed");
        let transition = sched::plan(&cib, WallTime(1_700_000_000));
        let findings = sched::check(&transition);
        prop_assert!(findings.is_empty(), "{findings:?}\n{text}");
        for step in &transition.steps {
            // Nothing is started where nobody listens.
            if let (sched::Task::Start, sched::StepKind::Resource, Some((name, _))) = (step.task, step.kind, &step.node) {
                let node = transition.nodes.iter().find(|node| node.name == *name).expect("a node");
                prop_assert!(node.online && !node.unclean, "{} on {name}\n{text}", step.key);
            }
        }
    }
}
