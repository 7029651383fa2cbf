//! Threads that decode batches ahead of the steps, each batch in its place and no further ahead than a bound.

use std::{sync::Arc, thread};

use candle_core::{DType, Device, Tensor};
use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::{Layers, Order, Samples, to_tensor};
use crate::Error;

/// Batches that each thread holds ready.
const AHEAD: usize = 2;

/// A batch on the CPU: I, B and R, each N x 3 x H x W in [0, 1], where B and R are the layers as mixed.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The samples' names ([`Layers::name`]), in order.
    pub samples: Vec<String>,
    /// The mixtures I.
    pub mixture: Tensor,
    /// The backgrounds, alpha B.
    pub background: Tensor,
    /// The reflections, beta R.
    pub reflection: Tensor,
}

impl Batch {
    /// Decodes or mixes the samples at some places, of one size. A sample that a recipe's limits made another size than its
    /// first numbers did is left out, unless all are.
    ///
    /// # Errors
    /// A picture that cannot be read or differs from the manifest's size.
    pub fn read(samples: &Samples, places: &[usize]) -> Result<Self, Error> {
        let mut layers = places.iter().map(|i| samples.read(*i)).collect::<Result<Vec<_>, _>>()?;
        let planned = places.first().map(|i| samples.size(*i)).map(|size| (size.width, size.height));
        let first = layers.first().map(|first| first.mixture.dimensions());
        let size = planned.filter(|size| layers.iter().any(|l| l.mixture.dimensions() == *size)).or(first);
        layers.retain(|l| Some(l.mixture.dimensions()) == size);
        let names = layers.iter().map(|l| l.name.clone()).collect();
        let (mut mixtures, mut backgrounds, mut reflections) = (Vec::new(), Vec::new(), Vec::new());
        for Layers { mixture, background, reflection, .. } in layers {
            mixtures.push(mixture);
            backgrounds.push(background);
            reflections.push(reflection);
        }
        let tensor = |pictures: &[_]| to_tensor(pictures, DType::F32, &Device::Cpu);
        Ok(Self {
            samples: names,
            mixture: tensor(&mixtures)?,
            background: tensor(&backgrounds)?,
            reflection: tensor(&reflections)?,
        })
    }

    /// The same batch elsewhere.
    ///
    /// # Errors
    /// What the device answers.
    pub fn to(&self, dtype: DType, device: &Device) -> Result<Self, Error> {
        let to = |t: &Tensor| t.to_dtype(dtype)?.to_device(device);
        Ok(Self {
            samples: self.samples.clone(),
            mixture: to(&self.mixture)?,
            background: to(&self.background)?,
            reflection: to(&self.reflection)?,
        })
    }
}

/// Decodes the batches of step `first`, `first + 1`, ... in order, for ever.
#[derive(Debug)]
pub struct Loader {
    /// Thread i has the steps that are i modulo the number of threads.
    queues: Vec<Receiver<Result<Batch, Error>>>,
    next: u64,
}

impl Loader {
    /// Starts `threads` threads. They end when the loader is dropped.
    pub fn start(samples: Samples, order: Order, first: u64, threads: usize) -> Self {
        let (samples, order) = (Arc::new(samples), Arc::new(order));
        let threads = threads.max(1) as u64;
        let spawn = |offset: u64| {
            let (samples, order) = (Arc::clone(&samples), Arc::clone(&order));
            let (sender, receiver) = bounded(AHEAD);
            thread::spawn(move || {
                let per_epoch = order.steps_per_epoch();
                let mut epoch = (u64::MAX, Vec::new());
                for step in (first + offset..).step_by(threads as usize) {
                    if epoch.0 != step / per_epoch {
                        epoch = (step / per_epoch, order.epoch(step / per_epoch));
                    }
                    let places = &epoch.1[(step % per_epoch) as usize];
                    if sender.send(Batch::read(&samples, places)).is_err() {
                        return; // the loader was dropped
                    }
                }
            });
            receiver
        };
        Self { queues: (0..threads).map(spawn).collect(), next: 0 }
    }

    /// As many threads as this machine has processors, and no more than 8: a step needs far fewer samples than those give.
    pub fn threads() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from).min(8)
    }

    /// Batches that so many threads may have ready.
    pub fn ready(threads: usize) -> usize {
        // Each also holds one that finds no room.
        threads * (AHEAD + 1)
    }

    /// The next step's batch; waits for it.
    ///
    /// # Errors
    /// A picture of the batch that cannot be read.
    pub fn next_batch(&mut self) -> Result<Batch, Error> {
        let queue = &self.queues[(self.next % self.queues.len() as u64) as usize];
        self.next += 1;
        queue.recv().unwrap_or_else(|_| Err(dead()))
    }

    /// As [`Loader::next_batch`] where the batch is there by now.
    pub fn batch_if_ready(&mut self) -> Option<Result<Batch, Error>> {
        let batch = match self.queues[(self.next % self.queues.len() as u64) as usize].try_recv() {
            Ok(batch) => batch,
            Err(TryRecvError::Disconnected) => Err(dead()),
            Err(TryRecvError::Empty) => return None,
        };
        self.next += 1;
        Some(batch)
    }
}

fn dead() -> Error {
    Error::Failed("a thread that decodes pictures has died".into())
}
