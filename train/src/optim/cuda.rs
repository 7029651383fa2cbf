//! Adam, clipping and averages on a GPU: tables of tensors, and launches over them.

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{DType, Device, Result, Tensor};

use super::plan::{self, Tables, chunks};
use crate::cuda::machine::{Stream, address, element, pointer, result, tensor};
use crate::cuda::plan::{Element, Pointer};

/// Tensors of one type, in the device's memory as the kernels want them.
#[derive(Debug)]
struct Table {
    tables: Tables,
    /// The tensors' places in the optimiser's list.
    members: Vec<usize>,
    gradients: CudaSlice<u64>,
    _slots: CudaSlice<u64>,
    _chunks: CudaSlice<u32>,
}

/// All tensors of an optimiser or an average. Holds addresses: whoever replaces a tensor makes the tables anew.
#[derive(Debug)]
pub(super) struct OnDevice {
    device: CudaDevice,
    tables: Vec<Table>,
}

impl OnDevice {
    /// Tables of variables, each with up to two more tensors of its size; none where they are not on a GPU.
    ///
    /// # Errors
    /// Variables on several devices, or what the device answers.
    pub(super) fn of(tensors: &[(&Tensor, [Option<&Tensor>; 2])]) -> Result<Option<Self>> {
        let Some(Device::Cuda(device)) = tensors.first().map(|(var, _)| var.device()) else { return Ok(None) };
        let mut tables = Vec::new();
        for dtype in [DType::F32, DType::F64] {
            let members: Vec<usize> = (0..tensors.len()).filter(|i| tensors[*i].0.dtype() == dtype).collect();
            if members.is_empty() {
                continue;
            }
            let slot = |i: &usize| {
                let (var, [first, second]) = &tensors[*i];
                let other = |t: &Option<&Tensor>| t.map_or(Ok(Pointer::NULL), pointer);
                Ok([pointer(var)?.0, other(first)?.0, other(second)?.0, var.elem_count() as u64])
            };
            let slots = members.iter().map(slot).collect::<Result<Vec<_>>>()?;
            let chunks = chunks(&slots)?;
            let blocks = chunks.len() as u32;
            let (slots, chunks) = (device.clone_htod(slots.as_flattened())?, device.clone_htod(chunks.as_flattened())?);
            let tables_of = Tables {
                element: element(dtype)?,
                slots: address(device, &slots),
                chunks: address(device, &chunks),
                blocks,
            };
            let gradients = device.alloc_zeros::<u64>(members.len())?;
            tables.push(Table { tables: tables_of, members, gradients, _slots: slots, _chunks: chunks });
        }
        Ok(Some(Self { device: device.clone(), tables }))
    }

    /// Writes down where the gradients are, by the tensors' places.
    fn list(&mut self, gradients: &[Option<Tensor>]) -> Result<()> {
        for table in &mut self.tables {
            let at = |i: &usize| Ok(gradients[*i].as_ref().map_or(Ok(Pointer::NULL), pointer)?.0);
            let list = table.members.iter().map(at).collect::<Result<Vec<u64>>>()?;
            self.device.memcpy_htod(&list, &mut table.gradients)?;
        }
        Ok(())
    }

    /// One step by `rule` with contiguous gradients times `factor`, a value of `f64`, or as they are, and, where there is a limit,
    /// clipped to a global norm of at most that; without stopping the stream. Answers the norm, on the device, where there is a
    /// limit; a norm or a factor that is not finite leaves everything as it is.
    pub(super) fn step(
        &mut self,
        gradients: &[Option<Tensor>],
        rule: [f64; 9],
        factor: Option<&Tensor>,
        limit: Option<f64>,
    ) -> Result<Option<Tensor>> {
        self.list(gradients)?;
        let mut stream = Stream::of(&self.device);
        let lists: Vec<(Tables, Pointer)> =
            self.tables.iter().map(|t| (t.tables, address(&self.device, &t.gradients))).collect();
        let factor = factor.map_or(Ok(Pointer::NULL), pointer)?;
        // A limit of infinity would do as well, but for the gradients' pass through memory.
        let clipped = limit.map(|limit| {
            let (storage, at) = result(&self.device, Element::F64, 2)?;
            plan::clip(&mut stream, &lists, (factor, limit), at)?;
            Ok::<_, candle_core::Error>((tensor(storage, 2), Pointer(at.0 + 8)))
        });
        let clipped = clipped.transpose()?;
        let factor = clipped.as_ref().map_or(factor, |(_, factor)| *factor);
        for (table, gradients) in &lists {
            table.step(&mut stream, *gradients, rule, factor)?;
        }
        clipped.map(|(norm_and_factor, _)| norm_and_factor.get(0)).transpose()
    }

    /// Moves the averages, each variable's first other tensor, by `part` of their distance to the variables.
    pub(super) fn approach(&self, part: f64) -> Result<()> {
        self.tables.iter().try_for_each(|t| t.tables.approach(&mut Stream::of(&self.device), part))
    }

    /// Copies the variables' values over their first other tensors.
    pub(super) fn copy(&self) -> Result<()> {
        self.tables.iter().try_for_each(|t| t.tables.copy(&mut Stream::of(&self.device)))
    }

    /// Exchanges averages and variables.
    pub(super) fn swap(&self) -> Result<()> {
        self.tables.iter().try_for_each(|t| t.tables.swap(&mut Stream::of(&self.device)))
    }
}
