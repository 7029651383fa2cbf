//! Fits CoRRN, scores it and applies it.
pub mod alloc;
pub mod ops;
pub mod optim;
