//! Files with a number in them, watched.
//!
//! A file that is missing, empty or holds something else than a number counts as 0, which is good:
//! nobody wants a node to fail because a disk is full. That it holds no number is said once. A file
//! is read when somebody has finished writing it, never in the middle; where its directory does not
//! exist or cannot be watched, it is looked at every second.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Instant, Tracker, Verdict};
use linux::{FileWatch, Interest, Noticed, Poll, WatchId};

use crate::sensors::WatchedFile;

/// How often to look where nothing tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// More than any number has digits.
const LONGEST: u64 = 64;

/// A file that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Remark {
    pub(crate) tracker: Tracker,
    pub(crate) text: String,
}

pub(super) struct FileSensor {
    token: u64,
    watch: Option<FileWatch>,
    files: Vec<Seen>,
    watches: BTreeMap<WatchId, PathBuf>,
    unwritten: Vec<WatchedFile>,
    remarks: Vec<Remark>,
    /// When to look at those whose directory cannot be watched.
    next: Option<Instant>,
}

struct Seen {
    file: WatchedFile,
    number: i32,
    /// What was last remarked of it.
    remarked: Option<String>,
    /// Whether something tells when it changes.
    watched: bool,
}

impl FileSensor {
    pub(super) fn new(token: u64) -> Self {
        Self {
            token,
            watch: None,
            files: Vec::new(),
            watches: BTreeMap::new(),
            unwritten: Vec::new(),
            remarks: Vec::new(),
            next: None,
        }
    }

    /// These from now on; what they say at once. `fresh` are to be given their first value.
    pub(super) fn set(
        &mut self,
        now: Instant,
        poll: &Poll,
        files: Vec<WatchedFile>,
        fresh: Vec<WatchedFile>,
    ) -> Vec<(Tracker, Verdict)> {
        // A new watch rather than a difference: nothing is lost, since every file is read after.
        if let Some(watch) = self.watch.take() {
            let _ = poll.remove(&watch);
        }
        self.watches.clear();
        if !files.is_empty() {
            self.watch = FileWatch::new().ok();
            if let Some(watch) = &self.watch {
                let _ = poll.add(watch, self.token, Interest::Read);
            }
        }
        let unremarked = |file| Seen { file, number: 0, remarked: None, watched: false };
        self.files = files.into_iter().map(unremarked).collect();
        self.unwritten = fresh;
        self.watch_all(now);
        let mut verdicts = Vec::new();
        for seen in &mut self.files {
            seen.read(&mut self.remarks);
            if self.unwritten.contains(&seen.file)
                && let Some((value, overwrite)) = seen.file.initial
                && (overwrite || !seen.file.path.exists())
            {
                seen.number = clamp(value);
            }
            verdicts.push((seen.file.tracker(), Verdict::Number(seen.number)));
        }
        verdicts
    }

    /// Watches the directory of every file, and that of what it links to.
    fn watch_all(&mut self, now: Instant) {
        let mut blind = false;
        for seen in &mut self.files {
            seen.watched = false;
            let Some(watch) = &self.watch else {
                blind = true;
                continue;
            };
            let places = [Some(seen.file.path.clone()), fs::canonicalize(&seen.file.path).ok()];
            let mut added = places.into_iter().flatten().map(|path| {
                let directory = parent(&path).to_owned();
                watch.add(&directory).map(|id| self.watches.insert(id, directory)).is_ok()
            });
            let first = added.next().unwrap_or(false);
            let rest = added.all(|ok| ok);
            seen.watched = first && rest;
            blind |= !seen.watched;
        }
        self.next = blind.then(|| now + LOOK_EVERY);
    }

    /// Looks at what may have changed; what is said now that was not said before.
    pub(super) fn look(&mut self, now: Instant) -> Vec<(Tracker, Verdict)> {
        let mut all = false;
        let mut names: Vec<(PathBuf, Box<OsStr>)> = Vec::new();
        let noticed = self.watch.as_mut().and_then(|watch| watch.read().ok()).unwrap_or_default();
        for one in noticed {
            match one {
                Noticed::Name(id, name) => {
                    if let Some(directory) = self.watches.get(&id) {
                        names.push((directory.clone(), name.into_boxed_os_str()));
                    }
                }
                Noticed::Gone(id) => {
                    self.watches.remove(&id);
                    all = true;
                }
                Noticed::Lost => all = true,
            }
        }
        let look = self.next.is_some_and(|next| next <= now);
        let mut changed = Vec::new();
        let mut again = all || look;
        for seen in &mut self.files {
            let path = &seen.file.path;
            let hit = names.iter().any(|(directory, name)| {
                (directory == parent(path) && Some(&**name) == path.file_name())
                    || fs::canonicalize(path)
                        .is_ok_and(|real| real != *path && directory == parent(&real))
                    || path.is_symlink() && directory == parent(path)
            });
            if !(hit || all || look && !seen.watched) {
                continue;
            }
            // What it links to may be elsewhere now.
            again |= path.is_symlink();
            let before = seen.number;
            seen.read(&mut self.remarks);
            if seen.number != before {
                changed.push((seen.file.tracker(), Verdict::Number(seen.number)));
            }
        }
        if again {
            self.watch_all(now);
        }
        changed
    }

    pub(super) fn take_unwritten(&mut self) -> Vec<WatchedFile> {
        std::mem::take(&mut self.unwritten)
    }

    pub(super) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

impl Seen {
    fn read(&mut self, remarks: &mut Vec<Remark>) {
        let (number, remark) = match read(&self.file.path) {
            Ok(number) => (number, None),
            Err(why) => (0, why),
        };
        self.number = number;
        if remark != self.remarked {
            if let Some(text) = &remark {
                let tracker = self.file.tracker();
                remarks.push(Remark { tracker, text: format!("{text}; it counts as 0") });
            }
            self.remarked = remark;
        }
    }
}

/// The number in a file; `Err(None)`: there is no file, which is as good as 0.
fn read(path: &Path) -> Result<i32, Option<String>> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => None,
        _ => Some(format!("`{}` cannot be read: {error}", path.display())),
    };
    // A pipe or a device put in its place must not hold us up.
    let about = fs::metadata(path).map_err(cannot)?;
    if !about.is_file() {
        return Err(Some(format!("`{}` is no regular file", path.display())));
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text)).map_err(cannot)?;
    let text = String::from_utf8_lossy(&text);
    let word = text.trim();
    if word.is_empty() {
        return Ok(0);
    }
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Some(format!("`{}` does not hold a number", path.display())));
    }
    Ok(word.parse().map_or_else(
        // More digits than a number has room for.
        |_| if word.starts_with('-') { i32::MIN } else { i32::MAX },
        clamp,
    ))
}

fn clamp(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::clock;

    struct Bench {
        sensor: FileSensor,
        poll: Poll,
        directory: PathBuf,
    }

    impl Bench {
        fn new(name: &str) -> Self {
            let directory =
                std::env::temp_dir().join(format!("mainstay-files-{name}-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            let poll = Poll::new().unwrap();
            Bench { sensor: FileSensor::new(1), poll, directory }
        }

        fn path(&self) -> PathBuf {
            self.directory.join("value")
        }

        fn set(&mut self, initial: Option<(i64, bool)>) -> i32 {
            let file = WatchedFile { name: "f".into(), path: self.path(), initial };
            let fresh = initial.map(|_| file.clone()).into_iter().collect();
            let said = self.sensor.set(clock::monotonic(), &self.poll, vec![file], fresh);
            number(said).unwrap()
        }

        fn look(&mut self) -> Option<i32> {
            number(self.sensor.look(clock::monotonic()))
        }

        fn remark(&mut self) -> String {
            self.sensor.take_remarks().into_iter().map(|remark| remark.text).collect()
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    fn number(said: Vec<(Tracker, Verdict)>) -> Option<i32> {
        match said.into_iter().next() {
            Some((_, Verdict::Number(number))) => Some(number),
            _ => None,
        }
    }

    #[test]
    fn a_file_is_followed_through_everything_that_is_done_to_it() {
        let mut bench = Bench::new("life");
        assert_eq!(bench.set(None), 0, "missing is zero");
        assert_eq!(bench.look(), None);
        fs::write(bench.path(), "12\n").unwrap();
        assert_eq!(bench.look(), Some(12));
        fs::write(bench.path(), " -3").unwrap();
        assert_eq!(bench.look(), Some(-3));
        fs::write(bench.directory.join("new"), "70").unwrap();
        assert_eq!(bench.look(), None, "another file");
        fs::rename(bench.directory.join("new"), bench.path()).unwrap();
        assert_eq!(bench.look(), Some(70));
        File::options().write(true).open(bench.path()).unwrap().set_len(0).unwrap();
        assert_eq!(bench.look(), Some(0), "truncated");
        fs::write(bench.path(), "99999999999999999999").unwrap();
        assert_eq!(bench.look(), Some(i32::MAX));
        fs::remove_file(bench.path()).unwrap();
        assert_eq!(bench.look(), Some(0));
        assert_eq!(bench.remark(), "");
    }

    #[test]
    fn a_file_in_the_middle_of_being_written_is_left_alone() {
        use std::io::Write as _;
        let mut bench = Bench::new("middle");
        fs::write(bench.path(), "50").unwrap();
        assert_eq!(bench.set(None), 50);
        let mut file = File::create(bench.path()).unwrap();
        assert_eq!(bench.look(), None, "it is empty now, and nobody says that it is finished");
        file.write_all(b"60").unwrap();
        assert_eq!(bench.look(), None);
        drop(file);
        assert_eq!(bench.look(), Some(60));
    }

    #[test]
    fn garbage_counts_as_zero_and_is_remarked_once() {
        let mut bench = Bench::new("garbage");
        fs::write(bench.path(), "5").unwrap();
        assert_eq!(bench.set(None), 5);
        fs::write(bench.path(), "five").unwrap();
        assert_eq!(bench.look(), Some(0));
        assert!(bench.remark().contains("does not hold a number; it counts as 0"));
        fs::write(bench.path(), "sechs").unwrap();
        assert_eq!(bench.look(), None);
        assert_eq!(bench.remark(), "");
        fs::remove_file(bench.path()).unwrap();
        fs::create_dir(bench.path()).unwrap();
        bench.look();
        assert!(bench.remark().contains("no regular file"));
    }

    #[test]
    fn a_directory_that_comes_and_goes_is_looked_for() {
        let mut bench = Bench::new("coming");
        fs::remove_dir(&bench.directory).unwrap();
        assert_eq!(bench.set(None), 0);
        fs::create_dir(&bench.directory).unwrap();
        fs::write(bench.path(), "8").unwrap();
        assert_eq!(bench.look(), None);
        assert!(bench.sensor.poll_timeout().is_some());
        let later = clock::monotonic() + LOOK_EVERY;
        assert_eq!(number(bench.sensor.look(later)), Some(8));
        assert_eq!(bench.sensor.poll_timeout(), None, "now it is watched");
        fs::remove_dir_all(&bench.directory).unwrap();
        assert_eq!(bench.look(), Some(0));
        assert!(bench.sensor.poll_timeout().is_some());
    }

    #[test]
    fn a_link_is_followed_to_where_it_leads_now() {
        // As Kubernetes swaps its mounted configuration.
        let mut bench = Bench::new("link");
        for (name, text) in [("one", "1"), ("two", "2")] {
            fs::create_dir(bench.directory.join(name)).unwrap();
            fs::write(bench.directory.join(name).join("value"), text).unwrap();
        }
        let link = |to: &str, at: &Path| std::os::unix::fs::symlink(to, at).unwrap();
        link("one", &bench.directory.join("data"));
        link("data/value", &bench.path());
        assert_eq!(bench.set(None), 1);
        link("two", &bench.directory.join("data.new"));
        fs::rename(bench.directory.join("data.new"), bench.directory.join("data")).unwrap();
        assert_eq!(bench.look(), Some(2));
        fs::write(bench.directory.join("two/value"), "22").unwrap();
        assert_eq!(bench.look(), Some(22));
    }

    #[test]
    fn the_first_value_counts_before_it_is_written() {
        let mut bench = Bench::new("initial");
        assert_eq!(bench.set(Some((40, false))), 40);
        assert_eq!(bench.sensor.take_unwritten().len(), 1);
        assert!(bench.sensor.take_unwritten().is_empty());
        fs::write(bench.path(), "7").unwrap();
        assert_eq!(bench.set(Some((40, false))), 7, "what is there already stays");
        assert_eq!(bench.set(Some((40, true))), 40);
    }
}
