//! The commands that ask a running daemon and print what it says.

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;

use base::{EventId, Name};
use ui::cli::{AskArgs, EventsArgs, MetricsArgs, ReloadArgs, SwitchoverArgs, UpgradeArgs, WhyArgs};
use ui::client::Client;
use ui::metrics::{self, Format};
use ui::protocol::{DEFAULT_SOCKET, EventRecord};
use ui::text;

use crate::cluster;
use crate::exit::Exit;

/// `mainstay status`: of the daemon, and of the cluster node beside it. Where only one of them runs, it
/// alone answers.
pub(crate) fn status(args: &AskArgs) -> Exit {
    let asked = Client::connect(&args.control).and_then(|mut client| client.status());
    let usual = args.control == Path::new(DEFAULT_SOCKET);
    let cluster = Path::new(ui::cluster::DEFAULT_SOCKET);
    let beside = usual && cluster.exists();
    if asked.is_err() && beside {
        return cluster::status_at(cluster, args.json);
    }
    let told = asked.and_then(|status| {
        let page = if args.json { json(&status)? } else { text::status(&status) };
        print(&page)
    });
    match told {
        Ok(()) if beside && !args.json => cluster::status_at(cluster, false),
        told => finish(told),
    }
}

/// `mainstay events`
pub(crate) fn events(args: &EventsArgs) -> Exit {
    finish(Client::connect(&args.ask.control).and_then(|mut client| {
        let mut failed = None;
        let mut show = |record: EventRecord| {
            let line = if args.ask.json {
                json_line(&record)
            } else {
                Ok(text::line(&record.event) + "\n")
            };
            failed = line.and_then(|line| print(&line)).err();
            failed.is_none()
        };
        if args.follow {
            client.follow(show)?;
        } else {
            let _ = client.events()?.into_iter().all(&mut show);
        }
        failed.map_or(Ok(()), Err)
    }))
}

/// `mainstay switchover`
pub(crate) fn switchover(args: &SwitchoverArgs) -> Exit {
    let name = Name::from(args.instance.as_str());
    let asked = Client::connect(&args.control).and_then(|mut client| {
        if args.end {
            client.end_switchover(name)?;
            return Ok(format!("{} preempts again as configured\n", args.instance));
        }
        let followers = client.switchover(name, args.lasts)?;
        let line = |(instance, node): &(Name, IpAddr)| format!("{instance}: {node} follows\n");
        Ok(followers.iter().map(line).collect())
    });
    finish(asked.and_then(|text: String| print(&text)))
}

/// `mainstay reload`
pub(crate) fn reload(args: &ReloadArgs) -> Exit {
    let asked = Client::connect(&args.control).and_then(|mut client| client.reload());
    finish(asked.and_then(|()| print("the configuration is in force\n")))
}

/// `mainstay metrics`
pub(crate) fn metrics(args: &MetricsArgs) -> Exit {
    let format = if args.openmetrics { Format::OpenMetrics } else { Format::Prometheus };
    let asked = Client::connect(&args.control).and_then(|mut client| client.status());
    finish(asked.and_then(|status| {
        let page = metrics::page(&status, format);
        args.output.as_deref().map_or_else(|| print(&page), |file| replace(file, &page))
    }))
}

/// Whoever reads the file meanwhile reads the old page or the new one, never half of one.
fn replace(file: &Path, page: &str) -> Result<(), String> {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", std::process::id()));
    let beside = file.with_file_name(name);
    let written = fs::write(&beside, page).and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        format!("cannot write {}: {error}", file.display())
    })
}

/// `mainstay upgrade`
pub(crate) fn upgrade(args: UpgradeArgs) -> Exit {
    let asked = Client::connect(&args.control)
        .and_then(|mut client| client.upgrade(args.binary))
        .and_then(|()| Client::connect(&args.control)?.status());
    finish(asked.and_then(|status| print(&format!("mainstay {} has taken over\n", status.version))))
}

/// `mainstay why`
pub(crate) fn why(args: &WhyArgs) -> Exit {
    finish(Client::connect(&args.ask.control).and_then(|mut client| {
        let status = client.status()?;
        let events = client.events()?;
        let chosen: Vec<_> = status
            .instances
            .iter()
            .filter(|one| args.instance.as_ref().is_none_or(|name| one.name == **name))
            .collect();
        if let (Some(name), []) = (&args.instance, &chosen[..]) {
            let known: Vec<&str> = status.instances.iter().map(|one| &*one.name).collect();
            return Err(format!("there is no instance `{name}`; there are: {}", known.join(", ")));
        }
        for one in chosen {
            let rival = one.rival.as_ref().and_then(|rival| rival.because);
            if args.ask.json {
                let wanted = one.because.into_iter().chain(rival).collect();
                print(&json(&causes(&events, wanted))?)?;
                continue;
            }
            match one.because {
                Some(id) => {
                    print(&format!("{} is {}:\n{}", one.name, one.state, text::chain(&events, id)))?
                }
                None => print(&format!(
                    "{} is {}: nothing has happened to it yet\n",
                    one.name, one.state
                ))?,
            }
            if let Some(known) = &one.rival {
                let told = rival.map(|id| text::chain(&events, id)).unwrap_or_default();
                print(&format!("{}\n{told}", text::two_holders(known)))?;
            }
        }
        Ok(())
    }))
}

/// These events and everything they followed from, latest first.
fn causes(events: &[EventRecord], mut wanted: Vec<EventId>) -> Vec<&EventRecord> {
    let mut found = Vec::new();
    for record in events.iter().rev() {
        if wanted.contains(&record.event.id) {
            wanted.extend(&record.event.causes);
            found.push(record);
        }
    }
    found
}

fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn json_line(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(value).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// Prints, and takes a closed pipe for the reader's having seen enough.
fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(String::new()),
        other => other.map_err(|error| error.to_string()),
    }
}

fn finish(result: Result<(), String>) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(text) if text.is_empty() => Exit::Ok,
        Err(text) => {
            eprintln!("error: {text}");
            Exit::Fatal
        }
    }
}
