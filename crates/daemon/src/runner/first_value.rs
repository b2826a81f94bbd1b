//! The first value of a tracked file (`init_file`): written when mainstay starts, where there is
//! nothing yet, or also over what is there when the configuration says so.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::messages::FromRunner;
use crate::sensors::WatchedFile;

/// Writes them; answers with what could not be done.
pub(super) fn write(files: &[WatchedFile]) -> Vec<FromRunner> {
    let failed = |file: &WatchedFile| {
        let (value, overwrite) = file.initial?;
        let error = write_one(file, value, overwrite).err()?;
        let path = file.path.display();
        Some(FromRunner::Notice(format!("cannot write a first value into `{path}`: {error}")))
    };
    files.iter().filter_map(failed).collect()
}

fn write_one(file: &WatchedFile, value: i64, overwrite: bool) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    // Not through a link: whoever may write to the directory could lead us anywhere.
    options.write(true).mode(0o644).custom_flags(linux::NOFOLLOW);
    let opened = if overwrite {
        options.create(true).truncate(true).open(&file.path)
    } else {
        options.create_new(true).open(&file.path)
    };
    match opened {
        Ok(mut opened) => writeln!(opened, "{value}"),
        Err(error) if !overwrite && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_what_is_not_there_is_written_unless_it_is_to_be_overwritten() {
        let directory = std::env::temp_dir().join(format!("mainstay-first-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("value");
        let file = |initial| WatchedFile { name: "f".into(), path: path.clone(), initial };
        let text = || fs::read_to_string(&path).unwrap();
        assert!(write(&[file(None)]).is_empty());
        assert!(!path.exists());
        assert!(write(&[file(Some((5, false)))]).is_empty());
        assert_eq!(text(), "5\n");
        assert!(write(&[file(Some((6, false)))]).is_empty());
        assert_eq!(text(), "5\n");
        assert!(write(&[file(Some((-7, true)))]).is_empty());
        assert_eq!(text(), "-7\n");
        // A link is not followed, wherever it leads.
        fs::rename(&path, directory.join("precious")).unwrap();
        std::os::unix::fs::symlink(directory.join("precious"), &path).unwrap();
        assert_eq!(write(&[file(Some((8, true)))]).len(), 1);
        assert_eq!(fs::read_to_string(directory.join("precious")).unwrap(), "-7\n");
        fs::remove_dir_all(&directory).unwrap();
    }
}
