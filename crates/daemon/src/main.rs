//! mainstay: keeps virtual IPs served, whatever breaks.
//!
//! One binary. `mainstay run` is the daemon; the other commands ask it, check a file, or show the
//! whole thing on this machine. Started as `keepalived` it takes keepalived's options, started as one of
//! Pacemaker's tools (`crm_mon`, `crm_resource`, ...) that tool's.

#![forbid(unsafe_code)]

mod adverts;
mod ask;
mod channel;
mod check;
mod cluster;
mod control;
mod document;
mod engine;
mod exit;
mod explain;
mod guardian;
mod host;
mod keepalived;
mod mail;
mod messages;
mod passed_over;
mod place;
mod resource;
mod role;
mod rows;
mod run;
mod runner;
mod sensors;
mod shape;
mod simulate;
mod terms;
mod tidy;
mod tools;
mod translate;

use std::alloc::System;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use ui::cli::{Cli, Command, ConfigCommand, DemoArgs, Fault, ReadArgs, RunArgs};

use control::shelf::Reading;
use exit::Exit;
use lab::demo::{ClusterFault, ClusterOptions};
use linux::wiping::WipingAllocator;

/// Whoever reads a configuration leaves nothing of its text in memory.
#[global_allocator]
static MEMORY: WipingAllocator = WipingAllocator(System);

fn main() -> ExitCode {
    exit::of(play)
}

fn play() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = role::play(&arguments) {
        return exit.into();
    }
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    if name == Some(OsStr::new("keepalived")) {
        return keepalived::main(arguments).into();
    }
    if name == Some(OsStr::new("crm_simulate")) {
        return simulate::as_crm_simulate(&arguments);
    }
    if name == Some(OsStr::new("crm_verify")) {
        return simulate::as_crm_verify(&arguments);
    }
    if let Some(status) =
        name.and_then(OsStr::to_str).and_then(|name| tools::main(name, &arguments))
    {
        return ExitCode::from(status);
    }
    let exit = match Cli::parse().command {
        Command::Run(args) => run(args),
        Command::Check(args) => check::nodes(&check::Asked {
            files: args.files,
            json: args.json,
            host: args.host,
            reading: reading(args.read),
        }),
        Command::Explain(args) => explain::explain(&args.word),
        Command::Config(args) => match args.command {
            ConfigCommand::Show(args) => {
                explain::show(&args.file, args.effective, &reading(args.read))
            }
        },
        Command::Status(args) => ask::status(&args),
        Command::Events(args) => ask::events(&args),
        Command::Metrics(args) => ask::metrics(&args),
        Command::Why(args) => ask::why(&args),
        Command::Switchover(args) => ask::switchover(&args),
        Command::Reload(args) => ask::reload(&args),
        Command::Upgrade(args) => ask::upgrade(args),
        Command::Cib(args) => document::main(&args),
        Command::Cluster(args) => cluster::main(&args),
        Command::Node(args) => cluster::node(&args),
        Command::Resource(args) => resource::main(&args),
        Command::Demo(args) => return demo(&args),
        Command::Simulate(args) => return simulate::simulate(&args),
    };
    exit.into()
}

fn reading(args: ReadArgs) -> Reading {
    Reading {
        lenient: args.lenient,
        skip_ipvs: args.skip_ipvs,
        config_id: args.config_id,
        ..Reading::default()
    }
}

fn run(args: RunArgs) -> Exit {
    guardian::run(run::Start {
        file: args.file,
        control: args.control,
        control_optional: false,
        pid_files: args.pid_file.into_iter().collect(),
        namespace: None,
        snmp: None,
        reading: reading(args.read),
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
    if args.cluster {
        return demo_cluster(args, binary);
    }
    lab::demo::run(&lab::demo::Options {
        fault: match args.fault {
            Fault::Crash => lab::demo::Fault::Crash,
            Fault::Cable => lab::demo::Fault::Cable,
            Fault::Stop => lab::demo::Fault::Stop,
            Fault::Return => lab::demo::Fault::Return,
            Fault::All => lab::demo::Fault::All,
            Fault::Hang | Fault::OneWay => {
                eprintln!("error: this fault is shown with --cluster");
                return Exit::Fatal.into();
            }
        },
        config: args.config.clone(),
        nodes: args.nodes,
        advert: args.advert,
        daemon: lab::demo::Daemon::mainstay(&binary),
        plain: args.plain,
    })
}

fn demo_cluster(args: &DemoArgs, binary: PathBuf) -> ExitCode {
    let fault = match args.fault {
        Fault::Crash => ClusterFault::Crash,
        Fault::Hang => ClusterFault::Hang,
        Fault::Cable => ClusterFault::Cable,
        Fault::OneWay => ClusterFault::OneWay,
        Fault::Stop => ClusterFault::Stop,
        Fault::All => ClusterFault::All,
        Fault::Return => {
            eprintln!("error: with --cluster whoever was fenced comes back in every chapter");
            return Exit::Fatal.into();
        }
    };
    lab::demo::run_cluster(&ClusterOptions { fault, binary, plain: args.plain })
}
