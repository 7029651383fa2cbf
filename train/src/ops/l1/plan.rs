//! Mean absolute difference on a GPU.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count, total};

const THREADS: u32 = 256;
/// Values of a block.
const CHUNK: usize = 4096;

/// The mean of |a - b| over `values` values into `value`, and its gradients where they are not null.
pub(crate) fn l1(
    on: &mut impl Machine,
    element: Element,
    values: usize,
    (a, b): (Pointer, Pointer),
    value: Pointer,
    (ga, gb): (Pointer, Pointer),
) -> Result<()> {
    let blocks = count("blocks", values.div_ceil(CHUNK))?;
    let partial = on.scratch(8 * blocks as usize)?;
    let mut args: Vec<Arg> = [a, b, partial, ga, gb].map(Arg::Pointer).into();
    args.push(Arg::U64(values as u64));
    on.launch(Launch {
        module: "l1",
        kernel: "l1",
        element: Some(element),
        blocks: [blocks, 1, 1],
        threads: THREADS,
        args,
    })?;
    total(on, element, (partial, blocks), 1.0 / values as f64, value)
}
