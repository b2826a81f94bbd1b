//! `mainstay simulate`, and the same as `crm_simulate`: what a cluster would do about a CIB.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cib::dates::WallTime;
use pcmk::failure::Failure;
use pcmk::inject::{Event, OpResult};
use pcmk::matrix::{Trial, matrix};
use pcmk::simulate::{Options, draw, finish, load, main, run};
use pcmk::why::{Question, explain};
use ui::cli::SimulateArgs;

fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    WallTime(i64::try_from(since).unwrap_or(i64::MAX))
}

pub(crate) fn as_crm_simulate(arguments: &[OsString]) -> ExitCode {
    let mut held = None;
    ExitCode::from(main(arguments, now(), &mut || crate::tools::photograph(&mut held)))
}

pub(crate) fn as_crm_verify(arguments: &[OsString]) -> ExitCode {
    let mut held = None;
    let mut live = || crate::tools::photograph(&mut held);
    ExitCode::from(pcmk::verify::main(arguments, now(), &mut live))
}

pub(crate) fn simulate(args: &SimulateArgs) -> ExitCode {
    let options = options(args).map_err(Failure::usage);
    let outcome = options.and_then(|options| outcome(args, &options));
    ExitCode::from(finish("mainstay simulate", outcome))
}

fn outcome(args: &SimulateArgs, options: &Options) -> Result<String, Failure> {
    if args.explain.is_none() && !args.matrix && args.svg.is_none() && args.placement_svg.is_none()
    {
        return run(options, now());
    }
    let (cib, now) = load(options, now())?;
    draw(&cib, now, args.svg.as_deref(), args.placement_svg.as_deref())?;
    if let Some(resource) = &args.explain {
        let (resource, node) = (resource.clone(), args.node.clone());
        return Ok(explain(&cib, now, &Question { resource, node, json: args.json })?);
    }
    if args.matrix {
        let quorum = args.quorum.as_deref().and_then(cib::value::truth);
        return Ok(matrix(&cib, now, Trial { pairs: args.pairs, json: args.json, quorum }));
    }
    if options.graph.is_some() || options.dot.is_some() || options.scores || options.simulate {
        return run(options, now);
    }
    Ok(String::new())
}

fn options(args: &SimulateArgs) -> Result<Options, String> {
    let mut events = Vec::new();
    if let Some(text) = &args.quorum {
        let have = cib::value::truth(text).ok_or(format!("--quorum {text}: yes or no?"))?;
        events.push(Event::Quorum(if have { "1" } else { "0" }.into()));
    }
    events.extend(args.node_up.iter().cloned().map(Event::NodeUp));
    events.extend(args.node_down.iter().cloned().map(Event::NodeDown));
    events.extend(args.node_fail.iter().cloned().map(Event::NodeFail));
    events.extend(args.ticket_grant.iter().cloned().map(|ticket| Event::Granted(ticket, true)));
    events.extend(args.ticket_revoke.iter().cloned().map(|ticket| Event::Granted(ticket, false)));
    for text in &args.op {
        events.push(Event::Result(OpResult::parse(text)?));
    }
    let time = match &args.time {
        Some(text) => Some(WallTime::parse(text).ok_or(format!("{text} is no time"))?),
        None => None,
    };
    let drawn = args.svg.is_some() || args.placement_svg.is_some();
    let told = args.explain.is_some() || args.matrix || drawn;
    let written = args.graph.is_some() || args.dot.is_some() || args.save_output.is_some();
    let asked = written || args.scores || told;
    let summary = args.summary || !asked;
    Ok(Options {
        input: args.input.clone(),
        graph: args.graph.clone(),
        dot: args.dot.clone(),
        save_output: args.save_output.clone(),
        scores: args.scores,
        quiet: !summary,
        run: summary,
        simulate: summary,
        time,
        events,
        ..Options::default()
    })
}
