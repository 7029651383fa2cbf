//! The other order on a GPU: one launch that transposes matrices, one an image or a filter.

use candle_core::{Result, bail};

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block, and the side of the square that it transposes.
const THREADS: u32 = 256;
const SIDE: usize = 32;

/// Transposes `matrices` matrices of `rows` x `columns`, from one type to another.
pub(crate) fn transpose(
    on: &mut impl Machine,
    (from, to): (Element, Element),
    (matrices, rows, columns): (usize, usize, usize),
    x: Pointer,
    y: Pointer,
) -> Result<()> {
    if matrices * rows * columns == 0 {
        return Ok(());
    }
    let (kernel, element) = match (from, to) {
        (a, b) if a == b => ("transpose", a),
        (Element::F32, Element::Bf16) => ("transpose_f32_to", Element::Bf16),
        (Element::Bf16, Element::F32) => ("transpose_bf16_to", Element::F32),
        _ => bail!("reorder: {from:?} does not become {to:?}"),
    };
    let (down, across) = (rows.div_ceil(SIDE), columns.div_ceil(SIDE));
    let blocks = [count("squares", matrices * down * across)?, 1, 1];
    let sizes = [count("rows", rows)?, count("columns", columns)?, down as u32, across as u32, 0];
    let args = vec![Arg::Pointer(x), Arg::Pointer(y), Arg::Sizes(sizes)];
    on.launch(Launch { module: "reorder", kernel, element: Some(element), blocks, threads: THREADS, args })
}
