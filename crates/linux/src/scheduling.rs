//! Being on time on a busy machine (`sched(7)`, `mlockall(2)`).
//!
//! A process that should have no right it does not need can still be scheduled in real time: whoever
//! starts it raises its limits ([`Scheduling::allow`], `prlimit(2)`), and within these it helps itself
//! ([`Scheduling::take`]), without any capability. What a container does not grant is no reason to
//! stop: it is answered in words, for somebody to be told.
//!
//! A real-time thread that runs on and on would take a processor from everybody. The kernel notices
//! it (`RLIMIT_RTTIME`) and sends `SIGXCPU`, which ends a process by default; here it makes the thread
//! an ordinary one. Whoever finds that it happened ([`overran`]) may take the priority again.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::{Deserialize, Serialize};

/// How the threads of a process are scheduled. The default is what every process has.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scheduling {
    /// Nice value, `-20..=19`.
    pub nice: i8,
    /// Real-time priority, `1..=99`; `None`: an ordinary process.
    pub real_time: Option<u8>,
    /// How long a real-time thread may run without waiting before it is an ordinary one; zero: for
    /// ever.
    pub run_limit: Duration,
    /// All its memory stays in memory.
    pub locked: bool,
    /// Processors it may use; empty: all that it may use anyway.
    pub processors: Vec<u32>,
}

impl Scheduling {
    /// Raises the limits of the process `pid` so far that it can do this itself. What is not granted
    /// is answered in words.
    #[must_use]
    pub fn allow(&self, pid: u32) -> Vec<String> {
        let mut troubles = Vec::new();
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return troubles };
        let mut limit = |resource, what: &str, current: Option<u64>, maximum: Option<u64>| {
            if let Err(error) = prlimit(Some(pid), resource, Rlimit { current, maximum }) {
                troubles.push(format!("{what} cannot be allowed: {error}"));
            }
        };
        let priority = u64::from(self.real_time.unwrap_or(0));
        limit(Resource::Rtprio, "real-time priority", Some(priority), Some(priority));
        let micros = u64::try_from(self.run_limit.as_micros()).unwrap_or(u64::MAX);
        let micros = (micros > 0 && self.real_time.is_some()).then_some(micros);
        limit(Resource::Rttime, "the limit of real time", micros, None);
        // 20 - n stands for the nice value n, and 20 for what everybody may have.
        let nice = u64::try_from(20 - i64::from(self.nice.min(0))).unwrap_or(20);
        let nice = if self.nice < 0 { nice } else { 0 };
        limit(Resource::Nice, "the nice value", Some(nice), Some(nice));
        if self.locked {
            limit(Resource::Memlock, "memory that stays", None, None);
        }
        troubles
    }

    /// Schedules the calling thread like this, `below` its real-time priority by so much. What it
    /// starts is ordinary again (`SCHED_RESET_ON_FORK`).
    #[must_use]
    pub fn take(&self, below: u8) -> Vec<String> {
        let mut troubles = Vec::new();
        let mut tell = |what: &str, done: io::Result<()>| {
            if let Err(error) = done {
                troubles.push(format!("{what}: {error}"));
            }
        };
        // While it is ordinary: a nice value means nothing to a real-time thread.
        tell("back to an ordinary thread", ordinary());
        tell(&format!("{NICE} {}", self.nice), nice_of(0, self.nice));
        if !self.processors.is_empty() {
            tell("processors", processors(&self.processors));
        }
        if let Some(priority) = self.real_time {
            let priority = priority.saturating_sub(below).max(1);
            if !self.run_limit.is_zero() {
                tell("the limit of real time", ordinary_when_too_long());
            }
            tell(&format!("{REAL_TIME} {priority}"), real_time(priority));
        }
        troubles
    }

    /// Does for the threads of the process `pid` what it could not do itself, and answers with what of
    /// its `troubles` remains. For where limits cannot be raised but the caller may schedule others
    /// (`CAP_SYS_NICE` without `CAP_SYS_RESOURCE`, as in many containers).
    #[must_use]
    pub fn impose(&self, pid: u32, mut troubles: Vec<String>) -> Vec<String> {
        let threads =
            std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut done = Ok(());
        for thread in threads {
            let one: u32 = thread;
            let below = u8::from(one != pid);
            let one = libc::pid_t::try_from(one).unwrap_or(0);
            done = done.and(nice_of(one, self.nice)).and(match self.real_time {
                Some(priority) => {
                    let priority = priority.saturating_sub(below).max(1);
                    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
                    policy_of(one, policy, priority.into())
                }
                None => Ok(()),
            });
        }
        if done.is_ok() {
            troubles.retain(|one| !one.starts_with(NICE) && !one.starts_with(REAL_TIME));
        }
        troubles
    }

    /// Has the memory of this process stay in memory, or no longer.
    #[must_use]
    pub fn lock(&self) -> Vec<String> {
        // SAFETY: concerns no memory that anybody has a reference to.
        let done = unsafe {
            if self.locked {
                libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE)
            } else {
                libc::munlockall()
            }
        };
        match done {
            0 => Vec::new(),
            _ => vec![format!("memory that stays: {}", io::Error::last_os_error())],
        }
    }
}

/// Gives the calling thread real-time scheduling (`SCHED_FIFO`): when it has something to do it runs
/// before every ordinary thread and those of lower `priority` (1..=99). What it starts is ordinary
/// again (`SCHED_RESET_ON_FORK`). For threads that mostly wait.
///
/// # Errors
/// `EINVAL` for a priority out of range, `EPERM` beyond `RLIMIT_RTPRIO` without `CAP_SYS_NICE` in the
/// initial user namespace.
pub fn real_time(priority: u8) -> io::Result<()> {
    policy(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority.into())
}

/// Whether a real-time thread of this process ran too long and was made an ordinary one since this
/// was last asked.
pub fn overran() -> bool {
    // A look costs less than an exchange, and is made every turn.
    OVERRAN.load(Ordering::Relaxed) && OVERRAN.swap(false, Ordering::Relaxed)
}

static OVERRAN: AtomicBool = AtomicBool::new(false);

/// How troubles begin that somebody else may help with.
const NICE: &str = "nice value";
const REAL_TIME: &str = "real-time priority";

fn ordinary() -> io::Result<()> {
    // The flag may not be taken off again without a right.
    let flag = present_policy() & libc::SCHED_RESET_ON_FORK;
    policy(libc::SCHED_OTHER | flag, 0)
}

/// The present policy and its flags.
fn present_policy() -> libc::c_int {
    // SAFETY: 0 is the calling thread.
    unsafe { libc::sched_getscheduler(0) }.max(0)
}

fn policy(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    policy_of(0, policy, priority)
}

/// Of any thread; 0: the calling one.
fn policy_of(thread: libc::pid_t, policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter is alive for the length of the call.
    match unsafe { libc::sched_setscheduler(thread, policy, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Of one thread alone, as Linux has it; 0: the calling one.
fn nice_of(thread: libc::pid_t, value: i8) -> io::Result<()> {
    let thread = libc::id_t::try_from(thread).unwrap_or(0);
    // SAFETY: numbers only.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, value.into()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn processors(which: &[u32]) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for one in which {
        let one = usize::try_from(*one).unwrap_or(usize::MAX);
        if one < rustix::thread::CpuSet::MAX_CPU {
            set.set(one);
        }
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Makes `SIGXCPU` do what the essay above says.
fn ordinary_when_too_long() -> io::Result<()> {
    extern "C" fn step_down(_: libc::c_int) {
        let parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: one system call on the calling thread, which is the one that ran too long; the
        // C library's wrapper does nothing else and sets errno, which is put back.
        unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            let policy = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
            libc::sched_setscheduler(0, policy, &raw const parameter);
            *errno = before;
        }
        OVERRAN.store(true, Ordering::Relaxed);
    }
    let handler = nix::sys::signal::SigHandler::Handler(step_down);
    let flags = nix::sys::signal::SaFlags::SA_RESTART;
    let action =
        nix::sys::signal::SigAction::new(handler, flags, nix::sys::signal::SigSet::empty());
    // SAFETY: the handler does only what a handler may do.
    unsafe { nix::sys::signal::sigaction(nix::sys::signal::Signal::SIGXCPU, &action) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A process of its own, for what it does to itself cannot be taken back: this test's binary,
    /// started again for one test alone. `None` in that process.
    fn alone(test: &str) -> Option<std::process::ExitStatus> {
        const CHILD: &str = "MAINSTAY_TEST_SCHEDULING";
        if std::env::var_os(CHILD).is_some() {
            return None;
        }
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("scheduling::tests::{test}"), "--nocapture"]);
        Some(command.env(CHILD, "1").status().unwrap())
    }

    fn wanted() -> Scheduling {
        Scheduling {
            nice: -3,
            real_time: Some(7),
            run_limit: Duration::from_millis(20),
            locked: true,
            processors: vec![0],
        }
    }

    #[test]
    fn what_was_allowed_is_taken_without_any_capability_and_given_back() {
        if let Some(status) =
            alone("what_was_allowed_is_taken_without_any_capability_and_given_back")
        {
            assert!(status.success());
            return;
        }
        let wanted = wanted();
        let refused = wanted.allow(std::process::id());
        if !refused.is_empty() {
            println!("skipped: not allowed here: {refused:?}");
            return;
        }
        let _ = crate::confine::keep_only(&[], None).unwrap();
        assert_eq!(wanted.take(1), Vec::<String>::new());
        assert_eq!(wanted.lock(), Vec::<String>::new());
        assert_eq!(present_policy(), libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK);
        let locked = std::fs::read_to_string("/proc/self/status").unwrap();
        let locked = locked.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        assert!(!locked.trim().starts_with("0 "), "{locked}");
        assert!(real_time(9).is_err(), "more than was allowed");

        let before = Scheduling::default();
        assert_eq!(before.take(0), Vec::<String>::new());
        assert_eq!(before.lock(), Vec::<String>::new());
        assert_eq!(present_policy() & !libc::SCHED_RESET_ON_FORK, libc::SCHED_OTHER);
    }

    #[test]
    fn a_real_time_thread_that_runs_on_becomes_an_ordinary_one_and_lives() {
        if let Some(status) =
            alone("a_real_time_thread_that_runs_on_becomes_an_ordinary_one_and_lives")
        {
            assert!(status.success());
            return;
        }
        let wanted = Scheduling { locked: false, ..wanted() };
        if !wanted.allow(std::process::id()).is_empty() {
            println!("skipped: not allowed here");
            return;
        }
        assert_eq!(wanted.take(0), Vec::<String>::new());
        assert!(!overran());
        let begun = Instant::now();
        while present_policy() & libc::SCHED_FIFO != 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody has stopped it");
        }
        assert!(overran() && !overran());
        assert_eq!(wanted.take(0), Vec::<String>::new(), "it can begin again");
    }

    #[test]
    fn who_may_schedule_others_does_what_they_cannot() {
        let wanted = Scheduling { locked: false, processors: Vec::new(), ..wanted() };
        let mut other = std::process::Command::new("sleep").arg("20").spawn().unwrap();
        let troubles = ["nice value -3: no", "real-time priority 7: no", "processors: no"];
        let rest = wanted.impose(other.id(), troubles.map(String::from).to_vec());
        let pid = libc::pid_t::try_from(other.id()).unwrap();
        // SAFETY: a number only.
        let policy = unsafe { libc::sched_getscheduler(pid) };
        other.kill().unwrap();
        other.wait().unwrap();
        if rest.len() == 3 {
            println!("skipped: not allowed here");
            return;
        }
        assert_eq!(rest, ["processors: no"]);
        assert_eq!(policy, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK);
    }

    #[test]
    fn what_is_not_granted_is_said() {
        if let Some(status) = alone("what_is_not_granted_is_said") {
            assert!(status.success());
            return;
        }
        let none = Scheduling::default();
        assert_eq!(none.allow(std::process::id()), Vec::<String>::new());
        let _ = crate::confine::keep_only(&[], None).unwrap();
        let refused = Scheduling { processors: Vec::new(), ..wanted() }.take(0);
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused[0].starts_with("nice value -3: "), "{refused:?}");
        assert!(refused[1].starts_with("real-time priority 7: "), "{refused:?}");
    }
}
