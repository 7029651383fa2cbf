//! Tethers a camera and shoots reflection photographs in sweeps.
//!
//! [`shoot`] reads as the main path: plan, prompt, set, shoot, verify, record. The body is driven through libgphoto2 by
//! a child process of its own ([`camera::host`]), so that a call that hangs costs a restart and no photograph; what was
//! about to be shot is in the session's journal before the shutter opens ([`journal`]), and what is stored was read
//! back from the disk and hashed ([`store`]).

pub mod camera;
pub mod cli;
mod clock;
mod coverage;
mod doctor;
mod error;
pub mod exif;
pub mod journal;
mod operator;
pub mod plan;
mod preflight;
mod preview;
mod progress;
pub mod qc;
pub mod rehearsal;
mod review;
mod session;
pub mod shoot;
mod signals;
pub mod store;
mod tether;
mod verify;

pub use error::Error;
