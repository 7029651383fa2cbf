//! Magnitude of the Sobel gradient on a GPU.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

const THREADS: u32 = 256;

/// From `n` images 3 x `h` x `w` to 1 x `h` x `w`.
pub(crate) fn sobel(
    on: &mut impl Machine,
    element: Element,
    (n, h, w): (usize, usize, usize),
    image: Pointer,
    out: Pointer,
) -> Result<()> {
    let blocks = [count("pixels", h * w)?.div_ceil(THREADS), count("images", n)?, 1];
    let args = vec![Arg::Pointer(image), Arg::Pointer(out), Arg::U32(h as u32), Arg::U32(w as u32)];
    on.launch(Launch { module: "sobel", kernel: "sobel", element: Some(element), blocks, threads: THREADS, args })
}
