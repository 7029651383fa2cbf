//! The program `train`.
