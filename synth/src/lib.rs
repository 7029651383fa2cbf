//! Mixes photographs of reflections with photographs of backgrounds into data sets that anyone can rebuild.
//!
//! Sample `i` is a function of the recipe, its seed and `i` alone: never of threads, of where a
//! build was interrupted, or of the machine. So a data set's folder needs to hold no photograph to
//! be reproduced: `dataset.yaml` names every source by hash, and a line of `samples.jsonl` every
//! number that was drawn.
//!
//! - [`build`]: recipe in, samples and manifest out. The file that reads as the main path.
//! - [`Mixer`]: the same samples in memory, for mixing while training.
//! - [`dataset`]: reads what was built.

// They panic where nobody reads; `manifests::say!` and `tell!` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod build;
mod cache;
pub mod cli;
pub mod dataset;
mod decode;
mod draw;
pub mod duplicates;
pub mod encode;
mod error;
pub mod export;
pub mod gallery;
mod jpeg;
mod lock;
pub mod memory;
mod mix;
mod mixer;
mod pixels;
mod progress;
pub mod raw;
mod read;
pub mod recipe;
mod reduce;
pub mod replay;
mod scenes;
pub mod shard;
mod source;
mod split;
pub mod stats;
mod store;
mod ustar;
#[cfg(target_arch = "x86_64")]
mod vectors;
pub mod verify;

pub use decode::check_jpeg;
pub use error::Error;
pub use mixer::{MixedSample, Mixer};
pub use pixels::Rgb8;
pub use progress::Progress;

/// Version of the mixing arithmetic. It changes whenever the same recipe, sources and index would
/// give other bytes: another decoder, filter, generator, encoder or order of draws.
pub const ARITHMETIC: u32 = 5;
