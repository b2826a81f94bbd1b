//! Which system calls a process may still make (`seccomp(2)`, SEC-05 of the conformance reference).
//!
//! The engine hears, sends, waits and asks netlink; it opens no file, starts no program and no
//! thread. What it was not meant to do is refused (`EPERM`), not punished by death: a call that
//! somebody forgot to list must not cost a VIP.

use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

use crate::confine::Gap;

/// Allowed whatever their arguments.
const ALLOWED: &[c_long] = &[
    // waiting and time
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_create,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    // hearing and sending
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_recvfrom,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_ioctl,
    // memory
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mprotect,
    libc::SYS_brk,
    libc::SYS_getrandom,
    libc::SYS_mlockall,
    libc::SYS_munlockall,
    // being on time, within the limits that somebody else has set
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_setpriority,
    // being a process, and ending
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Families a new socket may be of.
const FAMILIES: [i32; 4] = [libc::AF_INET, libc::AF_INET6, libc::AF_PACKET, libc::AF_NETLINK];

/// From now on all threads of this process make only the calls that the engine needs.
///
/// Not fatal where the kernel or a container does not let us: then it is answered as a [`Gap`].
#[must_use]
pub fn only_sockets_and_time() -> Vec<Gap> {
    match program().and_then(|program| {
        apply_filter_all_threads(&program).map_err(|error| io::Error::other(error.to_string()))
    }) {
        Ok(()) => Vec::new(),
        Err(error) => vec![Gap(format!("seccomp: {error}"))],
    }
}

fn program() -> io::Result<BpfProgram> {
    let other = |error: seccompiler::BackendError| io::Error::other(error.to_string());
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(other)?;
    let mut rules: std::collections::BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let of_family = |family: i32| {
        let family = u64::try_from(family).unwrap_or(u64::MAX);
        let is = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family)
            .map_err(other)?;
        SeccompRule::new(vec![is]).map_err(other)
    };
    let sockets = FAMILIES.into_iter().map(of_family).collect::<io::Result<_>>()?;
    rules.insert(libc::SYS_socket, sockets);
    let refuse = SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1));
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).map_err(other)?;
    filter.try_into().map_err(other)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::clock;

    /// A filter cannot be taken off, so it is tried on a process of its own: this test's binary,
    /// started again for this test alone.
    #[test]
    fn what_the_engine_needs_works_and_nothing_else() {
        const CHILD: &str = "MAINSTAY_TEST_SECCOMP";
        if std::env::var_os(CHILD).is_none() {
            let name = "system_calls::tests::what_the_engine_needs_works_and_nothing_else";
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name, "--nocapture"])
                .env(CHILD, "1")
                .status()
                .unwrap();
            assert!(status.success());
            return;
        }
        let (near, far) = UnixStream::pair().unwrap();
        rustix::thread::set_no_new_privs(true).unwrap();
        assert_eq!(only_sockets_and_time(), []);
        let refused = |kind: ErrorKind| assert_eq!(kind, ErrorKind::PermissionDenied);
        refused(std::fs::File::open("/etc/hostname").unwrap_err().kind());
        refused(UnixStream::pair().unwrap_err().kind());
        refused(std::thread::Builder::new().spawn(|| {}).unwrap_err().kind());
        refused(std::process::Command::new("/bin/true").spawn().unwrap_err().kind());
        // What it is for goes on.
        let before = clock::monotonic();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(clock::monotonic() > before);
        UdpSocket::bind("127.0.0.1:0").unwrap();
        crate::RouteSocket::open().unwrap();
        assert_eq!(crate::fd_stream::send(&near, b"x", None).unwrap(), 1);
        let (mut buffer, mut fds) = ([0; 8], Vec::new());
        assert_eq!(crate::fd_stream::recv(&far, &mut buffer, &mut fds).unwrap(), 1);
    }
}
