//! The network and its optimiser, one step at a time.

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use manifests::run::Run;

use crate::{
    Error,
    checkpoint::{self, Checkpoint, Header},
    data::Batch,
    device::{self, Carrier},
    loss::{self, Terms},
    net::{Corrn, Pass},
    optim::{Adam, AdamConfig, Average, Backup},
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
    /// Which of the step's batches gave a loss that is not finite.
    pub(crate) bad_batch: Option<usize>,
}

impl Figures {
    /// Whether the optimiser can use the step.
    pub(crate) fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_none_or(f64::is_finite)
    }

    /// The means of what a step's batches gave, with the gradients' norm. A GPU is waited for here, once.
    fn read(batches: &[Pending], norm: Option<&Tensor>) -> Result<Self, Error> {
        let mut all: Vec<Tensor> = batches.iter().map(|b| b.values.to_dtype(DType::F64)).collect::<Result<_, _>>()?;
        all.extend(norm.map(|norm| norm.reshape(1)).transpose()?);
        let mut values = Tensor::cat(&all, 0)?.to_vec1::<f64>()?.into_iter();
        let mut figures = Self::default();
        for (i, batch) in batches.iter().enumerate() {
            let loss = values.next().unwrap_or(f64::NAN);
            if !loss.is_finite() {
                figures.bad_batch.get_or_insert(i);
            }
            figures.loss += loss / batches.len() as f64;
            for (mean, _) in figures.terms.iter_mut().zip(batch.terms).filter(|(_, there)| *there) {
                *mean = values.next().map(|value| mean.unwrap_or(0.0) + value / batches.len() as f64);
            }
        }
        // Where the loss is no number, neither is the norm.
        figures.gradient_norm = values.next().filter(|_| figures.bad_batch.is_none());
        Ok(figures)
    }
}

/// What a batch gave, where it was computed: a GPU may have most of that to do yet.
struct Pending {
    /// The weighted loss, then its terms.
    values: Tensor,
    /// Which terms there are.
    terms: [bool; 6],
}

impl Pending {
    fn of(terms: &Terms) -> Result<Self, Error> {
        let t = [&terms.ssim_b, &terms.statistic_b, &terms.l1_b, &terms.ssim_r, &terms.statistic_r, &terms.si_gradient];
        let all: Vec<Tensor> =
            std::iter::once(&terms.total).chain(t.into_iter().flatten()).map(Tensor::detach).collect();
        Ok(Self { values: Tensor::stack(&all, 0)?, terms: t.map(Option::is_some) })
    }

    /// What the gradients of all batches are multiplied with, in `f64`: one over the batches, and no number where a loss is none.
    fn factor(batches: &[Self]) -> Result<Tensor, Error> {
        let losses: Vec<Tensor> = batches.iter().map(|b| b.values.narrow(0, 0, 1)).collect::<Result<_, _>>()?;
        let sum = Tensor::cat(&losses, 0)?.to_dtype(DType::F64)?.sum_all()?;
        Ok(sum.affine(0.0, 1.0 / batches.len() as f64)?)
    }
}

/// A network that is being fitted.
pub(crate) struct Trainer {
    /// The network.
    pub(crate) net: Corrn,
    /// Steps done.
    pub(crate) step: u64,
    adam: Adam,
    average: Option<Average>,
    /// The batch norms' running statistics before the step.
    statistics: Backup,
    run: Run,
    pass: Pass,
    carrier: Carrier,
}

impl Trainer {
    /// The run's network at step 0.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn new(run: &Run, device: &Device) -> Result<Self, Error> {
        device::set_precision(device, run.precision)?;
        let net = Corrn::new(&run.model, run.seed.0, DType::F32, device)?;
        let adam = Adam::new(net.params().trained(), AdamConfig::default())?;
        let average = average(run, &net)?;
        let statistics = Backup::new(net.params().statistics())?;
        let (pass, carrier) = (Pass::train().with_precision(run.precision), Carrier::new(device)?);
        Ok(Self { net, step: 0, adam, average, statistics, run: run.clone(), pass, carrier })
    }

    /// Begins with torchvision's VGG16-BN in the encoder.
    ///
    /// # Errors
    /// A file that is not of that network, or of another width.
    pub(crate) fn load_encoder(&mut self, path: &Path) -> Result<(), Error> {
        let tensors = weights::vgg16_bn(path)?;
        let stages = |name: &str| name.starts_with("convs");
        self.net.params().load_where(&tensors, stages).map_err(|e| checkpoint::misfit(e, path))?;
        self.average = average(&self.run, &self.net)?;
        Ok(())
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
        let (averages, moments): (Vec<_>, Vec<_>) =
            checkpoint.optimizer().iter().cloned().partition(|(name, _)| Average::owns(name));
        self.adam.load_state(checkpoint.header.optimizer_steps, &moments)?;
        if let Some(average) = &mut self.average {
            average.load_state(&averages)?;
        }
        self.step = checkpoint.header.step;
        Ok(())
    }

    /// Forward, loss and backward of every batch, and Adam with the mean of the gradients. Where a loss or the gradients'
    /// norm is not finite, weights and running statistics stay as they are.
    ///
    /// `next` is the first batch of the next step, if it is there by now: it goes to the device while that computes.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn step(
        &mut self,
        batches: &[Batch],
        learning_rate: f64,
        next: impl FnOnce() -> Option<Batch>,
    ) -> Result<Figures, Error> {
        self.statistics.keep()?;
        let (mut pending, mut all) = (Vec::new(), None::<GradStore>);
        for (i, batch) in batches.iter().enumerate() {
            let batch = self.carrier.carry(batch)?;
            let (out, tape) = self.net.record(&batch.mixture, self.pass)?;
            let terms = loss::corrn(&self.run.loss, &out, &batch.background, &batch.reflection)?;
            let gradients = tape.backward(&terms.total)?;
            all = Some(match all {
                None => gradients,
                Some(all) => add(all, gradients, &self.net.params().trained())?,
            });
            pending.push(Pending::of(&terms)?);
            batches.get(i + 1).map(|batch| self.carrier.carry_ahead(batch)).transpose()?;
        }
        self.adam.set_lr(learning_rate);
        let factor = Pending::factor(&pending)?;
        let norm = all.map(|all| self.adam.start(all, &factor, self.run.schedule.clip_norm)).transpose()?.flatten();
        // A GPU has most of the step to do yet, which the figures wait for.
        next().map(|batch| self.carrier.carry_ahead(&batch)).transpose()?;
        let figures = Figures::read(&pending, norm.as_ref())?;
        self.step += 1;
        self.adam.finish(figures.is_finite());
        if !figures.is_finite() {
            self.statistics.restore()?;
        } else if let Some(average) = &self.average {
            average.update(self.adam.steps())?;
        }
        Ok(figures)
    }

    /// Re-estimates the batch norms' running statistics as the mean over batches (precise batch norm). Training does
    /// not read them, so its course is unaffected. Mixtures are N x 3 x H x W, on any device.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn reestimate(&self, mixtures: &[Tensor]) -> Result<(), Error> {
        for (k, mixture) in mixtures.iter().enumerate() {
            let mixture = mixture.to_device(self.net.params().device())?;
            self.net.forward(&mixture, Pass::reestimate(k))?;
        }
        Ok(())
    }

    /// Whether every weight is a number: a gradient may have been none where the loss was one.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn is_sound(&self) -> Result<bool, Error> {
        let sums = self.net.params().all().iter().map(|p| p.var.as_detached_tensor().sqr()?.mean_all());
        let sums = Tensor::stack(&sums.collect::<Result<Vec<_>, _>>()?, 0)?;
        Ok(sums.to_dtype(DType::F64)?.to_vec1::<f64>()?.into_iter().all(f64::is_finite))
    }

    /// Whether the run keeps a moving average of the weights.
    pub(crate) fn averages(&self) -> bool {
        self.average.is_some()
    }

    /// Exchanges the weights with their moving average, if there is one. The batch norms' running statistics stay.
    ///
    /// # Errors
    /// What Candle answers.
    pub(crate) fn swap_average(&self) -> Result<(), Error> {
        Ok(self.average.as_ref().map_or(Ok(()), Average::swap)?)
    }

    /// Writes the network and, to resume from, the optimiser.
    ///
    /// # Errors
    /// What the folder answers; the file that was there stays.
    pub(crate) fn save(&self, path: &Path, header: &Header, resumable: bool) -> Result<(), Error> {
        let mut moments = if resumable { self.adam.moments() } else { Vec::new() };
        if let Some(average) = self.average.as_ref().filter(|_| resumable) {
            moments.extend(average.averages());
        }
        let header = Header { step: self.step, optimizer_steps: self.adam.steps(), ..header.clone() };
        checkpoint::write(path, &header, &self.net, &moments)
    }
}

/// The moving average that a run asks for, which begins as the network's weights are.
fn average(run: &Run, net: &Corrn) -> Result<Option<Average>, Error> {
    Ok(run.schedule.ema.map(|decay| Average::new(net.params().trained(), decay)).transpose()?)
}

/// The sums of two passes' gradients.
fn add(mut all: GradStore, mut more: GradStore, vars: &[(String, Var)]) -> Result<GradStore, Error> {
    for (_, var) in vars {
        if let Some(gradient) = more.remove(var) {
            let sum = all.get(var).map(|there| there + &gradient).transpose()?;
            all.insert(var, sum.unwrap_or(gradient));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use manifests::io::parse_yaml;

    use super::*;

    fn trainer(schedule: &str) -> Trainer {
        let text = format!(
            "version: 1\nname: t\nseed: 3\ndata: {{dataset: d}}\nmodel: {{width: 0.015625}}\nschedule: {{{schedule}}}\n"
        );
        Trainer::new(&parse_yaml(&text, Path::new("run.yaml")).unwrap(), &Device::Cpu).unwrap()
    }

    fn batch(seed: usize) -> Batch {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 1013) as f32 / 2026.0;
        let layer: Vec<f32> = (0..2 * 3 * 32 * 32).map(value).collect();
        let layer = Tensor::from_vec(layer, (2, 3, 32, 32), &Device::Cpu).unwrap();
        Batch {
            samples: vec!["000000".into(), "000001".into()],
            mixture: (&layer + 0.25).unwrap(),
            background: layer.clone(),
            reflection: layer,
        }
    }

    /// The first moments after one step: a tenth of the gradients.
    fn moments(batches: &[Batch]) -> Vec<f64> {
        let mut trainer = trainer("");
        trainer.step(batches, 1e-4, || None).unwrap();
        let state = trainer.adam.state().unwrap();
        let first = state.iter().filter(|(name, _)| name.starts_with("exp_avg."));
        first.flat_map(|(_, t)| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()).collect()
    }

    #[test]
    fn a_step_takes_the_mean_of_its_batches_gradients() {
        let (a, b) = (batch(1), batch(2));
        let (first, second) = (moments(std::slice::from_ref(&a)), moments(std::slice::from_ref(&b)));
        let both = moments(&[a, b]);
        let size = first.iter().fold(0f64, |m, v| m.max(v.abs()));
        assert!(first.iter().zip(&second).any(|(a, b)| (a - b).abs() > 1e-3 * size), "the batches are alike");
        for ((a, b), both) in first.iter().zip(&second).zip(&both) {
            assert!((both - 0.5 * (a + b)).abs() < 1e-6 * size, "{both} and not the mean of {a} and {b}");
        }
    }

    #[test]
    fn a_batch_carried_ahead_is_taken_for_itself_alone() {
        let (a, b, c) = (batch(1), batch(2), batch(3));
        let numbers = |promised: [Option<&Batch>; 2]| -> Vec<f32> {
            let mut trainer = trainer("");
            for (batches, promised) in [vec![a.clone()], vec![b.clone(), c.clone()]].into_iter().zip(promised) {
                trainer.step(&batches, 1e-3, || promised.cloned()).unwrap();
            }
            trainer.step(std::slice::from_ref(&a), 1e-3, || None).unwrap();
            trainer.net.params().all().iter().flat_map(|p| p.var.flatten_all().unwrap().to_vec1().unwrap()).collect()
        };
        let plain = numbers([None, None]);
        assert!(numbers([Some(&b), Some(&a)]) == plain, "promised what came");
        assert!(numbers([Some(&c), Some(&b)]) == plain, "promised something else");
        let mut trainer = trainer("");
        trainer.carrier.carry_ahead(&b).unwrap();
        let there = trainer.carrier.carry(&a).unwrap().mixture.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(there == a.mixture.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    }

    #[test]
    fn a_step_without_a_number_changes_nothing() {
        let mut trainer = trainer("");
        let numbers = |t: &Trainer| -> Vec<f32> {
            t.net.params().all().iter().flat_map(|p| p.var.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect()
        };
        trainer.step(&[batch(1)], 1e-3, || None).unwrap();
        let before = numbers(&trainer);
        // The first batch's forward pass moves the running statistics.
        let mut bad = batch(3);
        bad.background = (bad.background * f64::NAN).unwrap();
        let figures = trainer.step(&[batch(2), bad], 1e-3, || None).unwrap();
        assert_eq!(figures.bad_batch, Some(1));
        assert!(numbers(&trainer) == before);
        trainer.step(&[batch(2)], 1e-3, || None).unwrap();
        assert!(numbers(&trainer) != before);
    }

    #[test]
    fn the_average_of_the_weights_is_saved_and_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let weights = |t: &Trainer| t.net.params().all()[0].var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut first = trainer("ema: 0.5");
        let start = weights(&first);
        first.step(&[batch(1)], 1e-2, || None).unwrap();
        let moved = weights(&first);
        first.save(&path, &Header::new(first.run.clone()), true).unwrap();
        let mut second = trainer("ema: 0.5");
        second.restore(&Checkpoint::read(&path).unwrap(), &path).unwrap();
        assert_eq!(weights(&second), moved);
        second.swap_average().unwrap();
        // After step 1 an average keeps 2/11.
        for ((average, start), moved) in weights(&second).iter().zip(&start).zip(&moved) {
            let wanted = start + 9.0 / 11.0 * (moved - start);
            assert!((average - wanted).abs() < 1e-6, "{average} and not {wanted}");
        }
        second.swap_average().unwrap();
        assert_eq!(weights(&second), moved);
        // The same checkpoint without the average, and the other way round.
        assert!(trainer("").restore(&Checkpoint::read(&path).unwrap(), &path).is_ok());
        let plain = trainer("");
        plain.save(&path, &Header::new(plain.run.clone()), true).unwrap();
        let text = trainer("ema: 0.5").restore(&Checkpoint::read(&path).unwrap(), &path).unwrap_err().to_string();
        assert!(text.contains("ema."), "{text}");
    }
}
