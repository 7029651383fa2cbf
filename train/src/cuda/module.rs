//! Kernels by name, from code that the program carries along.

/// A file of kernels, compiled by `build.rs`.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    /// A fat binary.
    pub(crate) code: &'static [u8],
}

/// The [`Module`] of `src/ops/NAME/kernels.cu`, or of `NAME.cu` in any folder of kernels.
macro_rules! module {
    ($name:literal) => {
        $crate::cuda::Module { name: $name, code: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".fatbin")) }
    };
}
pub(crate) use module;
