//! The program `synth`.

fn main() {}
