//! The program `synth`, built for the tests.

fn main() -> std::process::ExitCode {
    synth::cli::main()
}
