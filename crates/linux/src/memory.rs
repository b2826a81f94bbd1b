//! Memory: giving back what was needed once, and counting what is asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CStr;

use rustix::process::DumpableBehavior;

/// Keeps what this process has in memory, keys among it, out of core dumps, and from debuggers of any
/// user but root. Programs it becomes or starts begin anew.
pub fn keep_to_ourselves() {
    // Refused to nobody.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Gives what was freed back to the system. The C library keeps it for the next time, and what
/// reading a configuration needs once is not needed again.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time; it only returns free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// How much of the stack below is given back: what a deep call may have needed. The kernel keeps a
/// megabyte free below a stack, so this reaches nothing else.
const STACK_BELOW: usize = 512 << 10;

/// What stays: more than this function itself needs.
const STACK_KEPT: usize = 16 << 10;

/// Gives the memory back that deeper calls than this one have left on the stack of the first thread. Any
/// other thread has nothing given back.
#[inline(never)]
pub fn give_back_stack() {
    if rustix::thread::gettid() != rustix::process::getpid() {
        return;
    }
    let here = 0_u8;
    let at = std::hint::black_box(&raw const here).addr();
    // SAFETY: sysconf(3) has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let end = at.saturating_sub(STACK_KEPT) / page * page;
    let begin = end.saturating_sub(STACK_BELOW);
    // SAFETY: the stack grows downwards, so what lies so far below the present frame belongs to calls that
    // have returned. What is not mapped there is passed over, with an error that says so.
    unsafe {
        libc::madvise(std::ptr::without_provenance_mut(begin), end - begin, libc::MADV_DONTNEED);
    }
}

/// Lets go of the pages of the program's own files: its text, what it only reads, and the same of its
/// libraries. Whatever is needed again comes back from the page cache when it is touched, some at a time;
/// what only the start needed does not, and is no more counted as ours. Pages that are locked stay.
pub fn let_go_of_files() {
    // SAFETY: the callback matches the declared type and touches nothing but what it is given.
    unsafe {
        libc::dl_iterate_phdr(Some(let_go_of_object), std::ptr::null_mut());
    }
}

unsafe extern "C" fn let_go_of_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the C library hands out a valid description of one loaded object.
    let info = unsafe { &*info };
    let vdso = !info.dlpi_name.is_null()
        // SAFETY: not null, so it is a string with an end.
        && unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes().starts_with(b"linux-");
    if vdso || info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the description says where its headers are and how many.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    // SAFETY: sysconf(3) has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let (Ok(begin), Ok(length)) =
            (usize::try_from(info.dlpi_addr + header.p_vaddr), usize::try_from(header.p_memsz))
        else {
            continue;
        };
        let first = begin / page * page;
        let size = (begin + length).next_multiple_of(page) - first;
        // SAFETY: these pages are mapped privately from a file and were never written to (the segment
        // cannot be), so what comes back when they are touched is what was there.
        unsafe {
            libc::madvise(std::ptr::without_provenance_mut(first), size, libc::MADV_DONTNEED);
        }
    }
    0
}

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread how often it is asked for memory, and how much of it
/// the thread has. For tests that promise not to ask, or not to keep:
/// `#[global_allocator] static COUNTED: CountedAllocator = CountedAllocator;`
#[derive(Debug)]
pub struct CountedAllocator;

impl CountedAllocator {
    /// How often the calling thread has asked so far.
    #[must_use]
    pub fn asked() -> u64 {
        ASKED.get()
    }

    /// How many octets the calling thread has been given and has not given back, with what the C library
    /// needs beside each piece.
    #[must_use]
    pub fn held() -> u64 {
        HELD.get()
    }

    /// What a piece takes.
    fn cost(memory: *mut u8) -> u64 {
        if memory.is_null() {
            return 0;
        }
        // SAFETY: it is the system allocator's, and alive.
        let usable = unsafe { libc::malloc_usable_size(memory.cast()) };
        u64::try_from(usable + size_of::<usize>()).unwrap_or(u64::MAX)
    }

    /// Counts a piece that is given out.
    fn given(memory: *mut u8) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        HELD.set(HELD.get().wrapping_add(Self::cost(memory)));
        memory
    }

    /// Counts a piece that comes back.
    fn taken(memory: *mut u8) {
        HELD.set(HELD.get().wrapping_sub(Self::cost(memory)));
    }
}

// SAFETY: everything is the system allocator's; counting allocates nothing, for the counters need
// neither initialisation nor destruction.
unsafe impl GlobalAlloc for CountedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on unchanged.
        Self::given(unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::taken(memory);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let before = Self::cost(memory);
        // SAFETY: as above.
        let moved = Self::given(unsafe { System.realloc(memory, layout, size) });
        if !moved.is_null() {
            HELD.set(HELD.get().wrapping_sub(before));
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kilobytes of this process's files that are mapped now.
    fn files() -> u64 {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_is_kept_to_ourselves_is_in_no_dump() {
        use rustix::process::{dumpable_behavior, set_dumpable_behavior};
        let before = dumpable_behavior().unwrap();
        keep_to_ourselves();
        let after = dumpable_behavior().unwrap();
        // The other tests of this process are nobody's secret.
        set_dumpable_behavior(before).unwrap();
        assert_eq!(after, DumpableBehavior::NotDumpable);
    }

    /// Uses some stack, and says what is left of it afterwards.
    #[inline(never)]
    fn deep(value: u8) -> u64 {
        let room = std::hint::black_box([value; 200 << 10]);
        room.iter().map(|octet| u64::from(*octet)).sum()
    }

    #[test]
    fn a_stack_goes_on_after_its_depth_was_given_back() {
        // Only the first thread gives back, and that is what a child begins with.
        // SAFETY: the child calls nothing that another thread could hold a lock of but the allocator,
        // which the C library makes usable in a child.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let sum = deep(1);
            give_back_stack();
            // SAFETY: ends the child at once, without what the parent would do at its end.
            unsafe { libc::_exit(i32::from(sum != 200 << 10 || deep(2) != 2 * (200 << 10))) };
        }
        let mut status = -1;
        // SAFETY: the child is ours, and `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    }

    #[test]
    fn what_the_start_needed_is_let_go_of_and_what_is_needed_comes_back() {
        let before = files();
        let_go_of_files();
        let after = files();
        assert!(after < before, "{after} kB of {before} kB");
        assert_eq!(format!("{:?}", "still here".to_owned()), "\"still here\"");
    }
}
