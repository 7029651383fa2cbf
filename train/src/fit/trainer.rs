//! The network and its optimiser, one step at a time.

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
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
    /// The gradients' global norm before clipping; none where the run does not clip.
    pub(crate) gradient_norm: Option<f64>,
}

impl Figures {
    /// Whether the optimiser can use the step.
    pub(crate) fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_none_or(f64::is_finite)
    }

    fn of(terms: &Terms) -> Result<Self, Error> {
        let scalar = |t: &Tensor| t.to_dtype(DType::F64)?.to_scalar::<f64>();
        let t = [&terms.ssim_b, &terms.statistic_b, &terms.l1_b, &terms.ssim_r, &terms.statistic_r, &terms.si_gradient];
        let mut figures = Self { loss: scalar(&terms.total)?, terms: [None; 6], gradient_norm: None };
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

    /// Forward, loss, backward and Adam. Where the loss or the gradients' norm is not finite, weights and running
    /// statistics stay as they are.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<Figures, Error> {
        let batch = batch.to(DType::F32, &self.device)?;
        let statistics = self.net.params().all().iter().filter(|p| !p.trained);
        let statistics = statistics.map(|p| Ok((p.var.clone(), p.var.copy()?))).collect::<Result<Vec<_>, Error>>()?;
        let out = self.net.forward(&batch.mixture, Pass::train())?;
        let terms = loss::corrn(&self.run.loss, &out, &batch.background, &batch.reflection)?;
        let mut figures = Figures::of(&terms)?;
        self.step += 1;
        if figures.loss.is_finite() {
            let mut gradients = ops::backward(&terms.total)?;
            if let Some(limit) = self.run.schedule.clip_norm {
                figures.gradient_norm = Some(clip(&mut gradients, &self.net.params().trained(), limit)?);
            }
            if figures.is_finite() {
                self.adam.set_lr(learning_rate);
                self.adam.step(&gradients)?;
            }
        }
        if !figures.is_finite() {
            for (var, before) in statistics {
                var.set(&before)?;
            }
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

/// Scales gradients so that their global norm is at most `limit`, as PyTorch's `clip_grad_norm_` does (Pascanu et al. 2013,
/// algorithm 1), and returns the norm before. One that is not finite scales nothing.
fn clip(gradients: &mut GradStore, vars: &[(String, Var)], limit: f64) -> Result<f64, Error> {
    let mut squares = 0.0;
    for gradient in vars.iter().filter_map(|(_, var)| gradients.get(var)) {
        squares += gradient.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    }
    let norm = squares.sqrt();
    let scale = limit / (norm + 1e-6);
    if scale < 1.0 && norm.is_finite() {
        for (_, var) in vars {
            if let Some(gradient) = gradients.remove(var) {
                gradients.insert(var, (gradient * scale)?);
            }
        }
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_scaled_to_the_limit_and_no_further() {
        let var = |v: &[f64]| Var::new(v, &Device::Cpu).unwrap();
        let vars = vec![("a".to_owned(), var(&[3.0, 0.0])), ("b".to_owned(), var(&[2.0]))];
        // The gradients are (3, 0) and 4: their norm is 5.
        let loss = |factor: f64| {
            let a = (vars[0].1.sqr().unwrap().sum_all().unwrap() * (0.5 * factor)).unwrap();
            (a + (vars[1].1.sqr().unwrap().sum_all().unwrap() * factor).unwrap()).unwrap()
        };
        let clipped = |factor: f64, limit: f64| {
            let mut gradients = loss(factor).backward().unwrap();
            let norm = clip(&mut gradients, &vars, limit).unwrap();
            let of = |i: usize| gradients.get(&vars[i].1).unwrap().to_vec1::<f64>().unwrap();
            (norm, [of(0), of(1)].concat())
        };
        assert_eq!(clipped(1.0, 6.0), (5.0, vec![3.0, 0.0, 4.0]));
        let (norm, values) = clipped(1.0, 1.0);
        assert_eq!(norm, 5.0);
        for (value, wanted) in values.iter().zip([0.6, 0.0, 0.8]) {
            assert!((value - wanted).abs() < 1e-6, "{value} and not {wanted}");
        }
        assert!(clipped(f64::INFINITY, 1.0).0.is_nan());
    }
}
