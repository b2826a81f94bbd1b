//! Memory: giving back what was needed once, and counting what is asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Gives what was freed back to the system. The C library keeps it for the next time, and what
/// reading a configuration needs once is not needed again.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time; it only returns free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread how often it is asked for memory. For tests that
/// promise not to ask: `#[global_allocator] static COUNTED: CountedAllocator = CountedAllocator;`
#[derive(Debug)]
pub struct CountedAllocator;

impl CountedAllocator {
    /// How often the calling thread has asked so far.
    #[must_use]
    pub fn asked() -> u64 {
        ASKED.get()
    }
}

// SAFETY: everything is the system allocator's; counting allocates nothing, for the counter needs
// neither initialisation nor destruction.
unsafe impl GlobalAlloc for CountedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}
