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
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

/// As many symbolic links as the kernel itself follows (`path_resolution(7)`).
const LINKS: u32 = 40;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const ANYBODY_RUNS: u32 = 0o111;

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

/// Checks a script's path; gives the file it leads to, without links.
///
/// # Errors
/// The first thing that is wrong, see [`ScriptPathError`].
pub fn check_script_path(path: &Path) -> Result<PathBuf, ScriptPathError> {
    if !path.is_absolute() {
        return Err(ScriptPathError::NotAbsolute(path.to_owned()));
    }
    let mut links = 0;
    let mut at = PathBuf::from("/");
    let mut ahead = components(path);
    let mut last = look(&at)?;
    while let Some(name) = ahead.pop_front() {
        if !last.is_dir() {
            return Err(ScriptPathError::NotADirectory(at));
        }
        if name == ".." {
            at.pop();
            last = look(&at)?;
            continue;
        }
        at.push(name);
        last = look(&at)?;
        if !last.is_symlink() {
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(ScriptPathError::TooManyLinks(path.to_owned()));
        }
        let target = fs::read_link(&at)
            .map_err(|source| ScriptPathError::Missing { at: at.clone(), source })?;
        at.pop();
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        last = look(&at)?;
        let mut way = components(&target);
        way.append(&mut ahead);
        ahead = way;
    }
    let mode = last.mode() & 0o7777;
    if !last.is_file() {
        Err(ScriptPathError::NotAFile(at))
    } else if mode & ANYBODY_RUNS == 0 {
        Err(ScriptPathError::NotExecutable { at, mode })
    } else {
        Ok(at)
    }
}

/// The names of a path, `..` among them: where that leads is only known after following links.
fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// Looks at one component, not through it.
fn look(at: &Path) -> Result<fs::Metadata, ScriptPathError> {
    let at = at.to_owned();
    let found = match fs::symlink_metadata(&at) {
        Ok(found) => found,
        Err(source) => return Err(ScriptPathError::Missing { at, source }),
    };
    if found.uid() != 0 {
        return Err(ScriptPathError::Owner { at, uid: found.uid() });
    }
    let mode = found.mode() & 0o7777;
    // The bits of a link mean nothing; its owner alone can change it.
    let who = match mode {
        _ if found.is_symlink() => return Ok(found),
        mode if mode & OTHERS_WRITE != 0 => "everybody",
        mode if mode & GROUP_WRITES != 0 => "its group",
        _ => return Ok(found),
    };
    Err(ScriptPathError::Writable { at, mode, who })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;
    use crate::testing::is_root;

    /// A directory nobody but root can write to, all the way up: not below /tmp.
    struct Safe(PathBuf);

    impl Safe {
        fn new(name: &str) -> Option<Self> {
            let path = Path::new("/run").join(format!("mainstay-{name}-{}", std::process::id()));
            if !is_root() || look(Path::new("/run")).is_err() {
                println!("skipped: no place that only root can write to");
                return None;
            }
            fs::create_dir(&path).unwrap();
            let safe = Safe(path);
            safe.mode("", 0o755);
            fs::create_dir(safe.at("d")).unwrap();
            safe.mode("d", 0o755);
            fs::write(safe.at("d/run"), "#!/bin/sh\n").unwrap();
            safe.mode("d/run", 0o755);
            Some(safe)
        }

        fn at(&self, name: &str) -> PathBuf {
            if name.is_empty() { self.0.clone() } else { self.0.join(name) }
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn check(&self, name: &str) -> Result<PathBuf, ScriptPathError> {
            check_script_path(&self.at(name))
        }
    }

    impl Drop for Safe {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_safe_script_is_found_directly_and_through_links() {
        let Some(safe) = Safe::new("good") else { return };
        let run = safe.at("d/run");
        assert_eq!(safe.check("d/run").unwrap(), run);
        symlink("d/run", safe.at("relative")).unwrap();
        symlink(&run, safe.at("absolute")).unwrap();
        symlink("../absolute", safe.at("d/chain")).unwrap();
        for link in ["relative", "absolute", "d/chain", "d/../d/./run"] {
            assert_eq!(safe.check(link).unwrap(), run, "{link}");
        }
    }

    #[test]
    fn whoever_can_write_is_named_with_the_component() {
        let Some(safe) = Safe::new("writable") else { return };
        let cases = [
            ("d/run", 0o775, "its group"),
            ("d/run", 0o757, "everybody"),
            ("d", 0o775, "its group"),
            ("d", 0o777, "everybody"),
            ("d", 0o1777, "everybody"),
            ("", 0o777, "everybody"),
        ];
        for (name, bits, expected) in cases {
            safe.mode(name, bits);
            match safe.check("d/run").unwrap_err() {
                ScriptPathError::Writable { at, mode, who } => {
                    assert_eq!((at, mode, who), (safe.at(name), bits, expected));
                }
                other => panic!("{other}"),
            }
            safe.mode(name, 0o755);
        }
        assert!(safe.check("d/run").is_ok());
    }

    #[test]
    fn a_foreign_owner_is_named_even_of_a_link_on_the_way() {
        let Some(safe) = Safe::new("owner") else { return };
        let foreign = |name: &str| match safe.check(name).unwrap_err() {
            ScriptPathError::Owner { at, uid } => (at, uid),
            other => panic!("{other}"),
        };
        symlink("d", safe.at("link")).unwrap();
        std::os::unix::fs::lchown(safe.at("link"), Some(1234), None).unwrap();
        assert_eq!(foreign("link/run"), (safe.at("link"), 1234));
        chown(safe.at("d"), Some(77), None).unwrap();
        assert_eq!(foreign("d/run"), (safe.at("d"), 77));
    }

    #[test]
    fn a_link_out_of_the_safe_place_is_followed_and_judged() {
        let Some(safe) = Safe::new("out") else { return };
        symlink("/tmp/whatever", safe.at("out")).unwrap();
        match safe.check("out").unwrap_err() {
            ScriptPathError::Writable { at, .. } => assert_eq!(at, Path::new("/tmp")),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_no_executable_file_is_refused() {
        let Some(safe) = Safe::new("kind") else { return };
        assert!(matches!(safe.check("d"), Err(ScriptPathError::NotAFile(_))));
        assert!(matches!(safe.check("d/run/x"), Err(ScriptPathError::NotADirectory(_))));
        assert!(matches!(safe.check("d/none"), Err(ScriptPathError::Missing { .. })));
        safe.mode("d/run", 0o644);
        assert!(matches!(safe.check("d/run"), Err(ScriptPathError::NotExecutable { .. })));
        symlink("circle", safe.at("circle")).unwrap();
        assert!(matches!(safe.check("circle"), Err(ScriptPathError::TooManyLinks(_))));
        let relative = check_script_path(Path::new("d/run"));
        assert!(matches!(relative, Err(ScriptPathError::NotAbsolute(_))));
    }
}
