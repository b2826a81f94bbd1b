//! `crm_resource --force-…`, `--validate` and `--restart`: what somebody has done at once.
//!
//! A forced action is run here, by the agent, and the cluster is not told: it sees by its next monitor
//! what has become of it. A restart is the cluster's own work: the resource is told to stop, waited for,
//! and told to start again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cib::model::{Kind, Resource};
use cib::rules::Facts;

use super::Sheet;
use super::parameters::{aim, way};
use crate::failure::Failure;
use crate::live::words::Words;
use crate::live::{Around, Call, Door, NO_SUCH, Said, perform, span};
use crate::text::resources::exit_word;

/// Letters of the command line, what they are called, and what agents call that.
pub(super) const FORCED: [(char, &str, &str); 6] = [
    ('ε', "force-check", "monitor"),
    ('ζ', "force-start", "start"),
    ('η', "force-stop", "stop"),
    ('θ', "force-promote", "promote"),
    ('ι', "force-demote", "demote"),
    ('κ', "validate", "validate-all"),
];

/// How long an action, or each half of a restart, may take unless something else is said.
const USUAL: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How it ends that something would not be safe, and that it took too long.
const UNSAFE: u8 = 107;
const LATE: u8 = 124;

/// Runs an action here.
pub(super) fn force(
    door: &mut dyn Door,
    sheet: &Sheet,
    words: &Words,
    resource: &str,
    (name, action): (&str, &str),
    around: &Around,
) -> Result<Said, Failure> {
    let view = sheet.resource(resource)?;
    let begins = matches!(action, "start" | "promote" | "demote");
    let copied = view.shape != sched::Shape::Primitive;
    if copied && begins && !words.has('f') && !sheet.places(resource)?.is_empty() {
        let text = format!(
            "It is not safe to {name} {resource} here: the cluster claims it is already active\nTry \
             setting target-role=Stopped first or specifying the force option"
        );
        return Err(Failure { status: UNSAFE, text });
    }
    let mut path = way(&sheet.cib.resources, &view.base);
    // What is done with a clone is done with what it copies.
    while let Some(Resource { kind: Kind::Clone { child, .. }, .. }) = path.last().copied() {
        path.push(child);
    }
    let Some(Resource { kind: Kind::Primitive { class, provider, agent }, .. }) = path.last()
    else {
        let why =
            format!("crm_resource: {resource} is no resource of an agent's: name a member of it");
        return Err(Failure::usage(why));
    };
    let agent = [class, provider, agent].map(ToString::to_string);
    let facts = Facts { now: around.now, ..Facts::default() };
    let (mut given, mut meta) = (HashMap::new(), HashMap::new());
    for it in path.iter().rev() {
        it.parameters.unpack(&facts, &mut given);
        it.meta.unpack(&facts, &mut meta);
    }
    let pair = |prefix: &str, name: &str, value: &dyn ToString| {
        (format!("{prefix}{}", name.replace('-', "_")), value.to_string())
    };
    let mut parameters: Vec<(String, String)> =
        meta.iter().map(|(name, value)| pair("CRM_meta_", name, value)).collect();
    parameters.extend(given.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    parameters.sort();
    let timeout = words.value('T').and_then(span).unwrap_or(USUAL);
    let id = path.last().map_or_else(String::new, |it| it.id.to_string());
    let shown = match &agent {
        [class, provider, kind] if provider.is_empty() => format!("{class}:{kind}"),
        agent => agent.join(":"),
    };
    let ran = door.run(&Call {
        resource: id.clone(),
        agent,
        action: action.into(),
        parameters,
        timeout,
    })?;
    let word = exit_word(i64::from(ran.rc));
    let reason = if ran.reason.is_empty() { String::new() } else { format!(": {}", ran.reason) };
    let mut said = Said::text(format!(
        "Operation {name} for {id} ({shown}) returned {} ({word}{reason})\n",
        ran.rc
    ));
    if ran.rc != 0 || words.has('V') {
        said.text += &ran.lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    }
    if ran.rc != 0 {
        said.status = u8::try_from(ran.rc).unwrap_or(1);
        said.errors.push(format!("crm_resource: Error performing operation: {word}"));
    }
    Ok(said)
}

/// Has a resource stopped, and started again.
pub(super) fn restart(
    door: &mut dyn Door,
    sheet: &Sheet,
    words: &Words,
    resource: &str,
    around: &Around,
) -> Result<Said, Failure> {
    let before = sheet.places(resource)?.len();
    if before == 0 {
        let text = format!(
            "{resource} is not running anywhere and so cannot be restarted\ncrm_resource: Error \
             performing operation: No such object"
        );
        return Err(Failure { status: NO_SUCH, text });
    }
    if words.has('N') || words.has('H') {
        let why = "crm_resource: --restart is of a resource wherever it runs: ban it from one node, \
                   and clear that, instead";
        return Err(Failure::usage(why.into()));
    }
    let limit = words.value('T').and_then(span).unwrap_or(USUAL);
    let base = sheet.resource(resource)?.base.to_string();
    let (place, owner, _) = aim(sheet, &base, "meta_attributes", "target-role", None);
    let known = place.find(&sheet.root, "target-role", None).into_iter().next();
    let (set, pair) = place.aim(&sheet.root, "target-role", None, None);
    let stop = place.put(&sheet.root, "target-role", "Stopped", None, None);
    perform(door, &sheet.root, &stop)?;
    let mut text = format!(
        "Set '{owner}' option: id={pair} set={set} name=target-role value=stopped\nWaiting for {before} \
         resources to stop:\n * {resource}\n"
    );
    let stopped = wait(door, around, resource, limit, |now| now == 0);
    // Whether it stopped or not: it is to run again.
    let root = door.cib()?;
    let again = match &known {
        Some(known) => place.put(&root, "target-role", &known.value, None, None),
        None => place.take(&pair),
    };
    perform(door, &root, &again)?;
    text += &match &known {
        Some(known) => format!(
            "Set '{owner}' option: id={pair} set={set} name=target-role value={}\n",
            known.value
        ),
        None => format!("Deleted '{owner}' option: id={pair} name=target-role\n"),
    };
    if !stopped? {
        let text = format!(
            "{text}Could not complete shutdown of {resource}, {before} resources remaining"
        );
        return Err(Failure { status: LATE, text });
    }
    text += &format!("Waiting for {before} resources to start again:\n * {resource}\n");
    if !wait(door, around, resource, limit, |now| now >= before)? {
        let text = format!("{text}Could not complete restart of {resource}");
        return Err(Failure { status: LATE, text });
    }
    Ok(if words.has('Q') { Said::default() } else { Said::text(text) })
}

/// Waits until a resource is in as many places as is wanted.
fn wait(
    door: &mut dyn Door,
    around: &Around,
    resource: &str,
    limit: Duration,
    enough: impl Fn(usize) -> bool,
) -> Result<bool, Failure> {
    // A file does not change by waiting; a cluster does.
    door.here()?;
    let since = Instant::now();
    loop {
        let sheet = Sheet::read(door.cib()?, around);
        if enough(sheet.places(resource)?.len()) {
            return Ok(true);
        }
        if since.elapsed() >= limit {
            return Ok(false);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
