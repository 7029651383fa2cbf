//! The program `capture`.
