//! Putting a whole file in the place of another, in a directory that others may write to as well.
//!
//! Whoever reads the file finds the old one or the new one, never half of one. Nothing is opened
//! that somebody else has put there: the text goes into a file that did not exist before, which then
//! takes the name. Nor does the way there lead through anything that somebody else could exchange.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, unlinkat};
use rustix::process::geteuid;

/// How often to look for a name that is free.
const TRIES: u32 = 16;

/// Writes a new file and gives it the name `path`, which must be absolute. What had the name before,
/// a link too, has it no more.
///
/// # Errors
/// `PermissionDenied` when somebody else could exchange a part of the path, and what the system says.
pub fn replace_file(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    let name = path.file_name().ok_or_else(|| bad("not the path of a file"))?;
    let directory = safe_directory(path.parent().unwrap_or(Path::new("/")))?;
    if let Ok(there) = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        let kind = FileType::from_raw_mode(there.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            return Err(bad("there is something that is no file"));
        }
    }
    for attempt in 0..TRIES {
        let temporary = format!(".{}.{}.{attempt}", name.display(), std::process::id());
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat(&directory, &temporary, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => fd,
            // Left by one of us that was killed, or put there by somebody else.
            Err(rustix::io::Errno::EXIST) => continue,
            Err(error) => return Err(error.into()),
        };
        let written = fill(fd, contents, mode)
            .and_then(|()| Ok(renameat(&directory, &temporary, &directory, name)?));
        if written.is_err() {
            let _ = unlinkat(&directory, &temporary, AtFlags::empty());
        }
        return written;
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn fill(fd: OwnedFd, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = File::from(fd);
    file.write_all(contents)?;
    fchmod(file.as_fd(), Mode::from_bits_truncate(mode & 0o777))?;
    Ok(())
}

/// Opens a directory step by step: each one on the way must be ours or root's, and writable for
/// others only where they cannot exchange what is not theirs (`/tmp`). Links must be ours or root's.
fn safe_directory(path: &Path) -> io::Result<OwnedFd> {
    let mut here =
        openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut steps = path.components();
    if steps.next() != Some(Component::RootDir) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path"));
    }
    judge(&here, OsStr::new("/"))?;
    for step in steps {
        let Component::Normal(name) = step else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path with `..` in it"));
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut next = openat(&here, name, flags, Mode::empty())?;
        let found = fstat(&next)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
            owned(found.st_uid, name)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            next = openat(&here, name, flags, Mode::empty())?;
        }
        judge(&next, name)?;
        here = next;
    }
    Ok(here)
}

fn judge(directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let found = fstat(directory)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    owned(found.st_uid, name)?;
    let mode = Mode::from_raw_mode(found.st_mode);
    let shared = mode.intersects(Mode::WGRP | Mode::WOTH);
    if shared && !mode.contains(Mode::SVTX) {
        return Err(exchangeable(name));
    }
    Ok(())
}

fn owned(uid: u32, name: &OsStr) -> io::Result<()> {
    if uid == 0 || uid == geteuid().as_raw() { Ok(()) } else { Err(exchangeable(name)) }
}

fn exchangeable(name: &OsStr) -> io::Error {
    let why = format!("others may exchange `{}` on the way there", name.display());
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .join(format!("mainstay-replace-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_new_file_takes_the_name_with_its_own_rights_and_leaves_nothing_else() {
        let place = Place::new("plain");
        let path = place.0.join("f");
        fs::write(&path, "old and longer").unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        replace_file(&path, b"new", 0o640).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(after.mode() & 0o7777, 0o640);
        assert_ne!(after.ino(), before, "who has the old one open goes on reading the old one");
        assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_its_place_is_replaced_and_never_followed() {
        let place = Place::new("link");
        let (target, path) = (place.0.join("target"), place.0.join("f"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &path).unwrap();
        replace_file(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn what_is_in_the_way_of_the_temporary_name_is_left_alone() {
        let place = Place::new("taken");
        let (target, path) = (place.0.join("target"), place.0.join("f"));
        fs::write(&target, "precious").unwrap();
        let taken = place.0.join(format!(".f.{}.0", std::process::id()));
        symlink(&target, &taken).unwrap();
        replace_file(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_way_that_others_could_exchange_is_refused() {
        let place = Place::new("way");
        let open = place.0.join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let refused = |path: PathBuf| replace_file(&path, b"new", 0o600).unwrap_err().kind();
        assert_eq!(refused(open.join("f")), io::ErrorKind::PermissionDenied);
        // As /tmp is: others may write, but not exchange.
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        replace_file(&open.join("f"), b"new", 0o600).unwrap();
        assert_eq!(refused(place.0.join("open/../f")), io::ErrorKind::InvalidInput);
        assert_eq!(refused("f".into()), io::ErrorKind::InvalidInput);
        assert_eq!(refused(open.clone()), io::ErrorKind::InvalidInput, "a directory stays one");
    }
}
