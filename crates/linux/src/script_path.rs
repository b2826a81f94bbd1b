//! May this script be run with our rights? Only if nobody but root could have put it there or could
//! replace it.
//!
//! That is a question about the whole path: whoever may write to a directory can exchange what lies
//! in it, and whoever owns a symbolic link decides where it leads. So every component is looked at,
//! and those of every link on the way. A sticky directory (`/tmp`) is refused like any other that
//! all may write to: it protects the script that is there, but not the name once it is gone.
//!
//! The answer names the first component at fault and the right that is wrong, for the cure is one
//! `chown` or `chmod` and people should not have to guess which. It holds for the moment it was
//! given: check when the configuration is loaded and again before each start.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, stat, statat,
};
use rustix::io::Errno;

use crate::users::Identity;

/// As many symbolic links as the kernel itself follows (`path_resolution(7)`).
const LINKS: u32 = 40;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const ANYBODY_RUNS: u32 = 0o111;
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;

/// What is wrong with a script's path.
#[derive(Debug, thiserror::Error)]
pub enum ScriptPathError {
    /// It depends on where we run.
    #[error("`{0}` is not an absolute path")]
    NotAbsolute(PathBuf),
    /// A component cannot be looked at.
    #[error("`{at}`: {source}")]
    Missing {
        /// The component.
        at: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A component is not root's.
    #[error("`{at}` belongs to user {uid}, not to root")]
    Owner {
        /// The component.
        at: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others than root may change a component.
    #[error("`{at}` (mode {mode:04o}) can be written to by {who}")]
    Writable {
        /// The component.
        at: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Who: `its group` or `everybody`.
        who: &'static str,
    },
    /// A component before the last is not a directory.
    #[error("`{0}` is not a directory")]
    NotADirectory(PathBuf),
    /// The end of the path is not a regular file.
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    /// Nobody may execute it.
    #[error("`{at}` (mode {mode:04o}) is not executable")]
    NotExecutable {
        /// The file.
        at: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Links lead in a circle, or nearly so.
    #[error("`{0}` leads through more than {LINKS} symbolic links")]
    TooManyLinks(PathBuf),
}

/// A script, and the way to it as it was found: every component is held open, so that none of them
/// can be exchanged for another without being noticed, nor its number be given to another.
#[derive(Debug)]
pub struct ScriptFile {
    /// As it was asked for.
    path: PathBuf,
    /// Without links.
    resolved: PathBuf,
    way: Vec<Step>,
}

/// One component.
#[derive(Debug)]
struct Step {
    /// The directory it lies in, as a place in the way; the root lies in none.
    parent: Option<usize>,
    name: CString,
    fd: OwnedFd,
    /// Device and number.
    file: (u64, u64),
}

impl ScriptFile {
    /// Walks to a script, component by component, each from the descriptor of the one before, and
    /// looks at what each descriptor holds.
    ///
    /// # Errors
    /// The first thing that is wrong, see [`ScriptPathError`].
    pub fn open(path: &Path) -> Result<Self, ScriptPathError> {
        if !path.is_absolute() {
            return Err(ScriptPathError::NotAbsolute(path.to_owned()));
        }
        let mut links = 0;
        let mut file = Self { path: path.to_owned(), resolved: "/".into(), way: Vec::new() };
        let mut ahead = components(path);
        let mut last = file.step(None, OsStr::new("/"))?;
        // The directories we are in, from the root on.
        let mut inside = vec![0];
        while let Some(name) = ahead.pop_front() {
            if !is(&last, FileType::Directory) {
                return Err(ScriptPathError::NotADirectory(file.resolved));
            }
            if name == ".." {
                file.resolved.pop();
                inside.truncate(inside.len().saturating_sub(1).max(1));
                continue;
            }
            file.resolved.push(&name);
            let found = file.step(inside.last().copied(), &name)?;
            let at = file.way.len() - 1;
            if !is(&found, FileType::Symlink) {
                last = found;
                inside.push(at);
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(ScriptPathError::TooManyLinks(path.to_owned()));
            }
            // What it says, asked of the link that was looked at.
            let target = readlinkat(&file.way[at].fd, c"", Vec::new())
                .map_err(|error| file.missing(error.into()))?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            file.resolved.pop();
            if target.is_absolute() {
                file.resolved = "/".into();
                inside.truncate(1);
            }
            let mut way = components(&target);
            way.append(&mut ahead);
            ahead = way;
        }
        let mode = last.st_mode & 0o7777;
        if !is(&last, FileType::RegularFile) {
            Err(ScriptPathError::NotAFile(file.resolved))
        } else if mode & ANYBODY_RUNS == 0 {
            Err(ScriptPathError::NotExecutable { at: file.resolved, mode })
        } else {
            Ok(file)
        }
    }

    /// Opens and looks at one component, not through it; it is the last step of the way then.
    fn step(&mut self, parent: Option<usize>, name: &OsStr) -> Result<Stat, ScriptPathError> {
        let name = CString::new(name.as_bytes())
            .map_err(|_| self.missing(io::ErrorKind::InvalidInput.into()))?;
        let here = parent.map_or(CWD, |parent| self.way[parent].fd.as_fd());
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Asking for a directory has one that is mounted on demand mounted.
        let opened = match openat(here, &name, flags | OFlags::DIRECTORY, Mode::empty()) {
            Err(Errno::NOTDIR) => openat(here, &name, flags, Mode::empty()),
            opened => opened,
        };
        let looked = opened.and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (found, fd) = looked.map_err(|error| self.missing(error.into()))?;
        let at = || self.resolved.clone();
        match fault(&found) {
            Some(Fault::Owner) => {
                return Err(ScriptPathError::Owner { at: at(), uid: found.st_uid });
            }
            Some(Fault::Writable(who)) => {
                let mode = found.st_mode & 0o7777;
                return Err(ScriptPathError::Writable { at: at(), mode, who });
            }
            None => {}
        }
        self.way.push(Step { parent, name, fd, file: (found.st_dev, found.st_ino) });
        Ok(found)
    }

    fn missing(&self, source: io::Error) -> ScriptPathError {
        ScriptPathError::Missing { at: self.resolved.clone(), source }
    }

    /// As it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file it led to, without links.
    #[must_use]
    pub fn resolved(&self) -> &Path {
        &self.resolved
    }

    /// The file itself, whatever its name leads to by now.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.way.last().map(|step| step.fd.as_fd())
    }

    /// Walks the way again: every name leads to what it led to, and nobody can change that.
    ///
    /// Makes system calls only, so that a forked child can ask as the last thing it does.
    ///
    /// # Errors
    /// `ESTALE` if something is another or has become unsafe.
    pub(crate) fn is_still_so(&self) -> io::Result<()> {
        for step in &self.way {
            let here = step.parent.map_or(CWD, |parent| self.way[parent].fd.as_fd());
            let found = statat(here, step.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
            if (found.st_dev, found.st_ino) != step.file || fault(&found).is_some() {
                return Err(io::Error::from_raw_os_error(libc::ESTALE));
            }
        }
        Ok(())
    }

    /// Whether it is a program for the processor, which needs no other to read it by its name.
    pub(crate) fn is_native(&self) -> bool {
        let Some(fd) = self.fd() else { return false };
        let again = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let mut magic = [0; 4];
        open(again, flags, Mode::empty())
            .is_ok_and(|fd| File::from(fd).read_exact(&mut magic).is_ok() && magic == *b"\x7fELF")
    }
}

/// Checks a script's path; gives the file it leads to, without links.
///
/// # Errors
/// The first thing that is wrong, see [`ScriptPathError`].
pub fn check_script_path(path: &Path) -> Result<PathBuf, ScriptPathError> {
    ScriptFile::open(path).map(|file| file.resolved)
}

/// Whether what is run like this has rights of root's: because it runs as root or in its group, or
/// because the file itself gives them. `identity`: as whom; `None`: as we are.
#[must_use]
pub fn runs_with_rights_of_root(path: &Path, identity: Option<&Identity>) -> bool {
    let Some(identity) = identity else { return true };
    if identity.uid == 0 || identity.gid == 0 || identity.groups.contains(&0) {
        return true;
    }
    stat(path).is_ok_and(|found| {
        let has = |bit| found.st_mode & bit != 0;
        has(SET_USER) && found.st_uid == 0 || has(SET_GROUP) && found.st_gid == 0
    })
}

/// The names of a path, `..` among them: where that leads is only known after following links.
fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

fn is(found: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(found.st_mode) == kind
}

/// Who else could change a component.
enum Fault {
    /// It is not root's.
    Owner,
    /// These may write to it.
    Writable(&'static str),
}

/// What is wrong with a component. Rights by list (`acl(5)`) show in the bits of the group.
fn fault(found: &Stat) -> Option<Fault> {
    if found.st_uid != 0 {
        return Some(Fault::Owner);
    }
    match found.st_mode {
        // The bits of a link mean nothing; its owner alone can change it.
        _ if is(found, FileType::Symlink) => None,
        mode if mode & OTHERS_WRITE != 0 => Some(Fault::Writable("everybody")),
        mode if mode & GROUP_WRITES != 0 => Some(Fault::Writable("its group")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
