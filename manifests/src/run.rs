//! A training run: `run.yaml` says what to fit, `metrics.jsonl` what happened.

mod data;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::data::{Data, DataSource};
use crate::{CheckError, Manifest, Name, Seed, error::friendly};

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
    /// Samples of a batch, at least 1.
    pub batch: usize,
    /// Batches a step, at least 1: their gradients' mean moves the weights once. More than 1 is for batches that the memory does
    /// not hold; the batch norms see each batch by itself. An epoch's last step takes what it lacks from the next epoch.
    pub accumulate: usize,
    /// Stages one after another.
    pub stages: Vec<Stage>,
    /// Steps over which the learning rate rises from 0 at the beginning.
    pub warmup_steps: u64,
    /// Steps between two validations; 0: after each epoch.
    pub validate_every: u64,
    /// Steps between two checkpoints, besides those after each validation; 0: none.
    pub checkpoint_every: u64,
    /// Training batches over which the batch norms' running statistics are re-estimated before each validation
    /// and checkpoint (precise batch norm). 0: they stay the running averages.
    pub precise_batches: u64,
    /// Greatest global norm of a step's gradients, above 0: larger ones are scaled down to it. Left out: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Validations in a row without a better SSIM after which the run ends; 0: it never ends early.
    pub early_stop: u64,
    /// Decay of the exponential moving average of the weights, above 0 and below 1; after step t no more than
    /// (1 + t) / (10 + t). The averaged weights are what is validated and kept as the best. Left out: the weights themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// How many of the best validated checkpoints are kept, at least 1.
    pub keep_best: usize,
}

impl Default for Schedule {
    fn default() -> Self {
        let stage = |epochs, learning_rate| Stage { epochs, learning_rate, until: None };
        Self {
            batch: 16,
            accumulate: 1,
            stages: vec![stage(30, 1e-4), stage(20, 1e-5)],
            warmup_steps: 0,
            validate_every: 0,
            checkpoint_every: 0,
            precise_batches: 16,
            clip_norm: None,
            early_stop: 0,
            ema: None,
            keep_best: 1,
        }
    }
}

/// Epochs at one learning rate, or along a cosine to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Passes over the training samples.
    pub epochs: u64,
    /// Adam's learning rate, above 0 and at most 1.
    pub learning_rate: f64,
    /// Learning rate at the stage's end, reached along half a cosine. Left out: it stays the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
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
    /// bfloat16 activations, 32-bit masters.
    Bf16,
}

impl Manifest for Run {
    const KIND: &'static str = "run";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        let fail = |path: &str, message: &str| Err(CheckError::new(path, message));
        self.data.check()?;
        if !(1.0 / 64.0..=1.0).contains(&self.model.width) {
            return fail("model.width", "must be from 1/64 (0.015625) to 1");
        }
        let Schedule { batch, accumulate, keep_best, .. } = self.schedule;
        for (key, value) in [("batch", batch), ("accumulate", accumulate), ("keep_best", keep_best)] {
            if !(1..=65_536).contains(&value) {
                return fail(&format!("schedule.{key}"), "must be from 1 to 65536");
            }
        }
        if self.schedule.ema.is_some_and(|decay| !(decay > 0.0 && decay < 1.0)) {
            return fail("schedule.ema", "must be above 0 and below 1");
        }
        if self.schedule.clip_norm.is_some_and(|norm| !(norm > 0.0 && norm.is_finite())) {
            return fail("schedule.clip_norm", "must be above 0");
        }
        if self.schedule.stages.iter().all(|s| s.epochs == 0) {
            return fail("schedule.stages", "has no epoch");
        }
        for (i, stage) in self.schedule.stages.iter().enumerate() {
            if stage.epochs > 1_000_000 {
                return fail(&format!("schedule.stages[{i}].epochs"), "must be at most 1000000");
            }
            for (key, rate) in [("learning_rate", Some(stage.learning_rate)), ("until", stage.until)] {
                if rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1.0)) {
                    return fail(&format!("schedule.stages[{i}].{key}"), "must be above 0 and at most 1");
                }
            }
        }
        Ok(())
    }
}

impl Run {
    /// This run with settings of the form `model.width=0.25` or `schedule.stages[0].learning_rate=1e-3` applied in
    /// turn; values are YAML.
    ///
    /// # Errors
    /// The key concerned and what is wrong with it: unknown (with the nearest one), of the wrong type or out of range.
    pub fn with_settings(&self, settings: &[String]) -> Result<Self, CheckError> {
        let internal = |e: serde_yaml::Error| CheckError::new("run", e.to_string());
        let mut run = self.clone();
        for setting in settings {
            let Some((key, value)) = setting.split_once('=') else {
                return Err(CheckError::new(setting, "has no `=`: write key=value"));
            };
            let mut tree = serde_yaml::to_value(&run).map_err(internal)?;
            let value = serde_yaml::from_str(value)
                .map_err(|e| CheckError::new(key, format!("`{value}` is not a YAML value: {e}")))?;
            set(&mut tree, key, value)?;
            run = serde_yaml::from_value(tree).map_err(|e| CheckError::new(key, friendly(&e.to_string())))?;
        }
        run.check()?;
        Ok(run)
    }
}

/// Puts `value` at `key` (`a.b[0].c`). What does not exist is left to strict parsing, which knows the nearest key.
fn set(tree: &mut serde_yaml::Value, key: &str, value: serde_yaml::Value) -> Result<(), CheckError> {
    let mut place = tree;
    for part in key.split(['.', '[']).map(|p| p.trim_end_matches(']')).filter(|p| !p.is_empty()) {
        // A key that does not exist may be asked for something below it: it is named by what refuses it.
        if place.is_null() {
            *place = serde_yaml::Value::Mapping(serde_yaml::Mapping::new());
        }
        place = match place {
            serde_yaml::Value::Sequence(items) => {
                let len = items.len();
                let item = part.parse::<usize>().ok().and_then(|i| items.get_mut(i));
                item.ok_or_else(|| CheckError::new(key, format!("`{part}` is none of the {len} places, from 0")))?
            }
            serde_yaml::Value::Mapping(map) => {
                map.entry(serde_yaml::Value::String(part.to_owned())).or_insert(serde_yaml::Value::Null)
            }
            _ => return Err(CheckError::new(key, format!("nothing lies below the key before `{part}`"))),
        };
    }
    *place = value;
    Ok(())
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
    /// A validation's figures: scores of the network's B.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Scores>,
    /// The unprocessed input's scores on the same images, for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_input: Option<Scores>,
}

/// Figures of the training steps since the last record, as means: the weighted loss and its terms, unweighted
/// (paper, eq. 12). A term that the run leaves out is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainRecord {
    /// The total.
    pub loss: f64,
    /// 1 - SSIM(B).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssim_b: Option<f64>,
    /// SL(B).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic_b: Option<f64>,
    /// L1(B).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_b: Option<f64>,
    /// 1 - SSIM(R).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssim_r: Option<f64>,
    /// SL(R).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic_r: Option<f64>,
    /// 1 - SI(grad B).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub si_gradient: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Images a second.
    pub images_per_s: f64,
    /// Share of the time that the steps waited for data, 0 to 1.
    pub data_wait: f64,
    /// Memory in MiB: of a GPU the most that this program has used so far, on the CPU what the process holds at the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<f64>,
}

/// Mean scores over some images, as the profile `native` has them: at their own size, 11x11 Gaussian windows,
/// PSNR over the joint error.
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
