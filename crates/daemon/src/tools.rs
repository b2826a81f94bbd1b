//! Pacemaker's tools by their names, on the cluster this node is in; and the directory in which agents
//! find them.
//!
//! The tools themselves are `pcmk::live`; here is only their door to a running cluster: the control
//! socket, in the words of `ui::cluster`.

mod by_hand;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::cib::dates::WallTime;
use ::cib::edit::Operation;
use ::cib::xml::{self, Element};
use ::node::hands::SOCKET;
use pcmk::failure::Failure;
use pcmk::live::{
    Around, Call, Door, Fencing, Here, NOT_CONNECTED, Opens, Ran, Value, Wish, names,
};
use ui::cluster::{Change, Client, DEFAULT_SOCKET, Request, Response, Status};

/// Where a package lays them out.
const INSTALLED: &str = "/usr/lib/mainstay/tools";

/// The tools that are older than the door: on files and pipes.
const ON_FILES: [&str; 2] = ["crm_simulate", "crm_verify"];

/// Runs a tool, if there is one of this name.
pub(crate) fn main(name: &str, arguments: &[OsString]) -> Option<u8> {
    let host = crate::cluster::host();
    let mut opens = || Live::open(&socket()).map(|door| Box::new(door) as Box<dyn Door>);
    pcmk::live::main(name, arguments, &Around::here(now(), &host), &mut opens)
}

pub(crate) fn now() -> WallTime {
    WallTime(linux::clock::wall().0)
}

fn socket() -> PathBuf {
    let given = std::env::var_os(SOCKET).filter(|it| !it.is_empty());
    given.map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from)
}

/// The document of the cluster here, as a file that only this process has, for as long as it is held.
pub(crate) fn photograph(held: &mut Option<fs::File>) -> Result<PathBuf, Failure> {
    let text = Live::open(&socket())?.cib()?.to_string();
    let path = std::env::temp_dir().join(format!(".mainstay-cib-{}", std::process::id()));
    let make = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        file.write_all(text.as_bytes())?;
        io::Result::Ok(file)
    };
    let file =
        make().map_err(|why| Failure { status: 1, text: format!("{}: {why}", path.display()) })?;
    let name = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    *held = Some(file);
    Ok(name.into())
}

/// Runs one as if it were called by its name, but on the cluster that listens there.
pub(crate) fn on(control: &Path, words: &[&str]) -> pcmk::live::Told {
    let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
    let mut open = || Live::open(control).map(|door| Box::new(door) as Box<dyn Door>);
    let opens: Opens<'_> = &mut open;
    let around = Around { now: now(), ..Around::default() };
    let told = pcmk::live::answer(words[0], &arguments, &around, opens);
    told.unwrap_or(pcmk::live::Told { text: String::new(), errors: Vec::new(), status: 1 })
}

/// Lays out a directory in which all of them are found, as links to this binary.
pub(crate) fn lay_out(directory: &Path) -> io::Result<()> {
    let binary = std::env::current_exe()?;
    fs::create_dir_all(directory)?;
    for name in names().chain(ON_FILES) {
        let link = directory.join(name);
        match fs::read_link(&link) {
            Ok(target) if target == binary => continue,
            // What is no link is somebody's own.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => continue,
            _ => {}
        }
        let beside = directory.join(format!(".{name}.{}", std::process::id()));
        std::os::unix::fs::symlink(&binary, &beside)?;
        fs::rename(&beside, &link)?;
    }
    Ok(())
}

/// The directory in which agents find them: the installed one, or one beside the control socket that is laid
/// out now. Nobody else may be able to change what is found there.
pub(crate) fn for_agents(control: &Path) -> io::Result<PathBuf> {
    let installed = PathBuf::from(INSTALLED);
    if installed.join("crm_attribute").exists() {
        return Ok(installed);
    }
    let beside = std::path::absolute(control)?;
    let directory = beside.parent().unwrap_or(&beside).join("tools");
    lay_out(&directory)?;
    let own = linux::own_uid();
    for (depth, place) in directory.ancestors().enumerate() {
        let meta = fs::metadata(place)?;
        let ours = meta.uid() == 0 || meta.uid() == own;
        let open = meta.mode() & 0o022 != 0;
        // In a directory like /tmp others cannot rename what is ours.
        let sticky = depth > 0 && meta.mode() & 0o1000 != 0;
        if !ours || open && !sticky {
            let why = format!("{} can be changed by others", place.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(directory)
}

/// A conversation with a cluster node, as the tools' door.
pub(crate) struct Live {
    client: Client,
}

impl Live {
    pub(crate) fn open(control: &Path) -> Result<Self, Failure> {
        let client = Client::connect(control)
            .map_err(|text| Failure { status: NOT_CONNECTED, text: format!("error: {text}") })?;
        Ok(Self { client })
    }

    fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        let failed = |status: u8, text: String| Err(Failure { status, text });
        match self.client.hear(request) {
            Ok(Response::Denied(text)) => failed(4, format!("Permission denied ({text})")),
            Ok(Response::NoMember(text)) => failed(105, text),
            Ok(Response::Error(text)) => failed(1, text),
            Ok(answer) => Ok(answer),
            Err(text) => failed(NOT_CONNECTED, text),
        }
    }

    fn done(&mut self, request: &Request) -> Result<(), Failure> {
        self.ask(request).map(|_| ())
    }

    fn status(&mut self) -> Result<Status, Failure> {
        match self.ask(&Request::Status)? {
            Response::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(answer: &Response) -> Failure {
    let text = format!("the cluster node answered something else than was asked: {answer:?}");
    Failure { status: 76, text }
}

/// A change, as it is said over the socket.
fn change(operation: &Operation) -> Change {
    match operation {
        Operation::Create(scope, object) => {
            Change::Create { scope: scope.name().into(), xml: object.to_string() }
        }
        Operation::Modify { scope, object, allow_create } => Change::Modify {
            scope: scope.name().into(),
            xml: object.to_string(),
            allow_create: *allow_create,
        },
        Operation::Replace(scope, object) => {
            Change::Replace { scope: scope.name().into(), xml: object.to_string() }
        }
        Operation::ReplaceAt(path, object) => {
            Change::ReplaceAt { path: path.text().into(), xml: object.to_string() }
        }
        Operation::Delete(scope, object) => {
            Change::Delete { scope: scope.name().into(), xml: object.to_string() }
        }
        Operation::DeleteAt { path, all } => {
            Change::DeleteAt { path: path.text().into(), all: *all }
        }
        Operation::Erase => Change::Erase,
        Operation::Bump => Change::Bump,
        Operation::Patch(patch) => Change::Patch { xml: patch.to_xml().to_string() },
    }
}

impl Door for Live {
    fn cib(&mut self) -> Result<Element, Failure> {
        match self.ask(&Request::Query { scope: None, xpath: None })? {
            Response::Found(text) => {
                let read = xml::parse(&text);
                let mut root =
                    read.map_err(|error| Failure { status: 76, text: error.to_string() })?.root;
                ::cib::blank::strip(&mut root);
                Ok(root)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn change(&mut self, operation: &Operation) -> Result<(), Failure> {
        self.done(&Request::Change { expect: None, change: change(operation) })
    }

    fn set(&mut self, wish: &Wish) -> Result<(), Failure> {
        self.done(&Request::SetAttribute {
            node: wish.node.clone(),
            name: wish.name.clone(),
            value: wish.value.clone(),
            dampen_ms: u64::try_from(wish.dampen.as_millis()).unwrap_or(u64::MAX),
            private: wish.private,
        })
    }

    fn values(&mut self, name: &str, node: Option<&str>) -> Result<Vec<Value>, Failure> {
        let node = node.map(str::to_owned);
        match self.ask(&Request::Attributes { name: name.into(), node })? {
            Response::Attributes(all) => {
                Ok(all.into_iter().map(|(node, value)| Value { node, value }).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    fn here(&mut self) -> Result<Here, Failure> {
        let status = self.status()?;
        let runs = status.members.iter().filter(|it| it.role != "witness");
        let members = runs.map(|it| {
            let id = it.id.as_deref().unwrap_or_default().to_owned();
            (id, it.node.to_string(), it.standing == "alive")
        });
        let own = status.members.iter().find(|it| it.node == status.node);
        Ok(Here {
            node: status.node.to_string(),
            id: own.and_then(|it| it.id.as_deref()).unwrap_or_default().to_owned(),
            quorum: status.quorum,
            dc: status.dc.as_deref().map(str::to_owned),
            members: members.collect(),
            fencings: status.fencings.iter().filter(|it| !it.stale).map(fencing).collect(),
        })
    }

    fn forget(&mut self, node: &str, resource: Option<&str>) -> Result<(), Failure> {
        let (node, resource) = (node.to_owned(), resource.map(str::to_owned));
        self.done(&Request::Forget { node, resource })
    }

    fn absolve(&mut self, node: &str, resource: &str) -> Result<(), Failure> {
        let (node, resource) = (node.to_owned(), resource.to_owned());
        self.done(&Request::Absolve { node, resource })
    }

    fn remove(&mut self, node: &str) -> Result<(), Failure> {
        self.done(&Request::Remove { node: node.to_owned() })
    }

    fn fence(&mut self, node: &str, action: Option<&str>, each: Duration) -> Result<(), Failure> {
        let timeout_ms = u64::try_from(each.as_millis()).unwrap_or(u64::MAX);
        let (node, action) = (node.to_owned(), action.map(str::to_owned));
        self.done(&Request::Fence { node, action, timeout_ms })
    }

    fn run(&mut self, call: &Call) -> Result<Ran, Failure> {
        let node = self.status()?.node;
        by_hand::run(call, &node)
    }
}

fn fencing(it: &ui::cluster::Fencing) -> Fencing {
    Fencing {
        at: it.at,
        node: it.node.clone(),
        action: it.action.clone(),
        origin: it.origin.clone(),
        devices: it.devices.clone(),
        error: it.error.clone(),
    }
}
