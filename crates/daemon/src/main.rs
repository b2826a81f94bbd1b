//! mainstay: keeps virtual IPs served, whatever breaks.
//!
//! One binary. `mainstay run` is the daemon; the other commands ask it, check a file, or show the
//! whole thing on this machine. Started as `keepalived` it takes keepalived's options.

#![forbid(unsafe_code)]

mod ask;
mod channel;
mod check;
mod control;
mod engine;
mod exit;
mod keepalived;
mod messages;
mod run;
mod translate;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use ui::cli::{Cli, Command, DemoArgs, RunArgs};

use exit::Exit;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    if name == Some(OsStr::new("keepalived")) {
        return keepalived::main(arguments).into();
    }
    let exit = match Cli::parse().command {
        Command::Run(args) => run(args),
        Command::Check(args) => check::check(&args.file, args.lenient, None),
        Command::Status(args) => ask::status(&args),
        Command::Events(args) => ask::events(&args),
        Command::Why(args) => ask::why(&args),
        Command::Demo(args) => demo(&args),
    };
    exit.into()
}

fn run(args: RunArgs) -> Exit {
    run::run(run::Start {
        file: args.file,
        control: args.control,
        control_optional: false,
        pid_files: args.pid_file.into_iter().collect(),
        lenient: args.lenient,
        log: args.log,
        color: io::stderr().is_terminal() && !check::no_color(),
    })
}

fn demo(args: &DemoArgs) -> Exit {
    let _ = args;
    Exit::Fatal
}
