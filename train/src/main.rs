//! The program `train`.

fn main() {}
