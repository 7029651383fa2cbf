//! An allocator that keeps large blocks for the next training step.
//!
//! A step allocates the same large tensors as the one before. Handing their memory back to the system in between means
//! that the kernel clears and maps every page of it again: about a third of a step's time. Blocks from 256 KiB on are
//! kept when freed and given to the next request of their size class; smaller ones are the system allocator's. From 4 MiB
//! on they ask for huge pages, where the system has them: a matrix read down its columns misses fewer translations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Smallest block that is kept.
const LARGE: usize = 256 << 10;
/// Bytes kept at most, unless [`keep_at_most`] says otherwise; what is freed beyond them goes back to the system.
const LIMIT: usize = 3 << 30;
/// Size classes to a doubling: a block is at most an eighth larger than what was asked for.
const STEPS: usize = 8;
const CLASSES: usize = 24 * STEPS;
/// Smallest block that asks for huge pages, and their size.
const HUGE: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;

/// The allocator; a program takes it up with `#[global_allocator]`.
pub struct Recycler;

/// What [`Recycler`] keeps.
static POOL: Pool = Pool::new();

/// Hands everything back to the system that is kept, and keeps at most `bytes` from now on: for work that is to take
/// little memory and does not repeat itself so fast that it would notice.
pub fn keep_at_most(bytes: usize) {
    POOL.limit.store(bytes, Ordering::Relaxed);
    POOL.release();
}

/// Blocks between two uses.
struct Pool {
    kept: Mutex<Kept>,
    limit: AtomicUsize,
}

/// Freed blocks by class, each list threaded through the blocks themselves.
struct Kept {
    first: [*mut u8; CLASSES],
    bytes: usize,
}

// SAFETY: the lists are reached under the mutex alone, and their blocks belong to nobody else.
unsafe impl Send for Kept {}

impl Pool {
    /// A pool that keeps nothing yet.
    const fn new() -> Self {
        Self { kept: Mutex::new(Kept { first: [ptr::null_mut(); CLASSES], bytes: 0 }), limit: AtomicUsize::new(LIMIT) }
    }

    /// Takes a kept block of a class.
    fn take(&self, class: usize, size: usize) -> Option<*mut u8> {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let block = kept.first[class];
        if block.is_null() {
            return None;
        }
        // SAFETY: a kept block starts with the pointer to the next.
        kept.first[class] = unsafe { block.cast::<*mut u8>().read() };
        kept.bytes -= size;
        Some(block)
    }

    /// Gives every kept block back to the system.
    fn release(&self) {
        for class in 0..CLASSES {
            let Some(layout) = block(class) else { continue };
            while let Some(block) = self.take(class, layout.size()) {
                // SAFETY: a kept block came from the system allocator with its class's layout.
                unsafe { System.dealloc(block, layout) }
            }
        }
    }

    /// Keeps a block, unless too much is kept already.
    fn keep(&self, block: *mut u8, class: usize, size: usize) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if kept.bytes + size > self.limit.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: the block is free, aligned for a pointer and larger than one.
        unsafe { block.cast::<*mut u8>().write(kept.first[class]) };
        kept.first[class] = block;
        kept.bytes += size;
        true
    }
}

/// A new block from the system. Its contents are arbitrary.
fn fresh(block: Layout) -> *mut u8 {
    // SAFETY: the layout of a class is not empty.
    let at = unsafe { System.alloc(block) };
    #[cfg(target_os = "linux")]
    if !at.is_null() && block.size() >= HUGE {
        // SAFETY: the block is ours, and the advice changes no contents. A system without huge pages refuses it, which
        // changes nothing.
        _ = unsafe { rustix::mm::madvise(at.cast(), block.size(), rustix::mm::Advice::LinuxHugepage) };
    }
    at
}

/// Class of a layout and the size of the class's blocks; `None` for what the system allocator serves.
fn class(layout: Layout) -> Option<(usize, Layout)> {
    let size = layout.size();
    if size < LARGE || layout.align() > 64 {
        return None;
    }
    let doubling = (size.ilog2() - LARGE.ilog2()) as usize;
    let step = (LARGE << doubling) / STEPS;
    let above = (size - (LARGE << doubling)).div_ceil(step);
    let class = doubling * STEPS + above;
    (class < CLASSES).then_some((class, block(class)?))
}

/// The blocks of a class.
fn block(class: usize) -> Option<Layout> {
    let base = LARGE << (class / STEPS);
    let size = base + class % STEPS * (base / STEPS);
    Layout::from_size_align(size, if size < HUGE { 64 } else { HUGE_PAGE }).ok()
}

// SAFETY: blocks come from the system allocator, at least as large and as aligned as asked for; one is either kept or
// in use, never both, and goes back with the layout that it came with.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, block)) = class(layout) else {
            // SAFETY: the caller's layout.
            return unsafe { System.alloc(layout) };
        };
        self.take(class, block.size()).unwrap_or_else(|| fresh(block))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((class, block)) = class(layout) else {
            // SAFETY: the caller's layout.
            return unsafe { System.alloc_zeroed(layout) };
        };
        let at = self.take(class, block.size()).unwrap_or_else(|| fresh(block));
        if !at.is_null() {
            // SAFETY: the block is at least this large.
            unsafe { at.write_bytes(0, layout.size()) };
        }
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        match class(layout) {
            // SAFETY: the block came from the system allocator with this layout.
            None => unsafe { System.dealloc(at, layout) },
            Some((class, block)) => {
                if !self.keep(at, class, block.size()) {
                    // SAFETY: as above.
                    unsafe { System.dealloc(at, block) }
                }
            }
        }
    }
}

// SAFETY: the pool's.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { POOL.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { POOL.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { POOL.dealloc(at, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_for() {
        let mut last = (0, LARGE);
        for size in (LARGE..64 << 20).step_by(12_347) {
            let (class, block) = class(Layout::from_size_align(size, 8).unwrap()).unwrap();
            assert!(block.size() >= size && block.size() <= size + size / 8 + 8, "{size}: {}", block.size());
            assert!(class >= last.0 && block.size() >= last.1, "{size}");
            assert_eq!(class == last.0, block.size() == last.1, "one size a class");
            last = (class, block.size());
        }
        assert!(super::class(Layout::from_size_align(LARGE - 1, 8).unwrap()).is_none());
    }

    #[test]
    fn freed_blocks_come_back_and_zeroed_ones_are_zero() {
        let pool = Pool::new();
        let layout = Layout::from_size_align(1 << 20, 8).unwrap();
        // SAFETY: every block is freed once, with its layout, and written inside its size.
        unsafe {
            let first = pool.alloc(layout);
            first.write_bytes(7, layout.size());
            pool.dealloc(first, layout);
            let second = pool.alloc_zeroed(layout);
            assert_eq!(first, second);
            assert!(std::slice::from_raw_parts(second, layout.size()).iter().all(|b| *b == 0));
            let third = pool.alloc(layout);
            assert_ne!(second, third);
            pool.dealloc(second, layout);
            pool.dealloc(third, layout);
            assert_eq!(pool.kept.lock().unwrap().bytes, 2 << 20);
            pool.release();
            assert_eq!(pool.kept.lock().unwrap().bytes, 0);
            let fourth = pool.alloc(layout);
            fourth.write_bytes(1, layout.size());
            pool.dealloc(fourth, layout);
        }
    }
}
