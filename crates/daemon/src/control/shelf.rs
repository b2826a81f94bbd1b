//! How a configuration is to be read, and the files it may include.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use conf::{Files, IncludeChecks, Options};
use serde::{Deserialize, Serialize};

/// More than any configuration people write; a device file given by mistake stops here.
const LARGEST: u64 = 256 << 20;

/// How a configuration is to be read: the same at every reload.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// What keepalived shrugs at is a warning.
    pub(crate) lenient: bool,
    /// Leave out what belongs to IPVS.
    pub(crate) skip_ipvs: bool,
    /// What `@id` lines are compared with; `None`: the host's name up to the first dot.
    pub(crate) config_id: Option<String>,
    /// What includes are held to.
    pub(crate) include_checks: IncludeChecks,
}

impl Reading {
    pub(crate) fn options(&self) -> Options {
        Options { lenient: self.lenient, skip_ipvs: self.skip_ipvs }
    }

    pub(crate) fn config_id(&self) -> String {
        self.config_id.clone().unwrap_or_else(|| {
            let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            name.trim().split('.').next().unwrap_or_default().to_owned()
        })
    }
}

/// The directory a file is in, as `${_PWD}` and relative includes have it.
pub(crate) fn directory(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).display().to_string()
}

/// The file system.
pub(crate) struct Shelf;

impl Files for Shelf {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        read(Path::new(path)).map_err(|error| error.to_string())
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn exists(&self, path: &str) -> bool {
        PathBuf::from(path).exists()
    }
}

/// A whole file, unless it is larger than any configuration. There may be keys in it, so from here on
/// what this process frees is overwritten.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, std::io::Error> {
    linux::wiping::wipe_what_is_freed();
    let file = File::open(path)?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LARGEST {
        let why = format!("{} is larger than {LARGEST} octets", path.display());
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}

/// An environment variable, when it is text.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var_os(OsStr::new(name))?.into_string().ok()
}
