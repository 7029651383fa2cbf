//! The program `synth`: see `synth --help`.

fn main() -> std::process::ExitCode {
    synth::cli::main()
}
