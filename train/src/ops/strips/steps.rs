//! The transforms applied to many values side by side.

use std::marker::PhantomData;

use super::schemes::{Scheme, Values};
use crate::ops::real::Real;
use crate::ops::simd::Loop;

/// Values of one vector.
pub(super) const LANES: usize = 16;

/// One of a scheme's transforms.
pub(super) trait Step<S> {
    /// Values that it takes.
    const INPUTS: usize;
    /// Values that it gives.
    const OUTPUTS: usize;
    /// Marked `#[inline(always)]`.
    fn apply<T: Real>(values: Values<T>) -> Values<T>;
}

macro_rules! steps {
    ($($name:ident: $inputs:expr => $outputs:expr, $function:ident;)*) => {$(
        #[doc = concat!("[`Scheme::", stringify!($function), "`].")]
        pub(super) struct $name;
        impl<S: Scheme> Step<S> for $name {
            const INPUTS: usize = $inputs;
            const OUTPUTS: usize = $outputs;
            #[inline(always)]
            fn apply<T: Real>(values: Values<T>) -> Values<T> {
                S::$function(values)
            }
        }
    )*};
}

steps! {
    Input: S::PRODUCTS => S::PRODUCTS, input;
    Filter: S::TAPS => S::PRODUCTS, filter;
    Output: S::PRODUCTS => 2, output;
    OutputAdjoint: 2 => S::PRODUCTS, output_adjoint;
    FilterAdjoint: S::PRODUCTS => S::TAPS, filter_adjoint;
}

/// Applies a step to [`LANES`] places: input i of them starts at `from` + i `from_row`, output i at `to` + i `to_row`.
///
/// # Safety
/// The pointers must be valid for these values.
#[inline(always)]
pub(super) unsafe fn apply<S, P: Step<S>, T: Real>((from, from_row): (*const T, isize), (to, to_row): (*mut T, usize)) {
    let mut values = [[T::ZERO; LANES]; 8];
    for (i, values) in values.iter_mut().enumerate().take(P::INPUTS) {
        // SAFETY: the caller's promise.
        *values = unsafe { from.offset(i as isize * from_row).cast::<[T; LANES]>().read_unaligned() };
    }
    let mut results = [[T::ZERO; LANES]; 8];
    for l in 0..LANES {
        let result = P::apply(std::array::from_fn(|i| values[i][l]));
        (0..P::OUTPUTS).for_each(|i| results[i][l] = result[i]);
    }
    for (i, result) in results.iter().enumerate().take(P::OUTPUTS) {
        // SAFETY: the caller's promise.
        unsafe { to.add(i * to_row).cast::<[T; LANES]>().write_unaligned(*result) };
    }
}

/// A step on rows of values: row i of the input starts i times its distance from the start, and so for the output.
pub(super) struct Rows<'a, T, P> {
    pub(super) from: (&'a [T], usize),
    pub(super) to: (&'a mut [T], usize),
    /// Values of a row: a multiple of [`LANES`].
    pub(super) len: usize,
    pub(super) step: PhantomData<P>,
}

impl<S, P: Step<S>, T: Real> Loop<S> for Rows<'_, T, P> {
    #[inline(always)]
    fn run(self) {
        let Self { from, to, len, .. } = self;
        assert!(len % LANES == 0 && from.0.len() >= (P::INPUTS - 1) * from.1 + len);
        assert!(to.0.len() >= (P::OUTPUTS - 1) * to.1 + len);
        for at in (0..len).step_by(LANES) {
            // SAFETY: just checked.
            unsafe {
                apply::<S, P, T>((from.0.as_ptr().add(at), from.1 as isize), (to.0.as_mut_ptr().add(at), to.1));
            }
        }
    }
}
