//! Fits CoRRN, scores it and applies it.
pub mod ops;
pub mod optim;
