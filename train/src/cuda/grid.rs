//! How many threads do a piece of work: plain arithmetic, so that it is tested without a GPU.

/// Blocks and threads of a launch, as (x, y, z).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    blocks: (u32, u32, u32),
    threads: (u32, u32, u32),
}

/// Blocks that a launch takes along x; along y and z it is 65535.
const LIMIT_X: usize = i32::MAX as usize;
const LIMIT_YZ: usize = 65_535;

impl Grid {
    /// `blocks` blocks of `threads` threads each; none where a launch does not take that many.
    pub(crate) fn blocks(blocks: (usize, usize, usize), threads: u32) -> Option<Self> {
        let (x, y, z) = blocks;
        let fits = (1..=LIMIT_X).contains(&x) && (1..=LIMIT_YZ).contains(&y) && (1..=LIMIT_YZ).contains(&z);
        let fits = fits && (1..=1024).contains(&threads);
        fits.then_some(Self { blocks: (x as u32, y as u32, z as u32), threads: (threads, 1, 1) })
    }
}

#[cfg(feature = "cuda")]
impl From<Grid> for candle_core::cuda_backend::cudarc::driver::LaunchConfig {
    fn from(grid: Grid) -> Self {
        Self { grid_dim: grid.blocks, block_dim: grid.threads, shared_mem_bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_that_no_gpu_takes_are_none() {
        assert_eq!(
            Grid::blocks((70_000, 2, 3), 128).map(|g| (g.blocks, g.threads)),
            Some(((70_000, 2, 3), (128, 1, 1)))
        );
        for (blocks, threads) in
            [((0, 1, 1), 32), ((1, 65_536, 1), 32), ((1, 1, 65_536), 32), ((1, 1, 1), 1025), ((1, 1, 1), 0)]
        {
            assert_eq!(Grid::blocks(blocks, threads), None);
        }
    }
}
