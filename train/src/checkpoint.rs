//! Checkpoints: one safetensors file with the network's tensors under the authors' names, the optimiser's moments under
//! `optimizer.`, and the run's configuration and position in the metadata.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use manifests::{
    Digest, Manifest as _,
    run::{Run, Scores},
};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    net::{self, Corrn, params::LoadError},
    weights::{self, Tensors, Weights},
};

/// Folder of checkpoints in a run's folder.
pub const CHECKPOINTS: &str = "checkpoints";
/// In [`CHECKPOINTS`], the checkpoint with the best validation.
pub const BEST: &str = "best.safetensors";
/// In [`CHECKPOINTS`], the checkpoint to resume from.
pub const LAST: &str = "last.safetensors";

/// Key of the metadata that holds [`Header`] as JSON.
const KEY: &str = "vitrine";
/// Key of the metadata of a bare state_dict that `train export` wrote: its [`Model`] as JSON.
pub(crate) const MODEL_KEY: &str = "vitrine.model";
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
    /// What tells the run's data sets from others; none where an older program wrote the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Digest>,
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
    /// Whether the validation of this step was given up for a stop: it is done before the run goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validation_due: bool,
    /// Validations since the best one.
    #[serde(default)]
    pub without_gain: u64,
    /// Steps and SSIM of the best validations whose checkpoints are kept beside the best one's, best first.
    #[serde(default)]
    pub kept: Vec<(u64, f64)>,
}

/// What every version of [`Header`] has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says about itself.
    pub header: Header,
    weights: Tensors,
    optimizer: Vec<(String, Tensor)>,
}

/// Writes a checkpoint whole or not at all. Without `optimizer` it can be applied, but not resumed.
///
/// # Errors
/// What the folder answers, for instance that the disk is full: the file that was there stays.
pub fn write(path: &Path, header: &Header, net: &Corrn, optimizer: &[(String, Tensor)]) -> Result<(), Error> {
    let failed = |e| Error::Failed(format!("{}: cannot encode: {e}", path.display()));
    let weights = net.params().all().iter().map(|p| (p.name.clone(), p.var.as_detached_tensor()));
    let moments = optimizer.iter().map(|(name, t)| (format!("{OPTIMIZER}{name}"), t.clone()));
    let header = serde_json::to_string(header).map_err(failed)?;
    weights::write(path, weights.chain(moments).collect(), HashMap::from([(KEY.to_owned(), header)]))?;
    Ok(())
}

/// The file that a person means by a checkpoint: the file itself, or a run's folder for its best one.
///
/// # Errors
/// A run that has not been validated yet, and so has no best one.
pub fn named(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let [best, last] = [BEST, LAST].map(|name| path.join(CHECKPOINTS).join(name));
    if !best.is_file() && last.is_file() {
        let message = format!("has not been validated yet, so no checkpoint is the best: give {}", last.display());
        return Err(Error::input_at(path, message));
    }
    Ok(best)
}

/// The network of a file on a device: of a checkpoint, which says what it is, or of a bare state_dict in safetensors or
/// PyTorch's own format, whose metadata or shapes say it. What the last layer gives no shape says: B, as in the authors' code.
///
/// # Errors
/// A file that cannot be read; tensors that are missing, extra or misshapen, listed.
pub fn network(path: &Path, device: &Device) -> Result<Corrn, Error> {
    let file = Weights::read(path)?;
    let (model, weights) = if file.metadata.contains_key(KEY) {
        let checkpoint = Checkpoint::of(file, path)?;
        checkpoint.map(|c| (c.header.run.model, c.weights)).unwrap_or_default()
    } else if let Some(text) = file.metadata.get(MODEL_KEY) {
        let model = serde_json::from_str(text);
        (
            model.map_err(|e| Error::input_at(path, format!("says of its network what cannot be read ({e})")))?,
            file.tensors,
        )
    } else {
        let model = net::model_of(&file.tensors).ok_or_else(|| Error::input_at(path, "holds no weights of CoRRN"))?;
        (model, file.tensors)
    };
    let net = Corrn::blank(&model, DType::F32, device)?;
    load(&net, &weights, path)?;
    Ok(net)
}

fn load(net: &Corrn, weights: &Tensors, path: &Path) -> Result<(), Error> {
    net.params().load(weights).map_err(|e| misfit(e, path))
}

/// Weights that do not fit, as the user's fault.
pub(crate) fn misfit(error: LoadError, path: &Path) -> Error {
    match error {
        LoadError::Mismatch(list) => Error::input_at(path, format!("does not fit the network: {list}")),
        LoadError::Tensor(e) => e.into(),
    }
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A file that is missing, torn, or no checkpoint of `train`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::of(Weights::read(path)?, path)?.ok_or_else(|| {
            Error::input_at(path, "is not a checkpoint of train: its metadata do not say which run it belongs to")
        })
    }

    /// Of a file's content; none where it does not say which run it belongs to.
    fn of(file: Weights, path: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = file.metadata.get(KEY) else { return Ok(None) };
        let torn = |e: &dyn std::fmt::Display| Error::input_at(path, format!("is not a checkpoint of train ({e})"));
        let Version { version } = serde_json::from_str(text).map_err(|e| torn(&e))?;
        if version > VERSION {
            let message = format!("has version {version}, newer than this program's {VERSION}: update the program");
            return Err(Error::input_at(path, message));
        }
        let header: Header = serde_json::from_str(text).map_err(|e| torn(&e))?;
        header.run.check().map_err(|e| torn(&format!("{}: {}", e.path, e.message)))?;
        let (mut weights, mut optimizer) = (BTreeMap::new(), Vec::new());
        for (name, tensor) in file.tensors {
            match name.strip_prefix(OPTIMIZER) {
                Some(name) => optimizer.push((name.to_owned(), tensor)),
                None => _ = weights.insert(name, tensor),
            }
        }
        Ok(Some(Self { header, weights, optimizer }))
    }

    /// Replaces a network's tensors.
    ///
    /// # Errors
    /// Tensors that are missing, extra or misshapen, all of them listed.
    pub fn load_into(&self, net: &Corrn, path: &Path) -> Result<(), Error> {
        load(net, &self.weights, path)
    }

    /// The optimiser's tensors; empty in a checkpoint that was written to be applied.
    pub fn optimizer(&self) -> &[(String, Tensor)] {
        &self.optimizer
    }
}

impl Header {
    /// A run at its beginning.
    pub fn new(run: Run) -> Self {
        Self {
            version: VERSION,
            run,
            data: None,
            step: 0,
            optimizer_steps: 0,
            seconds: 0.0,
            scores: None,
            best_ssim: None,
            validation_due: false,
            without_gain: 0,
            kept: Vec::new(),
        }
    }

    /// Whether a validation is one of the `most` best so far, of which there are two at least; then it is noted.
    pub fn keep(&mut self, step: u64, ssim: f64, most: usize) -> bool {
        if most < 2 {
            return false;
        }
        // Of equal ones the earlier is the better.
        let place = self.kept.partition_point(|(_, there)| *there >= ssim);
        self.kept.insert(place, (step, ssim));
        self.kept.truncate(most);
        place < most
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_best_are_kept_and_of_equal_ones_the_first() {
        let text = "version: 1\nname: t\nseed: 1\ndata: {dataset: d}\n";
        let mut header = Header::new(manifests::io::parse_yaml(text, Path::new("run.yaml")).unwrap());
        assert!(!header.keep(1, 0.9, 1) && header.kept.is_empty(), "one is kept as the best alone");
        let kept =
            [(1, 0.5), (2, 0.7), (3, 0.5), (4, 0.6), (5, 0.7), (6, 0.1)].map(|(s, ssim)| header.keep(s, ssim, 2));
        assert_eq!(kept, [true, true, false, true, true, false]);
        assert_eq!(header.kept, [(2, 0.7), (5, 0.7)]);
    }
}
