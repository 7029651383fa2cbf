//! The program `capture`.

fn main() {}
