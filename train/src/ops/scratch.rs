//! Memory that tasks share or keep for themselves.

use std::cell::RefCell;

use super::real::Real;

/// A pointer that tasks writing disjoint parts may share.
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(pub(super) *mut T);
// SAFETY: every user writes a region no other task touches.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}
impl<T> Shared<T> {
    pub(super) fn get(&self) -> *mut T {
        self.0
    }
}

/// One cache line, for the alignment of scratch memory.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

thread_local! {
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with this thread's scratch memory, three parts of the given lengths whose contents are arbitrary.
pub(super) fn with_scratch<T: Real, R>(lengths: [usize; 3], f: impl FnOnce([&mut [T]; 3]) -> R) -> R {
    let lines = |values: usize| (values * size_of::<T>()).div_ceil(size_of::<Line>());
    SCRATCH.with_borrow_mut(|scratch| {
        let needed = lengths.iter().map(|n| lines(*n)).sum();
        if scratch.len() < needed {
            scratch.resize(needed, Line([0; 8]));
        }
        let (first, rest) = scratch.split_at_mut(lines(lengths[0]));
        let (second, third) = rest.split_at_mut(lines(lengths[1]));
        let part = |part: &mut [Line], n: usize| {
            // SAFETY: the lines hold at least n values, any bits of which are an f32 or f64; each part is borrowed once.
            unsafe { std::slice::from_raw_parts_mut(part.as_mut_ptr().cast::<T>(), n) }
        };
        f([part(first, lengths[0]), part(second, lengths[1]), part(third, lengths[2])])
    })
}
