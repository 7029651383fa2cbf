//! The program `train`, built for the tests.

#[global_allocator]
static ALLOCATOR: train::alloc::Recycler = train::alloc::Recycler;

fn main() -> std::process::ExitCode {
    train::cli::main()
}
