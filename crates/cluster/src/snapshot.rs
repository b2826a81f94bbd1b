//! The whole state as bytes, and back: what a node that was away too long is given.
//!
//! The first bytes say what it is and in which form; a form this mainstay does not know is refused
//! and never guessed at. Integrity on disk (length, checksum, generations) is the store's matter.

use std::collections::{BTreeMap, VecDeque};

use base::{Name, Wall};
use serde::{Deserialize, Serialize};

use crate::membership::Members;
use crate::state::{Fencing, State, Waiting};

const MAGIC: &[u8; 8] = b"mstaycib";
/// The form before did not know what the document does not say (`State::private`), which follows the rest.
const WITHOUT_PRIVATE: u16 = 2;
const FORM: u16 = 3;

/// Why bytes are no snapshot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// They are something else.
    #[error("this is no snapshot of a mainstay cluster")]
    Foreign,
    /// They are of another form.
    #[error("the snapshot has form {0}, and this mainstay reads {FORM}: upgrade this node")]
    Form(u16),
    /// They are damaged.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Image {
    cib: String,
    members: Members,
    leader: Option<Name>,
    led: u64,
    applied: u64,
    time: Wall,
    waiting: BTreeMap<(Name, Name), Waiting>,
    fencings: VecDeque<Fencing>,
}

impl State {
    /// The state as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let image = Image {
            cib: self.cib.to_string(),
            members: self.members.clone(),
            leader: self.leader.clone(),
            led: self.led,
            applied: self.applied,
            time: self.time,
            waiting: self.waiting.clone(),
            fencings: self.fencings.clone(),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORM.to_be_bytes());
        let written = postcard::to_extend(&image, bytes);
        match written.and_then(|bytes| postcard::to_extend(&self.private, bytes)) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("memory takes whatever is written: {error}"),
        }
    }

    /// A state from its bytes.
    ///
    /// # Errors
    /// When they are not of the form this mainstay reads.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign)?;
        let (form, rest) = rest.split_first_chunk::<2>().ok_or(SnapshotError::Foreign)?;
        let form = u16::from_be_bytes(*form);
        if !matches!(form, FORM | WITHOUT_PRIVATE) {
            return Err(SnapshotError::Form(form));
        }
        let damaged = |what: String| SnapshotError::Damaged(what);
        let (image, left) =
            postcard::take_from_bytes::<Image>(rest).map_err(|error| damaged(error.to_string()))?;
        let (private, left) = match form {
            FORM => postcard::take_from_bytes(left).map_err(|error| damaged(error.to_string()))?,
            _ => (BTreeMap::new(), left),
        };
        if !left.is_empty() {
            return Err(damaged(format!("{} bytes too many", left.len())));
        }
        let cib = cib::xml::parse(&image.cib).map_err(|error| damaged(error.to_string()))?.root;
        Ok(State {
            cib,
            members: image.members,
            leader: image.leader,
            led: image.led,
            applied: image.applied,
            time: image.time,
            waiting: image.waiting,
            fencings: image.fencings,
            private,
        })
    }
}
