//! Which algorithm a convolution takes: cuDNN's estimate at first, and what was measured where a shape keeps coming.
//!
//! Measuring runs every algorithm and takes some hundred times as long as the convolution. In training, all shapes come with
//! every step; pictures to be applied to may each have a size of their own.

use std::ffi::c_void;

use candle_core::Result;
use candle_core::cuda_backend::cudarc::cudnn::sys;
use candle_core::cuda_backend::cudarc::driver::DevicePtrMut;

use super::descriptors::{Descriptors, keeps};
use super::{Addresses, Convolutions, ESTIMATED, failed_at};
use crate::cuda::convolution::{Key, Measured, Pass, is_refusal, ranked};

/// Bytes of workspace at most: what an algorithm may take to be considered.
const WORKSPACE: usize = 512 << 20;
/// Algorithms asked for; cuDNN sorts them, the fastest first.
const MOST: usize = 8;

/// The algorithms of a pass, the best first.
#[derive(Default)]
pub(super) struct Choice {
    /// How often the pass was asked for.
    uses: u32,
    algorithms: Vec<Measured>,
}

/// What cuDNN says of an algorithm, of whichever pass: the three types of its interface (`cudnnConvolutionFwdAlgoPerf_t` and so
/// on) have one layout. Their enumerations are numbers here, as a later cuDNN may have more of them.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Found {
    algorithm: u32,
    status: u32,
    milliseconds: f32,
    workspace: usize,
    determinism: u32,
    math: u32,
    reserved: [i32; 3],
}

/// Where its algorithms come from.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// cuDNN's own rules, which run nothing.
    Estimate,
    /// Runs on the arguments themselves, which overwrite what the pass writes.
    Measurement,
}

impl Choice {
    pub(super) fn best(&self) -> Option<Measured> {
        self.algorithms.first().copied()
    }

    /// The best but for the one that was refused, which is not tried again.
    pub(super) fn next_best(&mut self) -> Option<Measured> {
        self.algorithms.remove(0);
        self.best()
    }
}

impl Convolutions {
    /// The algorithms for a pass that is asked for; none where cuDNN has none.
    ///
    /// # Safety
    /// As of [`Convolutions::run`].
    pub(super) unsafe fn choose(&mut self, key: Key, d: &Descriptors, at: Addresses) -> Result<&mut Choice> {
        let uses = self.chosen.get(&key).map_or(0, |choice| choice.uses);
        let by = match uses {
            0 => Some(By::Estimate),
            ESTIMATED => Some(By::Measurement),
            _ => None,
        };
        if let Some(by) = by {
            // SAFETY: the caller's promise.
            let algorithms = unsafe { self.algorithms(by, key, d, at) }?;
            // A measurement that finds nothing leaves the estimate's.
            if !algorithms.is_empty() {
                self.chosen.entry(key).or_default().algorithms = algorithms;
            }
        }
        let choice = self.chosen.entry(key).or_default();
        choice.uses = choice.uses.saturating_add(1);
        Ok(choice)
    }

    /// # Safety
    /// As of [`Convolutions::run`].
    unsafe fn algorithms(&self, by: By, key: Key, d: &Descriptors, at: Addresses) -> Result<Vec<Measured>> {
        // Larger than what is kept: measured with it once and given back.
        // SAFETY: cuDNN reads of its workspace only what it has written.
        let allocate = |bytes| unsafe { self.stream.alloc::<u8>(bytes) };
        let mut trial = match by {
            By::Estimate => None,
            // Where the GPU is nearly full, with what there is.
            By::Measurement => [WORKSPACE, WORKSPACE / 8, WORKSPACE / 64].into_iter().find_map(|b| allocate(b).ok()),
        };
        let room = trial.as_ref().map_or(0, |trial| trial.len());
        let workspace = trial.as_mut().map_or(0, |trial| trial.device_ptr_mut(&self.stream).0) as *mut c_void;
        let (h, most) = (self.handle, MOST as i32);
        let (image, filters, result) = (at.image as *mut c_void, at.filters as *mut c_void, at.result as *mut c_void);
        let mut count = 0;
        let mut found = [Found::default(); MOST];
        macro_rules! ask {
            ($type:ty, $estimate:expr, $measure:expr) => {{
                const { assert!(size_of::<Found>() == size_of::<$type>()) };
                let first = found.as_mut_ptr().cast::<$type>();
                if by == By::Estimate { $estimate(first) } else { $measure(first) }
            }};
        }
        // SAFETY: the caller's promise; counts, results and workspace live until the calls return, and `count` results are
        // written.
        let status: sys::cudnnStatus_t = unsafe {
            match key.pass {
                Pass::Forward => ask!(
                    sys::cudnnConvolutionFwdAlgoPerf_t,
                    |found| {
                        let (x, w, c, y) = (d.image, d.filters, d.convolution, d.result);
                        sys::cudnnGetConvolutionForwardAlgorithm_v7(h, x, w, c, y, most, &raw mut count, found)
                    },
                    |found| sys::cudnnFindConvolutionForwardAlgorithmEx(
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
                        room,
                    )
                ),
                Pass::Image => ask!(
                    sys::cudnnConvolutionBwdDataAlgoPerf_t,
                    |found| {
                        let (w, dy, c, dx) = (d.filters, d.result, d.convolution, d.image);
                        sys::cudnnGetConvolutionBackwardDataAlgorithm_v7(h, w, dy, c, dx, most, &raw mut count, found)
                    },
                    |found| sys::cudnnFindConvolutionBackwardDataAlgorithmEx(
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
                        room,
                    )
                ),
                Pass::Filters => ask!(
                    sys::cudnnConvolutionBwdFilterAlgoPerf_t,
                    |found| {
                        let (x, dy, c, dw) = (d.image, d.result, d.convolution, d.filters);
                        sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7(h, x, dy, c, dw, most, &raw mut count, found)
                    },
                    |found| sys::cudnnFindConvolutionBackwardFilterAlgorithmEx(
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
                        room,
                    )
                ),
            }
        };
        if is_refusal(status as u32) {
            return Ok(Vec::new());
        }
        status.result().map_err(failed_at(&key))?;
        let measured = found[..count.clamp(0, most) as usize].iter().enumerate().map(|(place, f)| Measured {
            algorithm: f.algorithm,
            math: f.math,
            works: f.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS as u32 && keeps(key.math, f.math),
            repeats: f.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC as u32,
            // An estimate has no times: its order is all there is.
            milliseconds: if by == By::Estimate { place as f32 } else { f.milliseconds },
            workspace: f.workspace,
        });
        Ok(ranked(key.pass, &measured.collect::<Vec<_>>(), WORKSPACE))
    }
}
