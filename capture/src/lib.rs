//! The program `capture`.

pub mod rehearsal;
