//! `crm_mon`: the cluster at a glance, once; as text, as XML, or in a word for those who only want to
//! know whether all is well.
//!
//! What is watched all the time (a screen that is drawn anew, a page that is written) is not here.

mod text;
pub(crate) mod xml;

pub(crate) use text::failure;

use std::ffi::OsString;

use cib::dates::WallTime;
use cib::xml::Element;
use cib::{Cib, Score};

use super::resource::Sheet;
use super::words::{Spec, Takes, Words};
use super::{Answered, Around, Here, NOT_CONNECTED, Opens, Said};
use crate::failure::Failure;

const SPECS: [Spec; 32] = [
    ('1', &["one-shot"], Takes::Nothing),
    ('X', &["as-xml"], Takes::Nothing),
    ('s', &["simple-status"], Takes::Nothing),
    ('r', &["inactive"], Takes::Nothing),
    ('n', &["group-by-node"], Takes::Nothing),
    ('b', &["brief"], Takes::Nothing),
    ('j', &["pending"], Takes::Nothing),
    ('A', &["show-node-attributes"], Takes::Nothing),
    ('f', &["failcounts"], Takes::Nothing),
    ('o', &["operations"], Takes::Nothing),
    ('t', &["timing-details"], Takes::Nothing),
    ('L', &["neg-locations"], Takes::Perhaps),
    ('c', &["tickets"], Takes::Nothing),
    ('R', &["show-detail"], Takes::Nothing),
    ('m', &["fence-history"], Takes::Perhaps),
    ('D', &["hide-headers"], Takes::Nothing),
    ('N', &[], Takes::Nothing),
    ('I', &["include"], Takes::Value),
    ('U', &["exclude"], Takes::Value),
    ('α', &["node"], Takes::Value),
    ('β', &["resource"], Takes::Value),
    ('i', &["interval"], Takes::Value),
    ('Q', &["quiet"], Takes::Nothing),
    ('V', &["verbose"], Takes::Nothing),
    ('d', &["daemonize"], Takes::Nothing),
    ('p', &["pid-file"], Takes::Value),
    ('E', &["external-agent"], Takes::Value),
    ('e', &["external-recipient"], Takes::Value),
    ('w', &["web-cgi"], Takes::Nothing),
    ('h', &["as-html"], Takes::Value),
    ('$', &["version"], Takes::Nothing),
    ('?', &["help"], Takes::Nothing),
];

const HELP: &str = "crm_mon -1 [--output-as text|xml] [--as-xml] [--simple-status]
  -r  also what is not running     -n  by node
  -A  attributes of nodes          -f  failures counted
  -o  what was done                -t  and how long it took
  -m  what was fenced              -L  what may not run where
  --include, --exclude SECTION[,...]: summary, nodes, resources, attributes, failcounts,
      operations, failures, fencing, bans; all, none, default
";

/// The sections there are, and those that are shown unless told otherwise.
const SECTIONS: [(&str, bool, bool); 9] = [
    // name, in text, in XML
    ("summary", true, true),
    ("nodes", true, true),
    ("resources", true, true),
    ("attributes", false, true),
    ("failcounts", false, false),
    ("operations", false, true),
    ("failures", true, true),
    ("fencing", true, true),
    ("bans", false, true),
];

/// What is to be shown.
pub(super) struct View {
    sections: Vec<&'static str>,
    inactive: bool,
    by_node: bool,
    timing: bool,
}

impl View {
    fn has(&self, section: &str) -> bool {
        self.sections.contains(&section)
    }
}

/// All that is looked at.
pub(super) struct Scene<'a> {
    pub(super) sheet: &'a Sheet,
    pub(super) here: Option<Here>,
    pub(super) around: &'a Around,
}

impl Scene<'_> {
    fn cib(&self) -> &Cib {
        &self.sheet.cib
    }

    /// An option of the cluster.
    fn option(&self, name: &str) -> Option<String> {
        let facts = cib::rules::Facts { now: self.around.now, ..cib::rules::Facts::default() };
        let mut values = std::collections::HashMap::new();
        self.cib().options.unpack(&facts, &mut values);
        values.get(name).map(ToString::to_string)
    }

    fn threshold(&self, resource: &str) -> String {
        let said = super::resource::parameters::effective(
            self.cib(),
            resource,
            "meta_attributes",
            "migration-threshold",
            self.around,
        );
        said.filter(|it| it != "INFINITY").unwrap_or_else(|| "1000000".into())
    }
}

/// `crm_mon`
pub(super) fn run(arguments: &[OsString], around: &Around, opens: Opens<'_>) -> Answered {
    let words = match Words::read("crm_mon", &SPECS, arguments) {
        Ok(words) => words,
        Err(refused) => return Answered { said: refused.0.into(), answer: refused.1 },
    };
    let said = answer(&words, around, opens).unwrap_or_else(Into::into);
    Answered { said, answer: words.answer }
}

fn answer(words: &Words, around: &Around, opens: Opens<'_>) -> Result<Said, Failure> {
    if words.has('?') {
        return Ok(Said::text(HELP));
    }
    if words.has('$') {
        return Ok(Said::text(super::version()));
    }
    if words.last_of("dwhE").is_some() {
        let text = "crm_mon: it looks once here (-1): ask it again as often as you like";
        return Err(Failure::usage(text.into()));
    }
    let xml = words.answer.is_xml() || words.has('X');
    let view = view(words, xml)?;
    let mut door = match opens() {
        Ok(door) => door,
        Err(failure) if words.has('s') && failure.status == NOT_CONNECTED => {
            let text = "CLUSTER CRIT: Connection to cluster failed: Connection refused\n".into();
            return Ok(Said { text, status: 2, ..Said::default() });
        }
        Err(failure) => return Err(failure),
    };
    let sheet = Sheet::read(door.cib()?, around);
    let here = door.here().ok();
    let scene = Scene { sheet: &sheet, here, around };
    if words.has('s') {
        return Ok(in_a_word(&scene));
    }
    let content = xml::all(&scene, &view);
    if words.has('X') {
        let mut root = Element::new("crm_mon").with("version", "2.1.5");
        for part in content {
            root.push(part);
        }
        return Ok(Said::text(root.pretty()));
    }
    let text = if xml { String::new() } else { text::page(&scene, &view) };
    Ok(Said { text, content, ..Said::default() })
}

fn view(words: &Words, xml: bool) -> Result<View, Failure> {
    let usual = |(name, text, in_xml): &(&'static str, bool, bool)| {
        (if xml { *in_xml } else { *text }).then_some(*name)
    };
    let all = || SECTIONS.iter().map(|(name, _, _)| *name);
    let mut sections: Vec<&str> = SECTIONS.iter().filter_map(usual).collect();
    for (letter, value) in &words.given {
        let plain = match letter {
            'A' => Some("attributes"),
            'f' => Some("failcounts"),
            'o' | 't' => Some("operations"),
            'L' => Some("bans"),
            'm' => Some("fencing"),
            _ => None,
        };
        sections.extend(plain);
        if *letter == 'm' && value.as_deref() == Some("0") {
            sections.retain(|it| *it != "fencing");
        }
        if *letter == 'D' {
            sections.retain(|it| *it != "summary");
        }
        let (true, Some(list)) = (matches!(letter, 'I' | 'U'), value) else { continue };
        for name in list.split(',') {
            let named: Vec<&str> = match name {
                "all" => all().collect(),
                "default" => SECTIONS.iter().filter_map(usual).collect(),
                "none" => {
                    sections.clear();
                    continue;
                }
                "dc" | "stack" | "times" | "counts" | "options" | "maint-mode" => vec!["summary"],
                "fencing-failed" | "fencing-succeeded" | "fencing-pending" => vec!["fencing"],
                "tickets" => continue,
                _ => all().filter(|it| *it == name).collect(),
            };
            if named.is_empty() {
                let known: Vec<&str> = all().collect();
                let known = known.join(", ");
                return Err(Failure::usage(format!(
                    "crm_mon: `{name}` is no section; there are: all, default, none, {known}"
                )));
            }
            match letter {
                'I' => sections.extend(named),
                _ if name == "all" => sections.clear(),
                _ => sections.retain(|it| !named.contains(it)),
            }
        }
    }
    Ok(View { sections, inactive: words.has('r'), by_node: words.has('n'), timing: words.has('t') })
}

/// Whether all is well, for those who watch by a plug-in.
fn in_a_word(scene: &Scene<'_>) -> Said {
    let seen = &scene.sheet.seen;
    let (mut standby, mut maintenance, mut online) = (0, 0, 0);
    let mut worries: Vec<String> = Vec::new();
    if !seen.nodes.iter().any(|it| it.is_dc) {
        worries.push("No DC".into());
    }
    for node in &seen.nodes {
        match (node.standby, node.maintenance, node.online) {
            (true, _, true) => standby += 1,
            (_, true, true) => maintenance += 1,
            (_, _, true) => online += 1,
            _ => worries.push(format!("offline node: {}", node.name)),
        }
    }
    if !worries.is_empty() {
        let text = format!("CLUSTER WARN: {}\n", worries.join(", "));
        return Said { text, status: 1, ..Said::default() };
    }
    let mut text = format!("CLUSTER OK: {online} node{} online", plural(online));
    if standby > 0 {
        text += &format!(", {standby} standby node{}", plural(standby));
    }
    if maintenance > 0 {
        text += &format!(", {maintenance} maintenance node{}", plural(maintenance));
    }
    let leaves = instances(scene);
    text += &format!(", {leaves} resource instance{} configured\n", plural(leaves));
    Said::text(text)
}

pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// How many instances of resources are configured.
fn instances(scene: &Scene<'_>) -> usize {
    let all = scene.sheet.seen.resources.iter();
    all.filter(|it| it.shape == sched::Shape::Primitive && !it.orphan).count()
}

/// A location that keeps a resource away from a node.
pub(super) struct Ban {
    pub(super) id: String,
    pub(super) resource: String,
    pub(super) node: String,
    pub(super) score: Score,
    pub(super) promoted: bool,
}

/// The locations that say where something may not be.
pub(super) fn bans(scene: &Scene<'_>) -> Vec<Ban> {
    let all = scene.cib().locations.iter().filter_map(|it| {
        let score = Score::parse(it.score.as_deref()?)?;
        (score < Score::ZERO).then_some(())?;
        Some(Ban {
            id: it.id.to_string(),
            resource: it.resource.as_deref()?.to_owned(),
            node: it.node.as_deref()?.to_owned(),
            score,
            promoted: matches!(it.role.as_deref(), Some("Promoted" | "Master")),
        })
    });
    all.collect()
}

/// A moment as `ctime` writes it.
pub(super) fn stamp(at: WallTime) -> String {
    at.civil().strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// Something that was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Done {
    pub(super) node: String,
    pub(super) resource: String,
    pub(super) key: String,
    pub(super) task: String,
    pub(super) interval: i64,
    pub(super) call: i64,
    pub(super) rc: i64,
    pub(super) status: i64,
    pub(super) changed: String,
    pub(super) exec: String,
    pub(super) queue: String,
}

/// What was done, node by node, resource by resource, in order.
pub(super) fn history(root: &Element) -> Vec<Done> {
    let mut all = Vec::new();
    for state in root.child("status").into_iter().flat_map(|it| it.named("node_state")) {
        let lists = state.named("lrm").flat_map(|it| it.named("lrm_resources"));
        for resource in lists.flat_map(|it| it.named("lrm_resource")) {
            let mut here: Vec<Done> = Vec::new();
            for op in resource.named("lrm_rsc_op") {
                let text = |name: &str| op.get(name).unwrap_or_default().to_owned();
                let number = |name: &str| op.get(name).and_then(cib::value::leading_integer);
                let done = Done {
                    node: state.get("uname").unwrap_or_default().into(),
                    resource: resource.id().unwrap_or_default().into(),
                    key: text("operation_key"),
                    task: text("operation"),
                    interval: number("interval").unwrap_or(0),
                    call: number("call-id").unwrap_or(0),
                    rc: number("rc-code").unwrap_or(0),
                    status: number("op-status").unwrap_or(0),
                    changed: stamp(WallTime(number("last-rc-change").unwrap_or(0))),
                    exec: text("exec-time"),
                    queue: text("queue-time"),
                };
                let probe = done.task == "monitor" && done.interval == 0;
                let nothing = probe && done.rc == 7;
                let told = here.iter().any(|it| (it.call, &it.key) == (done.call, &done.key));
                if !(nothing || told || done.task == "notify") {
                    here.push(done);
                }
            }
            here.sort_by_key(|it| it.call);
            all.extend(here);
        }
    }
    all
}

/// What a status of an operation is called.
pub(super) fn status_word(status: i64) -> &'static str {
    match status {
        -1 => "pending",
        0 => "complete",
        1 => "Cancelled",
        2 => "Timed Out",
        3 => "NOT SUPPORTED",
        4 => "Error",
        5 => "Hard error",
        6 => "Fatal error",
        7 => "Not installed",
        8 => "Not connected",
        9 => "Invalid",
        _ => "unknown",
    }
}
