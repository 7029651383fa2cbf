//! The files that Vitrine's programs exchange, as types.
//!
//! `capture`, `synth` and `train` meet through files and nothing else. What a manifest promises:
//!
//! - **Strict.** An unknown key, a wrong type or a value out of range is one sentence that names
//!   file, line, column and, for a key or a variant, the nearest one that exists.
//! - **Versioned.** Every file starts with `version`. A version newer than the program is refused,
//!   and the sentence says which side is old.
//! - **Whole.** A file is written beside its name, synced and renamed ([`io::write_atomic`]); a log
//!   is appended and synced a line at a time ([`log::LogWriter`]), and a torn last line is dropped
//!   on reading.
//! - **Exact.** `u64` seeds are strings in JSON, numbers keep every bit through a round trip, paths
//!   are relative and use `/`.
//!
//! This crate imports no sibling and knows nothing about cameras, pixels or tensors.

pub mod console;
pub mod dataset;
pub mod error;
pub mod io;
mod locate;
pub mod log;
pub mod plan;
pub mod recipe;
pub mod run;
pub mod schema;
pub mod session;
pub mod units;

pub use error::{CheckError, Error};
pub use io::{Manifest, read_yaml, write_atomic, write_yaml};
pub use log::{Log, LogWriter, read_log};
pub use units::{Digest, FNumber, FocalLength, Interval, Name, RelPath, Seed, Shutter, Size, Unit};
