//! The program `train`.

#[global_allocator]
static ALLOCATOR: train::alloc::Recycler = train::alloc::Recycler::new();

fn main() {}
