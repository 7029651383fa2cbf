//! Copies of parts of rows on a GPU: one launch each.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block, each with 16 bytes of values or with one.
const THREADS: u32 = 256;

/// Copies `columns` values of each of `rows` rows, which begin every `stride` values, from one place to another.
pub(crate) fn copy(
    on: &mut impl Machine,
    element: Element,
    (rows, columns): (usize, usize),
    (from, from_stride): (Pointer, usize),
    (to, to_stride): (Pointer, usize),
) -> Result<()> {
    if rows * columns == 0 {
        return Ok(());
    }
    let pack = 16 / element.size();
    let packed = [columns, from_stride, to_stride].iter().all(|n| n.is_multiple_of(pack))
        && [from, to].iter().all(|p| p.0.is_multiple_of(16));
    let threads = count("values", rows * columns / if packed { pack } else { 1 })?;
    let sizes = [("rows", rows), ("values of a row", columns), ("values", from_stride), ("values", to_stride)];
    let [rows, columns, from_stride, to_stride] = sizes.map(|(what, n)| count(what, n));
    let sizes = [rows?, columns?, from_stride?, to_stride?, packed.into()];
    let args = vec![Arg::Pointer(from), Arg::Pointer(to), Arg::Sizes(sizes)];
    let blocks = [threads.div_ceil(THREADS), 1, 1];
    on.launch(Launch { module: "cat", kernel: "copy", element: Some(element), blocks, threads: THREADS, args })
}
