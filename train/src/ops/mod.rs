//! The network's operations, forward and backward.
//!
//! Candle stays the tensor and file library; what it computes slowly or wrongly is computed here. Every operation is a Candle custom
//! operation with its own backward pass, on Candle's tape or on that of training (`tape.rs`). One folder holds one operation: `mod.rs` the
//! definition, the shape checks and the gradient; `cpu.rs` what computes it on the CPU, `cuda.rs` on a GPU
//! (`kernels.cu` and, which of them run, `plan.rs`; `_last` is what differs where channels lie last).
//!
//! All operations take `f32`, `f64` or `bf16` tensors of any layout (non-contiguous ones are copied first; of `bf16` ones no sum is
//! taken in `bf16`, only results are rounded) and images as N x C x H x W; those of the network are there for N x H x W x C, too
//! ([`Format`]). They have these properties in common:
//!
//! * **Thread count.** On the CPU results are the same, bit for bit, for any number of threads: work is cut by the shapes alone
//!   and partial sums are added in a fixed order. They may differ in the last bits between instruction sets.
//! * **NaN and infinity** in an input reach every output that depends on it; nothing is clamped away or replaced. A
//!   padded position counts as 0 times its filter tap, so an infinite tap gives NaN at the border. On a GPU a convolution
//!   may carry them further, to what lies in the same tile of a transform.
//! * **Gradients nobody asked for** (of an input that is neither a variable nor computed from one) are not computed.

mod batch_norm;
mod cat;
mod conv2d;
mod conv_transpose2d;
mod format;
mod kernel;
mod l1;
mod max_pool;
mod patches;
mod plain;
mod pointwise;
mod product;
mod real;
pub(crate) mod reorder;
mod scalar;
mod scratch;
mod simd;
mod similarity;
mod sliding;
mod sobel;
mod statistic;
mod strips;
mod tape;
mod winograd;

pub use batch_norm::{BatchStats, batch_norm_eval, batch_norm_train};
pub(crate) use cat::cat;
pub use conv_transpose2d::conv_transpose2d;
pub use conv2d::conv2d;
pub use format::Format;
pub use l1::l1;
pub use max_pool::max_pool2x2;
pub(crate) use plain::{cast, sigmoid, subtract};
pub use pointwise::{abs, relu};
pub(crate) use simd::wide;
pub use similarity::{ssim, structure_index};
pub use sobel::sobel_magnitude;
pub use statistic::{mmd_exact, mmd_spectral, statistic_loss};
pub use tape::{Tape, record};

/// Weights of R, G and B in the luma (ITU-R BT.601, as rounded by MATLAB's `rgb2gray`).
const LUMA: [f64; 3] = [0.2989, 0.5870, 0.1140];
