//! Max pooling on a GPU: one launch each way.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block.
const THREADS: usize = 256;

/// A thread for each 2 x 2 block; where rows divide into packs of 16 bytes a thread has several and some have none.
fn launch(kernel: &'static str, element: Element, blocks: usize, args: Vec<Arg>) -> Result<Launch> {
    let blocks = [count("2 x 2 blocks", blocks)?.div_ceil(THREADS as u32), 1, 1];
    Ok(Launch { module: "max_pool", kernel, element: Some(element), blocks, threads: THREADS as u32, args })
}

/// Blocks side by side that a thread takes: all of a pack's where every row divides into packs and all of `large` (arrays of
/// x's size) and `small` (of y's) lie so that packs can be read; as the kernels decide.
fn side_by_side(element: Element, w: usize, large: [Pointer; 2], small: Pointer) -> usize {
    let blocks = 16 / element.size() / 2;
    let aligned = |pointer: Pointer, bytes: usize| pointer.0.is_multiple_of(bytes as u64);
    let packs = w.is_multiple_of(2 * blocks)
        && large.iter().all(|p| aligned(*p, 16))
        && aligned(small, blocks * element.size());
    if packs { blocks } else { 1 }
}

/// Pools `planes` planes of `h` x `w` from x to y.
pub(crate) fn forward(
    on: &mut impl Machine,
    element: Element,
    (planes, h, w): (usize, usize, usize),
    x: Pointer,
    y: Pointer,
) -> Result<()> {
    if planes == 0 {
        return Ok(());
    }
    let threads = planes * (h / 2) * (w / 2).div_ceil(side_by_side(element, w, [x, x], y));
    let args = vec![Arg::Pointer(x), Arg::Pointer(y), sizes(planes, h, w)?];
    on.launch(launch("forward", element, threads, args)?)
}

/// The gradient of x into gx, every value of it, from that of the result.
pub(crate) fn input_gradient(
    on: &mut impl Machine,
    element: Element,
    (planes, h, w): (usize, usize, usize),
    (x, g): (Pointer, Pointer),
    gx: Pointer,
) -> Result<()> {
    if planes == 0 {
        return Ok(());
    }
    // An odd last row or column has threads too: they write its zeros.
    let threads = planes * h.div_ceil(2) * w.div_ceil(2).div_ceil(side_by_side(element, w, [x, gx], g));
    let args = vec![Arg::Pointer(x), Arg::Pointer(g), Arg::Pointer(gx), sizes(planes, h, w)?];
    on.launch(launch("input_gradient", element, threads, args)?)
}

/// As [`forward`], of `n` images `h` x `w` x `c` whose channels lie side by side.
pub(crate) fn forward_last(
    on: &mut impl Machine,
    element: Element,
    (n, h, w, c): (usize, usize, usize, usize),
    x: Pointer,
    y: Pointer,
) -> Result<()> {
    if n * c == 0 {
        return Ok(());
    }
    let packed = packs_of_channels(element, c, &[x, y]);
    let threads = n * (h / 2) * (w / 2) * c / if packed { 16 / element.size() } else { 1 };
    let args = vec![Arg::Pointer(x), Arg::Pointer(y), images(n, h, w, c, packed)?];
    on.launch(launch("forward_last", element, threads, args)?)
}

/// As [`input_gradient`], of images as [`forward_last`] takes them.
pub(crate) fn input_gradient_last(
    on: &mut impl Machine,
    element: Element,
    (n, h, w, c): (usize, usize, usize, usize),
    (x, g): (Pointer, Pointer),
    gx: Pointer,
) -> Result<()> {
    if n * c == 0 {
        return Ok(());
    }
    let packed = packs_of_channels(element, c, &[x, g, gx]);
    let threads = n * h.div_ceil(2) * w.div_ceil(2) * c / if packed { 16 / element.size() } else { 1 };
    let args = vec![Arg::Pointer(x), Arg::Pointer(g), Arg::Pointer(gx), images(n, h, w, c, packed)?];
    on.launch(launch("input_gradient_last", element, threads, args)?)
}

/// Whether every pixel of all arrays begins and ends with a pack of 16 bytes.
fn packs_of_channels(element: Element, c: usize, arrays: &[Pointer]) -> bool {
    c.is_multiple_of(16 / element.size()) && arrays.iter().all(|p| p.0.is_multiple_of(16))
}

fn images(n: usize, h: usize, w: usize, c: usize, packed: bool) -> Result<Arg> {
    let [n, h, w, c] = [("images", n), ("rows", h), ("columns", w), ("channels", c)].map(|(what, n)| count(what, n));
    Ok(Arg::Sizes([n?, h?, w?, c?, packed.into()]))
}

fn sizes(planes: usize, h: usize, w: usize) -> Result<Arg> {
    Ok(Arg::Sizes([count("planes", planes)?, count("rows", h)?, count("columns", w)?, 0, 0]))
}
