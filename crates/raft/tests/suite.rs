//! openraft's own suite of tests for storage, on ours.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::State;
use openraft::testing::{StoreBuilder, Suite};
use raft::types::StorageError;
use raft::{Journal, Machine, Types};

struct Fresh(AtomicU32);

struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl StoreBuilder<Types, Journal, Machine, Dir> for Fresh {
    async fn build(&self) -> Result<(Dir, Journal, Machine), StorageError> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("mainstay-raft-suite-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        let birth = State::new(cib::xml::parse("<cib/>").expect("a CIB").root);
        let (journal, machine) = raft::open(&path, 1, birth).expect("a new file");
        Ok((Dir(path), journal.careless(), machine))
    }
}

#[test]
fn openrafts_own_suite_passes() {
    Suite::test_all(Fresh(AtomicU32::new(0))).expect("all of it");
}
