//! Processes that begin, change their program or name, and end: as the kernel tells it (the process
//! connector, `linux/cn_proc.h`), and as `/proc` shows it.
//!
//! The connector speaks only in the first network namespace, to those in the first user and process
//! namespaces, and where it does not speak it often says nothing at all: so the answer to the
//! subscription is waited for, and none is a refusal. A daemon that lives in a network namespace of
//! its own borrows the first one's for the moment of opening; a socket stays where it was made.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};
use nix::sched::{CloneFlags, setns};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::netlink::{receive, set_receive_queue};

const NETLINK_CONNECTOR: isize = 11;
/// `CN_IDX_PROC` and `CN_VAL_PROC`.
const PROC: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`.
const LISTEN: u32 = 1;
const NLMSG_DONE: u16 = 3;
const NETLINK_HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
/// What, processor, time.
const EVENT_HEADER: usize = 16;
const BUFFER: usize = 64 * 1024;
/// Messages taken by one read at most.
const PER_READ: usize = 4096;
/// How long the kernel may take to answer a subscription.
const ANSWER: Duration = Duration::from_millis(500);

/// What happened to a process (never to one of its threads).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessEvent {
    /// It began, as a copy of another.
    Began(u32),
    /// It runs another program, or is called otherwise.
    Changed(u32),
    /// It ended.
    Ended(u32),
}

/// What [`ProcessEvents::read`] heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Processes {
    /// These events, in order; perhaps none.
    Events(Vec<ProcessEvent>),
    /// Some were lost: look at all processes.
    Overrun,
}

/// A subscription. Its descriptor is readable when something has happened.
#[derive(Debug)]
pub struct ProcessEvents {
    socket: Socket,
    buffer: Vec<u8>,
}

impl ProcessEvents {
    /// Receive queue for [`open`](Self::open), octets.
    pub const QUEUE: usize = 4 * 1024 * 1024;

    /// Subscribes; needs `CAP_NET_ADMIN` outside of all containers.
    ///
    /// # Errors
    /// `ECONNREFUSED`, `EPERM` or a timeout: this kernel does not tell, or not here.
    pub fn open(queue: usize) -> io::Result<Self> {
        match Self::subscribe(queue) {
            Ok(events) => Ok(events),
            Err(here) => match fs::File::open("/proc/1/ns/net") {
                Ok(first) => Self::open_in(queue, first.into()),
                Err(_) => Err(here),
            },
        }
    }

    /// The same from another network namespace. The calling thread stays where it is.
    ///
    /// # Errors
    /// See [`open`](Self::open); `EPERM` without `CAP_SYS_ADMIN`.
    pub fn open_in(queue: usize, namespace: OwnedFd) -> io::Result<Self> {
        // Moves only that thread, which then ends.
        let elsewhere = std::thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Self::subscribe(queue)
        });
        let lost = |_| Err(io::Error::other("the thread that opens the connector is gone"));
        elsewhere.join().unwrap_or_else(lost)
    }

    fn subscribe(queue: usize) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_CONNECTOR)?;
        socket.bind(&SocketAddr::new(0, 1 << (PROC - 1)))?;
        socket.set_non_blocking(true)?;
        set_receive_queue(socket.as_fd(), queue)?;
        let mut request = Vec::new();
        let length = u32::try_from(NETLINK_HEADER + CONNECTOR_HEADER + 4).unwrap_or_default();
        request.extend(length.to_ne_bytes());
        request.extend(NLMSG_DONE.to_ne_bytes());
        request.extend([0; 10]);
        for word in [PROC, PROC, 0, 0] {
            request.extend(word.to_ne_bytes());
        }
        request.extend(4_u16.to_ne_bytes());
        request.extend([0; 2]);
        request.extend(LISTEN.to_ne_bytes());
        socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
        let mut events = Self { socket, buffer: vec![0; BUFFER] };
        events.await_answer()?;
        Ok(events)
    }

    /// The first message of all is either the answer or an event, and both mean that it speaks.
    fn await_answer(&mut self) -> io::Result<()> {
        let nanos = i64::from(ANSWER.subsec_nanos());
        let mut one = [PollFd::new(&self.socket, PollFlags::IN)];
        if poll(&mut one, Some(&Timespec { tv_sec: 0, tv_nsec: nanos }))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer"));
        }
        let Some(length) = receive(&self.socket, &mut self.buffer)? else { return Ok(()) };
        let message = &self.buffer[..length];
        let what = word(message, NETLINK_HEADER + CONNECTOR_HEADER);
        let error = word(message, NETLINK_HEADER + CONNECTOR_HEADER + EVENT_HEADER);
        match (what, error) {
            (Some(0), Some(error)) if error != 0 => {
                Err(io::Error::from_raw_os_error(i32::try_from(error).unwrap_or(libc::EPERM)))
            }
            _ => Ok(()),
        }
    }

    /// What has happened since this was last asked, without waiting.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub fn read(&mut self) -> io::Result<Processes> {
        let mut events = Vec::new();
        for _ in 0..PER_READ {
            match receive(&self.socket, &mut self.buffer) {
                Ok(Some(length)) => events.extend(event(&self.buffer[..length])),
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Ok(Processes::Overrun);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Processes::Events(events))
    }
}

impl AsFd for ProcessEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn word(message: &[u8], at: usize) -> Option<u32> {
    let octets = message.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(octets.try_into().ok()?))
}

/// The event a message tells of, if it is of a kind that matters, and of a process.
fn event(message: &[u8]) -> Option<ProcessEvent> {
    let start = NETLINK_HEADER + CONNECTOR_HEADER;
    let data = |n: usize| word(message, start + EVENT_HEADER + 4 * n);
    match word(message, start)? {
        // PROC_EVENT_FORK: parent's thread and process, child's thread and process.
        0x1 => (data(2)? == data(3)?).then_some(ProcessEvent::Began(data(3)?)),
        // PROC_EVENT_EXEC and PROC_EVENT_COMM: thread and process.
        0x2 => Some(ProcessEvent::Changed(data(1)?)),
        0x200 => (data(0)? == data(1)?).then_some(ProcessEvent::Changed(data(1)?)),
        // PROC_EVENT_EXIT
        0x8000_0000 => (data(0)? == data(1)?).then_some(ProcessEvent::Ended(data(1)?)),
        _ => None,
    }
}

/// A process as `/proc` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessEntry {
    /// Its number.
    pub pid: u32,
    /// What it is called: fifteen octets at most.
    pub name: String,
    /// Its command line, if that was asked for; empty for a kernel thread.
    pub command: Vec<String>,
}

/// The process with this number, unless it has ended (a zombie has).
#[must_use]
pub fn process(pid: u32, with_command: bool) -> Option<ProcessEntry> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain anything, a closing bracket too; what follows it may not.
    let (open, close) = (find(&stat, b'(')?, stat.iter().rposition(|octet| *octet == b')')?);
    let state = *stat.get(close + 2)?;
    if matches!(state, b'Z' | b'X' | b'x') {
        return None;
    }
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let mut command = Vec::new();
    if with_command {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        if !line.is_empty() {
            let word = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
            command = line.split(|octet| *octet == 0).map(word).collect();
        }
    }
    Some(ProcessEntry { pid, name, command })
}

/// All processes there are.
///
/// # Errors
/// `/proc` is not mounted.
pub fn processes(with_command: bool) -> io::Result<Vec<ProcessEntry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().into_vec();
        let pid = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        found.extend(pid.and_then(|pid| process(pid, with_command)));
    }
    Ok(found)
}

fn find(text: &[u8], octet: u8) -> Option<usize> {
    text.iter().position(|one| *one == octet)
}

/// Tells which network namespace the calling thread is in, for [`ProcessEvents`]' test.
#[cfg(test)]
fn own_namespace() -> OwnedFd {
    fs::File::open("/proc/thread-self/ns/net").unwrap().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Hears until a process with this number has begun, changed and ended.
    fn hears(events: &mut ProcessEvents) {
        let mut child = Command::new("/bin/sleep").arg("0.05").spawn().unwrap();
        let pid = child.id();
        assert_eq!(process(pid, false).unwrap().pid, pid);
        let _ = child.wait();
        let mut heard = Vec::new();
        let begun = std::time::Instant::now();
        while !heard.contains(&ProcessEvent::Ended(pid)) {
            assert!(begun.elapsed() < Duration::from_secs(5), "{heard:?}");
            if let Processes::Events(events) = events.read().unwrap() {
                heard.extend(events.into_iter().filter(|event| {
                    use ProcessEvent::{Began, Changed, Ended};
                    matches!(event, Began(p) | Changed(p) | Ended(p) if *p == pid)
                }));
            }
        }
        assert_eq!(heard.first(), Some(&ProcessEvent::Began(pid)));
        assert!(heard.contains(&ProcessEvent::Changed(pid)), "{heard:?}");
        assert!(process(pid, false).is_none());
    }

    #[test]
    fn the_kernel_tells_of_processes_or_says_that_it_does_not() {
        match ProcessEvents::open(ProcessEvents::QUEUE) {
            Ok(mut events) => hears(&mut events),
            Err(error) => println!("skipped: no process events here: {error}"),
        }
    }

    #[test]
    fn from_a_network_namespace_of_its_own_it_hears_as_well() {
        if let Err(error) = ProcessEvents::open(ProcessEvents::QUEUE) {
            println!("skipped: no process events here: {error}");
            return;
        }
        let first = own_namespace();
        crate::testing::in_namespace(move || {
            assert!(ProcessEvents::subscribe(ProcessEvents::QUEUE).is_err());
            let before = rustix::fs::fstat(own_namespace()).unwrap().st_ino;
            hears(&mut ProcessEvents::open_in(ProcessEvents::QUEUE, first).unwrap());
            let after = rustix::fs::fstat(own_namespace()).unwrap().st_ino;
            assert_eq!(before, after, "the thread itself stays where it is");
        });
    }

    #[test]
    fn proc_shows_names_and_command_lines_and_no_zombies() {
        let mut child = Command::new("/bin/sleep").arg("30").spawn();
        let child = child.as_mut().unwrap();
        let me = std::process::id();
        let all = processes(true).unwrap();
        assert!(all.iter().any(|one| one.pid == me && !one.command.is_empty()));
        child.kill().unwrap();
        // Until it is waited for it is a zombie.
        let begun = std::time::Instant::now();
        while process(child.id(), false).is_some() {
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        child.wait().unwrap();
        assert!(process(u32::MAX, true).is_none());
    }
}
