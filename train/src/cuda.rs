//! What our kernels need of a CUDA device: their code, loaded once; launches; and what is kept between steps.
//!
//! One stream a device does everything in order, so that memory is reused without asking whether it is still read. Kernels
//! are compiled when the program is (`build.rs`), and named `OPERATION_TYPE`, TYPE being `f32`, `f64` or `bf16`.

#[cfg(any(feature = "cuda", test))]
pub(crate) mod convolution;
#[cfg(feature = "cuda")]
mod convolve;
#[cfg(feature = "cuda")]
mod cudnn;
#[cfg(feature = "cuda")]
mod element;
#[cfg(any(feature = "cuda", test))]
pub(crate) mod grid;
#[cfg(feature = "cuda")]
pub(crate) mod machine;
#[cfg(feature = "cuda")]
mod module;
#[cfg(feature = "cuda")]
mod open;
#[cfg(feature = "cuda")]
pub(crate) mod plan;
#[cfg(feature = "cuda")]
pub(crate) mod state;
#[cfg(feature = "cuda")]
mod upload;

#[cfg(feature = "cuda")]
pub(crate) use convolve::{add_bias, convolve};
#[cfg(feature = "cuda")]
pub(crate) use element::{Element, input, instead, stored, with_element};
#[cfg(feature = "cuda")]
pub(crate) use module::{Module, module};
#[cfg(feature = "cuda")]
pub(crate) use open::{count, open, peak, reset_peak};
#[cfg(feature = "cuda")]
pub(crate) use upload::Upload;
