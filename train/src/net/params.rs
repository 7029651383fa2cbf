//! The network's numbers in a fixed order: trained parameters, and the batch norms' running statistics.

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rayon::prelude::*;

use crate::weights::Tensors;

/// A named tensor of the network.
#[derive(Debug, Clone)]
pub struct Param {
    /// Name as in the authors' state_dict.
    pub name: String,
    /// The numbers.
    pub var: Var,
    /// Whether the optimiser changes it; running statistics are changed by the forward pass.
    pub trained: bool,
}

/// Numbers that one task draws.
const CHUNK: usize = 1 << 16;

/// All tensors of a network, in the order in which they were created.
#[derive(Debug)]
pub struct Params {
    entries: Vec<Param>,
    /// Draws initial weights; none of a network that is filled from a file, whose weights begin as zeros.
    rng: Option<ChaCha8Rng>,
    dtype: DType,
    device: Device,
}

/// Tensors that do not fit the network.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Names or shapes differ.
    #[error("{0}")]
    Mismatch(String),
    /// Candle could not convert or copy.
    #[error("{}", crate::error::of_candle(.0))]
    Tensor(#[from] candle_core::Error),
}

impl Params {
    /// Nothing yet. `seed` draws every initial weight, in the order of creation; without one they are zeros.
    pub(crate) fn new(seed: Option<u64>, dtype: DType, device: &Device) -> Self {
        let rng = seed.map(ChaCha8Rng::seed_from_u64);
        Self { entries: Vec::new(), rng, dtype, device: device.clone() }
    }

    /// A trained tensor drawn from U[-bound, bound], as PyTorch initialises convolutions:
    /// bound = 1 / sqrt(fan-in), which is `kaiming_uniform_(a=sqrt(5))`.
    pub(crate) fn uniform(&mut self, name: String, dims: &[usize], bound: f64) -> candle_core::Result<Var> {
        let tensor = match (&mut self.rng, self.dtype) {
            (None, dtype) => Tensor::zeros(dims, dtype, &Device::Cpu)?,
            (Some(rng), DType::F64) => Tensor::from_vec(draw(rng, dims, |v| bound * v), dims, &Device::Cpu)?,
            (Some(rng), _) => Tensor::from_vec(draw(rng, dims, |v| (bound * v) as f32), dims, &Device::Cpu)?,
        };
        self.push(name, tensor, true)
    }

    /// A tensor of one value; a running statistic unless `trained`.
    pub(crate) fn constant(&mut self, name: String, len: usize, value: f64, trained: bool) -> candle_core::Result<Var> {
        let tensor = Tensor::full(value, len, &Device::Cpu)?;
        self.push(name, tensor, trained)
    }

    fn push(&mut self, name: String, tensor: Tensor, trained: bool) -> candle_core::Result<Var> {
        let var = Var::from_tensor(&tensor.to_dtype(self.dtype)?.to_device(&self.device)?)?;
        self.entries.push(Param { name, var: var.clone(), trained });
        Ok(var)
    }

    /// Every tensor, in order.
    pub fn all(&self) -> &[Param] {
        &self.entries
    }

    /// Name and variable of what the optimiser changes, in order.
    pub fn trained(&self) -> Vec<(String, Var)> {
        self.entries.iter().filter(|p| p.trained).map(|p| (p.name.clone(), p.var.clone())).collect()
    }

    /// Name and variable of what a forward pass in training changes, the batch norms' running statistics, in order.
    pub fn statistics(&self) -> Vec<(String, Var)> {
        self.entries.iter().filter(|p| !p.trained).map(|p| (p.name.clone(), p.var.clone())).collect()
    }

    /// Type of the numbers, f32 or f64.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the numbers are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Replaces every tensor, or none: names and shapes must be exactly the network's. PyTorch's
    /// `num_batches_tracked` counters are passed over.
    ///
    /// # Errors
    /// [`LoadError::Mismatch`] lists what is missing, extra and misshapen.
    pub fn load(&self, tensors: &Tensors) -> Result<(), LoadError> {
        self.load_where(tensors, |_| true)
    }

    /// As [`Params::load`], of the tensors alone whose names `wanted` answers for; the others stay as they are.
    ///
    /// # Errors
    /// As [`Params::load`].
    pub fn load_where(&self, tensors: &Tensors, wanted: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        let entries: Vec<&Param> = self.entries.iter().filter(|p| wanted(&p.name)).collect();
        let mut wrong = Vec::new();
        for p in &entries {
            match tensors.get(&p.name) {
                None => wrong.push(format!("missing {}", p.name)),
                Some(t) if t.dims() != p.var.dims() => {
                    wrong.push(format!("{} is {:?} instead of {:?}", p.name, t.dims(), p.var.dims()));
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<&str> = entries.iter().map(|p| p.name.as_str()).collect();
        let extra = tensors.keys().filter(|k| !known.contains(k.as_str()) && !k.ends_with(".num_batches_tracked"));
        wrong.extend(extra.map(|k| format!("extra {k}")));
        if !wrong.is_empty() {
            return Err(LoadError::Mismatch(shorten(&wrong)));
        }
        for p in entries {
            let t = tensors[&p.name].to_dtype(self.dtype)?.to_device(&self.device)?;
            p.var.set(&t)?;
        }
        Ok(())
    }
}

/// Draws for a tensor of some shape from U[-1, 1), each through `to`. Every task begins where the generator stands at its first
/// number, so that the numbers do not depend on the tasks.
fn draw<T: Send + Clone + Default>(rng: &mut ChaCha8Rng, dims: &[usize], to: impl Fn(f64) -> T + Sync) -> Vec<T> {
    let mut values = vec![T::default(); dims.iter().product()];
    let start = rng.get_word_pos();
    // A number takes two of the generator's words of 32 bits; 53 of the bits give a multiple of 2^-53 in [0, 1).
    let place = |n: usize| start + 2 * n as u128;
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| {
        let mut rng = rng.clone();
        rng.set_word_pos(place(i * CHUNK));
        for value in chunk {
            *value = to(2.0 * ((rng.next_u64() >> 11) as f64 * 2f64.powi(-53)) - 1.0);
        }
    });
    rng.set_word_pos(place(values.len()));
    values
}

/// The first dozen of a list of complaints, and how many more there are.
fn shorten(wrong: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if wrong.len() > SHOWN {
        text += &format!(", and {} more", wrong.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_generator_in_one_piece() {
        let mut params = Params::new(Some(7), DType::F64, &Device::Cpu);
        let sizes = [[3, 1], [2 * CHUNK + 5, 1], [4, 1]];
        let mut found = Vec::new();
        for (i, dims) in sizes.iter().enumerate() {
            let var = params.uniform(format!("{i}"), dims, 0.5).unwrap();
            found.extend(var.flatten_all().unwrap().to_vec1::<f64>().unwrap());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for value in found {
            let wanted = 0.5 * (2.0 * ((rng.next_u64() >> 11) as f64 * 2f64.powi(-53)) - 1.0);
            assert_eq!(value, wanted);
        }
    }
}
