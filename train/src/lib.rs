//! Fits CoRRN, scores it and applies it.
//!
//! [`fit`](mod@fit) reads as the main path of `train fit`. Below it: [`data`] makes tensors of pictures, [`net`] is the network,
//! [`loss`] what is minimised, [`ops`] and [`optim`] the arithmetic, [`checkpoint`] and [`weights`] the files; [`metrics`] scores
//! pictures and shares nothing with the loss.

// They panic where nobody reads; `manifests::say!` and `tell!` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod alloc;
mod bench;
pub mod checkpoint;
pub mod cli;
#[cfg(any(feature = "cuda", test))]
mod cuda;
pub mod data;
pub mod device;
mod doctor;
mod error;
pub mod eval;
mod export;
pub mod fit;
pub mod loss;
mod memory;
pub mod metrics;
pub mod net;
pub mod ops;
pub mod optim;
mod predict;
mod progress;
mod protobuf;
mod report;
pub mod summary;
pub mod tiles;
pub mod weights;

pub use error::Error;
