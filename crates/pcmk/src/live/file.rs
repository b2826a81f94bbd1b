//! A CIB in a file in the place of a cluster: `CIB_file`, or a shadow copy that `CIB_shadow` names.
//!
//! Transient attributes are written into its status; there is nobody to ask who leads, or to fence.

use std::fs;
use std::path::{Path, PathBuf};

use cib::edit::{self, Operation, Scope};
use cib::xml::{self, Element};

use super::{Call, Door, Here, NO_SUCH, NOT_CONNECTED, Ran, Value, Wish, node_id, pairs, refused};
use crate::failure::Failure;
use std::time::Duration;

/// Where shadow copies are.
const SHADOWS: &str = "/var/lib/pacemaker/cib";

/// The file the environment names, if it names one.
pub(super) fn named() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty());
    if let Some(shadow) = given("CIB_shadow") {
        let place = given("CIB_shadow_dir").map_or_else(|| SHADOWS.into(), PathBuf::from);
        return Some(place.join(format!("shadow.{}", shadow.to_string_lossy())));
    }
    given("CIB_file").map(PathBuf::from)
}

/// The file.
pub struct File {
    path: PathBuf,
    cib: Element,
}

impl File {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, or is no CIB.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            let missing = !super::is_file(path) && error.kind() == std::io::ErrorKind::NotFound;
            let status = if missing { NO_SUCH } else { 1 };
            Failure { status, text: format!("{name}: {error}") }
        })?;
        let root = xml::parse(&text).map_err(|error| Failure::unreadable(&name, &error))?.root;
        if root.name() != "cib" {
            return Err(Failure::no_cib(&name, root.name()));
        }
        Ok(Self { path: path.to_owned(), cib: root })
    }
}

fn nobody() -> Failure {
    Failure {
        status: NOT_CONNECTED,
        text: "this is a CIB in a file (CIB_file): there is no cluster to ask".into(),
    }
}

impl Door for File {
    fn cib(&mut self) -> Result<Element, Failure> {
        Ok(self.cib.clone())
    }

    fn change(&mut self, operation: &Operation) -> Result<(), Failure> {
        let new = edit::perform(&self.cib, operation).map_err(|error| {
            let (status, words) = refused(&error);
            Failure { status, text: format!("{words} ({error})") }
        })?;
        let beside = self.path.with_extension(format!("{}.new", std::process::id()));
        let written =
            fs::write(&beside, new.pretty()).and_then(|()| fs::rename(&beside, &self.path));
        if let Err(error) = written {
            // Nothing is lost if it cannot be removed either.
            let _ = fs::remove_file(&beside);
            return Err(Failure::saving(&self.path, &error));
        }
        self.cib = new;
        Ok(())
    }

    fn set(&mut self, wish: &Wish) -> Result<(), Failure> {
        if wish.private {
            return Err(nobody());
        }
        let (id, uname) = node_id(&self.cib, &wish.node).ok_or_else(|| Failure {
            status: NO_SUCH,
            text: format!("there is no node {}", wish.node),
        })?;
        let place = pairs::Place::transient(&id, &uname);
        let known = place.find(&self.cib, &wish.name, None);
        let operation = match (&wish.value, known.first()) {
            (Some(value), _) => place.put(&self.cib, &wish.name, value, None, None),
            (None, Some(found)) => place.take(&found.id),
            (None, None) => return Ok(()),
        };
        self.change(&operation)
    }

    fn values(&mut self, name: &str, node: Option<&str>) -> Result<Vec<Value>, Failure> {
        let states = self.cib.child("status").into_iter().flat_map(|it| it.named("node_state"));
        let mut values = Vec::new();
        for state in states {
            let (Some(id), Some(uname)) = (state.id(), state.get("uname")) else { continue };
            if node.is_some_and(|node| node != uname && node != id) {
                continue;
            }
            let found = pairs::Place::transient(id, uname).find(&self.cib, name, None);
            let value = |it: pairs::Found| Value { node: uname.to_owned(), value: it.value };
            values.extend(found.into_iter().map(value));
        }
        Ok(values)
    }

    fn here(&mut self) -> Result<Here, Failure> {
        Err(nobody())
    }

    fn forget(&mut self, node: &str, resource: Option<&str>) -> Result<(), Failure> {
        let Some((id, _)) = node_id(&self.cib, node) else { return Ok(()) };
        let only = resource.map_or_else(String::new, |it| format!("[@id='{it}']"));
        let path = format!("/cib/status/node_state[@id='{id}']//lrm_resource{only}");
        let path = cib::xpath::XPath::parse(&path)
            .map_err(|error| Failure { status: 65, text: error.to_string() })?;
        self.change(&Operation::DeleteAt { path, all: true })
    }

    fn absolve(&mut self, node: &str, resource: &str) -> Result<(), Failure> {
        let Some((id, uname)) = node_id(&self.cib, node) else { return Ok(()) };
        let place = pairs::Place::transient(&id, &uname);
        let about = [format!("fail-count-{resource}#"), format!("last-failure-{resource}#")];
        for found in place.all(&self.cib) {
            if about.iter().any(|prefix| found.name.starts_with(prefix)) {
                self.change(&place.take(&found.id))?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, _: &str) -> Result<(), Failure> {
        Err(nobody())
    }

    fn fence(&mut self, _: &str, _: Option<&str>, _: Duration) -> Result<(), Failure> {
        Err(nobody())
    }

    fn run(&mut self, _: &Call) -> Result<Ran, Failure> {
        Err(nobody())
    }
}

/// A scope of this name; those used here exist.
pub(super) fn scope(name: &str) -> Scope {
    Scope::named(name).unwrap_or(Scope::CIB)
}
