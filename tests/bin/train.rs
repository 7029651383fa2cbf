//! The program `train`, built for the tests.

fn main() -> std::process::ExitCode {
    train::cli::main()
}
