//! Checkpoints: one safetensors file with the network's tensors under the authors' names, the optimiser's moments under
//! `optimizer.`, and the run's configuration and position in the metadata.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use manifests::run::{Run, Scores};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    net::{Corrn, params::LoadError},
};

/// Folder of checkpoints in a run's folder.
pub const CHECKPOINTS: &str = "checkpoints";
/// In [`CHECKPOINTS`], the checkpoint with the best validation.
pub const BEST: &str = "best.safetensors";
/// In [`CHECKPOINTS`], the checkpoint to resume from.
pub const LAST: &str = "last.safetensors";

/// Key of the metadata that holds [`Header`] as JSON.
const KEY: &str = "vitrine";
/// Version of [`Header`].
const VERSION: u32 = 1;
/// Before the names of the optimiser's tensors.
const OPTIMIZER: &str = "optimizer.";

/// What a checkpoint says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Format version, 1.
    pub version: u32,
    /// The run's configuration, whole.
    pub run: Run,
    /// Optimiser steps done, which is also the position in the order of samples.
    pub step: u64,
    /// Steps that the optimiser counted: fewer than `step` where batches were skipped.
    pub optimizer_steps: u64,
    /// Seconds of training, over all resumptions.
    pub seconds: f64,
    /// Scores of the validation at this step or the last one before.
    pub scores: Option<Scores>,
    /// The best validation's SSIM so far.
    pub best_ssim: Option<f64>,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says about itself.
    pub header: Header,
    weights: BTreeMap<String, Tensor>,
    optimizer: Vec<(String, Tensor)>,
}

/// Writes a checkpoint whole or not at all. Without `optimizer` it can be applied, but not resumed.
///
/// # Errors
/// What the folder answers, for instance that the disk is full: the file that was there stays.
pub fn write(path: &Path, header: &Header, net: &Corrn, optimizer: &[(String, Tensor)]) -> Result<(), Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Failed(format!("{}: cannot encode: {e}", path.display()));
    let weights = net.params().all().iter().map(|p| (p.name.clone(), p.var.as_detached_tensor()));
    let moments = optimizer.iter().map(|(name, t)| (format!("{OPTIMIZER}{name}"), t.clone()));
    let blobs = weights.chain(moments).map(|(name, t)| Ok((name, Blob::of(&t)?)));
    let blobs: Vec<(String, Blob)> = blobs.collect::<Result<_, candle_core::Error>>()?;
    let views: Result<Vec<_>, _> = blobs
        .iter()
        .map(|(name, b)| {
            Ok::<_, safetensors::SafeTensorError>((name, TensorView::new(b.dtype, b.dims.clone(), &b.bytes)?))
        })
        .collect();
    let header = serde_json::to_string(header).map_err(|e| failed(&e))?;
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    let bytes = safetensors::serialize(views.map_err(|e| failed(&e))?, Some(metadata)).map_err(|e| failed(&e))?;
    Ok(manifests::write_atomic(path, &bytes)?)
}

/// The file that a person means by a checkpoint: the file itself, or a run's folder for its best one.
pub fn named(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(CHECKPOINTS).join(BEST) } else { path.to_path_buf() }
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A file that is missing, torn, or no checkpoint of `train`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
        let bad = |e: &dyn std::fmt::Display| Error::input_at(path, format!("is not a checkpoint of train ({e})"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(&e))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(&e))?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let text = text.ok_or_else(|| bad(&"its metadata do not say which run it belongs to"))?;
        let header: Header = serde_json::from_str(text).map_err(|e| bad(&e))?;
        if header.version > VERSION {
            let message =
                format!("has version {}, newer than this program's {VERSION}: update the program", header.version);
            return Err(Error::input_at(path, message));
        }
        let (mut weights, mut optimizer) = (BTreeMap::new(), Vec::new());
        for (name, view) in tensors.tensors() {
            if name.ends_with(".num_batches_tracked") {
                continue;
            }
            let tensor = to_tensor(&view).ok_or_else(|| bad(&format!("{name} is neither f32 nor f64")))??;
            match name.strip_prefix(OPTIMIZER) {
                Some(name) => optimizer.push((name.to_owned(), tensor)),
                None => _ = weights.insert(name, tensor),
            }
        }
        Ok(Self { header, weights, optimizer })
    }

    /// The network that the checkpoint is of, on a device.
    ///
    /// # Errors
    /// Tensors that are missing, extra or misshapen, all of them listed.
    pub fn network(&self, path: &Path, device: &Device) -> Result<Corrn, Error> {
        let net = Corrn::new(&self.header.run.model, 0, DType::F32, device)?;
        self.load_into(&net, path)?;
        Ok(net)
    }

    /// Replaces a network's tensors.
    ///
    /// # Errors
    /// As [`Checkpoint::network`].
    pub fn load_into(&self, net: &Corrn, path: &Path) -> Result<(), Error> {
        net.params().load(&self.weights).map_err(|e| match e {
            LoadError::Mismatch(list) => Error::input_at(path, format!("does not fit the network: {list}")),
            LoadError::Tensor(e) => e.into(),
        })
    }

    /// The optimiser's tensors; empty in a checkpoint that was written to be applied.
    pub fn optimizer(&self) -> &[(String, Tensor)] {
        &self.optimizer
    }
}

/// A tensor's bytes, little-endian.
struct Blob {
    dtype: Dtype,
    dims: Vec<usize>,
    bytes: Vec<u8>,
}

impl Blob {
    fn of(t: &Tensor) -> candle_core::Result<Self> {
        let flat = t.to_device(&Device::Cpu)?.flatten_all()?;
        let (dtype, bytes) = match t.dtype() {
            DType::F64 => (Dtype::F64, flat.to_vec1::<f64>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
            _ => {
                let flat = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
                (Dtype::F32, flat.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
        };
        Ok(Self { dtype, dims: t.dims().to_vec(), bytes })
    }
}

/// A view's numbers; none for types other than f32 and f64.
fn to_tensor(view: &TensorView<'_>) -> Option<candle_core::Result<Tensor>> {
    let (data, dims) = (view.data(), view.shape());
    match view.dtype() {
        Dtype::F32 => {
            let (values, _) = data.as_chunks::<4>();
            let values: Vec<f32> = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
            Some(Tensor::from_vec(values, dims, &Device::Cpu))
        }
        Dtype::F64 => {
            let (values, _) = data.as_chunks::<8>();
            let values: Vec<f64> = values.iter().map(|b| f64::from_le_bytes(*b)).collect();
            Some(Tensor::from_vec(values, dims, &Device::Cpu))
        }
        _ => None,
    }
}

impl Header {
    /// A run at its beginning.
    pub fn new(run: Run) -> Self {
        Self { version: VERSION, run, step: 0, optimizer_steps: 0, seconds: 0.0, scores: None, best_ssim: None }
    }
}
