//! Which paths are refused, and what may happen to a path between the look and the start.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::{Duration, Instant};

use super::*;
use crate::spawn::{Program, SpawnError, spawn_checked};
use crate::testing::is_root;

/// A directory nobody but root can write to, all the way up: not below /tmp.
struct Safe(PathBuf);

impl Safe {
    fn new(name: &str) -> Option<Self> {
        let path = Path::new("/run").join(format!("mainstay-{name}-{}", std::process::id()));
        if !is_root() || fs::metadata("/run").unwrap().permissions().mode() & 0o022 != 0 {
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

/// What is exchanged in `d` or for it once the way was walked.
type Exchange = fn(&Safe);

const EXCHANGES: [(&str, Exchange); 6] = [
    ("the file", |safe| fs::rename(safe.at("other/run"), safe.at("d/run")).unwrap()),
    ("its directory", |safe| {
        fs::rename(safe.at("d"), safe.at("away")).unwrap();
        fs::rename(safe.at("other"), safe.at("d")).unwrap();
    }),
    ("its directory by a link", |safe| {
        fs::rename(safe.at("d"), safe.at("away")).unwrap();
        symlink("other", safe.at("d")).unwrap();
    }),
    ("the link that leads to it", |safe| {
        fs::remove_file(safe.at("link")).unwrap();
        symlink("other", safe.at("link")).unwrap();
    }),
    ("the rights of the file", |safe| safe.mode("d/run", 0o777)),
    ("the owner of its directory", |safe| chown(safe.at("d"), Some(77), None).unwrap()),
];

fn program(path: &Path) -> Program {
    Program {
        path: path.into(),
        arguments: vec!["one".into()],
        environment: vec![],
        identity: None,
        keep_output: Some(4096),
    }
}

/// Starts it, and waits for what it says.
fn said(safe: &Safe, file: ScriptFile) -> Result<String, SpawnError> {
    let mut child = spawn_checked(&program(&safe.at("not looked at")), file)?;
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() || child.read_output().unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(String::from_utf8(child.output().to_vec()).unwrap())
}

/// A script at `link/run`, and another that would do for it.
fn two_scripts(name: &str) -> Option<Safe> {
    let safe = Safe::new(name)?;
    fs::create_dir(safe.at("other")).unwrap();
    safe.mode("other", 0o755);
    symlink("d", safe.at("link")).unwrap();
    for directory in ["d", "other"] {
        let run = format!("{directory}/run");
        fs::write(safe.at(&run), format!("#!/bin/sh\necho {directory} $0 $@\n")).unwrap();
        safe.mode(&run, 0o755);
    }
    Some(safe)
}

/// Another test of this process may just be forking, and its child hold our file open for writing.
fn settled(mut start: impl FnMut() -> Result<String, SpawnError>) -> Result<String, SpawnError> {
    loop {
        match start() {
            Err(SpawnError::Refused { source, .. })
                if source.raw_os_error() == Some(libc::ETXTBSY) => {}
            other => return other,
        }
    }
}

#[test]
fn a_script_is_called_by_the_name_it_was_asked_for_and_holds_no_descriptor() {
    let Some(safe) = two_scripts("name") else { return };
    let start = |name: &str| settled(|| said(&safe, ScriptFile::open(&safe.at(name)).unwrap()));
    let expected = format!("d {} one\n", safe.at("link/run").display());
    assert_eq!(start("link/run").unwrap(), expected);
    fs::write(safe.at("d/run"), "#!/bin/sh\nls /proc/self/fd; cat /proc/self/environ\n").unwrap();
    let said = start("link/run").unwrap();
    let (descriptors, environment) = said.split_at("0\n1\n2\n3\n".len());
    assert_eq!(descriptors, "0\n1\n2\n3\n", "3 is what ls lists with");
    // What a shell itself sets is all there is.
    let ours = environment.split('\0').find(|set| !set.is_empty() && !set.starts_with("PWD="));
    assert_eq!(ours, None);
}

#[test]
fn whatever_is_exchanged_between_the_look_and_the_start_is_not_started() {
    for (what, exchange) in EXCHANGES {
        let Some(safe) = two_scripts("exchange") else { return };
        let file = ScriptFile::open(&safe.at("link/run")).unwrap();
        exchange(&safe);
        let said = said(&safe, file);
        assert!(matches!(said, Err(SpawnError::Changed(_))), "{what}: {said:?}");
    }
}

#[test]
fn a_native_program_is_started_by_its_descriptor_whatever_its_name_leads_to_by_now() {
    let Some(safe) = Safe::new("native") else { return };
    fs::copy("/bin/cat", safe.at("d/run")).unwrap();
    fs::write(safe.at("other"), "#!/bin/sh\necho exchanged\n").unwrap();
    safe.mode("other", 0o755);
    let start = |exchanged: bool| {
        settled(|| {
            let file = ScriptFile::open(&safe.at("d/run")).unwrap();
            assert!(file.is_native());
            if exchanged {
                fs::rename(safe.at("d/run"), safe.at("before")).unwrap();
                fs::rename(safe.at("other"), safe.at("d/run")).unwrap();
            }
            let mut named = program(Path::new(""));
            named.arguments = vec!["/proc/self/comm".into()];
            let mut child = spawn_checked(&named, file)?;
            while child.try_wait().unwrap().is_none() || child.read_output().unwrap() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(String::from_utf8(child.output().to_vec()).unwrap())
        })
    };
    assert_eq!(start(false).unwrap(), "run\n", "as `ps` shows it");
    let exchanged = start(true);
    // Linux before 6.14 gives a program started so no name: there it is refused like a script.
    let refused = matches!(exchanged, Err(SpawnError::Changed(_)));
    assert!(refused || exchanged.is_ok_and(|said| said != "exchanged\n"));
}

#[test]
fn whoever_runs_with_rights_of_root_is_looked_at() {
    let Some(safe) = Safe::new("rights") else { return };
    let run = safe.at("d/run");
    let of = |uid, gid, groups: &[u32]| {
        let identity = Identity { uid, gid, groups: groups.to_vec() };
        runs_with_rights_of_root(&run, Some(&identity))
    };
    assert!(runs_with_rights_of_root(&run, None));
    assert!(of(0, 5, &[5]) && of(5, 0, &[0]) && of(5, 5, &[5, 0]));
    assert!(!of(5, 5, &[5]));
    for (mode, root) in [(0o4755, true), (0o2755, true), (0o1755, false)] {
        safe.mode("d/run", mode);
        assert_eq!(of(5, 5, &[5]), root, "{mode:o}");
    }
    chown(&run, Some(5), Some(5)).unwrap();
    safe.mode("d/run", 0o6755);
    assert!(!of(5, 5, &[5]), "it gives the rights of somebody else");
}
