//! Convolutions by cuDNN: the fastest algorithm of a shape is found, and the workspace is kept.

mod choose;
mod descriptors;

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use candle_core::Result;
use candle_core::cuda_backend::cudarc::cudnn::{result, result::CudnnError, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::convolution::{Extents, Key, Math, Measured, Pass, is_passing, is_refusal};
use crate::ops::Format;
use choose::Choice;
use descriptors::{Descriptors, Scale};

/// How often a convolution of some shape takes the algorithm that cuDNN thinks the fastest, before all are measured.
pub(crate) const ESTIMATED: u32 = 3;

/// Device addresses of a pass's arguments, in the order image, filters, result: two are read, the pass's own is written.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) image: u64,
    pub(crate) filters: u64,
    pub(crate) result: u64,
}

/// What became of a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It was started.
    Done,
    /// Nothing was done: no algorithm takes it. With the last one's status, or 0 where there was none to ask.
    Refused(u32),
}

/// cuDNN on one device's stream.
pub(crate) struct Convolutions {
    handle: sys::cudnnHandle_t,
    stream: Arc<CudaStream>,
    chosen: HashMap<Key, Choice>,
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

    /// Runs a pass by the best algorithm that takes it.
    ///
    /// # Safety
    /// The addresses must be of contiguous tensors on the stream's device, of the extents' sizes and the mathematics' type.
    pub(crate) unsafe fn run(&mut self, key: Key, at: Addresses) -> Result<Outcome> {
        self.stream.context().bind_to_thread().map_err(candle_core::Error::wrap)?;
        let descriptors = Descriptors::new(&key.extents, key.math)?;
        // SAFETY: the caller's promise.
        let mut best = unsafe { self.choose(key, &descriptors, at) }?.best();
        let mut refusal = 0;
        while let Some(algorithm) = best {
            // SAFETY: the caller's promise.
            let status = unsafe { self.attempt(key, &descriptors, at, algorithm) }?;
            if !is_refusal(status as u32) {
                return status.result().map_err(failed_at(&key)).map(|()| Outcome::Done);
            }
            refusal = status as u32;
            best = self.chosen.get_mut(&key).and_then(Choice::next_best);
        }
        if is_passing(refusal) {
            self.chosen.remove(&key);
        }
        Ok(Outcome::Refused(refusal))
    }

    /// Starts a pass by one algorithm; what cuDNN answers.
    ///
    /// # Safety
    /// As of [`Convolutions::run`].
    unsafe fn attempt(
        &mut self,
        key: Key,
        d: &Descriptors,
        at: Addresses,
        chosen: Measured,
    ) -> Result<sys::cudnnStatus_t> {
        d.set_math(key.math, chosen.math)?;
        let Ok(workspace) = self.workspace(chosen.workspace) else {
            // The next one may need none.
            return Ok(sys::cudnnStatus_t::CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
        };
        let (one, zero) = (Scale::new(key.math, 1.0), Scale::new(key.math, 0.0));
        let (h, algorithm) = (self.handle, chosen.algorithm);
        let (image, filters, result) = (at.image as *mut c_void, at.filters as *mut c_void, at.result as *mut c_void);
        // SAFETY: the caller's promise; descriptors, factors and workspace live until the call returns, and what it starts
        // comes before anything that reuses their memory on the stream. The numbers are those that cuDNN gave.
        Ok(unsafe {
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
        })
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
