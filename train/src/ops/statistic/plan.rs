//! The statistic loss on a GPU.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count, total};

const THREADS: u32 = 256;
/// Threads of the kernels that add up phases: four warps, which share the nodes.
const PHASE_THREADS: u32 = 128;
const WARP: u32 = 32;
/// Differences of a block.
const CHUNK: usize = 2048;
/// Nodes of the quadrature.
const NODES: usize = 97;

/// The loss of `a` against `target`, both N x 3 x `h` x `w`, into `value`, and its gradient in `a` where it is not null.
pub(crate) fn loss(
    on: &mut impl Machine,
    element: Element,
    (n, h, w): (usize, usize, usize),
    (a, target): (Pointer, Pointer),
    value: Pointer,
    gradient: Pointer,
) -> Result<()> {
    // Differences of a direction, at most; both lie in lists of this length.
    let stride = (h * (w - 1)).max((h - 1) * w);
    let (parts, images) = (stride.div_ceil(CHUNK), count("images", 2 * n)?);
    let sizes = Arg::Sizes([count("images", n)?, count("rows", h)?, count("columns", w)?, count("parts", parts)?, 0]);
    count("pixels", 3 * h * w)?;
    let launch = |kernel, element, blocks, threads, args: &[Arg]| {
        let launch = Launch { module: "statistic", kernel, element, blocks, threads, args: args.to_vec() };
        launch.with(sizes)
    };
    let mut list = |values: usize| on.scratch(8 * values);
    // Lists for each image, or for each image of `a`, and both directions.
    let (sums, softmaxes, spreads) = (list(4 * n * parts * 3)?, list(4 * n * 2)?, list(2 * n)?);
    let (phases, terms, slopes) = (list(4 * n * parts * NODES * 2)?, list(2 * n)?, list(2 * n * NODES * 2)?);
    let p = Arg::Pointer;
    let (typed, both) = (Some(element), [parts as u32, 2, images]);
    on.launch(launch("softmax", typed, both, THREADS, &[p(a), p(target), p(sums)]))?;
    on.launch(launch("combine_all", None, [2, images, 1], WARP, &[p(sums), p(softmaxes), p(spreads)]))?;
    let args = [a, target, softmaxes, spreads, phases].map(p);
    on.launch(launch("phases", typed, both, PHASE_THREADS, &args))?;
    let args = [phases, spreads, terms, slopes].map(p);
    on.launch(launch("slopes_all", None, [2, images / 2, 1], PHASE_THREADS, &args))?;
    if gradient != Pointer::NULL {
        let mut list = |values: usize| on.scratch(8 * values);
        let (derivatives, weights, weighted) = (list(2 * n * stride)?, list(2 * n * stride)?, list(2 * n * parts)?);
        let stride = Arg::U32(stride as u32);
        let args = [a, softmaxes, spreads, slopes, derivatives, weights, weighted].map(p);
        on.launch(launch("by_sample", typed, [parts as u32, 2, images / 2], THREADS, &args).with(stride))?;
        let blocks = [((h * w) as u32).div_ceil(THREADS), images / 2, 1];
        let args = [derivatives, weights, weighted, gradient].map(p);
        on.launch(launch("gradient", typed, blocks, THREADS, &args).with(stride))?;
    }
    total(on, element, (terms, 2 * n as u32), 1.0 / n as f64, value)
}
