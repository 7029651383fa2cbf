//! Adam, clipping and averages on a GPU: one launch for all tensors of a type.

use candle_core::Result;

use crate::cuda::plan::{Arg, Element, Launch, Machine, Pointer, count, total};

const THREADS: u32 = 256;
/// Values of a block.
const CHUNK: usize = 4096;

/// A tensor that a table lists: the variable, its first and second moments, and its length. For averages the first
/// moment's place is the average's.
pub(crate) type Slot = [u64; 4];

/// The work of each block: which slot, and which of its chunks.
pub(crate) fn chunks(slots: &[Slot]) -> Result<Vec<[u32; 2]>> {
    let mut chunks = Vec::new();
    for (slot, of) in slots.iter().enumerate() {
        let all = count("chunks", (of[3] as usize).div_ceil(CHUNK))?;
        chunks.extend((0..all).map(|number| [slot as u32, number]));
    }
    count("chunks", chunks.len())?;
    Ok(chunks)
}

/// Tables in the machine's memory: slots, and chunks with their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) element: Element,
    pub(crate) slots: Pointer,
    pub(crate) chunks: Pointer,
    pub(crate) blocks: u32,
}

impl Tables {
    fn launch(&self, on: &mut impl Machine, kernel: &'static str, args: Vec<Arg>) -> Result<()> {
        // Tensors of no value have no chunk.
        if self.blocks == 0 {
            return Ok(());
        }
        let (element, blocks) = (Some(self.element), [self.blocks, 1, 1]);
        on.launch(Launch { module: "adam", kernel, element, blocks, threads: THREADS, args })
    }

    /// One step by `rule` ([`super::rule::constants`]) with the gradients, a list of pointers by slot, times the `f64` at
    /// `factor`, or as they are where it is null.
    pub(crate) fn step(
        &self,
        on: &mut impl Machine,
        gradients: Pointer,
        rule: [f64; 9],
        factor: Pointer,
    ) -> Result<()> {
        let rule = match self.element {
            Element::F64 => Arg::Nine64(rule),
            _ => Arg::Nine32(rule.map(|v| v as f32)),
        };
        let p = Arg::Pointer;
        self.launch(on, "adam", vec![p(self.slots), p(gradients), p(self.chunks), rule, p(factor)])
    }

    /// Adds each chunk's squared gradients into `partial`: as many values of `f64` as there are blocks.
    fn squares(&self, on: &mut impl Machine, gradients: Pointer, partial: Pointer) -> Result<()> {
        self.launch(on, "squares", [self.slots, gradients, self.chunks, partial].map(Arg::Pointer).into())
    }

    /// Moves the averages by `part` of their distance to the variables.
    pub(crate) fn approach(&self, on: &mut impl Machine, part: f64) -> Result<()> {
        let part = if self.element == Element::F64 { Arg::F64(part) } else { Arg::F32(part as f32) };
        self.launch(on, "average", vec![Arg::Pointer(self.slots), Arg::Pointer(self.chunks), part])
    }

    /// Copies the variables' values over the averages.
    pub(crate) fn copy(&self, on: &mut impl Machine) -> Result<()> {
        self.launch(on, "copy", vec![Arg::Pointer(self.slots), Arg::Pointer(self.chunks)])
    }

    /// Exchanges averages and variables.
    pub(crate) fn swap(&self, on: &mut impl Machine) -> Result<()> {
        self.launch(on, "swap", vec![Arg::Pointer(self.slots), Arg::Pointer(self.chunks)])
    }
}

/// Writes two values of `f64`: the global norm of the gradients of all tables times the `f64` at `scale` (1 where it is null), and
/// the factor for [`Tables::step`] that brings it down to `limit`, which is not a number where the norm is not finite.
pub(crate) fn clip(
    on: &mut impl Machine,
    tables: &[(Tables, Pointer)],
    (scale, limit): (Pointer, f64),
    norm_and_factor: Pointer,
) -> Result<()> {
    let blocks = tables.iter().map(|(t, _)| t.blocks as usize).sum::<usize>();
    let (partial, sum) = (on.scratch(8 * blocks.max(1))?, on.scratch(8)?);
    let mut done = 0;
    for (table, gradients) in tables {
        table.squares(on, *gradients, Pointer(partial.0 + 8 * done))?;
        done += u64::from(table.blocks);
    }
    total(on, Element::F64, (partial, count("chunks", blocks)?), 1.0, sum)?;
    let args = vec![Arg::Pointer(sum), Arg::Pointer(norm_and_factor), Arg::Pointer(scale), Arg::F64(limit)];
    on.launch(Launch { module: "adam", kernel: "clip", element: None, blocks: [1; 3], threads: 1, args })
}
