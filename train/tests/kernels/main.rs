//! The CUDA kernels without a GPU: the same sources, compiled by the C++ compiler, under the same launches as on a device,
//! beside the operations on the CPU. See `emulator.hpp`.
//!
//! Every sequence of launches runs twice, with threads and blocks in rising and in falling order, and must give the same
//! bits: a result that depends on the order lacks a barrier. Results are poisoned before, with guards on both sides.
//!
//! With sanitizers: `LD_PRELOAD=$(c++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0
//! VITRINE_SANITIZE=address,undefined cargo test -p train --test kernels`, and with libtsan.so, `thread` and
//! TSAN_OPTIONS=ignore_noninstrumented_modules=1.
#![expect(clippy::unwrap_used, reason = "tests")]

mod batch_norm;
mod losses;
mod machine;
mod memory;
mod optimiser;
mod pixels;

// What the device's code calls, too.
#[path = "../../src/cuda/plan.rs"]
mod plan;
mod cuda {
    pub(crate) use crate::plan;
}
#[path = "."]
mod plans_batch_norm {
    #[path = "../../src/ops/batch_norm/plan.rs"]
    pub(crate) mod plan;
    #[path = "../../src/ops/batch_norm/plan_last.rs"]
    pub(crate) mod plan_last;
}
#[path = "../../src/ops/cat/plan.rs"]
mod plan_cat;
#[path = "../../src/ops/l1/plan.rs"]
mod plan_l1;
#[path = "../../src/ops/max_pool/plan.rs"]
mod plan_max_pool;
#[path = "../../src/optim/plan.rs"]
mod plan_optim;
#[path = "../../src/ops/pointwise/plan.rs"]
mod plan_pointwise;
#[path = "../../src/ops/reorder/plan.rs"]
mod plan_reorder;
#[path = "../../src/ops/similarity/plan.rs"]
mod plan_similarity;
#[path = "../../src/ops/sobel/plan.rs"]
mod plan_sobel;
#[path = "../../src/ops/statistic/plan.rs"]
mod plan_statistic;
#[path = "../../src/optim/rule.rs"]
mod rule;
mod optim {
    pub(crate) use train::optim::AdamConfig;
}
