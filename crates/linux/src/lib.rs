//! The hands: sockets, netlink, timers, processes, files. The only room where `unsafe` may stand.
//!
//! Nothing here decides anything. Each file wraps one facility of the kernel in the project's nouns
//! (`base`), says exactly which errors can come, and leaves retries, timing and policy to whoever
//! calls. Everything is synchronous and nonblocking where a loop might wait on it; loops wait in
//! one place, [`Poll`].

mod accept;
mod addresses;
mod advert_socket;
mod bfd_socket;
mod call;
pub mod clock;
pub mod confine;
mod container;
mod devices;
pub mod fd_stream;
mod fifo;
mod file_watch;
mod frames;
mod inventory;
mod lease_table;
mod link;
mod many;
pub mod memory;
mod monitor;
mod neighbour_watch;
mod netlink;
mod netns;
mod nftables;
mod notice_socket;
mod offspring;
mod pid_file;
mod poll;
mod process_events;
mod renewal_filter;
mod replace_file;
mod role;
pub mod scheduling;
mod script_path;
mod session;
mod signals;
mod sockets;
mod spawn;
pub mod succession;
mod sysctl;
mod system_calls;
mod tap;
#[cfg(test)]
mod testing;
mod udp;
mod users;
mod watchdog;
mod ways;
pub mod wiping;

pub use accept::AcceptFilter;
pub use addresses::{ADDRESS_PROTOCOL, Addresses};
pub use advert_socket::{Datagram, GROUP_V4, GROUP_V6, Incoming, Outgoing, Receiver, Sender};
pub use bfd_socket::{BfdDatagram, BfdReceiver, BfdSender};
pub use call::{Callee, call};
pub use container::{Container, Process};
pub use devices::Devices;
pub use fifo::Fifo;
pub use file_watch::{FileWatch, Noticed, WatchId};
pub use frames::{Frame, FrameSender, FrameTap};
pub use inventory::{AddressEntry, Inventory, LinkEntry, Neighbour};
pub use lease_table::{LeaseSocket, LeaseTable};
pub use link::{FarEnd, Links, interface_name};
pub use many::AT_ONCE as DATAGRAMS_AT_ONCE;
pub use monitor::{Heard, Monitor};
pub use neighbour_watch::NeighbourWatch;
pub use netlink::{MAX_PER_SEND, NO_ANSWER, NetlinkError, Refusal, Request, RouteSocket};
pub use netns::{
    PRIVATE_DIR, Separations, become_root, enter_network, join_network, look_into_network,
};
pub use notice_socket::{IncomingWords, NoticeSocket, OutgoingWords};
pub use offspring::kill_offspring;
pub use pid_file::{PidFile, PidFileError};
pub use poll::{Interest, Poll, Ready, Timer};
pub use process_events::{
    ProcessEntry, ProcessEvent, ProcessEvents, Processes, process, processes,
};
pub use replace_file::{remove_file, replace_file};
pub use role::{Role, die_with, take_line};
pub use scheduling::{Scheduling, real_time};
pub use script_path::{ScriptFile, ScriptPathError, check_script_path, runs_with_rights_of_root};
pub use session::{name_process, new_session, own_uid};
pub use signals::{Signal, Signals};
pub use sockets::{BindError, Peer, bind_unix, peer};
pub use spawn::{
    Child, End, Program, SpawnError, Streams, spawn, spawn_checked, spawn_with, streams,
};
pub use sysctl::Sysctl;
pub use system_calls::only_sockets_and_time;
pub use tap::{Hear, Tap};
pub use udp::{Asked, UdpAnswerer};
pub use users::{Account, Identity, UserError, account, group};
pub use watchdog::Watchdog;
pub use ways::Ways;

/// For opening files: not through a symbolic link at the end of the path (`open(2)`).
pub const NOFOLLOW: i32 = libc::O_NOFOLLOW;

/// A signal to be sent to a process; those that arrive are [`Signal`]s.
pub use rustix::process::Signal as ProcessSignal;
