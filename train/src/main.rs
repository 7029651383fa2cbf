//! The program `train`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: train::alloc::Recycler = train::alloc::Recycler;

fn main() -> ExitCode {
    train::cli::main()
}
