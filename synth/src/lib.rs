//! The program `synth`.
