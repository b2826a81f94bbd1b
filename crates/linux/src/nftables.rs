//! Talking to nf_tables (`nfnetlink`, `linux/netfilter/nf_tables.h`): transactions that happen whole
//! or not at all, and dumps of a set's elements.
//!
//! A transaction is carried out inside `send()`, like everything else over netlink: when that
//! returns, it is committed or undone and the answer is queued. Only the last message asks for an
//! answer; each one that is refused answers anyway.
//!
//! The codecs are netlink-packet-netfilter's. What it lacks stands here: the `DESTROY` messages,
//! which remove what may not be there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use base::Errno;
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NetlinkDeserializable, Nla,
};
use netlink_packet_netfilter::nftables::{
    DataAttribute, ListAttribute, NfTablesMessage, SetAttribute, SetElementAttribute,
    SetElementList, SetElementMessage, SetMessage, TableAttribute,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use netlink_sys::{Socket, SocketAddr};

use crate::clock;
use crate::netlink::{
    Messages, NLMSG_DONE, NLMSG_ERROR, NO_ANSWER, NetlinkError, Refusal, append, outcome, receive,
    retry,
};

const NETLINK_NETFILTER: isize = 12;
/// `NFNL_SUBSYS_NFTABLES`, as a batch names it.
const NFTABLES: u16 = 10;
/// `NFT_MSG_DESTROYTABLE`, `NFT_MSG_DESTROYSETELEM` (Linux 6.3).
const DESTROY_TABLE: u8 = 26;
const DESTROY_SET_ELEMENT: u8 = 30;

/// Room for one transaction on its way in.
const SEND_QUEUE: usize = 4 * 1024 * 1024;
const RECEIVE_BUFFER: usize = 64 * 1024;
const DUMP_TRIES: u32 = 16;

/// What a transaction of [`Nftables::commit`] consists of.
pub(crate) struct Step {
    message: NfTablesMessage,
    flags: u16,
    /// For people: what was asked.
    name: &'static str,
    /// Of which family its table is.
    family: NetfilterProtoFamily,
}

impl Step {
    /// The same for a table of another family than netdev.
    pub(crate) fn of(self, family: NetfilterProtoFamily) -> Self {
        Self { family, ..self }
    }

    /// Makes something, or finds it made.
    pub(crate) fn create(name: &'static str, message: NfTablesMessage) -> Self {
        Self { message, flags: NLM_F_CREATE, name, family: NetfilterProtoFamily::NetDev }
    }

    /// Makes something after what is already there.
    pub(crate) fn append(name: &'static str, message: NfTablesMessage) -> Self {
        Self {
            message,
            flags: NLM_F_CREATE | NLM_F_APPEND,
            name,
            family: NetfilterProtoFamily::NetDev,
        }
    }

    /// Removes something that must be there.
    pub(crate) fn delete(name: &'static str, message: NfTablesMessage) -> Self {
        Self { message, flags: 0, name, family: NetfilterProtoFamily::NetDev }
    }

    /// Removes elements, be they there or not.
    pub(crate) fn destroy_elements(name: &'static str, message: &SetElementMessage) -> Self {
        let attributes = message.attributes.iter().map(plain).collect();
        let message = NfTablesMessage::Other { message_type: DESTROY_SET_ELEMENT, attributes };
        Self { message, flags: 0, name, family: NetfilterProtoFamily::NetDev }
    }

    /// Removes a table, be it there or not.
    pub(crate) fn destroy_table(name: &'static str, table: &str) -> Self {
        let attributes = vec![plain(&TableAttribute::Name(table.to_owned()))];
        let message = NfTablesMessage::Other { message_type: DESTROY_TABLE, attributes };
        Self { message, flags: 0, name, family: NetfilterProtoFamily::NetDev }
    }
}

/// The same attribute for a message whose type the codec does not know.
fn plain(attribute: &impl Nla) -> DefaultNla {
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    DefaultNla::new(attribute.kind(), value)
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// The kernel refused all of it, before it came to a step.
    #[error("nf_tables: {0}")]
    Refused(Refusal),
    /// The kernel refused this step.
    #[error("{step}: {refusal}")]
    Step {
        /// Its number.
        number: usize,
        /// Its name.
        step: &'static str,
        /// The kernel's answer.
        refusal: Refusal,
    },
    /// The socket failed.
    #[error("nf_tables socket: {0}")]
    Io(#[from] io::Error),
}

/// A socket of nf_tables in the network namespace in which it was opened. A table with an owner is
/// owned by one of these: copies of it ([`Nftables::try_clone`], also in another process) are the
/// same owner.
#[derive(Debug)]
pub(crate) struct Nftables {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Nftables {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        rustix::net::sockopt::set_socket_send_buffer_size(socket.as_fd(), SEND_QUEUE)?;
        // Beyond the system's limit where we may; what does not fit is refused and told.
        let _ = nix::sys::socket::setsockopt(
            &socket.as_fd(),
            nix::sys::socket::sockopt::SndBufForce,
            &SEND_QUEUE,
        );
        Ok(Self { socket, sequence: 0, buffer: vec![0; RECEIVE_BUFFER] })
    }

    /// Takes over one that was opened before, perhaps by another process.
    pub(crate) fn over(fd: OwnedFd) -> Self {
        // SAFETY: the descriptor is owned and nobody else's from here on.
        let socket = unsafe { Socket::from_raw_fd(fd.into_raw_fd()) };
        // Answers to a process before us may still come; they are told by their numbers.
        let sequence = (clock::monotonic().as_nanos() >> 10) & 0x3fff_ffff;
        let sequence = u32::try_from(sequence).unwrap_or(0);
        let mut nftables = Self { socket, sequence, buffer: vec![0; RECEIVE_BUFFER] };
        while let Ok(Some(_)) = receive(&nftables.socket, &mut nftables.buffer) {}
        nftables
    }

    /// A second descriptor of the same socket, and so the same owner of tables.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Carries out all steps, or none.
    pub(crate) fn commit(&mut self, steps: Vec<Step>) -> Result<(), CommitError> {
        let names: Vec<&'static str> = steps.iter().map(|step| step.name).collect();
        let first = self.sequence.wrapping_add(1);
        let mut out = Vec::new();
        let control = |out: &mut Vec<u8>, message, sequence| {
            let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, NFTABLES);
            append(out, NetfilterMessage::new(header, message), NLM_F_REQUEST, sequence);
        };
        control(&mut out, ControlMessage::BatchBegin, first);
        let mut sequence = first;
        let last = steps.len();
        for (number, step) in steps.into_iter().enumerate() {
            sequence = sequence.wrapping_add(1);
            let ack = if number + 1 == last { NLM_F_ACK } else { 0 };
            let header = NetfilterHeader::new(step.family, 0, 0);
            let message = NetfilterMessage::new(header, step.message);
            append(&mut out, message, NLM_F_REQUEST | step.flags | ack, sequence);
        }
        let acknowledged = sequence;
        self.sequence = sequence.wrapping_add(1);
        control(&mut out, ControlMessage::BatchEnd, self.sequence);
        let sent = retry(|| self.socket.send(&out, 0))?;
        if sent != out.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        self.verdict(first, acknowledged, &names)
    }

    /// The answer to the transaction that began with `first`: its first refusal, or the
    /// acknowledgement of its last step.
    fn verdict(
        &mut self,
        first: u32,
        acknowledged: u32,
        names: &[&'static str],
    ) -> Result<(), CommitError> {
        let mut refused: Option<(u32, Refusal)> = None;
        let mut done = false;
        loop {
            let length = match receive(&self.socket, &mut self.buffer) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(error) => return Err(error.into()),
            };
            for message in Messages::new(&self.buffer[..length]) {
                let Ok((header, payload)) = message else { break };
                let number = header.sequence_number.wrapping_sub(first);
                let ours = number <= self.sequence.wrapping_sub(first);
                // Late answers to others are passed over: the socket may be shared.
                if header.message_type != NLMSG_ERROR || !ours {
                    continue;
                }
                match outcome(&header, payload) {
                    Ok(()) => done |= header.sequence_number == acknowledged,
                    Err(refusal) if refused.as_ref().is_none_or(|(n, _)| number < *n) => {
                        refused = Some((number, refusal));
                    }
                    Err(_) => {}
                }
            }
        }
        let Some((number, refusal)) = refused else {
            return if done { Ok(()) } else { Err(CommitError::Refused(NO_ANSWER.into())) };
        };
        // The begin of the transaction is number 0.
        let number = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        match number.and_then(|number| Some((number, *names.get(number)?))) {
            Some((number, step)) => Err(CommitError::Step { number, step, refusal }),
            None => Err(CommitError::Refused(refusal)),
        }
    }

    /// The names of a table's sets; none also if there is no such table.
    pub(crate) fn sets(&mut self, table: &str) -> Result<Vec<String>, NetlinkError> {
        let attributes = vec![SetAttribute::Table(table.to_owned())];
        self.dump(NfTablesMessage::GetSet(SetMessage { attributes }), |message, found| {
            let NfTablesMessage::NewSet(SetMessage { attributes }) = message else { return };
            // The kernel lists those of other tables too.
            let ours = |a: &SetAttribute| matches!(a, SetAttribute::Table(of) if of == table);
            if attributes.iter().any(ours) {
                found.extend(attributes.into_iter().find_map(|attribute| match attribute {
                    SetAttribute::Name(name) => Some(name),
                    _ => None,
                }));
            }
        })
    }

    /// The keys of all elements of a set.
    pub(crate) fn elements(
        &mut self,
        table: &str,
        set: &str,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let ask = NfTablesMessage::GetSetElement(element_list(table, set, Vec::new()));
        self.dump(ask, |message, found| {
            if let NfTablesMessage::NewSetElement(message) = message {
                found.extend(keys(message));
            }
        })
    }

    /// A whole list, true at one moment; what is not there has none.
    fn dump<T>(
        &mut self,
        ask: NfTablesMessage,
        mut take: impl FnMut(NfTablesMessage, &mut Vec<T>),
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            let mut found = Vec::new();
            match self.ask(ask.clone(), NLM_F_DUMP, &mut |message| take(message, &mut found)) {
                Ok(true) => return Ok(found),
                Ok(false) => {}
                Err(NetlinkError::Refused(no)) if no.errno == Errno(libc::ENOENT) => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
        Err(NetlinkError::Unsteady)
    }

    /// One question outside transactions; whether the answer was of one piece.
    fn ask(
        &mut self,
        message: NfTablesMessage,
        flags: u16,
        each: &mut dyn FnMut(NfTablesMessage),
    ) -> Result<bool, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut out = Vec::new();
        append(&mut out, netdev(message), NLM_F_REQUEST | flags, self.sequence);
        retry(|| self.socket.send(&out, 0))?;
        let mut steady = true;
        loop {
            let Some(length) = receive(&self.socket, &mut self.buffer)? else {
                return Err(NetlinkError::Refused(NO_ANSWER.into()));
            };
            for message in Messages::new(&self.buffer[..length]) {
                let (header, payload) = message?;
                if header.sequence_number != self.sequence {
                    continue;
                }
                steady &= header.flags & NLM_F_DUMP_INTR == 0;
                if matches!(header.message_type, NLMSG_DONE | NLMSG_ERROR) {
                    outcome(&header, payload)?;
                    return Ok(steady);
                }
                let message = NetfilterMessage::deserialize(&header, payload)
                    .map_err(|error| NetlinkError::Undecodable(error.to_string()))?;
                if let NetfilterMessageInner::NfTables(message) = message.inner {
                    each(message);
                }
            }
        }
    }

    /// Sends one transaction without waiting for its outcome: a refusal is told to whoever reads
    /// next. For emergencies on a socket that somebody else reads.
    pub(crate) fn send_blindly(fd: BorrowedFd<'_>, step: Step) -> io::Result<()> {
        let mut out = Vec::new();
        let control = |out: &mut Vec<u8>, message| {
            let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, NFTABLES);
            append(out, NetfilterMessage::new(header, message), NLM_F_REQUEST, u32::MAX);
        };
        control(&mut out, ControlMessage::BatchBegin);
        append(&mut out, netdev(step.message), NLM_F_REQUEST | step.flags, u32::MAX);
        control(&mut out, ControlMessage::BatchEnd);
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::send(fd, &out, rustix::net::SendFlags::empty())
        })?;
        if sent == out.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

impl AsFd for Nftables {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket, and so its descriptor, lives as long as the borrow.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }
}

fn netdev(message: NfTablesMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::NetDev, 0, 0), message)
}

/// Elements of a set, for any of the element messages; none: all of them.
pub(crate) fn element_list(
    table: &str,
    set: &str,
    elements: Vec<Vec<SetElementAttribute>>,
) -> SetElementMessage {
    let mut attributes =
        vec![SetElementList::Table(table.to_owned()), SetElementList::Set(set.to_owned())];
    if !elements.is_empty() {
        let elements = elements.into_iter().map(ListAttribute::Element).collect();
        attributes.push(SetElementList::Elements(elements));
    }
    SetElementMessage { attributes }
}

fn keys(message: SetElementMessage) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for list in message.attributes {
        let SetElementList::Elements(elements) = list else { continue };
        for element in elements {
            let ListAttribute::Element(attributes) = element else { continue };
            found.extend(attributes.into_iter().find_map(|attribute| match attribute {
                SetElementAttribute::Key(DataAttribute::Value(value)) => Some(value),
                _ => None,
            }));
        }
    }
    found
}
