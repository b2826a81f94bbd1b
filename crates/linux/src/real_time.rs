//! Being on time on a busy machine (`sched(7)`).

use std::io;

/// Gives the calling thread real-time scheduling (`SCHED_FIFO`): when it has something to do it runs
/// before every ordinary thread and those of lower `priority` (1..=99). What it starts is ordinary
/// again (`SCHED_RESET_ON_FORK`). For threads that mostly wait.
///
/// # Errors
/// `EINVAL` for a priority out of range, `EPERM` without `CAP_SYS_NICE` in the initial user namespace.
pub fn real_time(priority: u8) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority.into() };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameter is alive for the length of the call.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
