//! The other order on a GPU: one launch that transposes matrices, one an image or a filter.

use candle_core::{Result, bail};

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block, and the side of the square that it transposes.
const THREADS: u32 = 256;
const SIDE: usize = 32;
/// Rows or columns up to which a matrix is narrow: half a square would be empty.
const NARROW: usize = SIDE / 2;

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
    let narrow = rows.min(columns) <= NARROW;
    let (kernel, element) = match (from, to) {
        (a, b) if a == b => (if narrow { "narrow" } else { "transpose" }, a),
        (Element::F32, Element::Bf16) => (if narrow { "narrow_f32_to" } else { "transpose_f32_to" }, to),
        (Element::Bf16, Element::F32) => (if narrow { "narrow_bf16_to" } else { "transpose_bf16_to" }, to),
        _ => bail!("reorder: {from:?} does not become {to:?}"),
    };
    let (r, c) = (count("rows", rows)?, count("columns", columns)?);
    let (blocks, sizes) = if narrow {
        let threads = count("lines", matrices * rows.max(columns))?;
        (threads.div_ceil(THREADS), [count("matrices", matrices)?, r, c, 0, 0])
    } else {
        let (down, across) = (rows.div_ceil(SIDE), columns.div_ceil(SIDE));
        (count("squares", matrices * down * across)?, [r, c, down as u32, across as u32, 0])
    };
    let args = vec![Arg::Pointer(x), Arg::Pointer(y), Arg::Sizes(sizes)];
    let (element, blocks) = (Some(element), [blocks, 1, 1]);
    on.launch(Launch { module: "reorder", kernel, element, blocks, threads: THREADS, args })
}
