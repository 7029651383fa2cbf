//! A training run: `run.yaml` says what to fit, `metrics.jsonl` what happened.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CheckError, Manifest, Name, Seed};

/// File name of the configuration that a run's folder keeps.
pub const RUN_FILE: &str = "run.yaml";
/// File name of the log of [`Record`]s in a run's folder.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// What to fit, on what, and how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Format version, 1.
    pub version: u32,
    /// The run's name.
    pub name: Name,
    /// Seed of initialisation and of the order of samples.
    pub seed: Seed,
    /// The data.
    pub data: Data,
    /// The network.
    #[serde(default)]
    pub model: Model,
    /// Which terms of the loss count.
    #[serde(default)]
    pub loss: Loss,
    /// How long and how fast.
    #[serde(default)]
    pub schedule: Schedule,
    /// Arithmetic of the step.
    #[serde(default)]
    pub precision: Precision,
}

/// The data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// A built data set's folder; its split `train` is fitted, `validation` chosen by. A relative path starts at the
    /// run file's folder.
    pub dataset: String,
}

/// The network. Defaults are the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Multiplier of every channel count, 1/64 to 1. 1 is the paper's.
    pub width: f64,
    /// The three parallel sub-layers of each decoder stage.
    pub branches: Branches,
    /// What the last layer gives.
    pub output: Output,
    /// `random`, or a VGG16-BN file of torchvision's. A relative path starts at the run file's folder.
    pub encoder: String,
    /// Whether GdecN, the gradient decoder, guides the background (paper, Table 3).
    pub gradient_decoder: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            width: 1.0,
            branches: Branches::Independent,
            output: Output::Background,
            encoder: "random".into(),
            gradient_decoder: true,
        }
    }
}

/// The three parallel sub-layers of each decoder stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Branches {
    /// The paper: each has weights of its own.
    Independent,
    /// The authors' code: one, applied three times.
    Shared,
}

/// What the last layer gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// B, as in the authors' code; R = I - B.
    Background,
    /// R; B = I - R.
    Residual,
}

/// Which terms of the loss (paper, eq. 12) count. All by default; the switches are the paper's Table 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// The statistic loss SL of B and R.
    pub statistic: bool,
    /// Only the L1 distance of B, and nothing else.
    pub l1_only: bool,
}

impl Default for Loss {
    fn default() -> Self {
        Self { statistic: true, l1_only: false }
    }
}

/// How long and how fast. Defaults are the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Samples a step, at least 1.
    pub batch: usize,
    /// Stages one after another.
    pub stages: Vec<Stage>,
    /// Steps between two validations; 0: after each epoch only.
    pub validate_every: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        let stage = |epochs, learning_rate| Stage { epochs, learning_rate };
        Self { batch: 16, stages: vec![stage(30, 1e-4), stage(20, 1e-5)], validate_every: 0 }
    }
}

/// Epochs at one learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Passes over the training samples.
    pub epochs: u64,
    /// Adam's learning rate, above 0 and at most 1.
    pub learning_rate: f64,
}

/// Arithmetic of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// 32-bit floats with TensorFloat-32 products (CUDA).
    Tf32,
    /// bfloat16 activations, 32-bit masters (CUDA).
    Bf16,
}

impl Manifest for Run {
    const KIND: &'static str = "run";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        let fail = |path: &str, message: &str| Err(CheckError::new(path, message));
        if !(1.0 / 64.0..=1.0).contains(&self.model.width) {
            return fail("model.width", "must be from 1/64 (0.015625) to 1");
        }
        if self.schedule.batch == 0 {
            return fail("schedule.batch", "must be at least 1");
        }
        if self.schedule.stages.iter().all(|s| s.epochs == 0) {
            return fail("schedule.stages", "has no epoch");
        }
        for (i, stage) in self.schedule.stages.iter().enumerate() {
            if !(stage.learning_rate > 0.0 && stage.learning_rate <= 1.0) {
                return fail(&format!("schedule.stages[{i}].learning_rate"), "must be above 0 and at most 1");
            }
        }
        Ok(())
    }
}

/// A line of `metrics.jsonl`: one of its parts is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Optimiser steps done.
    pub step: u64,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Seconds of training so far, over all resumptions.
    pub seconds: f64,
    /// A training step's figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainRecord>,
    /// A validation's figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Scores>,
}

/// A training step's figures: the weighted loss and its terms, unweighted (paper, eq. 12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainRecord {
    /// The total.
    pub loss: f64,
    /// 1 - SSIM(B).
    pub ssim_b: f64,
    /// SL(B).
    pub statistic_b: f64,
    /// L1(B).
    pub l1_b: f64,
    /// 1 - SSIM(R).
    pub ssim_r: f64,
    /// SL(R).
    pub statistic_r: f64,
    /// 1 - SI(grad B).
    pub si_gradient: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Images a second since the last record.
    pub images_per_s: f64,
}

/// Mean scores of B over some images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// SSIM, at most 1.
    pub ssim: f64,
    /// SI, the structure index, at most 1.
    pub si: f64,
    /// PSNR in dB.
    pub psnr: f64,
    /// Number of images.
    pub n: usize,
}
