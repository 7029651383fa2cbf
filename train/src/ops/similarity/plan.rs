//! SSIM and structure index on a GPU.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count, total};

const THREADS: u32 = 128;
/// Pixels of a block: across and down.
const TILE: (usize, usize) = (32, 16);

/// Two images of `planes` planes of `h` x `w`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Images {
    pub(crate) element: Element,
    pub(crate) planes: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) a: Pointer,
    pub(crate) b: Pointer,
}

/// The mean index (`ssim` or `structure`) into `value`, and its gradients where they are not null.
pub(crate) fn similarity(
    on: &mut impl Machine,
    kernel: &'static str,
    images: &Images,
    value: Pointer,
    (ga, gb): (Pointer, Pointer),
) -> Result<()> {
    let Images { element, planes, h, w, a, b } = *images;
    let (down, across) = (h.div_ceil(TILE.1), w.div_ceil(TILE.0));
    let blocks = count("tiles", planes * down * across)?;
    let sizes = Arg::Sizes([count("rows", h)?, count("columns", w)?, down as u32, across as u32, 0]);
    let scale = 1.0 / (planes * h * w) as f64;
    let launch = |kernel, mut args: Vec<Arg>, last: &[Arg]| {
        args.push(sizes);
        args.extend(last);
        Launch { module: "similarity", kernel, element: Some(element), blocks: [blocks, 1, 1], threads: THREADS, args }
    };
    let partial = on.scratch(8 * blocks as usize)?;
    let mut map = |wanted: bool| {
        if wanted { on.scratch(element.size() * planes * h * w) } else { Ok(Pointer::NULL) }
    };
    let (wanted_a, wanted_b) = (ga != Pointer::NULL, gb != Pointer::NULL);
    let (by_a, by_b) = (map(wanted_a)?, map(wanted_b)?);
    let (by_square, by_product) = (map(wanted_a || wanted_b)?, map(wanted_a || wanted_b)?);
    let args = [a, b, partial, by_a, by_b, by_square, by_product].map(Arg::Pointer).into();
    on.launch(launch(kernel, args, &[]))?;
    for (own, other, by_mean, gradient) in [(a, b, by_a, ga), (b, a, by_b, gb)] {
        if gradient != Pointer::NULL {
            let args = [own, other, by_mean, by_square, by_product, gradient].map(Arg::Pointer).into();
            on.launch(launch("gradient", args, &[Arg::F64(scale)]))?;
        }
    }
    total(on, element, (partial, blocks), scale, value)
}
