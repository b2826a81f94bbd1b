//! mainstay: keeps virtual IPs served, whatever breaks.
//!
//! One binary. `mainstay run` is the daemon; the other commands ask it, check a file, or show the
//! whole thing on this machine. Started as `keepalived` it takes keepalived's options.

#![forbid(unsafe_code)]

mod ask;
mod channel;
mod check;
mod control;
mod document;
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
use ui::cli::{Cli, Command, DemoArgs, Fault, RunArgs};

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
        Command::Cib(args) => document::main(&args),
        Command::Demo(args) => return demo(&args),
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

fn demo(args: &DemoArgs) -> ExitCode {
    let binary = match std::env::current_exe() {
        Ok(binary) => binary,
        Err(error) => {
            eprintln!("error: cannot find my own binary: {error}");
            return Exit::Fatal.into();
        }
    };
    lab::demo::run(&lab::demo::Options {
        fault: match args.fault {
            Fault::Crash => lab::demo::Fault::Crash,
            Fault::Cable => lab::demo::Fault::Cable,
            Fault::Stop => lab::demo::Fault::Stop,
            Fault::Return => lab::demo::Fault::Return,
            Fault::All => lab::demo::Fault::All,
        },
        config: args.config.clone(),
        nodes: args.nodes,
        advert: args.advert,
        daemon: lab::demo::Daemon::mainstay(&binary),
        plain: args.plain,
    })
}
