//! Pointwise functions on a GPU: one launch each.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block, each with 16 bytes of values.
const THREADS: usize = 256;

/// `kernel` of `values` values: the function's name from (x, result), `NAME_gradient` from (result of ReLU or argument of the
/// absolute value, its gradient, result), or `times` from (x, one factor of x's type, result).
pub(crate) fn apply(
    on: &mut impl Machine,
    kernel: &'static str,
    element: Element,
    values: usize,
    pointers: &[Pointer],
) -> Result<()> {
    if values == 0 {
        return Ok(());
    }
    let blocks = [count("blocks", values.div_ceil(THREADS * 16 / element.size()))?, 1, 1];
    let mut args: Vec<Arg> = pointers.iter().copied().map(Arg::Pointer).collect();
    args.push(Arg::U64(values as u64));
    on.launch(Launch { module: "pointwise", kernel, element: Some(element), blocks, threads: THREADS as u32, args })
}
