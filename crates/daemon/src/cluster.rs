//! `mainstay cluster`, `mainstay node`, and `mainstay cib` of a running cluster.
//!
//! Thin: what a node is stands in the room `node`, and questions are asked in the words of
//! `ui::cluster`.

use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ::node::hands::{Hands, Here, Places};
use ::node::run::{Event, Options};
use ::node::{home, join, run};
use linux::{Interest, Poll, Signal, Signals, Watchdog};
use ui::cli::{
    ClusterArgs, ClusterAskArgs, ClusterCommand, ClusterRunArgs, EngineWord, InitArgs, InviteArgs,
    JoinArgs, NodeArgs, NodeCommand, Place, PlaceArgs,
};
use ui::cluster::{Change, Client, Request, Response, page};

use crate::document::print;
use crate::exit::Exit;

/// `mainstay cluster`
pub(crate) fn main(args: &ClusterArgs) -> Exit {
    finish(match &args.command {
        ClusterCommand::Init(args) => init(args),
        ClusterCommand::Invite(args) => invite(args),
        ClusterCommand::Join(args) => enter(args),
        ClusterCommand::Run(args) => take_part(args),
        ClusterCommand::Leave(args) => leave(args),
        ClusterCommand::Remove(args) => {
            done(&args.ask, &Request::Remove { node: args.node.clone() })
        }
        ClusterCommand::Status(args) => status(&args.ask.control, args.json),
        ClusterCommand::Tools(args) => tools(&args.directory),
    })
}

/// `mainstay cluster status`, of the node that listens there.
pub(crate) fn status_at(control: &Path, json: bool) -> Exit {
    finish(status(control, json))
}

/// `mainstay node`
pub(crate) fn node(args: &NodeArgs) -> Exit {
    let standby = |node: &str, on| Request::Standby { node: node.into(), on };
    finish(match &args.command {
        NodeCommand::Standby(args) => done(&args.ask, &standby(&args.node, true)),
        NodeCommand::Online(args) => done(&args.ask, &standby(&args.node, false)),
        NodeCommand::Maintenance(args) => {
            done(&args.ask, &Request::Maintenance { node: args.node.clone(), on: !args.off })
        }
    })
}

/// `mainstay cib query`, of the cluster's.
pub(crate) fn query(ask: &ClusterAskArgs, place: &Place) -> Result<Exit, String> {
    let request = Request::Query { scope: place.scope.clone(), xpath: place.xpath.clone() };
    match Client::connect(&ask.control)?.ask(&request)? {
        Response::Found(text) => print(&text),
        other => Err(unexpected(&other)),
    }
}

/// `mainstay cib replace`, of the cluster's.
pub(crate) fn replace(ask: &ClusterAskArgs, place: &Place, xml: String) -> Result<Exit, String> {
    let change = match (&place.xpath, &place.scope) {
        (Some(path), _) => Change::ReplaceAt { path: path.clone(), xml },
        (None, scope) => {
            Change::Replace { scope: scope.clone().unwrap_or_else(|| "cib".into()), xml }
        }
    };
    done(ask, &Request::Change { expect: None, change })
}

/// `mainstay cib patch`, of the cluster's.
pub(crate) fn patch(ask: &ClusterAskArgs, xml: String) -> Result<Exit, String> {
    done(ask, &Request::Change { expect: None, change: Change::Patch { xml } })
}

/// What this machine is called in a cluster: `n1.example.org` is n1, as everybody calls it.
pub(crate) fn host() -> String {
    crate::control::host_name().split('.').next().unwrap_or_default().to_owned()
}

fn name(place: &PlaceArgs) -> String {
    place.name.clone().unwrap_or_else(host)
}

fn init(args: &InitArgs) -> Result<Exit, String> {
    let place = &args.place;
    if args.engine == Some(EngineWord::Corosync) {
        let home = join::init_corosync(&place.home, &name(place), args.lease);
        let home = home.map_err(|error| error.to_string())?;
        return print(&format!(
            "{} is a node of the cluster that this Corosync carries (home {}, key {}).\nBegin each node \
             of its list so, with the same --lease, then run `mainstay cluster run` on all of them.\n",
            home.identity.name,
            home.dir.display(),
            home.key.print()
        ));
    }
    let address =
        args.address.ok_or("name the address by which others reach this node: --address")?;
    let home = join::init(&place.home, &name(place), address, args.lease);
    let home = home.map_err(|error| error.to_string())?;
    print(&format!(
        "{} is the first node of a new cluster (home {}, key {}).\nRun it with `mainstay cluster run`, \
         then `mainstay cluster invite` for each further node.\n",
        home.identity.name,
        home.dir.display(),
        home.key.print()
    ))
}

fn invite(args: &InviteArgs) -> Result<Exit, String> {
    let role = args.role.word().to_owned();
    let request = Request::Invite { role, lifetime_s: args.lifetime };
    match Client::connect(&args.ask.control)?.ask(&request)? {
        Response::Invited { token } => print(&format!("{token}\n")),
        other => Err(unexpected(&other)),
    }
}

fn enter(args: &JoinArgs) -> Result<Exit, String> {
    let place = &args.place;
    let mut line = String::new();
    let token = if args.token == "-" {
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| format!("no token can be read from standard input: {error}"))?;
        &line
    } else {
        &args.token
    };
    let home = join::join(&place.home, &name(place), args.address, token);
    let home = home.map_err(|error| error.to_string())?;
    print(&format!(
        "{} is a member of the cluster now (home {}, key {}); it takes part once `mainstay cluster \
         run` runs here.\n",
        home.identity.name,
        home.dir.display(),
        home.key.print()
    ))
}

fn take_part(args: &ClusterRunArgs) -> Result<Exit, String> {
    let signals = Signals::open(&[Signal::Terminate, Signal::Interrupt]);
    let signals = signals.map_err(|error| format!("signals cannot be had: {error}"))?;
    let home = home::open(&args.home).map_err(|error| error.to_string())?;
    let (send, receive) = mpsc::channel();
    watch(signals, send.clone()).map_err(|error| format!("signals cannot be had: {error}"))?;
    let log = Arc::new(|line: &str| eprintln!("cluster: {line}"));
    let lease = home.identity.founding.lease;
    let tools = crate::tools::for_agents(&args.control);
    let tools = tools.map_err(|why| eprintln!("cluster: agents find no tools: {why}")).ok();
    let fence_agents = args.fence_agents.clone();
    let places = Places { fence_agents, tools, control: args.control.clone() };
    let options = Options { home, control: args.control.clone(), log };
    let (watchdog, waits) = (args.watchdog.clone(), Duration::from_secs(args.watchdog_timeout));
    let hands = move |back| {
        let here = Here::start(back, lease, places.clone())?;
        let at = |path: &PathBuf| {
            let told = |error| io::Error::other(format!("watchdog {}: {error}", path.display()));
            Watchdog::open(path, waits).map_err(told)
        };
        let watchdog = watchdog.as_ref().map(at).transpose()?;
        Ok(Box::new(here.guarded(watchdog)) as Box<dyn Hands>)
    };
    run::run(options, (send, receive), hands).map_err(|error| error.to_string())?;
    Ok(Exit::Ok)
}

fn watch(signals: Signals, events: mpsc::Sender<Event>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.add(&signals, 0, Interest::Read)?;
    let listen = move || {
        while poll.wait(None).is_ok_and(|ready| ready.count() < usize::MAX) {
            while let Ok(Some(_)) = signals.read() {
                if events.send(Event::Stop).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(())
}

fn tools(directory: &Path) -> Result<Exit, String> {
    let at = |error| format!("{}: {error}", directory.display());
    crate::tools::lay_out(directory).map_err(at)?;
    Ok(Exit::Ok)
}

fn leave(args: &ClusterAskArgs) -> Result<Exit, String> {
    let mut client = Client::connect(&args.control)?;
    client.be_patient()?;
    match client.ask(&Request::Leave)? {
        Response::Left => print("this node has left the cluster\n"),
        other => Err(unexpected(&other)),
    }
}

fn status(control: &Path, json: bool) -> Result<Exit, String> {
    let mut client = Client::connect(control)?;
    let status = match client.ask(&Request::Status)? {
        Response::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    let text = match client.ask(&Request::Query { scope: None, xpath: None })? {
        Response::Found(text) => text,
        other => return Err(unexpected(&other)),
    };
    let mut root = ::cib::xml::parse(&text).map_err(|error| error.to_string())?.root;
    ::cib::blank::strip(&mut root);
    let now = crate::tools::now();
    if json {
        let whole = serde_json::to_value(&status).map_err(|error| error.to_string())?;
        let mut whole = whole.as_object().cloned().unwrap_or_default();
        whole.insert("document".into(), pcmk::glance::json(&root, now));
        let text = serde_json::to_string_pretty(&whole).map_err(|error| error.to_string())?;
        return print(&(text + "\n"));
    }
    let fenced = ui::cluster::fencings(&status);
    print(&format!("{}{}{fenced}", page(&status), pcmk::glance::page(&root, now)))
}

fn done(ask: &ClusterAskArgs, request: &Request) -> Result<Exit, String> {
    match Client::connect(&ask.control)?.ask(request)? {
        Response::Done(version) => print(&format!("done: the CIB has version {version}\n")),
        Response::Unchanged => print("nothing had to be done\n"),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Response) -> String {
    format!("the cluster node answered something else than was asked: {answer:?}")
}

fn finish(result: Result<Exit, String>) -> Exit {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        Exit::Fatal
    })
}
