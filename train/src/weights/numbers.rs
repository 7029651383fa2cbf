//! Little-endian numbers of the types that weights are stored in, as tensors.

use candle_core::{Device, Result, Tensor};
use half::{bf16, f16};

/// A type of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    /// Counters, which are no weights.
    I64,
}

impl Kind {
    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

/// Numbers as a tensor: f64 of f64 and i64, else f32.
///
/// # Errors
/// When there are not as many as `dims` say.
pub(super) fn tensor(kind: Kind, bytes: &[u8], dims: &[usize]) -> Result<Tensor> {
    fn each<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|b| number(*b)).collect()
    }
    match kind {
        Kind::F16 => Tensor::from_vec(each(bytes, |b| f16::from_le_bytes(b).to_f32()), dims, &Device::Cpu),
        Kind::Bf16 => Tensor::from_vec(each(bytes, |b| bf16::from_le_bytes(b).to_f32()), dims, &Device::Cpu),
        Kind::F32 => Tensor::from_vec(each(bytes, f32::from_le_bytes), dims, &Device::Cpu),
        Kind::F64 => Tensor::from_vec(each(bytes, f64::from_le_bytes), dims, &Device::Cpu),
        Kind::I64 => Tensor::from_vec(each(bytes, |b| i64::from_le_bytes(b) as f64), dims, &Device::Cpu),
    }
}
