//! What becomes of a home after a crash at each step of its making, and of one that was damaged.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainstay-home-{}-{count}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn identity() -> Identity {
    Identity {
        name: "n1".into(),
        address: "10.0.0.1:5419".parse().expect("an address"),
        role: Role::Voter,
        peers: Vec::new(),
        founding: Founding {
            document: crate::join::DOCUMENT.into(),
            lease: Duration::from_millis(600),
        },
        engine: EngineKind::Raft,
    }
}

fn made(dir: &Path) -> Home {
    make(dir, Key::generate().expect("randomness"), identity()).expect("made")
}

#[test]
fn a_home_is_opened_as_it_was_made_and_is_nobody_else_s() {
    let dir = Dir::new();
    assert!(matches!(open(&dir.0), Err(HomeError::Nobody(_))));
    let home = made(&dir.0);
    let again = open(&dir.0).expect("whole");
    assert_eq!((&again.identity, again.key.print()), (&home.identity, home.key.print()));
    for file in [KEY, NODE, DATABASE] {
        let mode = fs::metadata(dir.0.join(file)).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    let taken = make(&dir.0, Key::generate().expect("randomness"), identity());
    assert!(matches!(taken, Err(HomeError::Taken(_, name)) if *name == *"n1"));
    assert!(matches!(draft(&dir.0), Err(HomeError::Taken(..))));
    quit(&home).expect("left");
    assert!(matches!(open(&dir.0), Err(HomeError::Nobody(_))));
    let next = made(&dir.0);
    assert_ne!(next.key.print(), home.key.print());
}

/// A crash leaves what had reached the disk by then: all files but those that are written later.
#[test]
fn a_crash_at_any_step_leaves_nobody_s_home_and_the_next_attempt_succeeds() {
    let whole = Dir::new();
    made(&whole.0);
    let order = [DATABASE, NODE, KEY];
    for steps in 0..order.len() {
        let dir = Dir::new();
        fs::DirBuilder::new().mode(0o700).create(&dir.0).expect("a directory");
        for file in &order[..steps] {
            fs::copy(whole.0.join(file), dir.0.join(file)).expect("copied");
        }
        // The file that was being written then.
        fs::write(dir.0.join(order[steps]).with_extension("part"), b"torn").expect("written");
        assert!(matches!(open(&dir.0), Err(HomeError::Nobody(_))), "{steps}");
        made(&dir.0);
        open(&dir.0).expect("whole");
    }
}

#[test]
fn a_draft_of_a_key_survives_until_the_home_is_made() {
    let dir = Dir::new();
    let first = draft(&dir.0).expect("a key");
    let again = draft(&dir.0).expect("the same");
    assert_eq!(first.print(), again.print());
    fs::write(dir.0.join(DRAFT), b"torn").expect("written");
    let other = draft(&dir.0).expect("another");
    assert_ne!(first.print(), other.print());
    let home = make(&dir.0, other, identity()).expect("made");
    quit(&home).expect("left");
    assert_ne!(draft(&dir.0).expect("another").print(), home.key.print());
}

#[test]
fn what_was_lost_or_changed_is_named_and_nothing_is_begun_anew() {
    for (file, lost) in [(DATABASE, "voted and acknowledged"), (NODE, "who this node is")] {
        let dir = Dir::new();
        made(&dir.0);
        fs::remove_file(dir.0.join(file)).expect("there");
        let error = open(&dir.0).expect_err("not whole").to_string();
        assert!(error.contains(file) && error.contains(lost), "{error}");
        assert!(!dir.0.join(file).exists());
    }
    for file in [KEY, NODE] {
        let dir = Dir::new();
        made(&dir.0);
        let path = dir.0.join(file);
        let whole = fs::read(&path).expect("there");
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).expect("written");
            assert!(matches!(open(&dir.0), Err(HomeError::Damaged { .. })), "{file} {cut}");
        }
        let mut changed = whole.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        fs::write(&path, &changed).expect("written");
        let error = open(&dir.0).expect_err("changed").to_string();
        assert!(error.contains("not what was written"), "{error}");
        fs::write(&path, &whole).expect("written");
        open(&dir.0).expect("whole again");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(matches!(open(&dir.0), Err(HomeError::Open(..))), "{file}");
    }
}
