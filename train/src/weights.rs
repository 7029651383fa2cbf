//! Files of weights: safetensors, and PyTorch's own in both its formats. No file is executed, and none can make the
//! program take more memory than its own size asks for.

mod numbers;
mod pickle;
mod pth;
mod write;

use std::{collections::BTreeMap, path::Path};

use candle_core::Tensor;
use safetensors::{Dtype, SafeTensors};

use self::numbers::Kind;
pub(crate) use self::write::write;
use crate::Error;

/// Tensors by name, on the CPU.
pub type Tensors = BTreeMap<String, Tensor>;

/// A file of weights.
#[derive(Debug)]
pub struct Weights {
    /// What it says of itself; only safetensors can.
    pub metadata: BTreeMap<String, String>,
    /// Its tensors. PyTorch's counters `num_batches_tracked` are left out, and the prefix `module.` that its wrapper for
    /// several GPUs adds.
    pub tensors: Tensors,
}

impl Weights {
    /// Reads a file, whatever its name says.
    ///
    /// # Errors
    /// A file that is missing, torn, or neither safetensors nor PyTorch's.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
        let bad = |e: String| Error::input_at(path, format!("is no file of weights, or a torn one ({e})"));
        let (metadata, tensors) = if pth::is_pth(&bytes) {
            (BTreeMap::new(), pth::read(&bytes).map_err(bad)?)
        } else {
            safetensors(&bytes).map_err(bad)?
        };
        let counter = |name: &str| name.ends_with(".num_batches_tracked");
        let bare = |name: String| name.strip_prefix("module.").map(str::to_owned).unwrap_or(name);
        let tensors = tensors.into_iter().filter(|(name, _)| !counter(name)).map(|(name, t)| (bare(name), t)).collect();
        Ok(Self { metadata, tensors })
    }
}

fn safetensors(bytes: &[u8]) -> Result<(BTreeMap<String, String>, Tensors), String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        let kind = match view.dtype() {
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            Dtype::I64 => Kind::I64,
            other => return Err(format!("{name} is of type {other:?}")),
        };
        let tensor = numbers::tensor(kind, view.data(), view.shape()).map_err(|e| format!("{name}: {e}"))?;
        tensors.insert(name, tensor);
    }
    Ok((metadata, tensors))
}

/// The encoder's tensors, under the network's names, of torchvision's `vgg16_bn` file: its convolutions are
/// `features.0`, `.3`, `.7` and so on, a batch norm after each. The classifier is left out; what is neither keeps its name.
///
/// # Errors
/// As [`Weights::read`].
pub fn vgg16_bn(path: &Path) -> Result<Tensors, Error> {
    let mut names = BTreeMap::new();
    let mut place = 0;
    for (stage, convolutions) in [2, 2, 3, 3, 3].into_iter().enumerate() {
        for i in 0..convolutions {
            // Convolution, batch norm, ReLU.
            for layer in [3 * i, 3 * i + 1] {
                names.insert(format!("features.{}", place + layer), format!("convs{}R.{layer}", stage + 1));
            }
        }
        // And a pooling at the end.
        place += 3 * convolutions + 1;
    }
    let tensors = Weights::read(path)?.tensors.into_iter().filter(|(name, _)| !name.starts_with("classifier."));
    let ours = |name: String| match name.rsplit_once('.') {
        Some((layer, tensor)) => names.get(layer).map_or_else(|| name.clone(), |ours| format!("{ours}.{tensor}")),
        None => name,
    };
    Ok(tensors.map(|(name, t)| (ours(name), t)).collect())
}
