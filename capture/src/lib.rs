//! Tethers a camera and shoots reflection photographs in sweeps.
//!
//! [`shoot`] reads as the main path: plan, prompt, set, shoot, verify, record. The body is driven through libgphoto2 by
//! a child process of its own ([`camera::host`]), so that a call that hangs costs a restart and no photograph; what was
//! about to be shot is in the session's journal before the shutter opens (`journal.rs`), and what is stored was read
//! back from the disk and hashed (`store.rs`).

// They panic where nobody reads; `manifests::say!` and `tell!` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod camera;
pub mod cli;
mod clock;
mod counter;
mod coverage;
mod doctor;
mod error;
mod exif;
mod hook;
mod journal;
mod live;
mod nef;
mod operator;
pub mod plan;
mod preflight;
mod preview;
mod progress;
mod qc;
pub mod rehearsal;
mod review;
mod session;
pub mod shoot;
mod signals;
mod store;
mod tether;
mod thumbnail;
mod verify;

pub use error::Error;
