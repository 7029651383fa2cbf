//! The network's numbers in a fixed order: trained parameters, and the batch norms' running statistics.

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

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

/// All tensors of a network, in the order in which they were created.
#[derive(Debug)]
pub struct Params {
    entries: Vec<Param>,
    rng: ChaCha8Rng,
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
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Params {
    /// Nothing yet. `seed` draws every initial weight, in the order of creation.
    pub(crate) fn new(seed: u64, dtype: DType, device: &Device) -> Self {
        Self { entries: Vec::new(), rng: ChaCha8Rng::seed_from_u64(seed), dtype, device: device.clone() }
    }

    /// A trained tensor drawn from U[-bound, bound], as PyTorch initialises convolutions:
    /// bound = 1 / sqrt(fan-in), which is `kaiming_uniform_(a=sqrt(5))`.
    pub(crate) fn uniform(&mut self, name: String, dims: &[usize], bound: f64) -> candle_core::Result<Var> {
        let n = dims.iter().product();
        // 53 random bits give a multiple of 2^-53 in [0, 1).
        let draw = |rng: &mut ChaCha8Rng| (rng.next_u64() >> 11) as f64 * 2f64.powi(-53);
        let values: Vec<f64> = (0..n).map(|_| bound * (2.0 * draw(&mut self.rng) - 1.0)).collect();
        let tensor = Tensor::from_vec(values, dims, &Device::Cpu)?;
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

/// The first dozen of a list of complaints, and how many more there are.
fn shorten(wrong: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if wrong.len() > SHOWN {
        text += &format!(", and {} more", wrong.len() - SHOWN);
    }
    text
}
