//! Pointwise functions on the CPU.

use candle_core::{CpuStorage, Layout, Result, Shape};
use rayon::prelude::*;

use super::Pointwise;
use crate::ops::real::{Real, slice, stored, uninit};
use crate::ops::simd::wide;

type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// Values of one task.
const CHUNK: usize = 1 << 15;

pub(super) fn forward<T: Real>(op: Pointwise, x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let values = slice::<T>(x.0, x.1)?;
    let y = match op {
        Pointwise::Relu => map(values, |v| if v < T::ZERO { T::ZERO } else { v }),
        Pointwise::Abs => map(values, |v| if v < T::ZERO { T::ZERO - v } else { v }),
    };
    Ok(stored(y, x.1.shape().clone()))
}

pub(super) fn gradient<T: Real>(op: Pointwise, known: Stored<'_>, g: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (values, shape) = (slice::<T>(known.0, known.1)?, known.1.shape().clone());
    let g = slice::<T>(g.0, g.1)?;
    let gx = match op {
        Pointwise::Relu => map2(values, g, |y, g| if y <= T::ZERO { T::ZERO } else { g }),
        Pointwise::Abs => map2(values, g, |x, g| g * sign(x)),
    };
    Ok(stored(gx, shape))
}

/// 1, -1, or `x` itself where it is 0 or NaN.
#[inline(always)]
fn sign<T: Real>(x: T) -> T {
    if x > T::ZERO {
        T::ONE
    } else if x < T::ZERO {
        T::ZERO - T::ONE
    } else {
        x
    }
}

#[inline(always)]
fn map_chunk<T: Real>((out, x, f): (&mut [T], &[T], &impl Fn(T) -> T)) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = f(*x);
    }
}

#[inline(always)]
fn map2_chunk<T: Real>((out, x, g, f): (&mut [T], &[T], &[T], &impl Fn(T, T) -> T)) {
    for ((out, x), g) in out.iter_mut().zip(x).zip(g) {
        *out = f(*x, *g);
    }
}

fn map<T: Real>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut out = uninit(x.len());
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
        wide(map_chunk, (out, x, &f));
    });
    out
}

fn map2<T: Real>(x: &[T], g: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut out = uninit(x.len());
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(g.par_chunks(CHUNK)).for_each(|((out, x), g)| {
        wide(map2_chunk, (out, x, g, &f));
    });
    out
}
