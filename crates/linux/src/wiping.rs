//! Memory that is overwritten when it is given back, in processes that ask for it.
//!
//! A configuration may have keys in it. Reading one makes copies of its text in a dozen places: whole
//! files, lines, words, buffers that grew and moved. None of them is kept, but what is freed stays
//! where it is until somebody else needs the room. To overwrite each by hand is to forget one; so the
//! allocator does it, for all, from the moment on at which a process first reads such a text. Others
//! pay one look at a flag.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

static WIPES: AtomicBool = AtomicBool::new(false);

/// Has everything that this process frees from here on overwritten, if [`WipingAllocator`] is its
/// allocator.
pub fn wipe_what_is_freed() {
    WIPES.store(true, Ordering::Relaxed);
}

/// An allocator, by default the system's, overwriting what is freed once [`wipe_what_is_freed`] was
/// called: `#[global_allocator] static MEMORY: WipingAllocator = WipingAllocator(System);`
#[derive(Debug)]
pub struct WipingAllocator<A = System>(pub A);

/// # Safety
/// The memory must be the caller's to write to, `size` octets of it.
unsafe fn wipe(memory: *mut u8, size: usize) {
    // SAFETY: the caller's promise. Unlike memset(3) it is not optimised away before a free.
    unsafe { libc::explicit_bzero(memory.cast(), size) }
}

// SAFETY: all memory is the inner allocator's, and is written to only while it is still the caller's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for WipingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if WIPES.load(Ordering::Relaxed) {
            // SAFETY: it is allocated with this layout until the next line.
            unsafe { wipe(memory, layout.size()) }
        }
        // SAFETY: as above.
        unsafe { self.0.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !WIPES.load(Ordering::Relaxed) {
            // SAFETY: as above.
            return unsafe { self.0.realloc(memory, layout, size) };
        }
        // What the inner one leaves behind when it moves something cannot be reached any more.
        // SAFETY: the caller promises that `size` rounded up to the alignment is no overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller promises that `size` is not zero.
        let moved = unsafe { self.0.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both are as long as that at least, and one is new, so they do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(memory, moved, layout.size().min(size)) }
            // SAFETY: it is the caller's last word about the old one.
            unsafe { self.dealloc(memory, layout) }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static FREED: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
    }

    /// Counts what it is given back, and how much of it still says something.
    struct Witness;

    // SAFETY: everything is the system allocator's.
    unsafe impl GlobalAlloc for Witness {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promises are passed on unchanged.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            // SAFETY: it is allocated with this layout, and what is in it was written by the test.
            let octets = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
            let [all, told] = FREED.get();
            let tells = octets.iter().filter(|octet| **octet != 0).count();
            FREED.set([all + octets.len(), told + tells]);
            // SAFETY: as above.
            unsafe { System.dealloc(memory, layout) }
        }
    }

    #[test]
    fn what_is_freed_or_moved_says_nothing_any_more_and_moves_whole() {
        wipe_what_is_freed();
        let of = |size| Layout::from_size_align(size, 8).unwrap();
        let memory = WipingAllocator(Witness);
        // SAFETY: no layout is empty, and each block is given back once with the layout it has then.
        unsafe {
            let block = memory.alloc(of(4096));
            block.write_bytes(0xa5, 4096);
            let block = memory.realloc(block, of(4096), 8192);
            assert_eq!(std::slice::from_raw_parts(block, 4096), [0xa5; 4096]);
            block.write_bytes(0xa5, 8192);
            let block = memory.realloc(block, of(8192), 1024);
            assert_eq!(std::slice::from_raw_parts(block, 1024), [0xa5; 1024]);
            memory.dealloc(block, of(1024));
        }
        assert_eq!(FREED.get(), [4096 + 8192 + 1024, 0]);
    }
}
