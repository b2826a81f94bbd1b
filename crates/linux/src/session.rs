//! Who we are, and leaving the terminal we were started from.

/// Our effective user.
#[must_use]
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Gives this process the name that `ps` and `top` show: the first 15 octets of it.
pub fn name_process(name: &str) {
    let short: Vec<u8> = name.bytes().filter(|octet| *octet != 0).take(15).collect();
    if let Ok(name) = std::ffi::CString::new(short) {
        // Only looks are at stake.
        let _ = rustix::thread::set_name(&name);
    }
}

/// Makes this process the leader of a session of its own, so that the end of the terminal it was
/// started from is not its own (`setsid(2)`). Does nothing for one that leads a process group
/// already.
pub fn new_session() {
    // The only error is EPERM, for a process group leader: it needs no other session.
    let _ = rustix::process::setsid();
}
