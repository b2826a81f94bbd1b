//! The tools that ask a cluster, or a CIB in a file, by the names that agents, pcs and people know:
//! one module each.
//!
//! A tool is a function from a command line and a [`Door`] to what is [`Said`]. Behind the door stands
//! a running cluster (the daemon's), or a file that `CIB_file` or `CIB_shadow` names ([`file`]); who
//! stands there makes no difference to what a tool does, only to what it can reach. What a tool will
//! change is tried on the document first: so what cannot be done ends with the number scripts expect,
//! and nothing is proposed that would be refused.

pub mod attribute;
pub mod cibadmin;
pub mod fencing;
pub mod file;
pub mod monitor;
pub mod node;
pub(crate) mod pairs;
mod presence;
pub mod resource;
pub mod updater;
mod words;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cib::dates::WallTime;
use cib::edit::{self, Operation};
use cib::xml::Element;

use crate::failure::Failure;

/// What a tool reaches.
pub trait Door {
    /// The document, as far as the one who asks may see it.
    ///
    /// # Errors
    /// When it cannot be had.
    fn cib(&mut self) -> Result<Element, Failure>;

    /// Changes it.
    ///
    /// # Errors
    /// When it is refused, or nobody is there to agree.
    fn change(&mut self, operation: &Operation) -> Result<(), Failure>;

    /// Sets transient attributes of nodes, or takes them away.
    ///
    /// # Errors
    /// When it is refused.
    fn set(&mut self, wish: &Wish) -> Result<(), Failure>;

    /// What nodes have under a name, or one of them: also what waits to be written, or never is.
    ///
    /// # Errors
    /// When it cannot be had.
    fn values(&mut self, name: &str, node: Option<&str>) -> Result<Vec<Value>, Failure>;

    /// The cluster as it is; a file has none.
    ///
    /// # Errors
    /// When there is nobody to tell it.
    fn here(&mut self) -> Result<Here, Failure>;

    /// Forgets what was done with a resource on a node, so that it is looked at anew; none: with all.
    ///
    /// # Errors
    /// When it is refused.
    fn forget(&mut self, node: &str, resource: Option<&str>) -> Result<(), Failure>;

    /// Forgets the failures of a resource on a node.
    ///
    /// # Errors
    /// When it is refused.
    fn absolve(&mut self, node: &str, resource: &str) -> Result<(), Failure>;

    /// Has a node removed that will not come back.
    ///
    /// # Errors
    /// When it is refused.
    fn remove(&mut self, node: &str) -> Result<(), Failure>;

    /// Has a node fenced (`off`, `reboot`, `on`); none: takes it for down, on the word of who asks. What
    /// comes of it is among the fencings of [`Door::here`].
    ///
    /// # Errors
    /// When it is refused.
    fn fence(&mut self, node: &str, action: Option<&str>, each: Duration) -> Result<(), Failure>;

    /// Runs an agent's action here and now, whatever the cluster does.
    ///
    /// # Errors
    /// When there is nothing to be run.
    fn run(&mut self, call: &Call) -> Result<Ran, Failure>;
}

/// An agent's action that is to be run by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The resource.
    pub resource: String,
    /// Class, provider (empty if there is none) and type of its agent.
    pub agent: [String; 3],
    /// `start`, `stop`, `monitor` …
    pub action: String,
    /// Parameters, and meta attributes as `CRM_meta_…`.
    pub parameters: Vec<(String, String)>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// The exit code.
    pub rc: i32,
    /// What the agent gave as its reason.
    pub reason: String,
    /// What it wrote on standard error.
    pub lines: Vec<String>,
}

/// A transient attribute as it is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Whose.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its value; none: it goes.
    pub value: Option<String>,
    /// How long it may wait for others.
    pub dampen: Duration,
    /// Whether it is never written into the document.
    pub private: bool,
}

/// A transient attribute as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// Whose.
    pub node: String,
    /// Its value.
    pub value: String,
}

/// A cluster, seen from one of its nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Here {
    /// That node.
    pub node: String,
    /// Its id in the document.
    pub id: String,
    /// Whether it has quorum.
    pub quorum: bool,
    /// Who directs.
    pub dc: Option<String>,
    /// All members that run resources: id, name, and whether they take part.
    pub members: Vec<(String, String, bool)>,
    /// The fencings of late, the oldest first.
    pub fencings: Vec<Fencing>,
}

/// One fencing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fencing {
    /// Seconds since 1970.
    pub at: u64,
    /// Who was fenced.
    pub node: String,
    /// `off`, `reboot` or `on`.
    pub action: String,
    /// Who asked.
    pub origin: String,
    /// By which devices.
    pub devices: Vec<String>,
    /// What went wrong; none: it is done.
    pub error: Option<String>,
}

/// What a tool has to say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// On standard output.
    pub text: String,
    /// The same in the frame of `--output-as xml`.
    pub content: Vec<Element>,
    /// On standard error, line by line.
    pub errors: Vec<String>,
    /// How it ends.
    pub status: u8,
}

impl Said {
    /// A text and nothing else.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl From<Failure> for Said {
    fn from(failure: Failure) -> Self {
        Self { errors: vec![failure.text], status: failure.status, ..Self::default() }
    }
}

/// What a tool finds around it.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The present.
    pub now: WallTime,
    /// The resource whose agent calls, if one does.
    pub resource: Option<String>,
    /// The node that agent works for.
    pub on_node: Option<String>,
    /// What the host is called.
    pub host: String,
}

impl Around {
    /// From the environment of this process.
    #[must_use]
    pub fn here(now: WallTime, host: &str) -> Self {
        let given = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        Self {
            now,
            resource: given("OCF_RESOURCE_INSTANCE"),
            on_node: given("OCF_RESKEY_CRM_meta_on_node"),
            host: host.to_owned(),
        }
    }
}

/// Opens the door, when a tool needs what is behind.
pub type Opens<'a> = &'a mut dyn FnMut() -> Result<Box<dyn Door>, Failure>;

/// Makes a file of what the cluster here says, for tools that read one.
pub type Live<'a> = &'a mut dyn FnMut() -> Result<PathBuf, Failure>;

/// The same where there is no cluster.
///
/// # Errors
/// Always.
pub fn no_cluster() -> Result<PathBuf, Failure> {
    let text = "no cluster is running here; name a CIB with -x FILE or in CIB_file".into();
    Err(Failure { status: NOT_CONNECTED, text })
}

type Tool = fn(&[OsString], &Around, Opens<'_>) -> Answered;

/// The tools, by name.
const TOOLS: [(&str, Tool); 11] = [
    ("attrd_updater", updater::run),
    ("cibadmin", cibadmin::run),
    ("crm_attribute", attribute::run),
    ("crm_failcount", attribute::fail_count),
    ("crm_master", attribute::master),
    ("crm_mon", monitor::run),
    ("crm_node", node::run),
    ("crm_resource", resource::run),
    ("crm_standby", attribute::standby),
    ("pacemakerd", presence::run),
    ("stonith_admin", fencing::run),
];

/// What a tool has come to, and in which form it is to be told.
pub struct Answered {
    said: Said,
    answer: crate::answer::Answer,
}

/// All names that [`main`] answers to.
pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|(name, _)| *name)
}

/// Runs the tool of a name, if there is one: what it writes on standard output (or into the file that
/// it was told), on standard error, and its exit status.
#[must_use]
pub fn answer(
    name: &str,
    arguments: &[OsString],
    around: &Around,
    opens: Opens<'_>,
) -> Option<Told> {
    let (_, tool) = TOOLS.iter().find(|(known, _)| *known == name)?;
    let Answered { said, answer } = tool(arguments, around, opens);
    let errors = if answer.is_xml() { Vec::new() } else { said.errors.clone() };
    let status = said.status;
    Some(match answer.write(&said, arguments) {
        Ok(text) => Told { text, errors, status },
        Err(error) => Told {
            text: String::new(),
            errors: vec![format!("{name}: {error}")],
            status: status.max(1),
        },
    })
}

/// The same for a process: it writes; its exit status. `opens` is asked for a cluster unless the
/// environment names a file.
#[must_use]
pub fn main(
    name: &str,
    arguments: &[OsString],
    around: &Around,
    opens: &mut dyn FnMut() -> Result<Box<dyn Door>, Failure>,
) -> Option<u8> {
    let mut chosen = || match file::named() {
        Some(path) => file::File::open(&path).map(|file| Box::new(file) as Box<dyn Door>),
        None => opens(),
    };
    let told = answer(name, arguments, around, &mut chosen)?;
    for line in &told.errors {
        eprintln!("{line}");
    }
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough is no error.
    let _ = out.write_all(told.text.as_bytes()).and_then(|()| out.flush());
    Some(told.status)
}

/// What a tool came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// On standard output.
    pub text: String,
    /// On standard error.
    pub errors: Vec<String>,
    /// How it ends.
    pub status: u8,
}

/// How it ends that the document does not have something.
pub(crate) const NO_SUCH: u8 = 105;
/// How it ends that it has it already.
pub(crate) const EXISTS: u8 = 108;
/// How it ends that no cluster can be reached.
pub const NOT_CONNECTED: u8 = 102;

/// What an error of an edit is to Pacemaker's tools: status, and the words they use.
pub(crate) fn refused(error: &edit::Error) -> (u8, &'static str) {
    match error {
        edit::Error::NotFound(_) | edit::Error::NoSection(_) => {
            (NO_SUCH, "No such device or address")
        }
        edit::Error::Exists(_) => (EXISTS, "File exists"),
        edit::Error::Older { .. } => (103, "Update was older than existing configuration"),
        edit::Error::Invalid(_) => (78, "Update does not conform to the configured schema"),
        edit::Error::Patch(_) => (1, "Application of update diff failed, requesting full refresh"),
        edit::Error::Version(_) | edit::Error::Root => (65, "Invalid argument"),
    }
}

/// Tries an operation on a document, then has it done.
pub(crate) fn perform(
    door: &mut dyn Door,
    cib: &Element,
    operation: &Operation,
) -> Result<(), Failure> {
    edit::perform(cib, operation).map_err(|error| {
        let (status, words) = refused(&error);
        Failure { status, text: format!("{words} ({error})") }
    })?;
    door.change(operation)
}

/// The id of the node of a name (or of an id), as the document knows it.
pub(crate) fn node_id(cib: &Element, name: &str) -> Option<(String, String)> {
    let configuration = cib.child("configuration")?;
    let nodes = configuration.child("nodes").into_iter().flat_map(|it| it.named("node"));
    for node in nodes {
        let (Some(id), uname) = (node.id(), node.get("uname")) else { continue };
        let uname = uname.unwrap_or(id);
        if uname.eq_ignore_ascii_case(name) || id == name {
            return Some((id.to_owned(), uname.to_owned()));
        }
    }
    let states = cib.child("status").into_iter().flat_map(|it| it.named("node_state"));
    let known = states
        .filter(|state| state.get("uname").is_some_and(|uname| uname.eq_ignore_ascii_case(name)));
    known.filter_map(|it| Some((it.id()?.to_owned(), it.get("uname")?.to_owned()))).next()
}

/// A number of seconds, or a time span with its unit.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let millis = cib::value::milliseconds(text)?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// What a tool says when it is asked for its version.
fn version() -> String {
    format!("Pacemaker 2.1.5 (as mainstay {} speaks it)\n", env!("CARGO_PKG_VERSION"))
}

/// Whether there is a file of this name (for the environment's).
fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|it| it.is_file())
}
