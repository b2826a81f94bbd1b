//! `mainstay simulate`, and the same as `crm_simulate`: what a cluster would do about a CIB.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cib::dates::WallTime;
use pcmk::inject::{Event, OpResult};
use pcmk::simulate::{Options, finish, main, run};
use ui::cli::SimulateArgs;

fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    WallTime(i64::try_from(since).unwrap_or(i64::MAX))
}

pub(crate) fn as_crm_simulate(arguments: &[OsString]) -> ExitCode {
    ExitCode::from(main(arguments, now()))
}

pub(crate) fn as_crm_verify(arguments: &[OsString]) -> ExitCode {
    ExitCode::from(pcmk::verify::main(arguments, now()))
}

pub(crate) fn simulate(args: &SimulateArgs) -> ExitCode {
    let outcome = options(args).and_then(|options| run(&options, now()));
    ExitCode::from(finish("mainstay simulate", outcome))
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
    let asked =
        args.graph.is_some() || args.dot.is_some() || args.scores || args.save_output.is_some();
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
