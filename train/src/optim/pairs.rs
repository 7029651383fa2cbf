//! Variables, each with a tensor of its size beside it, moved together: on a GPU one launch for all of a type.

use candle_core::{DType, Result, Tensor, Var, bail};
use rayon::prelude::*;

use super::{CHUNK, Scalar, with_mut};

/// Variables of `f32` or `f64`, and what lies beside each.
pub(super) struct Pairs {
    slots: Vec<(String, Var, Tensor)>,
    /// Where they are on a GPU; made by the first move, and anew when other tensors are put beside.
    #[cfg(feature = "cuda")]
    on_device: std::cell::OnceCell<Option<super::cuda::OnDevice>>,
}

impl Pairs {
    /// Named variables, each beside a copy of itself. Fails where one is neither `f32` nor `f64`; the sentence begins with
    /// `what` this is for.
    pub(super) fn new(what: &str, vars: Vec<(String, Var)>) -> Result<Self> {
        let slot = |(name, var): (String, Var)| {
            if !matches!(var.dtype(), DType::F32 | DType::F64) || !var.is_contiguous() {
                bail!("{what} of {name}: the variable must be f32 or f64 and contiguous, it is {:?}", var.dtype());
            }
            let beside = var.as_tensor().copy()?;
            Ok((name, var, beside))
        };
        Ok(Self {
            slots: vars.into_iter().map(slot).collect::<Result<_>>()?,
            #[cfg(feature = "cuda")]
            on_device: std::cell::OnceCell::new(),
        })
    }

    /// Names and what lies beside the variables, in their order.
    pub(super) fn beside(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.slots.iter().map(|(name, _, beside)| (name.as_str(), beside))
    }

    /// Puts other tensors beside the variables, of the same shapes and types.
    pub(super) fn replace(&mut self, beside: Vec<Tensor>) {
        self.slots.iter_mut().zip(beside).for_each(|(slot, beside)| slot.2 = beside);
        #[cfg(feature = "cuda")]
        {
            self.on_device = std::cell::OnceCell::new();
        }
    }

    /// Moves what lies beside by `part` of its distance to the variables.
    pub(super) fn approach(&self, part: f64) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(device) = self.on_device()? {
            return device.approach(part);
        }
        for (_, var, beside) in &self.slots {
            match var.dtype() {
                DType::F64 => both(var, beside, |p, a| approach::<f64>(p, a, part))?,
                _ => both(var, beside, |p, a| approach::<f32>(p, a, part as f32))?,
            }
        }
        Ok(())
    }

    /// Copies the variables' values beside them.
    pub(super) fn copy(&self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(device) = self.on_device()? {
            return device.copy();
        }
        for (_, var, beside) in &self.slots {
            match var.dtype() {
                DType::F64 => both(var, beside, |p: &mut [f64], a| a.copy_from_slice(p))?,
                _ => both(var, beside, |p: &mut [f32], a| a.copy_from_slice(p))?,
            }
        }
        Ok(())
    }

    /// Exchanges the variables' values with what lies beside them.
    pub(super) fn swap(&self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(device) = self.on_device()? {
            return device.swap();
        }
        for (_, var, beside) in &self.slots {
            match var.dtype() {
                DType::F64 => both(var, beside, |p: &mut [f64], a| a.swap_with_slice(p))?,
                _ => both(var, beside, |p: &mut [f32], a| a.swap_with_slice(p))?,
            }
        }
        Ok(())
    }

    /// Tables for a GPU, if the variables are on one.
    #[cfg(feature = "cuda")]
    fn on_device(&self) -> Result<Option<&super::cuda::OnDevice>> {
        if self.on_device.get().is_none() {
            let tensors = self.slots.iter().map(|(_, var, beside)| (var.as_tensor(), [Some(beside), None]));
            let made = super::cuda::OnDevice::of(&tensors.collect::<Vec<_>>())?;
            return Ok(self.on_device.get_or_init(|| made).as_ref());
        }
        Ok(self.on_device.get().and_then(Option::as_ref))
    }
}

/// Runs `f` on a variable's values and those beside it.
fn both<T: Scalar>(var: &Var, beside: &Tensor, f: impl FnOnce(&mut [T], &mut [T])) -> Result<()> {
    with_mut(var, |p: &mut [T]| with_mut(beside, |a: &mut [T]| f(p, a)))?
}

fn approach<T: Scalar>(p: &mut [T], a: &mut [T], part: T) {
    a.par_chunks_mut(CHUNK).zip(p.par_chunks(CHUNK)).for_each(|(a, p)| {
        a.iter_mut().zip(p).for_each(|(a, p)| *a += part * (*p - *a));
    });
}
