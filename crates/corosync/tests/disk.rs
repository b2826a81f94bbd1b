//! What is written is read again, whatever came in between; and what was changed says so.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use corosync::disk::{Disk, DiskError, FILE};
use corosync::words::{Place, Slot, What};
use corosync::{Id, Members, Memory, Snapshot, Write};

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainstay-corosync-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Disk::make(&path, Id(7)).expect("made");
        Self(path)
    }

    fn memory(&self) -> Memory {
        Disk::open(&self.0, Id(7)).expect("whole").1
    }

    fn write(&self, write: &Write) {
        Disk::open(&self.0, Id(7)).expect("whole").0.write(write).expect("written");
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn slot(term: u64) -> Slot {
    Slot { term, mark: None, what: What::Blank }
}

fn appended(first: u64, terms: &[u64]) -> Write {
    let append = terms.iter().zip(first..).map(|(term, index)| (index, slot(*term))).collect();
    Write { append, ..Write::default() }
}

#[test]
fn what_is_written_is_remembered() {
    let dir = Dir::new();
    assert_eq!(dir.memory(), Memory::default());
    dir.write(&Write {
        cluster: Some(9),
        term: Some((3, Some(Id(2)))),
        ..appended(1, &[1, 1, 2, 2])
    });
    let memory = dir.memory();
    assert_eq!((memory.cluster, memory.term, memory.voted), (9, 3, Some(Id(2))));
    assert_eq!(memory.slots, [slot(1), slot(1), slot(2), slot(2)]);
    // A tail that another leader did not have goes, and its own comes.
    dir.write(&Write { cut: Some(3), ..appended(3, &[3]) });
    assert_eq!(dir.memory().slots, [slot(1), slot(1), slot(3)]);
    let at = Place { term: 3, index: 3 };
    let members = Members::default();
    let snapshot = Snapshot { at, members: members.clone(), bytes: vec![1, 2, 3] };
    let base = (Place { term: 1, index: 2 }, members);
    dir.write(&Write {
        snapshot: Some(snapshot.clone()),
        base: Some(base.clone()),
        ..Write::default()
    });
    let memory = dir.memory();
    assert_eq!((memory.snapshot, memory.base), (Some(snapshot), base));
    assert_eq!(memory.slots, [slot(3)]);
}

#[test]
fn what_is_not_whole_or_somebody_else_s_is_refused() {
    let dir = Dir::new();
    dir.write(&appended(1, &[1; 50]));
    assert!(matches!(Disk::open(&dir.0, Id(8)), Err(DiskError::OtherNode { .. })));
    let open = Disk::open(&dir.0, Id(7)).expect("whole");
    assert!(matches!(Disk::open(&dir.0, Id(7)), Err(DiskError::Busy(_))));
    drop(open);
    let file = dir.0.join(FILE);
    let whole = std::fs::read(&file).expect("there");
    let mut told = 0;
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut changed = whole.clone();
        changed[at] ^= 0x5a;
        std::fs::write(&file, &changed).expect("written");
        match Disk::open(&dir.0, Id(7)) {
            // Where nothing is kept.
            Ok((_, memory)) => assert_eq!(memory.slots.len(), 50, "{at}"),
            Err(_) => told += 1,
        }
    }
    assert!(told > 2, "{told}");
    std::fs::write(&file, b"").expect("written");
    assert!(matches!(Disk::open(&dir.0, Id(7)), Err(DiskError::Damaged { .. })));
    // A gap: as if a write had been lost.
    std::fs::write(&file, &whole).expect("written");
    dir.write(&appended(53, &[1]));
    let error = Disk::open(&dir.0, Id(7)).expect_err("a gap").to_string();
    assert!(error.contains("entry 51 is missing"), "{error}");
}
