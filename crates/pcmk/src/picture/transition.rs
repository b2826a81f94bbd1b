//! What is done, from left to right: a lane for each top-level resource, one for the cluster.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Step, StepKind, Task, Transition};

use super::{LINE, NAMES, Sheet, lanes, short};

const BOX: usize = 190;
const GAP: usize = 34;
const TALL: usize = 36;

/// What is drawn as one box: an action, or all actions of a kind that belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    /// The lane: the place of a top-level resource, or none for the cluster.
    lane: Option<usize>,
    what: String,
    place: String,
    colour: &'static str,
}

struct Card {
    kind: Kind,
    count: usize,
    /// Cards it waits for.
    after: BTreeSet<usize>,
    /// How many cards at most come before it, one after the other.
    level: usize,
}

/// The picture of a transition.
#[must_use]
pub fn transition(transition: &Transition) -> String {
    let cards = cards(transition);
    let mut sheet = Sheet::new();
    let mut y = 10;
    let mut order: Vec<Option<usize>> = vec![None];
    order.extend(transition.top.iter().copied().map(Some));
    let title = |lane: Option<usize>| match lane {
        Some(top) => transition.resources[top].id.to_string(),
        None => "cluster".to_owned(),
    };
    for lane in order {
        let own: Vec<usize> = (0..cards.len()).filter(|at| cards[*at].kind.lane == lane).collect();
        if own.is_empty() {
            continue;
        }
        y = draw(&mut sheet, &cards, &own, y, &title(lane), &title);
    }
    if cards.is_empty() {
        sheet.text((20, 24), "nothing is to be done", "");
        sheet.reaches(180, 40);
    }
    sheet.finish()
}

fn draw(
    sheet: &mut Sheet,
    cards: &[Card],
    own: &[usize],
    top: usize,
    name: &str,
    title: &impl Fn(Option<usize>) -> String,
) -> usize {
    let mut stacked: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    // Levels at which this lane does nothing take no room in it.
    let levels: BTreeSet<usize> = own.iter().map(|at| cards[*at].level).collect();
    for at in own {
        let column = levels.iter().position(|level| *level == cards[*at].level).unwrap_or(0);
        let row = stacked.entry(column).or_insert(0);
        let place = (NAMES + column * (BOX + GAP), top + 8 + *row * (TALL + LINE + 6));
        *row += 1;
        places.insert(*at, place);
    }
    let rows = stacked.values().copied().max().unwrap_or(1);
    let bottom = top + 8 + rows * (TALL + LINE + 6);
    for (at, place) in &places {
        for first in cards[*at].after.iter().filter_map(|first| places.get(first)) {
            sheet.arrow((first.0 + BOX, first.1 + TALL / 2), (place.0, place.1 + TALL / 2));
        }
    }
    for (at, place) in &places {
        let card = &cards[*at];
        sheet.area(*place, (BOX, TALL), card.kind.colour, "#777777");
        let times = if card.count > 1 { format!(" ×{}", card.count) } else { String::new() };
        let room = 24 - times.chars().count();
        let text = format!("{}{times}", short(&card.kind.what, room));
        sheet.text((place.0 + 6, place.1 + 14), &text, "font-weight=\"bold\"");
        sheet.text((place.0 + 6, place.1 + 29), &short(&card.kind.place, 24), "fill=\"#333333\"");
        let elsewhere: BTreeSet<String> = card
            .after
            .iter()
            .filter(|first| !places.contains_key(first))
            .map(|first| match cards[*first].kind.lane {
                Some(lane) => title(Some(lane)),
                None => cards[*first].kind.what.clone(),
            })
            .collect();
        if !elsewhere.is_empty() {
            let all: Vec<String> = elsewhere.into_iter().collect();
            let text = short(&format!("after {}", all.join(", ")), 32);
            sheet.text(
                (place.0 + 6, place.1 + TALL + 12),
                &text,
                "fill=\"#7a5c00\" font-size=\"10\"",
            );
        }
    }
    sheet.text((6, top + 30), &short(name, 22), "font-weight=\"bold\"");
    sheet.area((4, bottom + 2), (NAMES + levels.len() * (BOX + GAP), 1), "#dddddd", "none");
    bottom + 6
}

/// The cards of a plan; milestones are seen through. Put together is only what is equally far from
/// the beginning, so that no two cards wait for each other.
fn cards(transition: &Transition) -> Vec<Card> {
    let lanes = lanes(transition);
    let mut cards: Vec<Card> = Vec::new();
    let mut known: BTreeMap<(usize, Kind), usize> = BTreeMap::new();
    // The card each step is on, or the cards it waits for where it has none; in an order in which
    // those of all before it are known.
    let mut seen: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); transition.steps.len()];
    for at in crate::execute::order(transition) {
        let step = &transition.steps[at];
        let firsts: BTreeSet<usize> =
            step.inputs.iter().flat_map(|input| seen[*input].iter().copied()).collect();
        let Some(kind) = kind(transition, &lanes, step) else {
            seen[at] = firsts;
            continue;
        };
        let level = firsts.iter().map(|first| cards[*first].level + 1).max().unwrap_or(0);
        let card = *known.entry((level, kind.clone())).or_insert(cards.len());
        if card == cards.len() {
            cards.push(Card { kind, count: 0, after: BTreeSet::new(), level });
        }
        cards[card].count += 1;
        cards[card].after.extend(firsts);
        seen[at] = BTreeSet::from([card]);
    }
    cards
}

fn kind(transition: &Transition, lanes: &BTreeMap<String, usize>, step: &Step) -> Option<Kind> {
    let node = step.node.as_ref().map(|(name, _)| name.to_string()).unwrap_or_default();
    if step.kind == StepKind::Pseudo && step.task != Task::Fence {
        return None;
    }
    let id = step.resource_id.as_deref().unwrap_or_default();
    let lane = lanes.get(id).copied();
    let base = transition.resources.iter().find(|view| *view.id == *id).map(|view| &*view.base);
    let base = base.unwrap_or(id);
    let one = |what: String, colour| Some(Kind { lane, what, place: node.clone(), colour });
    match step.task {
        Task::Monitor if step.interval == 0 => {
            let what = "look what is there".to_owned();
            Some(Kind { lane, what, place: "wherever unknown".into(), colour: "#eeeeee" })
        }
        Task::Monitor => {
            let place = format!("{} on {node}", step.task);
            Some(Kind { lane, what: format!("watch {base}"), place, colour: "#f4f4f4" })
        }
        Task::Fence => {
            Some(Kind { lane: None, what: format!("fence {node}"), place: node, colour: "#f2a39b" })
        }
        Task::Start | Task::Promote | Task::MigrateFrom => {
            one(format!("{} {base}", step.task.word().replace('_', " ")), "#bfe6bf")
        }
        Task::Stop | Task::Demote | Task::MigrateTo => {
            one(format!("{} {base}", step.task.word().replace('_', " ")), "#f7d2b5")
        }
        task => one(format!("{} {base}", task.word().replace('_', " ")), "#dfe7f5"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A promoted instance that tells the others of all it does, on a node that is to be left.
    const CIB: &str = "<cib have-quorum='1' dc-uuid='1'><configuration><crm_config>\
        <cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/>\
        </cluster_property_set></crm_config><nodes><node id='1' uname='n'><instance_attributes \
        id='i'><nvpair id='i1' name='standby' value='true'/></instance_attributes></node></nodes>\
        <resources><clone id='c'><meta_attributes id='m'><nvpair id='m1' name='promotable' \
        value='true'/><nvpair id='m2' name='notify' value='true'/></meta_attributes><primitive \
        id='p' class='ocf' provider='x' type='t'/></clone></resources><constraints/>\
        </configuration><status><node_state id='1' uname='n' in_ccm='true' crmd='online' \
        join='member' expected='member'><lrm id='1'><lrm_resources><lrm_resource id='p' class='ocf' \
        provider='x' type='t'><lrm_rsc_op id='p_last_0' operation='promote' interval='0' \
        call-id='1' rc-code='0' op-status='0' transition-key='1:1:0:u'/></lrm_resource>\
        </lrm_resources></lrm></node_state></status></cib>";

    #[test]
    fn nothing_is_drawn_before_what_it_waits_for() {
        let plan = sched::plan(&cib::Cib::parse(CIB).expect("a CIB"), cib::dates::WallTime(0));
        let cards = cards(&plan);
        let notifies = cards.iter().filter(|card| card.kind.what == "notify p").count();
        assert!(notifies > 1, "those before and after are two");
        for card in &cards {
            for first in &card.after {
                assert!(cards[*first].level < card.level, "{:?}", card.kind);
            }
        }
        let at = |what: &str| cards.iter().find(|card| card.kind.what == what).map(|it| it.level);
        assert!(at("demote p") < at("stop p") && at("stop p").is_some());
    }
}
