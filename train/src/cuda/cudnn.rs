//! Convolutions by cuDNN: the fastest algorithm is measured once a shape, and the workspace is kept.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use candle_core::Result;
use candle_core::cuda_backend::cudarc::cudnn::{result, result::CudnnError, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut};

use super::convolution::{Extents, Key, Math, Measured, Pass, fastest};
use crate::ops::Format;

/// Bytes of workspace at most: what an algorithm may take to be considered.
const WORKSPACE: usize = 512 << 20;
/// Algorithms asked for; cuDNN has at most 8 of each kind.
const MOST: usize = 8;

/// Device addresses of a pass's arguments, in the order image, filters, result: two are read, the pass's own is written.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) image: u64,
    pub(crate) filters: u64,
    pub(crate) result: u64,
}

/// cuDNN on one device's stream.
pub(crate) struct Convolutions {
    handle: sys::cudnnHandle_t,
    stream: Arc<CudaStream>,
    /// None where there is no algorithm.
    chosen: HashMap<Key, Option<Measured>>,
    workspace: Option<CudaSlice<u8>>,
}

// SAFETY: a handle may be used by any thread, by one at a time; this one is behind a mutex (state.rs).
unsafe impl Send for Convolutions {}

impl Convolutions {
    /// cuDNN on a stream.
    pub(crate) fn new(stream: Arc<CudaStream>) -> Result<Self> {
        stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        let handle = result::create_handle().map_err(failed("cuDNN does not start"))?;
        // SAFETY: the stream lives as long as the handle, which does not outlive this value.
        unsafe { result::set_stream(handle, stream.cu_stream().cast()) }.map_err(failed("cuDNN's stream"))?;
        Ok(Self { handle, stream, chosen: HashMap::new(), workspace: None })
    }

    /// Runs a pass; false, and nothing was done, where cuDNN has no algorithm for it.
    ///
    /// # Safety
    /// The addresses must be of contiguous tensors on the stream's device, of the extents' sizes and the mathematics' type.
    pub(crate) unsafe fn run(&mut self, key: Key, at: Addresses) -> Result<bool> {
        self.stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        let descriptors = Descriptors::new(&key.extents, key.math)?;
        let chosen = match self.chosen.get(&key) {
            Some(chosen) => *chosen,
            None => {
                // SAFETY: the caller's promise.
                let chosen = unsafe { self.measure(key, &descriptors, at) }?;
                self.chosen.insert(key, chosen);
                chosen
            }
        };
        let Some(chosen) = chosen else { return Ok(false) };
        let workspace = self.workspace(chosen.workspace)?;
        let (one, zero) = (Scale::new(key.math, 1.0), Scale::new(key.math, 0.0));
        let (h, d, algorithm) = (self.handle, &descriptors, chosen.algorithm);
        let (image, filters, result) = (at.image as *mut c_void, at.filters as *mut c_void, at.result as *mut c_void);
        // SAFETY: the caller's promise; descriptors, factors and workspace live until the call returns, and what it starts
        // comes before anything that reuses their memory on the stream. The numbers are those that cuDNN gave.
        let status = unsafe {
            match key.pass {
                Pass::Forward => sys::cudnnConvolutionForward(
                    h,
                    one.at(),
                    d.image,
                    image,
                    d.filters,
                    filters,
                    d.convolution,
                    std::mem::transmute::<u32, sys::cudnnConvolutionFwdAlgo_t>(algorithm),
                    workspace,
                    chosen.workspace,
                    zero.at(),
                    d.result,
                    result,
                ),
                Pass::Image => sys::cudnnConvolutionBackwardData(
                    h,
                    one.at(),
                    d.filters,
                    filters,
                    d.result,
                    result,
                    d.convolution,
                    std::mem::transmute::<u32, sys::cudnnConvolutionBwdDataAlgo_t>(algorithm),
                    workspace,
                    chosen.workspace,
                    zero.at(),
                    d.image,
                    image,
                ),
                Pass::Filters => sys::cudnnConvolutionBackwardFilter(
                    h,
                    one.at(),
                    d.image,
                    image,
                    d.result,
                    result,
                    d.convolution,
                    std::mem::transmute::<u32, sys::cudnnConvolutionBwdFilterAlgo_t>(algorithm),
                    workspace,
                    chosen.workspace,
                    zero.at(),
                    d.filters,
                    filters,
                ),
            }
        };
        status.result().map_err(failed_at(&key)).map(|()| true)
    }

    /// Adds `bias`, one value a channel, to `to`, an image of the extents N, C, H, W.
    ///
    /// # Safety
    /// As of [`Convolutions::run`].
    pub(crate) unsafe fn add_bias(
        &self,
        math: Math,
        (format, image): (Format, [usize; 4]),
        bias: u64,
        to: u64,
    ) -> Result<()> {
        // Image and result stand for the two tensors.
        let d = Descriptors::new(&by_channel(format, image), math)?;
        let (channels, one) =
            (Descriptors::new(&by_channel(format, [1, image[1], 1, 1]), math)?, Scale::new(math, 1.0));
        let (bias, to) = (bias as *const c_void, to as *mut c_void);
        // SAFETY: the caller's promise; descriptors and factors live until the call returns.
        unsafe { sys::cudnnAddTensor(self.handle, one.at(), channels.image, bias, one.at(), d.image, to) }
            .result()
            .map_err(failed("adding a bias"))
    }

    /// Writes the sum of each channel of `g`, an image of the extents N, C, H, W, to `to`.
    ///
    /// # Safety
    /// As of [`Convolutions::run`].
    pub(crate) unsafe fn bias_gradient(
        &self,
        math: Math,
        (format, image): (Format, [usize; 4]),
        g: u64,
        to: u64,
    ) -> Result<()> {
        let d = Descriptors::new(&by_channel(format, image), math)?;
        let channels = Descriptors::new(&by_channel(format, [1, image[1], 1, 1]), math)?;
        let (one, zero) = (Scale::new(math, 1.0), Scale::new(math, 0.0));
        let (g, to) = (g as *const c_void, to as *mut c_void);
        // SAFETY: as above.
        unsafe { sys::cudnnConvolutionBackwardBias(self.handle, one.at(), d.image, g, zero.at(), channels.image, to) }
            .result()
            .map_err(failed("a bias's gradient"))
    }

    /// Times the algorithms on the arguments themselves, which overwrites what the pass writes; none where there is none.
    ///
    /// # Safety
    /// As of [`Convolutions::run`].
    unsafe fn measure(&mut self, key: Key, d: &Descriptors, at: Addresses) -> Result<Option<Measured>> {
        // Larger than what is kept: measured with it once and given back.
        // SAFETY: cuDNN reads of its workspace only what it has written.
        let mut trial = unsafe { self.stream.alloc::<u8>(WORKSPACE) }.map_err(candle_core::Error::wrap)?;
        let (workspace, _sync) = trial.device_ptr_mut(&self.stream);
        let (workspace, h, most) = (workspace as *mut c_void, self.handle, MOST as i32);
        let (image, filters, result) = (at.image as *mut c_void, at.filters as *mut c_void, at.result as *mut c_void);
        let mut count = 0;
        macro_rules! measured {
            ($type:ty, $find:expr) => {{
                let mut found = [std::mem::MaybeUninit::<$type>::uninit(); MOST];
                let status: sys::cudnnStatus_t = $find(found.as_mut_ptr().cast::<$type>());
                if status == sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED {
                    return Ok(None);
                }
                status.result().map_err(failed_at(&key))?;
                let found = found[..count.clamp(0, most) as usize].iter().map(|f| f.assume_init_read());
                found
                    .map(|f| Measured {
                        algorithm: f.algo as u32,
                        works: f.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS,
                        milliseconds: f.time,
                        workspace: f.memory,
                    })
                    .collect::<Vec<_>>()
            }};
        }
        // SAFETY: the caller's promise; counts, results and workspace live until the calls return, and `count` results are
        // written.
        let measured = unsafe {
            match key.pass {
                Pass::Forward => measured!(sys::cudnnConvolutionFwdAlgoPerf_t, |found| {
                    sys::cudnnFindConvolutionForwardAlgorithmEx(
                        h,
                        d.image,
                        image,
                        d.filters,
                        filters,
                        d.convolution,
                        d.result,
                        result,
                        most,
                        &raw mut count,
                        found,
                        workspace,
                        WORKSPACE,
                    )
                }),
                Pass::Image => measured!(sys::cudnnConvolutionBwdDataAlgoPerf_t, |found| {
                    sys::cudnnFindConvolutionBackwardDataAlgorithmEx(
                        h,
                        d.filters,
                        filters,
                        d.result,
                        result,
                        d.convolution,
                        d.image,
                        image,
                        most,
                        &raw mut count,
                        found,
                        workspace,
                        WORKSPACE,
                    )
                }),
                Pass::Filters => measured!(sys::cudnnConvolutionBwdFilterAlgoPerf_t, |found| {
                    sys::cudnnFindConvolutionBackwardFilterAlgorithmEx(
                        h,
                        d.image,
                        image,
                        d.result,
                        result,
                        d.convolution,
                        d.filters,
                        filters,
                        most,
                        &raw mut count,
                        found,
                        workspace,
                        WORKSPACE,
                    )
                }),
            }
        };
        Ok(fastest(&measured, WORKSPACE))
    }

    /// The kept workspace, made larger where it is too small.
    fn workspace(&mut self, bytes: usize) -> Result<*mut c_void> {
        if bytes == 0 {
            return Ok(std::ptr::null_mut());
        }
        if self.workspace.as_ref().is_none_or(|there| there.len() < bytes) {
            self.workspace = None;
            // SAFETY: cuDNN reads of its workspace only what it has written.
            self.workspace = Some(unsafe { self.stream.alloc::<u8>(bytes) }.map_err(candle_core::Error::wrap)?);
        }
        let at = self.workspace.as_ref().map(|there| there.device_ptr(&self.stream).0);
        Ok(at.unwrap_or_default() as *mut c_void)
    }
}

impl Drop for Convolutions {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and used for the last time. An error has nobody to go to.
        _ = unsafe { result::destroy_handle(self.handle) };
    }
}

/// cuDNN's factors: `f64` for `f64` tensors, else `f32`.
enum Scale {
    F32(f32),
    F64(f64),
}

impl Scale {
    fn new(math: Math, value: f32) -> Self {
        if math == Math::F64 { Self::F64(value.into()) } else { Self::F32(value) }
    }

    fn at(&self) -> *const c_void {
        match self {
            Self::F32(value) => (&raw const *value).cast(),
            Self::F64(value) => (&raw const *value).cast(),
        }
    }
}

/// One convolution's descriptors.
struct Descriptors {
    image: sys::cudnnTensorDescriptor_t,
    filters: sys::cudnnFilterDescriptor_t,
    result: sys::cudnnTensorDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
}

impl Descriptors {
    fn new(extents: &Extents, math: Math) -> Result<Self> {
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
        use sys::{cudnnDataType_t as Type, cudnnMathType_t as MathType};
        let (element, sums) = match math {
            Math::F64 => (Type::CUDNN_DATA_DOUBLE, Type::CUDNN_DATA_DOUBLE),
            Math::F32 | Math::Tf32 => (Type::CUDNN_DATA_FLOAT, Type::CUDNN_DATA_FLOAT),
            Math::Bf16 => (Type::CUDNN_DATA_BFLOAT16, Type::CUDNN_DATA_FLOAT),
        };
        let math = match math {
            // Anything else lets cuDNN take TF32 for f32.
            Math::F64 | Math::F32 => MathType::CUDNN_FMA_MATH,
            Math::Tf32 | Math::Bf16 => MathType::CUDNN_TENSOR_OP_MATH,
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
            result::set_convolution_math_type(all.convolution, math)?;
        }
        Ok(all)
    }
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

/// A tensor of these extents, as the image of a convolution that is not carried out.
fn by_channel(format: Format, [n, c, h, w]: [usize; 4]) -> Extents {
    Extents { format, n, c, h, w, out: 1, kh: 1, kw: 1, padding: 0, stride: 1 }
}

fn failed(what: &'static str) -> impl Fn(CudnnError) -> candle_core::Error {
    move |e| candle_core::Error::Msg(format!("{what}: {e}"))
}

fn failed_at(key: &Key) -> impl Fn(CudnnError) -> candle_core::Error + use<> {
    let key = *key;
    move |e| candle_core::Error::Msg(format!("cuDNN: {e} in {key:?}"))
}
