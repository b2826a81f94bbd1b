//! `crm_simulate` and `mainstay simulate`: reads a CIB, shows what would be done, and on request
//! carries it out on paper.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cib::Cib;
use cib::dates::WallTime;
use cib::xml::Element;
use sched::{Ask, Transition};

use crate::execute::{self, Outcome};
use crate::failure::Failure;
use crate::inject::{self, OpResult};
pub use crate::options::{Options, read_options};
use crate::{dot, graph, input, picture, text};

/// Runs the command as `crm_simulate`; its exit status.
#[must_use]
pub fn main(arguments: &[OsString], now: WallTime) -> u8 {
    let options = match read_options(arguments) {
        Ok(options) => options,
        Err(error) => return finish("crm_simulate", Err(Failure::usage(error))),
    };
    if options.version {
        println!("mainstay {} (reads and prints as Pacemaker 2.1.5)", env!("CARGO_PKG_VERSION"));
        return 0;
    }
    if options.help {
        print!("{}", include_str!("usage/crm_simulate.txt"));
        return 0;
    }
    finish("crm_simulate", run(&options, now))
}

/// Says what went wrong, if anything; the exit status.
#[must_use]
pub fn finish(name: &str, outcome: Result<String, Failure>) -> u8 {
    match outcome {
        Ok(text) => {
            print!("{text}");
            0
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            error.status
        }
    }
}

/// Does what is asked for; what to print.
///
/// # Errors
/// When the CIB cannot be read, a file cannot be written, or what is to be injected does not fit.
pub fn run(options: &Options, clock: WallTime) -> Result<String, Failure> {
    let (name, text) = input::text(options.input.as_deref())?;
    if options.only_plans() {
        return only_plan(options, &input::cib(&name, &text)?, clock);
    }
    let mut document = input::document(&name, &text)?;
    let mut out = Printed { text: String::new(), quiet: options.quiet };
    let mut cib = Cib::read(&document.root);
    let (now, dated) = present(options, &cib, clock);
    if document.root.get("validate-with") == Some("none") {
        out.say("Schema validation of configuration is disabled (enabling is encouraged and prevents common misconfigurations)\n");
    }
    out.say(&dated);
    let plans = options.plans();
    let ask = Ask {
        scores: options.scores,
        reasons: false,
        considered: options.dot.is_some(),
        before: !options.quiet,
    };
    if !options.quiet {
        let seen = sched::observe(&cib, now);
        out.say(&text::held_back(&seen));
        out.say(&text::status("Current cluster status:", &seen, true));
        out.say(&more_status(options, &document.root));
    }
    if !options.events.is_empty() {
        out.say("\nPerforming Requested Modifications:\n");
        for event in &options.events {
            for line in inject::apply(&mut document.root, event, clock.0)? {
                out.say(&format!("  * {line}\n"));
            }
        }
        cib = Cib::read(&document.root);
        out.say(&dated);
    }
    if let Some(path) = &options.save_input {
        save(path, &document.to_string())?;
    }
    if !plans {
        return Ok(out.text);
    }
    let transition = sched::plan_with(&cib, now, ask);
    if options.utilization {
        let seen = sched::observe(&cib, now);
        out.text.push_str(&text::capacities("Original", &seen.nodes));
    }
    if options.scores && !options.quiet {
        out.say("\nAssignment Scores:\n");
    }
    for line in &transition.scores {
        let _ = writeln!(out.text, "{line}");
    }
    if options.utilization {
        out.text.push_str(&text::capacities("Remaining", &transition.nodes));
    }
    save_graphs(options, &transition)?;
    out.say(&text::summary(&transition));
    if !options.carries_out() {
        return Ok(out.text);
    }
    let known = names(&transition);
    out.say("\nExecuting Cluster Transition:\n");
    carry_out(&mut document.root, &transition, &known, options, clock, &mut out);
    if !options.quiet {
        out.say(&dated);
        let after = sched::observe(&Cib::read(&document.root), now);
        out.say(&text::status("Revised Cluster Status:", &after, false));
        out.say(&more_status(options, &document.root));
    }
    let store = if options.in_place { options.input.as_deref() } else { None };
    for path in options.save_output.as_deref().into_iter().chain(store) {
        save(path, &document.to_string())?;
    }
    Ok(out.text)
}

/// A plan and nothing else: the tree of the document is not needed.
fn only_plan(options: &Options, cib: &Cib, clock: WallTime) -> Result<String, Failure> {
    let (now, _) = present(options, cib, clock);
    let considered = options.dot.is_some();
    let ask = Ask { scores: options.scores, reasons: false, considered, before: false };
    let transition = sched::plan_with(cib, now, ask);
    let mut text = String::new();
    if options.utilization {
        text.push_str(&text::capacities("Original", &sched::observe(cib, now).nodes));
    }
    for line in &transition.scores {
        let _ = writeln!(text, "{line}");
    }
    if options.utilization {
        text.push_str(&text::capacities("Remaining", &transition.nodes));
    }
    save_graphs(options, &transition)?;
    Ok(text)
}

/// The CIB that options name, after their events, and the time they mean.
///
/// # Errors
/// When the CIB cannot be read, or what is to be injected does not fit.
pub fn load(options: &Options, clock: WallTime) -> Result<(Cib, WallTime), Failure> {
    let (name, text) = input::text(options.input.as_deref())?;
    let mut document = input::document(&name, &text)?;
    for event in &options.events {
        inject::apply(&mut document.root, event, clock.0)?;
    }
    let cib = Cib::read(&document.root);
    let (now, _) = present(options, &cib, clock);
    Ok((cib, now))
}

/// Writes pictures of what would be done.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(
    cib: &Cib,
    now: WallTime,
    transition: Option<&Path>,
    placement: Option<&Path>,
) -> Result<(), Failure> {
    let plan = sched::plan(cib, now);
    if let Some(path) = transition {
        write(path, &picture::transition(&plan))?;
    }
    if let Some(path) = placement {
        write(path, &picture::placement(&plan))?;
    }
    Ok(())
}

/// What has been printed so far.
struct Printed {
    text: String,
    quiet: bool,
}

impl Printed {
    /// Prints what is for people.
    fn say(&mut self, text: &str) {
        if !self.quiet {
            let first = self.text.is_empty();
            self.text.push_str(if first { text.trim_start_matches('\n') } else { text });
        }
    }
}

/// The time to plan for, and how it is announced.
fn present(options: &Options, cib: &Cib, clock: WallTime) -> (WallTime, String) {
    match (options.time, cib.execution_date) {
        (Some(time), _) => {
            let said = options.time_text.clone().unwrap_or_else(|| time.spelled());
            (time, format!("Setting effective cluster time: {said}\n"))
        }
        (None, Some(time)) => {
            (time, format!("Using the original execution date of: {}\n", time.spelled()))
        }
        (None, None) => (clock, String::new()),
    }
}

fn more_status(options: &Options, cib: &Element) -> String {
    let mut text = String::new();
    if options.attributes {
        text.push_str(&text::attributes(cib));
    }
    if options.fail_counts {
        text.push_str(&text::fail_counts(cib));
    }
    text
}

/// The names by which resources are known.
#[must_use]
pub fn names(transition: &Transition) -> HashSet<String> {
    let all = transition.resources.iter();
    all.flat_map(|it| std::iter::once(&it.id).chain(&it.history_id))
        .map(ToString::to_string)
        .collect()
}

/// The priority of steps that a failure does not hold up.
const URGENT: i64 = 1_000_000;

/// Carries out a plan on paper. After a failure only what is urgent is begun, if all it waits for
/// was done.
fn carry_out(
    cib: &mut Element,
    transition: &Transition,
    known: &HashSet<String>,
    options: &Options,
    clock: WallTime,
    out: &mut Printed,
) {
    let mut failed = false;
    let mut done = HashSet::new();
    for at in execute::order(transition) {
        let step = &transition.steps[at];
        let urgent = step.priority >= URGENT && step.inputs.iter().all(|it| done.contains(it));
        if failed && !urgent {
            continue;
        }
        done.insert(at);
        let name = execute::shown_name(step, known);
        out.say(&text::executed(step, &name));
        let failure = options.failures.iter().find(|failure| {
            let node = step.node.as_ref().map(|(node, _)| &**node);
            let short = step.resource.as_ref().is_some_and(|it| *it.id == *failure.resource);
            (failure.resource == name || short)
                && failure.task == *step.operation
                && failure.interval == step.interval
                && node == Some(failure.node.as_str())
        });
        let rc = failure.map(|failure| failure.rc);
        if let Some(failure) = failure {
            let number = step.id;
            out.say(&format!("Pretending action {number} failed with rc={}\n", failure.rc));
            let id = step.node.as_ref().map(|(_, id)| id.to_string()).unwrap_or_default();
            let counted: &OpResult = failure;
            for line in inject::count_failure(cib, counted, &id, clock.0) {
                out.say(&format!("  * {line}\n"));
            }
        }
        execute::apply(cib, step, known, Outcome { rc, at: clock.0 });
        failed |= failure.is_some();
    }
}

fn save_graphs(options: &Options, transition: &Transition) -> Result<(), Failure> {
    if let Some(path) = &options.graph {
        let named = |error: std::io::Error| Failure::graph(path, &error);
        let mut file = fs::File::create(path).map_err(named)?;
        graph::write(transition, &mut file).map_err(named)?;
    }
    if let Some(path) = &options.dot {
        write(path, &dot::render(transition, options.all_actions))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::graph(path, &error))
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::saving(path, &error))
}
