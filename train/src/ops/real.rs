//! The two element types, and the way from Candle's storage to slices.

use std::borrow::Cow;

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Tensor, WithDType, bail};
use half::bf16;
use rayon::prelude::*;

use super::kernel::{Kernels, kernels_f32, kernels_f64};
use super::simd::transpose16_f32;
use super::{format::Format, reorder};

/// `f32` or `f64`.
pub(super) trait Real: WithDType {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The product's innermost loops on this processor.
    fn kernels() -> &'static Kernels<Self>;
    /// Transposes a block of up to 16 x 16 values (rows and columns; pointers with their row distances) if there is a fast
    /// way.
    ///
    /// # Safety
    /// The pointers must be valid for the blocks.
    unsafe fn transpose16(size: (usize, usize), from: (*const Self, usize), to: (*mut Self, usize)) -> bool;
    /// As `f64`.
    fn up(self) -> f64;
    /// The nearest value to an `f64`.
    fn down(v: f64) -> Self;
}

macro_rules! impl_real {
    ($($t:ty: $kernels:expr, $transpose:expr;)*) => {$(
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            fn kernels() -> &'static Kernels<Self> {
                $kernels()
            }
            #[inline(always)]
            unsafe fn transpose16(size: (usize, usize), from: (*const Self, usize), to: (*mut Self, usize)) -> bool {
                // SAFETY: the caller's promise.
                unsafe { $transpose(size, from, to) }
            }
            #[inline(always)]
            fn up(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn down(v: f64) -> Self {
                v as Self
            }
        }
    )*};
}
/// There is none for `f64`, which tests alone are in a hurry with.
unsafe fn no_transpose(_: (usize, usize), _: (*const f64, usize), _: (*mut f64, usize)) -> bool {
    false
}

impl_real!(f32: kernels_f32, transpose16_f32; f64: kernels_f64, no_transpose;);

/// Runs a kernel with `$t` standing for the element type of storages, that of the first.
///
/// Of `bf16` ones it computes in `f32`, and its result is rounded, as on a GPU: products of two `bf16` values are exact in
/// `f32`, which sums are taken in. `f32` ones that are listed beside them, such as filters, are rounded first; what is not
/// listed, such as a norm's gamma, the kernel has as it is.
macro_rules! with_real {
    ($op:expr, [$first:ident $(, $more:ident)*], $t:ident => $body:expr) => {
        match candle_core::backend::BackendStorage::dtype($first) {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            candle_core::DType::BF16 => {
                type $t = f32;
                let $first = $crate::ops::real::widened($first);
                let $first = &*$first;
                $(
                    let $more = $crate::ops::real::widened($more);
                    let $more = &*$more;
                )*
                $body.map($crate::ops::real::narrowed)
            }
            other => candle_core::bail!("{}: tensors must be f32, f64 or bf16, not {other:?}", $op),
        }
    };
}
pub(super) use with_real;

/// Values of one task that converts.
const CHUNK: usize = 1 << 15;

/// `bf16` values as `f32` ones; `f32` ones rounded to `bf16`.
pub(super) fn widened(storage: &CpuStorage) -> Cow<'_, CpuStorage> {
    let wide = match storage {
        CpuStorage::BF16(values) => values.par_iter().with_min_len(CHUNK).map(|v| v.to_f32()).collect(),
        CpuStorage::F32(values) => values.par_iter().with_min_len(CHUNK).map(|v| bf16::from_f32(*v).to_f32()).collect(),
        _ => return Cow::Borrowed(storage),
    };
    Cow::Owned(CpuStorage::F32(wide))
}

/// A kernel's result in `f32` as `bf16`; one in `f64`, such as statistics, as it is.
pub(super) fn narrowed((storage, shape): (CpuStorage, Shape)) -> (CpuStorage, Shape) {
    let storage = match storage {
        CpuStorage::F32(values) => {
            CpuStorage::BF16(values.into_par_iter().with_min_len(CHUNK).map(bf16::from_f32).collect())
        }
        other => other,
    };
    (storage, shape)
}

/// The elements of a contiguous tensor, in row-major order.
pub(super) fn slice<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let all = T::cpu_storage_as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => bail!("a kernel was given a tensor that is not contiguous"),
    }
}

/// Memory for `n` values about to be written: what it holds is arbitrary.
#[expect(clippy::uninit_vec, reason = "zeroing large results first costs a pass over memory")]
pub(super) fn uninit<T: Real>(n: usize) -> Vec<T> {
    let mut v = Vec::with_capacity(n);
    // SAFETY: the capacity is there and any bits are an f32 or f64; callers write every value before it is read.
    unsafe {
        v.set_len(n);
    }
    v
}

/// A result of a kernel.
pub(super) fn stored<T: Real>(data: Vec<T>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (T::to_cpu_storage_owned(data), shape.into())
}

/// The four extents N, C, H, W of an operation's argument.
pub(super) fn dims4(op: &str, name: &str, t: &Tensor) -> Result<(usize, usize, usize, usize)> {
    match t.dims() {
        &[n, c, h, w] => Ok((n, c, h, w)),
        other => bail!("{op}: {name} must have 4 dimensions, not the shape {other:?}"),
    }
}

/// Refuses arguments that are not all of one type: `f32`, `f64` or `bf16`.
pub(super) fn check_types(op: &str, tensors: &[(&str, &Tensor)]) -> Result<()> {
    for (name, t) in tensors {
        check_type(op, name, t)?;
        let (first, other) = (tensors[0], t.dtype());
        if first.1.dtype() != other {
            bail!("{op}: {name} is {other:?} but {} is {:?}; convert one of them", first.0, first.1.dtype());
        }
    }
    Ok(())
}

/// Refuses weights of another type than `x`, but for `f32` ones of a `bf16` x.
pub(super) fn check_weights(op: &str, x: &Tensor, weights: &[(&str, &Tensor)]) -> Result<()> {
    for (name, t) in weights {
        check_type(op, "x", x)?;
        if (x.dtype(), t.dtype()) != (DType::BF16, DType::F32) {
            check_types(op, &[("x", x), (name, t)])?;
        }
    }
    Ok(())
}

fn check_type(op: &str, name: &str, t: &Tensor) -> Result<()> {
    match t.dtype() {
        DType::F32 | DType::F64 | DType::BF16 => Ok(()),
        other => bail!("{op}: {name} must be f32, f64 or bf16, not {other:?}"),
    }
}

/// Weights in the type of `x`, cut from the tape; none where they have it already.
pub(super) fn rounded(x: &Tensor, weights: &Tensor) -> Result<Option<Tensor>> {
    if x.dtype() == weights.dtype() {
        return Ok(None);
    }
    Ok(Some(weights.detach().to_dtype(x.dtype())?.contiguous()?))
}

/// Filters as a convolution of `x` takes them, in its type and order and cut from the tape; none where they are so already.
pub(super) fn filters(x: &Tensor, w: &Tensor, format: Format) -> Result<Option<Tensor>> {
    match format {
        Format::ChannelsFirst => rounded(x, w),
        Format::ChannelsLast => reorder::to_last(&w.detach(), x.dtype()).map(Some),
    }
}

/// The gradient of filters `w` in their type and order, from that of what [`filters`] gives.
pub(super) fn filters_gradient(w: &Tensor, gradient: Tensor, format: Format) -> Result<Tensor> {
    match format {
        Format::ChannelsFirst => gradient.to_dtype(w.dtype()),
        Format::ChannelsLast => reorder::to_first(&gradient, w.dtype()),
    }
}

/// N, C, H, W of an operation's image.
pub(super) fn extents(op: &str, x: &Tensor, format: Format) -> Result<[usize; 4]> {
    let (a, b, c, d) = dims4(op, "x", x)?;
    Ok(format.extents([a, b, c, d]))
}

/// Refuses two arguments of different shapes.
pub(super) fn check_same_shape(op: &str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.dims() != b.dims() {
        bail!("{op}: the two images must have one shape, not {:?} and {:?}", a.dims(), b.dims());
    }
    Ok(())
}

/// The elements as `f64`, for losses: their images are small and their sums lose digits in `f32`.
pub(super) fn to_f64(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// A tensor of `like`'s shape and type on the CPU.
pub(super) fn from_f64(data: Vec<f64>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(data, like.shape(), &Device::Cpu)?.to_dtype(like.dtype())
}
