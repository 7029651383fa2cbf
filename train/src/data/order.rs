//! Which samples make which batch: a function of (seed, step) alone, so that a step number is a position to resume at.

use std::collections::BTreeMap;

use manifests::{Size, dataset::Sample};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The batches of every epoch. A batch has samples of one size.
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    batch: usize,
    /// Places of the samples in the split, by size.
    groups: BTreeMap<Size, Vec<usize>>,
}

impl Order {
    /// Batches of at most `batch` samples. The last batch of a size is smaller where the samples do not divide.
    pub fn new(seed: u64, batch: usize, samples: &[Sample]) -> Self {
        let mut groups: BTreeMap<Size, Vec<usize>> = BTreeMap::new();
        for (i, sample) in samples.iter().enumerate() {
            groups.entry(sample.size).or_default().push(i);
        }
        Self { seed, batch: batch.max(1), groups }
    }

    /// Batches, that is steps, of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.groups.values().map(|g| g.len().div_ceil(self.batch) as u64).sum()
    }

    /// The batches of an epoch in order: places of samples in the split.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Epochs are streams of one key: no number is used twice.
        rng.set_stream(epoch);
        let mut batches = Vec::new();
        for group in self.groups.values() {
            let mut places = group.clone();
            shuffle(&mut places, &mut rng);
            batches.extend(places.chunks(self.batch).map(<[usize]>::to_vec));
        }
        shuffle(&mut batches, &mut rng);
        batches
    }
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        // The product's high half is uniform below i + 1 but for a bias under 2^-40 at any size that fits a disk.
        let j = (u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64;
        items.swap(i, j as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(batch: usize) -> Order {
        let size = |h, w| Size { height: h, width: w };
        let groups = [(size(64, 96), (0..10).collect()), (size(96, 128), (10..17).collect())];
        Order { seed: 5, batch, groups: groups.into_iter().collect() }
    }

    #[test]
    fn an_epoch_visits_every_sample_once_in_batches_of_one_size() {
        let order = order(4);
        let batches = order.epoch(3);
        assert_eq!(batches.len() as u64, order.steps_per_epoch());
        assert_eq!(batches.len(), 3 + 2);
        for batch in &batches {
            assert!(batch.iter().all(|i| *i < 10) || batch.iter().all(|i| *i >= 10));
        }
        let mut all: Vec<usize> = batches.into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, (0..17).collect::<Vec<_>>());
    }

    #[test]
    fn epochs_differ_and_repeat_exactly() {
        let order = order(4);
        assert_eq!(order.epoch(1), order.epoch(1));
        assert_ne!(order.epoch(1), order.epoch(2));
        assert_ne!(Order { seed: 6, ..order.clone() }.epoch(1), order.epoch(1));
    }
}
