//! Launch plans on a device's stream, and the way between Candle's storage and their pointers.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, CudaStorageSlice};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, DType, Error, Layout, Result, Shape, Storage, Tensor, bail};

use super::grid::Grid;
use super::plan::{Arg, Element, Launch, Machine, Pointer};
use super::{Module, module, state};

/// Every file of kernels that plans name.
const MODULES: [Module; 12] = [
    module!("adam"),
    module!("batch_norm"),
    module!("batch_norm_last"),
    module!("cat"),
    module!("l1"),
    module!("max_pool"),
    module!("pointwise"),
    module!("reorder"),
    module!("similarity"),
    module!("sobel"),
    module!("statistic"),
    module!("sums"),
];

/// A device's stream. Scratch memory goes back to its pool when this is dropped, in the stream's order.
pub(crate) struct Stream<'a> {
    device: &'a CudaDevice,
    scratch: Vec<CudaSlice<u8>>,
}

impl<'a> Stream<'a> {
    pub(crate) fn of(device: &'a CudaDevice) -> Self {
        Self { device, scratch: Vec::new() }
    }
}

impl Machine for Stream<'_> {
    fn scratch(&mut self, bytes: usize) -> Result<Pointer> {
        // SAFETY: kernels write scratch memory before they read it.
        let memory = unsafe { self.device.alloc::<u8>(bytes)? };
        let pointer = address(self.device, &memory);
        self.scratch.push(memory);
        Ok(pointer)
    }

    fn launch(&mut self, launch: Launch) -> Result<()> {
        let Some(module) = MODULES.iter().find(|m| m.name == launch.module) else {
            bail!("there is no module of kernels {}", launch.module)
        };
        let [x, y, z] = launch.blocks.map(|n| n as usize);
        let Some(grid) = Grid::blocks((x, y, z), launch.threads) else {
            let name = launch.name();
            bail!("{name}: a GPU does not take {x} x {y} x {z} blocks; a smaller batch has fewer")
        };
        let kernel = state::of(self.device)?.kernel(module, launch.kernel, launch.element)?;
        let stream = self.device.cuda_stream();
        let mut args = stream.launch_builder(&kernel);
        for arg in &launch.args {
            match arg {
                Arg::Pointer(Pointer(v)) | Arg::U64(v) => args.arg(v),
                Arg::U32(v) => args.arg(v),
                Arg::F32(v) => args.arg(v),
                Arg::F64(v) => args.arg(v),
                Arg::Sizes(v) => args.arg(v),
                Arg::Nine32(v) => args.arg(v),
                Arg::Nine64(v) => args.arg(v),
            };
        }
        // SAFETY: plans give kernels what they declare and pointers to as many values as their sizes say; the tests run
        // the same plans on emulated kernels.
        unsafe { args.launch(grid.into()) }.map_err(Error::wrap)?;
        Ok(())
    }
}

/// Where a slice begins.
pub(crate) fn address<T: DeviceRepr>(device: &CudaDevice, slice: &impl DevicePtr<T>) -> Pointer {
    let stream = device.cuda_stream();
    Pointer(slice.device_ptr(&stream).0)
}

/// The element type of images in a plan.
pub(crate) fn element(dtype: DType) -> Result<Element> {
    match dtype {
        DType::F32 => Ok(Element::F32),
        DType::F64 => Ok(Element::F64),
        DType::BF16 => Ok(Element::Bf16),
        other => bail!("tensors must be f32, f64 or bf16, not {other:?}"),
    }
}

/// Element type and address of a contiguous tensor.
pub(crate) fn argument((storage, layout): (&CudaStorage, &Layout)) -> Result<(Element, Pointer)> {
    let Some((start, _)) = layout.contiguous_offsets() else {
        bail!("a kernel was given a tensor that is not contiguous")
    };
    let device = &storage.device;
    let (element, begin) = match &storage.slice {
        CudaStorageSlice::F32(slice) => (Element::F32, address(device, slice)),
        CudaStorageSlice::F64(slice) => (Element::F64, address(device, slice)),
        CudaStorageSlice::BF16(slice) => (Element::Bf16, address(device, slice)),
        _ => return element(candle_core::backend::BackendStorage::dtype(storage)).map(|e| (e, Pointer::NULL)),
    };
    Ok((element, Pointer(begin.0 + (start * element.size()) as u64)))
}

/// As [`argument`], of a tensor, whose memory must stay until the launch.
pub(crate) fn pointer(t: &Tensor) -> Result<Pointer> {
    let (storage, layout) = t.storage_and_layout();
    match &*storage {
        Storage::Cuda(storage) => Ok(argument((storage, layout))?.1),
        _ => bail!("a kernel was given a tensor that is not on the GPU"),
    }
}

/// Memory for a result of `count` values.
pub(crate) fn result(device: &CudaDevice, element: Element, count: usize) -> Result<(CudaStorage, Pointer)> {
    // SAFETY: plans write every value of a result before anything reads it.
    let (slice, pointer) = unsafe {
        match element {
            Element::F32 => with_address(device, device.alloc::<f32>(count)?, CudaStorageSlice::F32),
            Element::F64 => with_address(device, device.alloc::<f64>(count)?, CudaStorageSlice::F64),
            Element::Bf16 => with_address(device, device.alloc::<half::bf16>(count)?, CudaStorageSlice::BF16),
        }
    };
    Ok((CudaStorage { slice, device: device.clone() }, pointer))
}

fn with_address<T: DeviceRepr>(
    device: &CudaDevice,
    slice: CudaSlice<T>,
    wrap: impl Fn(CudaSlice<T>) -> CudaStorageSlice,
) -> (CudaStorageSlice, Pointer) {
    let pointer = address(device, &slice);
    (wrap(slice), pointer)
}

/// A result as a tensor without history.
pub(crate) fn tensor(storage: CudaStorage, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
}

/// A loss of two images by kernels.
pub(crate) struct Loss {
    /// Value, of no dimension in the images' type.
    pub(crate) value: Tensor,
    /// Gradients of the two images where they were wanted.
    pub(crate) gradients: (Option<Tensor>, Option<Tensor>),
}

/// Runs a plan of a loss: (stream, element, images, value, gradients that are null where nobody wants them).
pub(crate) fn loss(
    (a, b): (&Tensor, &Tensor),
    wanted: (bool, bool),
    plan: impl FnOnce(&mut Stream<'_>, Element, (Pointer, Pointer), Pointer, (Pointer, Pointer)) -> Result<()>,
) -> Result<Loss> {
    let (a, b) = (a.detach().contiguous()?, b.detach().contiguous()?);
    let candle_core::Device::Cuda(device) = a.device() else { bail!("an image is not on the GPU") };
    let element = element(a.dtype())?;
    let (value, value_at) = result(device, element, 1)?;
    let gradient = |wanted: bool| wanted.then(|| result(device, element, a.elem_count())).transpose();
    let (ga, gb) = (gradient(wanted.0)?, gradient(wanted.1)?);
    let at = |g: &Option<(CudaStorage, Pointer)>| g.as_ref().map_or(Pointer::NULL, |g| g.1);
    plan(&mut Stream::of(device), element, (pointer(&a)?, pointer(&b)?), value_at, (at(&ga), at(&gb)))?;
    let as_image = |g: Option<(CudaStorage, Pointer)>| g.map(|g| tensor(g.0, a.shape()));
    Ok(Loss { value: tensor(value, ()), gradients: (as_image(ga), as_image(gb)) })
}
