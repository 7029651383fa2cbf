//! The network and its optimiser, one step at a time.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use manifests::run::Run;

use crate::{
    Error,
    checkpoint::{self, Checkpoint, Header},
    data::Batch,
    loss::{self, Terms},
    net::{Corrn, Pass},
    ops,
    optim::{Adam, AdamConfig},
    weights,
};

/// What a step gave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// The weighted loss.
    pub(crate) loss: f64,
    /// Terms in the order of eq. 12, unweighted; none where the run leaves one out.
    pub(crate) terms: [Option<f64>; 6],
}

impl Figures {
    fn of(terms: &Terms) -> Result<Self, Error> {
        let scalar = |t: &Tensor| t.to_dtype(DType::F64)?.to_scalar::<f64>();
        let t = [&terms.ssim_b, &terms.statistic_b, &terms.l1_b, &terms.ssim_r, &terms.statistic_r, &terms.si_gradient];
        let mut figures = Self { loss: scalar(&terms.total)?, terms: [None; 6] };
        for (out, term) in figures.terms.iter_mut().zip(t) {
            *out = term.as_ref().map(scalar).transpose()?;
        }
        Ok(figures)
    }
}

/// A network that is being fitted.
pub(crate) struct Trainer {
    /// The network.
    pub(crate) net: Corrn,
    /// Steps done.
    pub(crate) step: u64,
    adam: Adam,
    run: Run,
    device: Device,
}

impl Trainer {
    /// The run's network at step 0.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn new(run: &Run, device: &Device) -> Result<Self, Error> {
        let net = Corrn::new(&run.model, run.seed.0, DType::F32, device)?;
        let adam = Adam::new(net.params().trained(), AdamConfig::default())?;
        Ok(Self { net, step: 0, adam, run: run.clone(), device: device.clone() })
    }

    /// Begins with torchvision's VGG16-BN in the encoder.
    ///
    /// # Errors
    /// A file that is not of that network, or of another width.
    pub(crate) fn load_encoder(&self, path: &Path) -> Result<(), Error> {
        let tensors = weights::vgg16_bn(path)?;
        let stages = |name: &str| name.starts_with("convs");
        self.net.params().load_where(&tensors, stages).map_err(|e| checkpoint::misfit(e, path))
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// A checkpoint that does not fit, or that was written only to be applied.
    pub(crate) fn restore(&mut self, checkpoint: &Checkpoint, path: &Path) -> Result<(), Error> {
        if checkpoint.optimizer().is_empty() {
            return Err(Error::input_at(path, "has no optimiser state: it can be applied, but not resumed"));
        }
        checkpoint.load_into(&self.net, path)?;
        self.adam.load_state(checkpoint.header.optimizer_steps, checkpoint.optimizer())?;
        self.step = checkpoint.header.step;
        Ok(())
    }

    /// Forward, loss, backward and Adam. Where the loss is not finite, the weights stay as they are.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<Figures, Error> {
        let batch = batch.to(DType::F32, &self.device)?;
        let out = self.net.forward(&batch.mixture, Pass::train())?;
        let terms = loss::corrn(&self.run.loss, &out, &batch.background, &batch.reflection)?;
        let figures = Figures::of(&terms)?;
        self.step += 1;
        if figures.loss.is_finite() {
            let gradients = ops::backward(&terms.total)?;
            self.adam.set_lr(learning_rate);
            self.adam.step(&gradients)?;
        }
        Ok(figures)
    }

    /// Re-estimates the batch norms' running statistics as the mean over batches (precise batch norm). Training does
    /// not read them, so its course is unaffected.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn reestimate(&self, batches: &[Batch]) -> Result<(), Error> {
        for (k, batch) in batches.iter().enumerate() {
            let mixture = batch.mixture.to_device(&self.device)?;
            self.net.forward(&mixture, Pass::reestimate(k))?;
        }
        Ok(())
    }

    /// Writes the network and, to resume from, the optimiser.
    ///
    /// # Errors
    /// What the folder answers; the file that was there stays.
    pub(crate) fn save(&self, path: &Path, header: &Header, resumable: bool) -> Result<(), Error> {
        let moments = if resumable { self.adam.state()? } else { Vec::new() };
        let header = Header { step: self.step, optimizer_steps: self.adam.steps(), ..header.clone() };
        checkpoint::write(path, &header, &self.net, &moments)
    }
}
