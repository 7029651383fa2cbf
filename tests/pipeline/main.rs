//! The three programs as processes, meeting through files as they do for a user.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bad_input;
mod interrupted;
mod output;
mod photographs;
mod raw;
mod readme;
mod usb;
mod whole;

const CAPTURE: &str = env!("CARGO_BIN_EXE_vitrine-test-capture");
const SYNTH: &str = env!("CARGO_BIN_EXE_vitrine-test-synth");
const TRAIN: &str = env!("CARGO_BIN_EXE_vitrine-test-train");
