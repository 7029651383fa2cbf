//! The program `capture`, built for the tests.

fn main() -> std::process::ExitCode {
    capture::cli::main()
}
