//! The only place that touches the crate `agentx`, which knows the octets of AgentX (RFC 2741).
//!
//! It is young, and does not survive everything a master agent might say (tests below show it): a time
//! since boot of more than 49 days overflows in it, a name of 256 numbers cannot be written again,
//! octets that are no UTF-8 are refused, and errors of SNMP proper have no number. So it is given
//! nothing that was not looked at before: lengths first, then only the parts that are needed; octets
//! are laid over a text of the same length, and a number over the one that says all is well.

use agentx::ByteOrder;
use agentx::encodings::{ID, OctetString, Value as Coded, VarBind, VarBindList};
use agentx::pdu::{
    Close, CloseReason, Get, GetBulk, Header, NETWORK_BYTE_ORDER, NON_DEFAULT_CONTEXT, Notify,
    Open, Ping, Register, Response, Type,
};

use super::{Oid, Value};

/// How long what stands before every message is.
pub(super) const HEADER: usize = 20;
/// No request is longer: SNMP itself ends far below.
const LONGEST: usize = 1 << 16;
/// No name has more numbers (RFC 2578).
const DEEPEST: usize = 128;
/// The flag that the numbers of a message are in network byte order.
const BIG: u8 = 1 << NETWORK_BYTE_ORDER;
/// Where an answer says whether all went well.
const ERROR_AT: usize = HEADER + 4;
/// Octets of an answer that are not about objects.
const ANSWER: usize = HEADER + 8;
/// How long a master agent waits for us.
const TIMEOUT: u8 = 15;
/// What registrations count among each other, unless told otherwise (RFC 2741).
const PRIORITY: u8 = 127;

/// Why a master agent is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// It speaks another version, or something else altogether.
    Version,
    /// The message would be longer than any.
    TooLong,
    /// What is in it does not fit together.
    Garbled,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Wrong::Version => "it does not speak AgentX of version 1",
            Wrong::TooLong => "it announces a message that is longer than any",
            Wrong::Garbled => "what it says does not fit together",
        })
    }
}

/// To whom and to what an answer belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Envelope {
    pub(super) session: u32,
    pub(super) transaction: u32,
    pub(super) packet: u32,
}

/// A range of names to look in, from `start` on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) start: Oid,
    /// `start` itself counts.
    pub(super) include: bool,
    /// Before this; empty: to the very end.
    pub(super) end: Oid,
}

/// What a master agent says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// An answer to what we said. `status` 0: well.
    Answer { session: u32, packet: u32, uptime: u32, status: u16 },
    /// These very objects.
    Get(Envelope, Vec<Range>),
    /// What follows.
    Next(Envelope, Vec<Range>),
    /// What follows, several times.
    Bulk { envelope: Envelope, once: usize, times: usize, ranges: Vec<Range> },
    /// Something is to be set.
    Set(Envelope),
    /// What was to be set is done with; that is not answered.
    SetOver,
    /// It asks in a context we do not have.
    Elsewhere(Envelope),
    /// It ends the session.
    Close,
    /// It says something only a subagent may say.
    Stranger(Envelope),
}

/// How long the message is that begins here; `None`: that is not known yet.
pub(super) fn length(octets: &[u8]) -> Result<Option<usize>, Wrong> {
    match octets {
        [] => return Ok(None),
        [1, ..] => {}
        _ => return Err(Wrong::Version),
    }
    if octets.len() < HEADER {
        return Ok(None);
    }
    let header = Header::from_bytes(octets).map_err(|_| Wrong::Garbled)?;
    let payload = usize::try_from(header.payload_length).map_err(|_| Wrong::TooLong)?;
    match (payload > LONGEST, payload % 4) {
        (true, _) => Err(Wrong::TooLong),
        (_, 0) => Ok(Some(HEADER + payload)),
        _ => Err(Wrong::Garbled),
    }
}

/// What a whole message says.
pub(super) fn read(octets: &[u8]) -> Result<Said, Wrong> {
    let header = Header::from_bytes(octets).map_err(|_| Wrong::Garbled)?;
    let envelope = Envelope {
        session: header.session_id,
        transaction: header.transaction_id,
        packet: header.packet_id,
    };
    let context = header.flags & (1 << NON_DEFAULT_CONTEXT) != 0;
    Ok(match header.ty {
        Type::Response => answer(&header, octets)?,
        Type::Close => Said::Close,
        Type::CleanupSet => Said::SetOver,
        _ if context => Said::Elsewhere(envelope),
        Type::Get => {
            let get = Get::from_bytes(octets).map_err(|_| Wrong::Garbled)?;
            Said::Get(envelope, ranges(&get.sr.0)?)
        }
        Type::GetNext => {
            let get = Get::from_bytes(octets).map_err(|_| Wrong::Garbled)?;
            Said::Next(envelope, ranges(&get.sr.0)?)
        }
        Type::GetBulk => {
            let get = GetBulk::from_bytes(octets).map_err(|_| Wrong::Garbled)?;
            Said::Bulk {
                envelope,
                once: usize::from(get.non_repeaters),
                times: usize::from(get.max_repetitions),
                ranges: ranges(&get.sr.0)?,
            }
        }
        Type::TestSet | Type::CommitSet | Type::UndoSet => Said::Set(envelope),
        Type::Open
        | Type::Register
        | Type::Unregister
        | Type::Notify
        | Type::Ping
        | Type::IndexAllocate
        | Type::IndexDeallocate
        | Type::AddAgentCaps
        | Type::RemoveAgentCaps => Said::Stranger(envelope),
    })
}

/// Without what it says about objects, which nobody here needs.
fn answer(header: &Header, octets: &[u8]) -> Result<Said, Wrong> {
    let fixed = octets.get(HEADER..ANSWER).ok_or(Wrong::Garbled)?;
    let [a, b, c, d, e, f, ..] = *fixed else { return Err(Wrong::Garbled) };
    let (uptime, status) = if header.flags & BIG != 0 {
        (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))
    } else {
        (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]))
    };
    let Header { session_id: session, packet_id: packet, .. } = *header;
    Ok(Said::Answer { session, packet, uptime, status })
}

fn ranges(found: &[agentx::encodings::SearchRange]) -> Result<Vec<Range>, Wrong> {
    let one = |range: &agentx::encodings::SearchRange| {
        Ok(Range {
            start: numbers(&range.start)?,
            include: range.start.include != 0,
            end: numbers(&range.end)?,
        })
    };
    found.iter().map(one).collect()
}

/// The crate shows the numbers of a name only as text.
fn numbers(name: &ID) -> Result<Oid, Wrong> {
    let text = name.to_string();
    let oid: Oid = text.split('.').filter_map(|number| number.parse().ok()).collect();
    if oid.len() > DEEPEST { Err(Wrong::Garbled) } else { Ok(oid) }
}

fn id(oid: &[u32]) -> ID {
    // Only more than 255 numbers are refused, and there never are as many.
    ID::try_from(oid.to_vec()).unwrap_or_default()
}

fn ours(header: &mut Header, session: u32, packet: u32) {
    header.flags |= BIG;
    header.session_id = session;
    header.packet_id = packet;
}

/// A session is to begin.
pub(super) fn open(packet: u32, subagent: &[u32], description: &str) -> Vec<u8> {
    let mut open = Open::new(id(subagent), description);
    open.timeout = std::time::Duration::from_secs(TIMEOUT.into());
    ours(&mut open.header, 0, packet);
    open.to_bytes().unwrap_or_default()
}

/// What is below `root` is ours.
pub(super) fn register(session: u32, packet: u32, root: &[u32]) -> Vec<u8> {
    let mut register = Register::new(id(root));
    register.priority = PRIORITY;
    ours(&mut register.header, session, packet);
    register.to_bytes().unwrap_or_default()
}

/// Whether anybody is there.
pub(super) fn ping(session: u32, packet: u32) -> Vec<u8> {
    let mut ping = Ping::new();
    ours(&mut ping.header, session, packet);
    ping.to_bytes().unwrap_or_default()
}

/// We end.
pub(super) fn close(session: u32, packet: u32) -> Vec<u8> {
    let mut close = Close::new(CloseReason::Shutdown);
    ours(&mut close.header, session, packet);
    close.to_bytes().unwrap_or_default()
}

/// Something happened.
pub(super) fn notify(session: u32, packet: u32, bindings: &[(Oid, Value)]) -> Vec<u8> {
    let mut notify = Notify::new(VarBindList::default());
    ours(&mut notify.header, session, packet);
    let head = notify.to_bytes().unwrap_or_default();
    let objects = bindings.iter().flat_map(|(name, value)| binding(name, Some(value)));
    with_length(head, objects)
}

/// What was asked for. `None` says that there is no such object, or nothing behind it.
pub(super) enum Found {
    Is(Oid, Value),
    NoSuch(Oid),
    NothingBehind(Oid),
}

/// The octets of one object of an answer.
pub(super) fn found(found: &Found) -> Vec<u8> {
    match found {
        Found::Is(name, value) => binding(name, Some(value)),
        Found::NoSuch(name) => coded(name, Coded::NoSuchInstance),
        Found::NothingBehind(name) => coded(name, Coded::EndOfMibView),
    }
}

/// An answer: its objects' octets, or what went wrong, by the numbers of SNMP and of AgentX.
pub(super) fn reply(to: &Envelope, status: u16, objects: Vec<u8>) -> Vec<u8> {
    let mut response = Response::new();
    ours(&mut response.header, to.session, to.packet);
    response.header.transaction_id = to.transaction;
    if status != 0 {
        response.res_index = 1;
    }
    let mut head = response.to_bytes().unwrap_or_default();
    if let Some(place) = head.get_mut(ERROR_AT..ERROR_AT + 2) {
        place.copy_from_slice(&status.to_be_bytes());
    }
    with_length(head, objects)
}

/// A message with more behind it than its header knows of.
fn with_length(mut head: Vec<u8>, more: impl IntoIterator<Item = u8>) -> Vec<u8> {
    head.extend(more);
    if let Ok(mut header) = Header::from_bytes(&head)
        && let Ok(length) = u32::try_from(head.len() - HEADER)
    {
        header.payload_length = length;
        if let Some(place) = head.get_mut(..HEADER) {
            place.copy_from_slice(&header.to_bytes());
        }
    }
    head
}

fn binding(name: &[u32], value: Option<&Value>) -> Vec<u8> {
    let Some(value) = value else { return coded(name, Coded::NoSuchInstance) };
    match value {
        Value::Integer(number) => coded(name, Coded::Integer(*number)),
        Value::Gauge(number) => coded(name, Coded::Gauge32(*number)),
        Value::Counter(number) => coded(name, Coded::Counter32(*number)),
        Value::Counter64(number) => coded(name, Coded::Counter64(*number)),
        Value::Ticks(number) => coded(name, Coded::TimeTicks(number.cast_signed())),
        Value::Name(other) => coded(name, Coded::ObjectIdentifier(id(other))),
        Value::Octets(octets) => laid_over(name, octets, Coded::OctetString),
        Value::Ip(octets) => laid_over(name, octets, Coded::IpAddress),
    }
}

/// Octets of any kind: written as a text of as many zeros, and then put where those are.
fn laid_over(name: &[u32], octets: &[u8], kind: fn(OctetString) -> Coded) -> Vec<u8> {
    let blank = OctetString("\0".repeat(octets.len()));
    let mut whole = coded(name, kind(blank));
    let padded = octets.len().div_ceil(4) * 4;
    let at = whole.len() - padded;
    if let Some(place) = whole.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
    whole
}

fn coded(name: &[u32], value: Coded) -> Vec<u8> {
    VarBind::new(id(name), value).to_bytes(&ByteOrder::BigEndian).unwrap_or_default()
}

/// A name in dots.
#[cfg(test)]
pub(super) fn oid(text: &str) -> Oid {
    numbers(&text.parse().unwrap()).unwrap()
}
