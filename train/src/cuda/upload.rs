//! Batches on their way to the GPU: the copy runs beside the arithmetic of the step before.
//!
//! A batch goes into memory that the GPU reads by itself (pinned), from there on a stream of its own into a place on the
//! device that is kept, and from that with the main stream, in no time, into a tensor. Nobody waits for anything but its turn.

use std::sync::Arc;

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaSlice, CudaStream, PinnedHostSlice};
use candle_core::{CudaStorage, DType, Result, Storage, Tensor, op::BackpropOp};

/// The way from the CPU's memory to one device's.
pub(crate) struct Upload {
    device: CudaDevice,
    /// Beside the device's main stream.
    stream: Arc<CudaStream>,
    places: Vec<Place>,
    next: usize,
}

/// Memory that one tensor after another passes through.
struct Place {
    pinned: PinnedHostSlice<f32>,
    staged: CudaSlice<f32>,
    /// When the last tensor had left the pinned memory.
    left: Option<CudaEvent>,
    /// When the main stream had taken it out of the staged.
    taken: Option<CudaEvent>,
}

/// Tensors of a batch: each has its place.
const PLACES: usize = 3;

impl Upload {
    /// A way to a device.
    ///
    /// # Errors
    /// What the driver answers.
    pub(crate) fn new(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream().context().new_stream().map_err(candle_core::Error::wrap)?;
        Ok(Self { device: device.clone(), stream, places: Vec::new(), next: 0 })
    }

    /// A copy of a contiguous CPU tensor of `f32`. What follows on the device's main stream waits for it; nobody else does.
    ///
    /// # Errors
    /// Another tensor, or what the driver answers.
    pub(crate) fn tensor(&mut self, t: &Tensor) -> Result<Tensor> {
        let wrap = candle_core::Error::wrap;
        let (storage, layout) = t.storage_and_layout();
        let (Storage::Cpu(storage), Some((start, end)), DType::F32) =
            (&*storage, layout.contiguous_offsets(), t.dtype())
        else {
            candle_core::bail!("a batch must be f32, contiguous and on the CPU")
        };
        let values = &storage.as_slice::<f32>()?[start..end];
        let main = self.device.cuda_stream();
        let at = self.next % PLACES;
        self.next += 1;
        if self.places.get(at).is_none_or(|place| place.staged.len() < values.len()) {
            let place = self.place(values.len())?;
            if at < self.places.len() {
                // The old one may be on its way still.
                self.stream.synchronize().map_err(wrap)?;
                main.synchronize().map_err(wrap)?;
                self.places[at] = place;
            } else {
                self.places.push(place);
            }
        }
        let place = &mut self.places[at];
        if let Some(taken) = &place.taken {
            self.stream.wait(taken).map_err(wrap)?;
        }
        if let Some(left) = &place.left {
            // A step ago, as a rule. (`as_mut_slice` waits for nothing: the device's events are not tracked, see open.rs.)
            left.synchronize().map_err(wrap)?;
        }
        place.pinned.as_mut_slice().map_err(wrap)?[..values.len()].copy_from_slice(values);
        self.stream.memcpy_htod(&place.pinned, &mut place.staged).map_err(wrap)?;
        let arrived = self.stream.record_event(None).map_err(wrap)?;
        main.wait(&arrived).map_err(wrap)?;
        // SAFETY: the copy writes every value.
        let mut out = unsafe { self.device.alloc::<f32>(values.len()) }?;
        main.memcpy_dtod(&place.staged.slice(..values.len()), &mut out).map_err(wrap)?;
        place.left = Some(arrived);
        place.taken = Some(main.record_event(None).map_err(wrap)?);
        let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(out, self.device.clone()));
        Ok(Tensor::from_storage(storage, t.shape().clone(), BackpropOp::none(), false))
    }

    fn place(&self, values: usize) -> Result<Place> {
        let wrap = candle_core::Error::wrap;
        // SAFETY: written before it is read, each time anew.
        let (pinned, staged) = unsafe {
            (
                self.stream.context().alloc_pinned::<f32>(values).map_err(wrap)?,
                self.stream.alloc::<f32>(values).map_err(wrap)?,
            )
        };
        Ok(Place { pinned, staged, left: None, taken: None })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Memory that a copy still reads must not be given back. Errors have nobody to go to.
        _ = self.stream.synchronize();
        _ = self.device.cuda_stream().synchronize();
    }
}
