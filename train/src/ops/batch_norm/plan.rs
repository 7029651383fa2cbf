//! Batch normalisation on a GPU: which kernels run, on what.

use candle_core::{Result, bail};

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block.
const THREADS: usize = 256;
/// Channels of a block that adds up parts: one a warp.
const CHANNELS: usize = THREADS / 32;
/// Values of a block, at least and at most, and the steps between: whole packs for all threads of any type.
const CHUNKS: (usize, usize, usize) = (4096, 16384, 2048);
/// Blocks below which they become smaller.
const BLOCKS: usize = 1024;

/// The images' extents, and how a channel's values are divided among blocks.
#[derive(Clone, Copy, Debug)]
struct Extents {
    c: usize,
    /// n, c, h x w, values of a part, parts of a channel.
    sizes: [u32; 5],
}

impl Extents {
    fn new((n, c, area): (usize, usize, usize)) -> Result<Self> {
        let values = n * area;
        let chunk = (values * c / BLOCKS).next_multiple_of(CHUNKS.2).clamp(CHUNKS.0, CHUNKS.1);
        let parts = values.div_ceil(chunk);
        count("values of a channel", values)?;
        count("blocks", c * parts)?;
        Ok(Self { c, sizes: [n, c, area, chunk, parts].map(|n| n as u32) })
    }

    fn parts(&self) -> usize {
        self.sizes[4] as usize
    }

    /// One block for each part of each channel.
    fn launch(&self, kernel: &'static str, element: Element, args: Vec<Arg>) -> Launch {
        let blocks = [self.sizes[1] * self.sizes[4], 1, 1];
        Launch { module: "batch_norm", kernel, element: Some(element), blocks, threads: THREADS as u32, args }
    }

    /// Memory for partial sums; none where there is one part.
    fn partial(&self, on: &mut impl Machine) -> Result<Pointer> {
        if self.parts() == 1 { Ok(Pointer::NULL) } else { on.scratch(8 * 2 * self.c * self.parts()) }
    }
}

/// One warp for each channel, to add up the parts that `sizes` counts.
pub(crate) fn sums_of_parts(kernel: &'static str, element: Element, pointers: &[Pointer], sizes: [u32; 5]) -> Launch {
    let mut args: Vec<Arg> = pointers.iter().copied().map(Arg::Pointer).collect();
    args.push(Arg::Sizes(sizes));
    let blocks = [sizes[1].div_ceil(CHANNELS as u32), 1, 1];
    Launch { module: "batch_norm", kernel, element: Some(element), blocks, threads: THREADS as u32, args }
}

/// What normalises: pointers to the statistics (2C values of `f64`), gamma and beta (C values of the images' type, `f32`
/// for bf16).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm {
    pub(crate) stats: Pointer,
    pub(crate) gamma: Pointer,
    pub(crate) beta: Pointer,
    pub(crate) eps: f64,
    pub(crate) relu: bool,
}

/// The statistics of x, N x C x area, into `stats`: 2C values of `f64`.
pub(crate) fn moments(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize, usize),
    x: Pointer,
    stats: Pointer,
) -> Result<()> {
    let e = Extents::new(dims)?;
    let partial = e.partial(on)?;
    let args = vec![Arg::Pointer(x), Arg::Pointer(partial), Arg::Pointer(stats), Arg::Sizes(e.sizes)];
    on.launch(e.launch("moments", element, args))?;
    if e.parts() > 1 {
        on.launch(sums_of_parts("moments_of_parts", element, &[x, partial, stats], e.sizes))?;
    }
    Ok(())
}

/// Moves running means and variances, C values of type `element` each, by `momentum` towards the statistics, whose variances are
/// taken times `unbiased`.
pub(crate) fn enter(
    on: &mut impl Machine,
    element: Element,
    channels: usize,
    (stats, bias): (Pointer, Pointer),
    (mean, var): (Pointer, Pointer),
    (momentum, unbiased): (f64, f64),
) -> Result<()> {
    if element == Element::Bf16 {
        bail!("batch norm: running statistics are f32 or f64");
    }
    let mut args: Vec<Arg> = [stats, bias, mean, var].map(Arg::Pointer).into();
    args.extend([Arg::U32(count("channels", channels)?), Arg::F64(momentum), Arg::F64(unbiased)]);
    let blocks = [channels.div_ceil(THREADS) as u32, 1, 1];
    on.launch(Launch {
        module: "batch_norm",
        kernel: "enter",
        element: Some(element),
        blocks,
        threads: THREADS as u32,
        args,
    })
}

/// The result into y, of x's size and type.
pub(crate) fn forward(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize, usize),
    norm: &Norm,
    x: Pointer,
    y: Pointer,
) -> Result<()> {
    let e = Extents::new(dims)?;
    let mut args: Vec<Arg> = [x, norm.gamma, norm.beta, norm.stats, y].map(Arg::Pointer).into();
    args.extend([Arg::Sizes(e.sizes), Arg::F64(norm.eps), Arg::U32(norm.relu.into())]);
    on.launch(e.launch("forward", element, args))
}

/// The gradients of beta and gamma into `sums`: 2C values of gamma's type.
pub(crate) fn gradient_sums(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize, usize),
    norm: &Norm,
    (g, x): (Pointer, Pointer),
    sums: Pointer,
) -> Result<()> {
    let e = Extents::new(dims)?;
    let partial = e.partial(on)?;
    let mut args: Vec<Arg> = [g, x, norm.gamma, norm.beta, norm.stats, partial, sums].map(Arg::Pointer).into();
    args.extend([Arg::Sizes(e.sizes), Arg::F64(norm.eps), Arg::U32(norm.relu.into())]);
    on.launch(e.launch("gradient_sums", element, args))?;
    if e.parts() > 1 {
        let launch = sums_of_parts("sums_of_parts", element, &[partial, norm.stats, sums], e.sizes);
        on.launch(launch.with(Arg::F64(norm.eps)))?;
    }
    Ok(())
}

/// The gradient of x into gx, from `sums` as [`gradient_sums`] gives them; `training`: through the statistics too.
pub(crate) fn input_gradient(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize, usize),
    norm: &Norm,
    (g, x): (Pointer, Pointer),
    (sums, training): (Pointer, bool),
    gx: Pointer,
) -> Result<()> {
    let e = Extents::new(dims)?;
    let through = if training { 1.0 / (dims.0 * dims.2) as f64 } else { 0.0 };
    let mut args: Vec<Arg> = [g, x, norm.gamma, norm.beta, norm.stats, sums, gx].map(Arg::Pointer).into();
    args.extend([Arg::Sizes(e.sizes), Arg::F64(norm.eps), Arg::U32(norm.relu.into()), Arg::F64(through)]);
    on.launch(e.launch("input_gradient", element, args))
}
