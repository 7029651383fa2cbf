//! The program `capture`.

fn main() -> std::process::ExitCode {
    capture::cli::main()
}
