//! Who runs when and where: nice values and processors (`sched(7)`).

use std::io;

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Gives this process a nice value, -20 (before everybody) to 19.
///
/// # Errors
/// `EACCES` without `CAP_SYS_NICE` for less than it has.
pub fn be_nice(nice: i8) -> io::Result<()> {
    Ok(setpriority_process(None, nice.into())?)
}

/// Has the calling thread, and those it starts, run on these processors only.
///
/// # Errors
/// `EINVAL` when none of them is there to be used.
pub fn use_processors(processors: &[u32]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for processor in processors {
        match usize::try_from(*processor) {
            Ok(number) if number < CpuSet::MAX_CPU => set.set(number),
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_its_processor_and_one_that_is_not_there_is_refused() {
        std::thread::spawn(|| {
            let allowed = rustix::thread::sched_getaffinity(None).unwrap();
            let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap();
            use_processors(&[u32::try_from(first).unwrap()]).unwrap();
            let now = rustix::thread::sched_getaffinity(None).unwrap();
            assert_eq!((now.count(), now.is_set(first)), (1, true));
            assert!(use_processors(&[u32::MAX]).is_err());
        })
        .join()
        .unwrap();
    }
}
