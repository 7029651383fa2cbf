//! What a run reads: the samples to fit in their order, and those that choose the best checkpoint.

use std::{cell::OnceCell, path::Path};

use candle_core::Tensor;
use manifests::{Digest, dataset::Split, run::Run};

use super::validate::Validation;
use crate::{
    Error,
    data::{Batch, Loader, Order, Samples, Sources},
    net::MULTIPLE,
};

/// What a run reads.
#[derive(Debug)]
pub(crate) struct TrainingData {
    /// The samples that are fitted.
    pub(crate) train: Samples,
    /// Their batches.
    pub(crate) order: Order,
    /// What tells the data sets from others.
    pub(crate) digest: Digest,
    /// The samples that are not.
    pub(crate) validation: Validation,
    /// How many batches statistics are re-estimated over, and their mixtures, once they were asked for.
    precise: (u64, OnceCell<Vec<Tensor>>),
}

impl TrainingData {
    /// Opens a run's data sets; `cache` keeps reduced photographs of recipes.
    ///
    /// # Errors
    /// Data sets that are not there, overlap, lack a split or have sizes that the network cannot take.
    pub(crate) fn open(run: &Run, cache: Option<&Path>) -> Result<Self, Error> {
        let sources = Sources::open(&run.data, cache)?;
        sources.check_disjoint(Split::Train, Split::Validation)?;
        let (train, validation) = (sources.split(Split::Train)?, sources.split(Split::Validation)?);
        for samples in [&train, &validation] {
            samples.check_sizes(MULTIPLE as u32)?;
        }
        let order = Order::new(run.seed.0, run.schedule.batch, &train);
        let precise = (run.schedule.precise_batches, OnceCell::new());
        let digest = sources.digest()?;
        Ok(Self { train, order, digest, validation: Validation::new(validation), precise })
    }

    /// Batches from step `first` on, decoded ahead.
    pub(crate) fn loader(&self, first: u64) -> Loader {
        Loader::start(self.train.clone(), self.order.clone(), first, Loader::threads())
    }

    /// The mixtures of the first batches of the run's first epoch, on the CPU: the same ones whenever statistics are re-estimated. They are read when that
    /// is first done, which need not hold up the first step.
    ///
    /// # Errors
    /// A picture of theirs that cannot be read.
    pub(crate) fn precise_batches(&self) -> Result<&[Tensor], Error> {
        let (n, read) = &self.precise;
        if let Some(batches) = read.get() {
            return Ok(batches);
        }
        let batches = self.order.epoch(0);
        let chosen = batches.iter().take(usize::try_from(*n).unwrap_or(usize::MAX));
        let batches =
            chosen.map(|places| Ok(Batch::read(&self.train, places)?.mixture)).collect::<Result<_, Error>>()?;
        Ok(read.get_or_init(|| batches))
    }
}
