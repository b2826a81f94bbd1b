//! Namespaces: the pieces of which a [`Container`](crate::Container) is made, and becoming root
//! where one is not.
//!
//! Everything here acts on the *calling thread* (network, mount, host name) or on its future
//! children (process ids). Nothing gets a name in the file system: a namespace lives while a thread,
//! a process or a descriptor refers to it, so the kernel removes all of it when our processes end,
//! however they end.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, getgid, getuid, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// The directory in which a container's private files can be kept; a `tmpfs` of its own.
pub const PRIVATE_DIR: &str = "/run";

/// Which separations a container has. Network, mounts, host name and processes are always separate,
/// for without them there is no container; these two depend on where we run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Separations {
    /// `/etc` can be written without anybody outside seeing it (an overlay file system).
    pub etc: bool,
    /// `/proc` shows the container's own processes only.
    pub proc: bool,
}

/// Makes the calling process root in a new user namespace in which only the present user and group
/// exist. To be called before any thread is started.
///
/// Afterwards network, mount and process namespaces can be made without privilege; a second user id
/// and real-time scheduling cannot be had.
///
/// # Errors
/// `EINVAL` if other threads run, `EPERM`, `ENOSPC` or `EUSERS` if the system does not allow user
/// namespaces (`user_namespaces(7)`, sysctl `user.max_user_namespaces`, AppArmor).
pub fn become_root() -> io::Result<()> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    // SAFETY: descriptors stay shared (no UnshareFlags::FILES), and the kernel refuses
    // CLONE_NEWUSER to a process with more than one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }?;
    // user_namespaces(7): without CAP_SETGID outside, gid_map can only be written once setgroups(2)
    // has been given up.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Has the calling thread work in a network namespace that `ip netns add` has given this name, and
/// all that it starts from now on.
///
/// # Errors
/// `InvalidInput` for what is no name; `NotFound` if nothing has it; `EPERM` without `CAP_SYS_ADMIN`.
pub fn enter_network(name: &str) -> io::Result<()> {
    if name.is_empty() || matches!(name, "." | "..") || name.contains('/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not the name of one"));
    }
    let namespace = fs::File::open(std::path::Path::new("/run/netns").join(name))?;
    Ok(nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNET)?)
}

/// Has the calling thread work in a network namespace that it has a descriptor of, a
/// [`Container`](crate::Container)'s for example, and all threads that it starts from now on.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; `EINVAL` if the descriptor is of something else.
pub fn join_network(namespace: impl AsFd) -> io::Result<()> {
    Ok(nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?)
}

/// Has the calling thread look at a network namespace as [`enter_network`] has it work there, and see
/// its interfaces below `/sys` too, which shows those of the namespace it was mounted in. Only this thread
/// does, and what it starts.
///
/// # Errors
/// Those of [`enter_network`]; `EPERM` where no file system can be mounted.
pub fn look_into_network(name: &str) -> io::Result<()> {
    enter_network(name)?;
    // SAFETY: descriptors stay shared (no UnshareFlags::FILES).
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    Ok(mount("sysfs", "/sys", "sysfs", quiet, None)?)
}

/// Gives the calling thread its own network, mount, IPC and host name namespaces, and a `tmpfs` on
/// [`PRIVATE_DIR`]; returns the network namespace, and whether `/etc` is private.
pub(crate) fn separate_thread(host_name: &str) -> io::Result<(OwnedFd, bool)> {
    let flags =
        UnshareFlags::NEWNET | UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
    // SAFETY: descriptors stay shared (no UnshareFlags::FILES).
    unsafe { unshare_unsafe(flags) }?;
    // Opened before /proc is replaced by one in which this thread does not exist.
    let net = fs::File::open("/proc/thread-self/ns/net")?.into();
    rustix::system::sethostname(host_name.as_bytes())?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", PRIVATE_DIR, "tmpfs", quiet, c"mode=0755")?;
    Ok((net, private_etc().is_ok()))
}

fn private_etc() -> io::Result<()> {
    fs::create_dir("/run/.etc")?;
    fs::create_dir("/run/.etc/upper")?;
    fs::create_dir("/run/.etc/work")?;
    let layers = c"lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work";
    Ok(mount("overlay", "/etc", "overlay", MountFlags::NODEV, layers)?)
}

/// The first process of a process id namespace. When it ends, the kernel ends all the others.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) pid: Pid,
    /// What `/proc/PID/ns/pid` reads for every process of the namespace.
    pub(crate) namespace: std::path::PathBuf,
    pub(crate) private_proc: bool,
}

impl Init {
    /// Starts one for the calling thread: every process this thread starts from now on is born into
    /// the new namespace. The init itself dies with this thread (`PR_SET_PDEATHSIG`).
    pub(crate) fn start() -> io::Result<Self> {
        // SAFETY: descriptors stay shared; only the process ids of future children change.
        unsafe { unshare_unsafe(UnshareFlags::NEWPID) }?;
        let (ready, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let proc_outside = fs::File::open("/proc")?;
        // SAFETY: the child of a many-threaded process may only make system calls that need no lock
        // and no allocation; `init` keeps to that and never returns.
        let pid = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => init(&tell),
            pid => pid,
        };
        drop(tell);
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
        let mut private_proc = [0];
        let told = rustix::io::read(&ready, &mut private_proc)?;
        // /proc may by now be the container's own, in which we do not exist: ask the old one.
        let link = format!("{}/ns/pid", pid.as_raw_nonzero());
        let namespace = rustix::fs::readlinkat(proc_outside.as_fd(), link, Vec::new())
            .map(|path| path.to_string_lossy().into_owned().into());
        match (told, namespace) {
            (1.., Ok(namespace)) => Ok(Self { pid, namespace, private_proc: private_proc == [1] }),
            (_, namespace) => {
                let init = Self { pid, namespace: "".into(), private_proc: false };
                init.kill();
                init.reap();
                namespace?;
                Err(io::Error::other("the container's init ended at once"))
            }
        }
    }

    /// Ends every process of the namespace, as a power cut would.
    pub(crate) fn kill(&self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }

    /// Waits until it is gone. It goes last: the kernel lets it wait until all others are reaped.
    pub(crate) fn reap(&self) {
        while let Err(rustix::io::Errno::INTR) =
            rustix::process::waitpid(Some(self.pid), rustix::process::WaitOptions::empty())
        {
        }
    }
}

/// The whole life of an init: dies with its parent, holds no descriptor, reaps orphans, does nothing.
fn init(tell: &OwnedFd) -> ! {
    const NAME: &CStr = c"lab-init";
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::thread::set_name(NAME);
    let _ = rustix::process::setsid();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = mount(c"proc", c"/proc", c"proc", flags, None).is_ok();
    let _ = rustix::io::write(tell, &[u8::from(mounted)]);
    // SAFETY: nothing in this process uses a descriptor, memory or a lock again after this point;
    // an ignored SIGCHLD makes the kernel reap the orphans (sigaction(2)); pause has no arguments.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        loop {
            libc::pause();
        }
    }
}
