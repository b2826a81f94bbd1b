//! One node's worth of namespaces, and a thread that lives in them.
//!
//! Linux gives namespaces to threads. So a container here is a thread that has left ours and taken
//! up its own network, mounts, host name and process ids: what it opens belongs to the container,
//! and what it starts runs there. [`Container::run`] hands it a closure, [`Container::spawn`] a
//! command. Files written below `/run` (and `/etc`, where an overlay can be had) exist in there only.
//!
//! Nothing can be left behind. Each process dies with the thread that started it
//! (`PR_SET_PDEATHSIG`), what it has forked dies with the container's init, and the init dies with
//! the thread too: dropping the container, a panic and `kill -9` of the whole program all end the
//! same way, in the kernel.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal};

use crate::netns::{Init, Separations, separate_thread};

type Job = Box<dyn FnOnce() + Send>;

/// A node's namespaces with the thread inside; see the head of this file.
#[derive(Debug)]
pub struct Container {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    net: OwnedFd,
    init: Init,
    etc: bool,
    /// What was started here and may still run; `None` once the container was killed.
    processes: Mutex<Option<Vec<Process>>>,
}

impl Container {
    /// Makes one whose host name is `name`. Needs `CAP_SYS_ADMIN`, be it in a user namespace (see
    /// [`become_root`](crate::become_root)).
    ///
    /// # Errors
    /// Whatever `unshare(2)`, `mount(2)` or `fork(2)` say.
    pub fn create(name: &str) -> io::Result<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (made, result) = channel();
        let host_name = name.to_owned();
        let thread = std::thread::Builder::new().name(format!("in-{name}")).spawn(move || {
            let parts =
                separate_thread(&host_name).and_then(|(net, etc)| Ok((net, etc, Init::start()?)));
            let inside = parts.is_ok();
            if made.send(parts).is_ok() && inside {
                for job in inbox {
                    job();
                }
            }
        })?;
        let made = result.recv().map_err(|_| io::Error::other("the container's thread ended"))?;
        let (net, etc, init) = match made {
            Ok(parts) => parts,
            Err(error) => {
                // A process with one thread may still become root; see `become_root`.
                let _ = thread.join();
                return Err(error);
            }
        };
        let processes = Mutex::new(Some(Vec::new()));
        Ok(Self { jobs: Some(jobs), thread: Some(thread), net, init, etc, processes })
    }

    /// What is separate here beyond the network.
    #[must_use]
    pub fn separations(&self) -> Separations {
        Separations { etc: self.etc, proc: self.init.private_proc }
    }

    /// The network namespace, for `IFLA_NET_NS_FD`.
    #[must_use]
    pub fn net(&self) -> BorrowedFd<'_> {
        self.net.as_fd()
    }

    /// Runs `work` inside and returns what it returns; a panic in it continues here. Sockets and
    /// files opened by it stay inside, wherever they are used afterwards. One at a time: `work` must
    /// not wait for another `run`.
    ///
    /// # Panics
    /// If `work` does.
    pub fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> R {
        let (reply, answer) = channel::<Result<R, Box<dyn Any + Send>>>();
        let job = Box::new(move || {
            // A caller that has gone has no use for the answer.
            let _ = reply.send(catch_unwind(AssertUnwindSafe(work)));
        });
        let jobs = self.jobs.as_ref().expect("the sender lives until drop");
        jobs.send(job).expect("the thread lives as long as the sender");
        match answer.recv().expect("the thread answers every job") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Starts a command inside, in a session of its own, with no input and its output kept in
    /// memory ([`Process::log`]). It dies with the container.
    ///
    /// # Errors
    /// Whatever `fork(2)` or `execve(2)` say; after [`kill`](Self::kill), `ENOMEM`.
    pub fn spawn(&self, mut command: Command) -> io::Result<Process> {
        let log = File::from(rustix::fs::memfd_create(c"log", MemfdFlags::CLOEXEC)?);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        // SAFETY: the closure makes two system calls and touches no memory of the parent.
        unsafe {
            command.pre_exec(|| {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                rustix::process::setsid()?;
                Ok(())
            });
        }
        let child = self.run(move || command.spawn())?;
        let process = Process { child: Arc::new(Mutex::new(child)), log: Arc::new(log) };
        if let Some(processes) = lock(&self.processes).as_mut() {
            processes.retain(|process| process.ended().is_none());
            processes.push(process.clone());
        }
        Ok(process)
    }

    /// The ids, as seen from outside, of all processes inside but the init; zombies are none.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let inside = |pid: &u32| {
            fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|ns| ns == self.init.namespace)
        };
        let init = u32::try_from(self.init.pid.as_raw_nonzero().get()).ok();
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| Some(*pid) != init && inside(pid))
            .collect()
    }

    /// Sends a signal to all processes inside but the init, again and again until no new one has
    /// appeared.
    pub fn signal_all(&self, signal: Signal) {
        let mut told = Vec::new();
        loop {
            let new: Vec<u32> = self.pids().into_iter().filter(|p| !told.contains(p)).collect();
            if new.is_empty() {
                return;
            }
            for pid in &new {
                if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                    // Already gone is as good as told.
                    let _ = rustix::process::kill_process(pid, signal);
                }
            }
            told.extend(new);
        }
    }

    /// Sends a signal to the processes inside that go by this name (`comm`, at most 15 octets), and
    /// says how many those were.
    pub fn signal_named(&self, name: &str, signal: Signal) -> usize {
        let named = |pid: &u32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        };
        let found: Vec<u32> = self.pids().into_iter().filter(named).collect();
        for pid in &found {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        found.len()
    }

    /// Ends every process inside by `SIGKILL` and waits until all are gone. The namespaces remain
    /// and can be looked at; no process can be started here again.
    pub fn kill(&self) {
        // Once only: the ids may be somebody else's later.
        let Some(processes) = lock(&self.processes).take() else { return };
        self.init.kill();
        // The init is not gone before its namespace is empty, so our own children come first.
        for process in processes {
            let _ = lock(&process.child).wait();
        }
        self.init.reap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.kill();
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A process started in a container. Cloning it gives another handle of the same process.
#[derive(Clone, Debug)]
pub struct Process {
    child: Arc<Mutex<Child>>,
    log: Arc<File>,
}

impl Process {
    /// Its id as seen from outside the container.
    #[must_use]
    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        let mut child = lock(&self.child);
        // Not reaped before we hold the lock, so the id cannot have passed to somebody else.
        if let (Ok(None), Ok(pid)) = (child.try_wait(), i32::try_from(child.id())) {
            let _ = Pid::from_raw(pid).map(|pid| rustix::process::kill_process(pid, signal));
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().ok().flatten()
    }

    /// Waits at most `limit` for its end.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let give_up = Instant::now() + limit;
        loop {
            match self.ended() {
                None if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(2)),
                ended => return ended,
            }
        }
    }

    /// All it has written to its output and error output so far.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        let mut at = 0;
        while let Ok(length @ 1..) = self.log.read_at(&mut piece, at) {
            text.extend_from_slice(&piece[..length]);
            at = at.saturating_add(u64::try_from(length).unwrap_or(0));
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Nothing guarded here is left half-changed by a panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
