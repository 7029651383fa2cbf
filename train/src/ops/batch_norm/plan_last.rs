//! Batch normalisation on a GPU of images N x H x W x C: which kernels run, on what.

use candle_core::Result;

use super::plan::{Norm, sums_of_parts};
use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count};

/// Threads of a block.
const THREADS: usize = 256;
/// Packs of a row that a block takes side by side, at most.
const ACROSS: usize = 32;
/// Blocks below which they become smaller, and rows of a thread, at least.
const BLOCKS: usize = 1024;
const ROWS: usize = 8;

/// How rows of channels are divided among blocks.
#[derive(Clone, Copy, Debug)]
struct Tiles {
    element: Element,
    /// rows, c, threads side by side, rows of a part, whether channels are read in packs.
    sizes: [u32; 5],
    /// Groups of channels, and parts of the rows.
    tiles: usize,
    parts: usize,
}

impl Tiles {
    /// Of `rows` rows of `c` channels, in arrays that the launch reads or writes.
    fn new(element: Element, (rows, c): (usize, usize), arrays: &[Pointer]) -> Result<Self> {
        let pack = 16 / element.size();
        let packed = c.is_multiple_of(pack) && arrays.iter().all(|p| p.0.is_multiple_of(16));
        let columns = if packed { c / pack } else { c };
        let across = columns.next_power_of_two().min(ACROSS);
        let (tiles, down) = (columns.div_ceil(across), THREADS / across);
        let chunk = (rows * tiles / BLOCKS).next_multiple_of(down).max(ROWS * down);
        let parts = rows.div_ceil(chunk);
        count("values of a channel", rows + chunk)?;
        count("blocks", tiles * parts)?;
        Ok(Self { element, sizes: [rows, c, across, chunk, packed.into()].map(|n| n as u32), tiles, parts })
    }

    fn launch(&self, kernel: &'static str, pointers: &[Pointer]) -> Launch {
        let mut args: Vec<Arg> = pointers.iter().copied().map(Arg::Pointer).collect();
        args.push(Arg::Sizes(self.sizes));
        let blocks = [(self.tiles * self.parts) as u32, 1, 1];
        Launch { module: "batch_norm_last", kernel, element: Some(self.element), blocks, threads: THREADS as u32, args }
    }

    fn partial(&self, on: &mut impl Machine) -> Result<Pointer> {
        on.scratch(8 * 2 * self.sizes[1] as usize * self.parts)
    }

    /// As the kernels that add up parts take extents: images of one pixel.
    fn of_parts(&self) -> [u32; 5] {
        let [rows, c, _, chunk, _] = self.sizes;
        [rows, c, 1, chunk, self.parts as u32]
    }
}

/// The statistics of x, rows x c, into `stats`: 2c values of `f64`.
pub(crate) fn moments(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize),
    x: Pointer,
    stats: Pointer,
) -> Result<()> {
    let tiles = Tiles::new(element, dims, &[x])?;
    let partial = tiles.partial(on)?;
    on.launch(tiles.launch("moments", &[x, partial]))?;
    on.launch(sums_of_parts("moments_of_parts", element, &[x, partial, stats], tiles.of_parts()))
}

/// The result into y, of x's size and type.
pub(crate) fn forward(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize),
    norm: &Norm,
    x: Pointer,
    y: Pointer,
) -> Result<()> {
    let launch = Tiles::new(element, dims, &[x, y])?.launch("forward", &[x, norm.gamma, norm.beta, norm.stats, y]);
    on.launch(launch.with(Arg::F64(norm.eps)).with(Arg::U32(norm.relu.into())))
}

/// The gradients of beta and gamma into `sums`: 2c values of gamma's type.
pub(crate) fn gradient_sums(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize),
    norm: &Norm,
    (g, x): (Pointer, Pointer),
    sums: Pointer,
) -> Result<()> {
    let tiles = Tiles::new(element, dims, &[g, x])?;
    let partial = tiles.partial(on)?;
    let launch = tiles.launch("gradient_sums", &[g, x, norm.gamma, norm.beta, norm.stats, partial]);
    on.launch(launch.with(Arg::F64(norm.eps)).with(Arg::U32(norm.relu.into())))?;
    let launch = sums_of_parts("sums_of_parts", element, &[partial, norm.stats, sums], tiles.of_parts());
    on.launch(launch.with(Arg::F64(norm.eps)))
}

/// The gradient of x into gx, from `sums` as [`gradient_sums`] gives them; `training`: through the statistics too.
pub(crate) fn input_gradient(
    on: &mut impl Machine,
    element: Element,
    dims: (usize, usize),
    norm: &Norm,
    (g, x): (Pointer, Pointer),
    (sums, training): (Pointer, bool),
    gx: Pointer,
) -> Result<()> {
    let tiles = Tiles::new(element, dims, &[g, x, gx])?;
    let launch = tiles.launch("input_gradient", &[g, x, norm.gamma, norm.beta, norm.stats, sums, gx]);
    let through = if training { 1.0 / dims.0 as f64 } else { 0.0 };
    on.launch(launch.with(Arg::F64(norm.eps)).with(Arg::U32(norm.relu.into())).with(Arg::F64(through)))
}
