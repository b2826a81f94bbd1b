//! What travels between nodes: frames with their length in front, and never more than is allowed.
//!
//! A frame is four bytes of length, most significant first, and that many bytes of postcard. The
//! length is looked at before anything is read or kept; a frame that is cut short, too long or not
//! readable ends its connection with a precise word, and nothing of it is acted upon.

use openraft::error::{InstallSnapshotError, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use cluster::Entry;
use cluster::node::Message;
use cluster::seam::Failure;

use crate::canvass::Hears;
use crate::types::{NodeId, Peer, Types};

/// No frame is longer than this.
pub const LONGEST: usize = 8 << 20;

/// What is wrong with a frame.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// Its length is not allowed.
    #[error("a frame of {length} bytes was announced, and {LONGEST} are allowed")]
    TooLong {
        /// As announced, or as it would have been.
        length: usize,
    },
    /// The connection ended in the midst of it.
    #[error("a frame of {length} bytes ended after {had}")]
    CutShort {
        /// As announced.
        length: usize,
        /// As came.
        had: usize,
    },
    /// Its bytes say nothing.
    #[error("a frame of {length} bytes cannot be read: {what}")]
    Unreadable {
        /// Of the frame.
        length: usize,
        /// What the reader says.
        what: String,
    },
    /// TLS found that they were not written for this connection.
    #[error("what came was not written for this connection: replayed or changed on the way")]
    Forged,
    /// The connection failed.
    #[error("{0}")]
    Lost(String),
}

/// One of them.
#[derive(Serialize, Deserialize)]
pub(crate) enum Frame {
    /// Wants an answer under this number.
    Call(u64, Call),
    /// Is one.
    Answer(u64, Answer),
    /// Wants none.
    Note(Message),
}

/// What is wanted.
#[derive(Serialize, Deserialize)]
pub(crate) enum Call {
    /// Are you there, and whom do you hear?
    Ping,
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<NodeId>),
    Install(InstallSnapshotRequest<Types>),
    /// You lead: have these committed; how many bytes they are.
    Propose(Vec<Entry>, usize),
    /// You lead: make these the members.
    Members(Vec<Peer>),
    /// You lead: this node was invited; let it follow, and vote when it has caught up.
    Enter(Peer),
    /// You lead: let this node go.
    Expel(base::Name),
}

/// What comes of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Pong(Hears),
    Append(Result<AppendEntriesResponse<NodeId>, RaftError<NodeId>>),
    Vote(Result<VoteResponse<NodeId>, RaftError<NodeId>>),
    Install(Result<InstallSnapshotResponse<NodeId>, RaftError<NodeId, InstallSnapshotError>>),
    /// The index of the last of them.
    Done(Result<u64, Failure>),
}

/// The bytes of a frame.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let bytes = postcard::to_extend(value, vec![0; 4])
        .map_err(|error| FrameError::Unreadable { length: 0, what: error.to_string() })?;
    let length = bytes.len() - 4;
    let front = u32::try_from(length).ok().filter(|_| length <= LONGEST);
    let front = front.ok_or(FrameError::TooLong { length })?;
    let mut bytes = bytes;
    bytes[..4].copy_from_slice(&front.to_be_bytes());
    Ok(bytes)
}

/// The next frame; `None`: the other side ended in good order.
pub(crate) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let lost = |error: std::io::Error| match crate::key::is_forged(&error) {
        true => FrameError::Forged,
        false => FrameError::Lost(crate::key::why(&error)),
    };
    let mut front = [0; 4];
    let mut had = 0;
    while had < front.len() {
        match from.read(&mut front[had..]).await.map_err(lost)? {
            0 if had == 0 => return Ok(None),
            0 => return Err(FrameError::CutShort { length: front.len(), had }),
            more => had += more,
        }
    }
    let announced = u32::from_be_bytes(front);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(FrameError::TooLong { length });
    }
    let mut bytes = Vec::new();
    from.take(announced.into()).read_to_end(&mut bytes).await.map_err(lost)?;
    if bytes.len() < length {
        return Err(FrameError::CutShort { length, had: bytes.len() });
    }
    let unreadable = |what: String| FrameError::Unreadable { length, what };
    let (value, rest) =
        postcard::take_from_bytes(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if !rest.is_empty() {
        return Err(unreadable(format!("{} bytes are left over", rest.len())));
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut bytes: &[u8]) -> Result<Option<(u64, String)>, FrameError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(read(&mut bytes))
    }

    #[test]
    fn a_frame_is_read_whole_or_said_to_be_wrong() {
        let value = (7_u64, "seven".to_owned());
        let bytes = encode(&value).expect("short");
        assert_eq!(read_all(&bytes), Ok(Some(value)));
        assert_eq!(read_all(&[]), Ok(None));
        for cut in 1..bytes.len() {
            let error = read_all(&bytes[..cut]).expect_err("cut short");
            assert!(matches!(error, FrameError::CutShort { .. }), "{cut}: {error}");
        }
        let mut longer = bytes.clone();
        longer[3] += 1;
        longer.push(0);
        let error = read_all(&longer).expect_err("left over");
        assert!(error.to_string().contains("1 bytes are left over"), "{error}");
        let error = read_all(&[0, 0, 0, 2, 7, 200]).expect_err("no such text");
        assert!(matches!(error, FrameError::Unreadable { length: 2, .. }), "{error}");
    }

    #[test]
    fn a_length_that_is_not_allowed_is_refused_before_anything_is_kept() {
        for front in [[0xff; 4], [0, 0x80, 0, 1]] {
            let error = read_all(&front).expect_err("too long");
            assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
        }
        let error = encode(&vec![0_u8; LONGEST + 1]).expect_err("too long");
        assert!(matches!(error, FrameError::TooLong { length } if length > LONGEST), "{error}");
    }
}
