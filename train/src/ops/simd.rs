//! Loops compiled for the widest vectors that the processor has.

/// Calls `f` compiled for AVX-512 or AVX2 where the processor has them, else for the build's own target.
///
/// `f` must be a function marked `#[inline(always)]`, named as such: only then does its body take on the instructions of
/// the caller. (A closure is a function of its own, with the build's instructions.) No rounding changes with the
/// instruction set.
#[inline]
pub(crate) fn wide<A, R>(f: impl FnOnce(A) -> R, arguments: A) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the features were just detected.
            return unsafe { avx512(f, arguments) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the features were just detected.
            return unsafe { avx2(f, arguments) };
        }
    }
    f(arguments)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn avx512<A, R>(f: impl FnOnce(A) -> R, arguments: A) -> R {
    f(arguments)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<A, R>(f: impl FnOnce(A) -> R, arguments: A) -> R {
    f(arguments)
}

/// A loop over a few arrays that is too long for [`wide`]: a function that it is handed may stay a function of its own,
/// with the build's instructions. A method that is called by its name does not.
pub(super) trait Loop<S> {
    /// Marked `#[inline(always)]`.
    fn run(self);
}

/// Runs a loop compiled for the widest vectors that the processor has, as [`wide`] does.
#[inline]
pub(super) fn wide_loop<S, L: Loop<S>>(l: L) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the features were just detected.
            return unsafe { loop_avx512(l) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the features were just detected.
            return unsafe { loop_avx2(l) };
        }
    }
    l.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn loop_avx512<S, L: Loop<S>>(l: L) {
    l.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn loop_avx2<S, L: Loop<S>>(l: L) {
    l.run();
}

/// Asks for values to be brought to the second-level cache.
#[inline]
pub(super) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((64 / size_of::<T>()).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Transposes a block of up to 16 x 16 values; false, having done nothing, without AVX-512.
///
/// # Safety
/// The pointers must be valid for `rows` rows of `columns` values, and as many columns, at the given row distances.
#[inline(always)]
pub(super) unsafe fn transpose16_f32(
    (rows, columns): (usize, usize),
    (from, from_row): (*const f32, usize),
    (to, to_row): (*mut f32, usize),
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the instructions are there; the pointers are the caller's.
        unsafe {
            if (rows, columns) == (16, 16) {
                transpose16_avx512::<true>((16, 16), (from, from_row), (to, to_row));
            } else {
                transpose16_avx512::<false>((rows, columns), (from, from_row), (to, to_row));
            }
        }
        return true;
    }
    false
}

/// Pairs of values, pairs of pairs, then quarters of vectors change places.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn transpose16_avx512<const WHOLE: bool>(
    (rows, columns): (usize, usize),
    (from, from_row): (*const f32, usize),
    (to, to_row): (*mut f32, usize),
) {
    use std::arch::x86_64::*;
    let mask = |n: usize| ((1u32 << n) - 1) as u16;
    let load = |i: usize| {
        // SAFETY: the caller's promise; what a mask leaves out is not touched.
        unsafe {
            match WHOLE {
                true => _mm512_loadu_ps(from.add(i * from_row)),
                false if i < rows => _mm512_maskz_loadu_ps(mask(columns), from.add(i * from_row)),
                false => _mm512_setzero_ps(),
            }
        }
    };
    let store = |c: usize, v: __m512| {
        // SAFETY: as above.
        unsafe {
            if WHOLE || rows == 16 && c < columns {
                _mm512_storeu_ps(to.add(c * to_row), v);
            } else if c < columns {
                _mm512_mask_storeu_ps(to.add(c * to_row), mask(rows), v);
            }
        }
    };
    let rows: [__m512; 16] = std::array::from_fn(load);
    let mut pairs = rows;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    let mut fours = rows;
    let d = |v| _mm512_castps_pd(v);
    let s = |v| _mm512_castpd_ps(v);
    for i in 0..4 {
        for half in 0..2 {
            let (a, b) = (d(pairs[4 * i + half]), d(pairs[4 * i + 2 + half]));
            fours[4 * i + 2 * half] = s(_mm512_unpacklo_pd(a, b));
            fours[4 * i + 2 * half + 1] = s(_mm512_unpackhi_pd(a, b));
        }
    }
    // fours[4 i + c] holds columns c, 4 + c, 8 + c, 12 + c of rows 4 i .. 4 i + 4.
    for c in 0..4 {
        let low = |x, y| _mm512_shuffle_f32x4::<0x88>(x, y);
        let high = |x, y| _mm512_shuffle_f32x4::<0xdd>(x, y);
        let (even_a, even_b) = (low(fours[c], fours[4 + c]), low(fours[8 + c], fours[12 + c]));
        let (odd_a, odd_b) = (high(fours[c], fours[4 + c]), high(fours[8 + c], fours[12 + c]));
        store(c, low(even_a, even_b));
        store(8 + c, high(even_a, even_b));
        store(4 + c, low(odd_a, odd_b));
        store(12 + c, high(odd_a, odd_b));
    }
}
