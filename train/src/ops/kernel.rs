//! The innermost product: a tile of C, held in registers, of a few rows of A times one panel of B.
//!
//! A is read value by value, each spread over a vector: its rows lie [`ROW`] values apart, or side by side from a place
//! that every step names. B is packed so that the `width` values of one step lie together. The same tile serves AVX-512,
//! AVX2 and any other processor; which one runs is decided once, from what the processor has.

use std::sync::OnceLock;

/// Most steps (values of k) of one call.
pub(super) const DEPTH: usize = 256;
/// Distance of A's rows: a little more than [`DEPTH`], so that rows do not share their places in the first-level cache.
pub(super) const ROW: usize = DEPTH + 16;
/// Largest tile of any kernel, in values.
pub(super) const MAX_TILE: usize = 14 * 32;

/// `c[r, 0..width] = start + sum over k of a[r, k] * b[k, 0..width]` for some rows r: arguments are the steps, A, B, C,
/// C's row distance and one start value a row, or null to add to C itself. Half tiles touch the first half of the
/// columns alone.
///
/// # Safety
/// Every pointer must be valid for what the sum names.
type Tile<T> = unsafe fn(usize, *const T, *const T, *mut T, usize, *const T);

/// `c[r, 0..width] += sum over k of a[offsets[k] + r] * b[k, 0..width]` for some rows r: arguments are the steps, A, its
/// offsets, B, C and C's row distance. Half tiles touch the first half of the columns alone.
///
/// # Safety
/// Every pointer must be valid for what the sum names.
type Sliding<T> = unsafe fn(usize, *const T, *const isize, *const T, *mut T, usize);

/// The kernels of one processor: tiles of 1, 2, .. rows, each in half and in full width.
pub(super) struct Kernels<T: 'static> {
    /// Columns of a panel of B.
    pub(super) width: usize,
    tiles: &'static [[Tile<T>; 2]],
    sliding: &'static [[Sliding<T>; 2]],
}

impl<T> Kernels<T> {
    /// Most rows of a tile.
    pub(super) fn height(&self) -> usize {
        self.tiles.len()
    }

    /// The kernel for `rows` rows, which computes at least `columns` columns.
    pub(super) fn tile(&self, rows: usize, columns: usize) -> Tile<T> {
        self.tiles[rows - 1][usize::from(2 * columns > self.width)]
    }

    /// The kernel for `rows` rows that slide over A, which computes at least `columns` columns.
    pub(super) fn sliding(&self, rows: usize, columns: usize) -> Sliding<T> {
        self.sliding[rows - 1][usize::from(2 * columns > self.width)]
    }
}

/// The kernels of one instruction set and element type. A vector is `$lanes` values; a tile is two vectors wide.
macro_rules! kernels {
    ($module:ident, $t:ty, $lanes:literal, [$($rows:literal)*], {$(#[$target:meta])?}, $load:expr, $store:expr, $spread:expr,
     $multiply_add:expr) => {
        mod $module {
            #[allow(clippy::wildcard_imports, unused_imports, reason = "the intrinsics of one instruction set")]
            #[cfg(target_arch = "x86_64")]
            use std::arch::x86_64::*;

            use super::{Kernels, ROW};

            pub(super) const KERNELS: Kernels<$t> = Kernels {
                width: 2 * $lanes,
                tiles: &[$([tile::<$rows, 1>, tile::<$rows, 2>]),*],
                sliding: &[$([sliding::<$rows, 1>, sliding::<$rows, 2>]),*],
            };

            /// # Safety
            /// As [`super::Tile`]; the processor must have the instructions.
            $(#[$target])?
            unsafe fn tile<const R: usize, const V: usize>(
                steps: usize,
                a: *const $t,
                mut b: *const $t,
                c: *mut $t,
                c_row: usize,
                start: *const $t,
            ) {
                // SAFETY: the caller's promise.
                unsafe {
                    let mut sums = [[$spread(0.0); V]; R];
                    for r in 0..R {
                        for v in 0..V {
                            sums[r][v] =
                                if start.is_null() { $load(c.add(r * c_row + v * $lanes)) } else { $spread(*start.add(r)) };
                        }
                    }
                    for k in 0..steps {
                        let mut columns = [$spread(0.0); V];
                        for v in 0..V {
                            columns[v] = $load(b.add(v * $lanes));
                        }
                        b = b.add(2 * $lanes);
                        for r in 0..R {
                            let factor = $spread(*a.add(r * ROW + k));
                            for v in 0..V {
                                sums[r][v] = $multiply_add(factor, columns[v], sums[r][v]);
                            }
                        }
                    }
                    for r in 0..R {
                        for v in 0..V {
                            $store(c.add(r * c_row + v * $lanes), sums[r][v]);
                        }
                    }
                }
            }

            /// # Safety
            /// As [`super::Sliding`]; the processor must have the instructions.
            $(#[$target])?
            unsafe fn sliding<const R: usize, const V: usize>(
                steps: usize,
                a: *const $t,
                offsets: *const isize,
                mut b: *const $t,
                c: *mut $t,
                c_row: usize,
            ) {
                // SAFETY: the caller's promise.
                unsafe {
                    let mut sums = [[$spread(0.0); V]; R];
                    for r in 0..R {
                        for v in 0..V {
                            sums[r][v] = $load(c.add(r * c_row + v * $lanes));
                        }
                    }
                    for k in 0..steps {
                        let mut columns = [$spread(0.0); V];
                        for v in 0..V {
                            columns[v] = $load(b.add(v * $lanes));
                        }
                        b = b.add(2 * $lanes);
                        let a = a.offset(*offsets.add(k));
                        for r in 0..R {
                            let factor = $spread(*a.add(r));
                            for v in 0..V {
                                sums[r][v] = $multiply_add(factor, columns[v], sums[r][v]);
                            }
                        }
                    }
                    for r in 0..R {
                        for v in 0..V {
                            $store(c.add(r * c_row + v * $lanes), sums[r][v]);
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernels!(avx512_f32, f32, 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], {#[target_feature(enable = "avx512f")]},
    _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps);
#[cfg(target_arch = "x86_64")]
kernels!(avx512_f64, f64, 8, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], {#[target_feature(enable = "avx512f")]},
    _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_fmadd_pd);
#[cfg(target_arch = "x86_64")]
kernels!(avx2_f32, f32, 8, [1 2 3 4 5 6], {#[target_feature(enable = "avx2,fma")]},
    _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps);
#[cfg(target_arch = "x86_64")]
kernels!(avx2_f64, f64, 4, [1 2 3 4 5 6], {#[target_feature(enable = "avx2,fma")]},
    _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_fmadd_pd);

/// Vectors as arrays, for processors without a kernel of their own: the compiler uses what the target always has.
mod array {
    #[inline(always)]
    pub(super) unsafe fn load<T: Copy>(from: *const T) -> [T; 4] {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[T; 4]>().read() }
    }
    #[inline(always)]
    pub(super) unsafe fn store<T: Copy>(to: *mut T, v: [T; 4]) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[T; 4]>().write(v) }
    }
    #[inline(always)]
    pub(super) fn spread<T: Copy>(v: T) -> [T; 4] {
        [v; 4]
    }
    #[inline(always)]
    pub(super) fn multiply_add<T: crate::ops::real::Real>(a: [T; 4], b: [T; 4], c: [T; 4]) -> [T; 4] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
}
kernels!(portable_f32, f32, 4, [1 2 3 4], {}, super::array::load, super::array::store, super::array::spread,
    super::array::multiply_add);
kernels!(portable_f64, f64, 4, [1 2 3 4], {}, super::array::load, super::array::store, super::array::spread,
    super::array::multiply_add);

/// The best kernels that this processor runs.
macro_rules! choose {
    ($function:ident, $t:ty, $avx512:ident, $avx2:ident, $portable:ident) => {
        pub(super) fn $function() -> &'static Kernels<$t> {
            static CHOSEN: OnceLock<Kernels<$t>> = OnceLock::new();
            CHOSEN.get_or_init(|| {
                #[cfg(target_arch = "x86_64")]
                {
                    if is_x86_feature_detected!("avx512f") {
                        return $avx512::KERNELS;
                    }
                    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                        return $avx2::KERNELS;
                    }
                }
                $portable::KERNELS
            })
        }
    };
}
choose!(kernels_f32, f32, avx512_f32, avx2_f32, portable_f32);
choose!(kernels_f64, f64, avx512_f64, avx2_f64, portable_f64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::real::Real;

    /// Every tile of a set against plain sums, both ways of starting, columns beyond the tile untouched.
    fn check<T: Real>(name: &str, kernels: &Kernels<T>, tolerance: f64) {
        let value = |i: usize| T::down(((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0);
        let (steps, width, row) = (37, kernels.width, kernels.width + 3);
        let a: Vec<T> = (0..kernels.height() * ROW).map(value).collect();
        let b: Vec<T> = (0..steps * width).map(value).collect();
        let start: Vec<T> = (0..kernels.height()).map(value).collect();
        for rows in 1..=kernels.height() {
            for (columns, add) in [(width / 2, false), (width / 2, true), (width, false), (width, true)] {
                let before: Vec<T> = (0..rows * row).map(|i| value(i + 5)).collect();
                let mut c = before.clone();
                let from = if add { std::ptr::null() } else { start.as_ptr() };
                // SAFETY: all extents fit; the caller checked the processor.
                unsafe { kernels.tile(rows, columns)(steps, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), row, from) };
                for (i, (found, before)) in c.iter().zip(&before).enumerate() {
                    let (r, j) = (i / row, i % row);
                    let product = |k: usize| a[r * ROW + k].up() * b[k * width + j].up();
                    let first = if add { before.up() } else { start[r].up() };
                    let expected = if j < columns { first + (0..steps).map(product).sum::<f64>() } else { before.up() };
                    let off = (found.up() - expected).abs();
                    assert!(off < tolerance, "{name}: {rows} rows, {columns} columns, ({r}, {j}) off by {off}");
                }
            }
            for columns in [width / 2, width] {
                // Forwards and backwards over A.
                let offsets: Vec<isize> =
                    (0..steps as isize).map(|k| if k % 2 == 0 { 3 * k } else { 150 - k }).collect();
                let before: Vec<T> = (0..rows * row).map(|i| value(i + 5)).collect();
                let mut c = before.clone();
                // SAFETY: all extents fit; the caller checked the processor.
                unsafe {
                    let kernel = kernels.sliding(rows, columns);
                    kernel(steps, a.as_ptr(), offsets.as_ptr(), b.as_ptr(), c.as_mut_ptr(), row);
                }
                for (i, (found, before)) in c.iter().zip(&before).enumerate() {
                    let (r, j) = (i / row, i % row);
                    let product = |k: usize| a[offsets[k] as usize + r].up() * b[k * width + j].up();
                    let sum = if j < columns { (0..steps).map(product).sum::<f64>() } else { 0.0 };
                    let off = (found.up() - before.up() - sum).abs();
                    assert!(off < tolerance, "{name}: sliding {rows} rows, {columns} columns, ({r}, {j}) off by {off}");
                }
            }
        }
    }

    #[test]
    fn tiles() {
        check("portable f32", &portable_f32::KERNELS, 1e-4);
        check("portable f64", &portable_f64::KERNELS, 1e-12);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                check("AVX2 f32", &avx2_f32::KERNELS, 1e-4);
                check("AVX2 f64", &avx2_f64::KERNELS, 1e-12);
            }
            if is_x86_feature_detected!("avx512f") {
                check("AVX-512 f32", &avx512_f32::KERNELS, 1e-4);
                check("AVX-512 f64", &avx512_f64::KERNELS, 1e-12);
            }
        }
    }
}
