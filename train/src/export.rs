//! `train export`: a network for other programs.

mod onnx;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use manifests::run::Output;

use crate::{Error, checkpoint, net::Corrn, weights};

/// What to write where.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// A checkpoint that `train fit` wrote, a run's folder for its best one, or a bare state_dict of CoRRN.
    checkpoint: PathBuf,
    /// The format of the file.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
}

/// Formats that other programs read.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// The state_dict that PyTorch loads with strict=True into the authors' network.
    Safetensors,
    /// For onnxruntime and others: `image`, N x 3 x H x W in [0, 1], to `background`, `reflection` and `gradient`; N and, in
    /// multiples of 32, H and W are free.
    Onnx,
}

/// Writes the network whole or not at all.
///
/// # Errors
/// A checkpoint that cannot be read, a folder that cannot be written.
pub(crate) fn export(args: &ExportArgs) -> Result<(), Error> {
    let net = checkpoint::network(&checkpoint::named(&args.checkpoint)?, &Device::Cpu)?;
    let bytes = match args.format {
        Format::Safetensors => {
            if net.output() == Output::Residual {
                manifests::tell!(
                    "{}: the last layer of this network gives R, and B is I - R: the authors' code takes it for B",
                    args.out.display()
                );
            }
            state_dict(&net, &args.out)?
        }
        Format::Onnx => {
            let bytes = onnx::model(&net)?;
            manifests::write_atomic(&args.out, &bytes)?;
            bytes.len() as u64
        }
    };
    manifests::say!("{}: {} tensors, {:.1} MB", args.out.display(), net.params().all().len(), bytes as f64 / 1e6);
    Ok(())
}

/// Writes every tensor in f32, and the counters that PyTorch's batch norms keep: 0, as they matter to no result here.
fn state_dict(net: &Corrn, path: &Path) -> Result<u64, Error> {
    let mut tensors = Vec::new();
    for p in net.params().all() {
        tensors.push((p.name.clone(), p.var.as_detached_tensor().to_dtype(DType::F32)?));
        if let Some(norm) = p.name.strip_suffix(".running_var") {
            tensors.push((format!("{norm}.num_batches_tracked"), Tensor::new(0i64, &Device::Cpu)?));
        }
    }
    // Whoever reads it with this program need not guess the network from its shapes, nor what its last layer gives.
    let model = serde_json::to_string(net.described())
        .map_err(|e| Error::Failed(format!("{}: cannot encode: {e}", path.display())))?;
    weights::write(path, tensors, HashMap::from([(checkpoint::MODEL_KEY.to_owned(), model)]))
}
