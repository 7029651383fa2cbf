//! cuDNN's descriptions of a convolution, and its factors.

use std::ffi::c_void;

use candle_core::Result;
use candle_core::cuda_backend::cudarc::cudnn::{result, result::CudnnError, sys};

use super::failed;
use crate::cuda::convolution::{Extents, Math};
use crate::ops::Format;

/// cuDNN's factors: `f64` for `f64` tensors, else `f32`.
pub(super) enum Scale {
    F32(f32),
    F64(f64),
}

impl Scale {
    pub(super) fn new(math: Math, value: f32) -> Self {
        if math == Math::F64 { Self::F64(value.into()) } else { Self::F32(value) }
    }

    pub(super) fn at(&self) -> *const c_void {
        match self {
            Self::F32(value) => (&raw const *value).cast(),
            Self::F64(value) => (&raw const *value).cast(),
        }
    }
}

/// One convolution's descriptors.
pub(super) struct Descriptors {
    pub(super) image: sys::cudnnTensorDescriptor_t,
    pub(super) filters: sys::cudnnFilterDescriptor_t,
    pub(super) result: sys::cudnnTensorDescriptor_t,
    pub(super) convolution: sys::cudnnConvolutionDescriptor_t,
}

impl Descriptors {
    pub(super) fn new(extents: &Extents, math: Math) -> Result<Self> {
        let Some([image, filters, result]) = extents.descriptors() else {
            candle_core::bail!("a convolution of {extents:?} is too large for cuDNN: make the batch smaller")
        };
        let all = Self::filled(image, filters, result, extents, math);
        all.map_err(failed("a convolution's description"))
    }

    fn filled(
        image: [i32; 4],
        filters: [i32; 4],
        of_result: [i32; 4],
        extents: &Extents,
        math: Math,
    ) -> std::result::Result<Self, CudnnError> {
        use sys::cudnnDataType_t as Type;
        let (element, sums) = match math {
            Math::F64 => (Type::CUDNN_DATA_DOUBLE, Type::CUDNN_DATA_DOUBLE),
            Math::F32 | Math::Tf32 => (Type::CUDNN_DATA_FLOAT, Type::CUDNN_DATA_FLOAT),
            Math::Bf16 => (Type::CUDNN_DATA_BFLOAT16, Type::CUDNN_DATA_FLOAT),
        };
        let format = match extents.format {
            Format::ChannelsFirst => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
            Format::ChannelsLast => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC,
        };
        let (padding, stride) = (extents.padding as i32, extents.stride as i32);
        // Made one by one, so that those that are there are freed where a later one fails.
        let mut all = Self {
            image: std::ptr::null_mut(),
            filters: std::ptr::null_mut(),
            result: std::ptr::null_mut(),
            convolution: std::ptr::null_mut(),
        };
        all.image = result::create_tensor_descriptor()?;
        all.result = result::create_tensor_descriptor()?;
        all.filters = result::create_filter_descriptor()?;
        all.convolution = result::create_convolution_descriptor()?;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        // SAFETY: the descriptors have just been made.
        unsafe {
            result::set_tensor4d_descriptor(all.image, format, element, image)?;
            result::set_tensor4d_descriptor(all.result, format, element, of_result)?;
            result::set_filter4d_descriptor(all.filters, element, format, filters)?;
            sys::cudnnSetConvolution2dDescriptor(all.convolution, padding, padding, stride, stride, 1, 1, mode, sums)
                .result()?;
            result::set_convolution_math_type(all.convolution, widest(math))?;
        }
        Ok(all)
    }

    /// Has the convolution run with the mathematics that its algorithm was measured with.
    pub(super) fn set_math(&self, math: Math, measured: u32) -> Result<()> {
        use sys::cudnnMathType_t as MathType;
        let mathematics = match widest(math) {
            MathType::CUDNN_TENSOR_OP_MATH if measured != MathType::CUDNN_TENSOR_OP_MATH as u32 => {
                MathType::CUDNN_DEFAULT_MATH
            }
            widest => widest,
        };
        // Each time: an algorithm that was tried before may have left another.
        // SAFETY: the descriptor is there until this is dropped.
        unsafe { result::set_convolution_math_type(self.convolution, mathematics) }
            .map_err(failed("a convolution's mathematics"))
    }
}

/// The fastest mathematics that keeps a type's precision.
fn widest(math: Math) -> sys::cudnnMathType_t {
    match math {
        // Anything else lets cuDNN take TF32 for f32.
        Math::F64 | Math::F32 => sys::cudnnMathType_t::CUDNN_FMA_MATH,
        Math::Tf32 | Math::Bf16 => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
    }
}

/// Whether an algorithm that was measured with some mathematics, cuDNN's number, can run with [`widest`]'s, or with less.
pub(super) fn keeps(math: Math, measured: u32) -> bool {
    use sys::cudnnMathType_t as MathType;
    // What else there is rounds f32 to types that are narrower still.
    let plain = [MathType::CUDNN_DEFAULT_MATH as u32, MathType::CUDNN_FMA_MATH as u32].contains(&measured);
    let tensor_cores = measured == MathType::CUDNN_TENSOR_OP_MATH as u32;
    plain || tensor_cores && widest(math) == MathType::CUDNN_TENSOR_OP_MATH
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: each is ours, or null and left alone. Errors have nobody to go to.
        unsafe {
            if !self.image.is_null() {
                _ = result::destroy_tensor_descriptor(self.image);
            }
            if !self.result.is_null() {
                _ = result::destroy_tensor_descriptor(self.result);
            }
            if !self.filters.is_null() {
                _ = result::destroy_filter_descriptor(self.filters);
            }
            if !self.convolution.is_null() {
                _ = result::destroy_convolution_descriptor(self.convolution);
            }
        }
    }
}
