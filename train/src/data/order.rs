//! Which samples make which batch: a function of (seed, step) alone, so that a step number is a position to resume at.

use std::collections::BTreeMap;

use manifests::Size;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::Samples;

/// The batches of every epoch. A batch has samples of one size.
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    batch: usize,
    groups: BTreeMap<Size, Vec<Group>>,
}

/// Samples of one size that take turns.
#[derive(Debug, Clone)]
struct Group {
    /// Places of the samples in the split.
    places: Vec<usize>,
    /// How many of them an epoch takes.
    take: usize,
}

impl Order {
    /// Batches of at most `batch` samples. The last batch of a size is smaller where the samples do not divide.
    pub fn new(seed: u64, batch: usize, samples: &Samples) -> Self {
        let at = |i: usize| (samples.size(i), samples.source(i));
        Self::of(seed, batch, (0..samples.len()).map(at))
    }

    /// Of each sample's size, data set and data set's weight.
    fn of(seed: u64, batch: usize, samples: impl Iterator<Item = (Size, (usize, Option<f64>))>) -> Self {
        // Data sets without weights are one.
        let mut sets: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        let mut places: BTreeMap<(Size, usize), Vec<usize>> = BTreeMap::new();
        let mut total = 0;
        for (i, (size, (set, weight))) in samples.enumerate() {
            let set = if weight.is_some() { set } else { 0 };
            sets.entry(set).or_insert((weight.unwrap_or(1.0), 0)).1 += 1;
            places.entry((size, set)).or_default().push(i);
            total += 1;
        }
        let weights: f64 = sets.values().map(|(weight, _)| weight).sum();
        let mut groups: BTreeMap<Size, Vec<Group>> = BTreeMap::new();
        for ((size, set), places) in places {
            let (weight, count) = sets[&set];
            let share = weight / weights * total as f64 / count as f64;
            let take = ((places.len() as f64 * share).round() as usize).max(1);
            groups.entry(size).or_default().push(Group { places, take });
        }
        Self { seed, batch: batch.max(1), groups }
    }

    /// Batches, that is steps, of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        let samples = |groups: &Vec<Group>| groups.iter().map(|group| group.take).sum::<usize>();
        self.groups.values().map(|groups| samples(groups).div_ceil(self.batch) as u64).sum()
    }

    /// The size with the most pixels, and how many samples of it a batch may have: what a step's memory depends on.
    pub fn largest(&self) -> Option<(Size, usize)> {
        let batch = |groups: &[Group]| groups.iter().map(|group| group.take).sum::<usize>().min(self.batch);
        let pixels = |size: &Size, samples: usize| u64::from(size.height) * u64::from(size.width) * samples as u64;
        let batches = self.groups.iter().map(|(size, groups)| (*size, batch(groups)));
        batches.max_by_key(|(size, samples)| pixels(size, *samples))
    }

    /// The batches of an epoch in order: places of samples in the split.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Epochs are streams of one key: no number is used twice.
        rng.set_stream(epoch);
        let mut batches = Vec::new();
        let mut number = 0;
        for groups in self.groups.values() {
            let mut places = Vec::new();
            for group in groups {
                places.extend(group.epoch(epoch, self.seed, number));
                number += 1;
            }
            shuffle(&mut places, &mut rng);
            batches.extend(places.chunks(self.batch).map(<[usize]>::to_vec));
        }
        shuffle(&mut batches, &mut rng);
        batches
    }
}

impl Group {
    /// The samples of an epoch: the next ones of an endless list of shuffled passes, so that none comes again before all
    /// others came.
    fn epoch(&self, epoch: u64, seed: u64, number: u64) -> Vec<usize> {
        if self.take == self.places.len() {
            return self.places.clone();
        }
        let (take, len) = (self.take as u64, self.places.len() as u64);
        let (mut at, end) = (epoch * take, (epoch + 1) * take);
        let mut chosen = Vec::with_capacity(self.take);
        while at < end {
            let (pass, offset) = (at / len, at % len);
            // Another key than the epochs', and a stream for each pass of each group.
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7061_7373_6573_2121);
            rng.set_stream(number << 40 | pass);
            let mut places = self.places.clone();
            shuffle(&mut places, &mut rng);
            let until = len.min(offset + (end - at));
            chosen.extend_from_slice(&places[offset as usize..until as usize]);
            at += until - offset;
        }
        chosen
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

    const SMALL: Size = Size { height: 64, width: 96 };
    const LARGE: Size = Size { height: 96, width: 128 };

    fn order(batch: usize, seed: u64) -> Order {
        let of = |size: Size, n: usize| std::iter::repeat_n((size, (0, None)), n);
        Order::of(seed, batch, of(SMALL, 10).chain(of(LARGE, 7)))
    }

    #[test]
    fn an_epoch_visits_every_sample_once_in_batches_of_one_size() {
        let order = order(4, 5);
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
        let all = order(4, 5);
        assert_eq!(all.epoch(1), all.epoch(1));
        assert_ne!(all.epoch(1), all.epoch(2));
        assert_ne!(order(4, 6).epoch(1), all.epoch(1));
    }

    /// 30 samples of weight 1 and 10 of weight 3: an epoch's 40 are 10 of the first and 30 of the second.
    #[test]
    fn weights_are_shares_of_an_epoch_and_no_sample_comes_again_before_all_others() {
        let of = |set: usize, n: usize, weight: f64| std::iter::repeat_n((SMALL, (set, Some(weight))), n);
        let order = Order::of(7, 4, of(0, 30, 1.0).chain(of(1, 10, 3.0)));
        assert_eq!(order.steps_per_epoch(), 10);
        let mut seen = [0; 40];
        for epoch in 0..3 {
            let all: Vec<usize> = order.epoch(epoch).into_iter().flatten().collect();
            assert_eq!(all.iter().filter(|i| **i < 30).count(), 10, "epoch {epoch}");
            assert_eq!(all.iter().filter(|i| **i >= 30).count(), 30, "epoch {epoch}");
            all.iter().for_each(|i| seen[*i] += 1);
        }
        assert!(seen[..30].iter().all(|n| *n == 1), "{seen:?}");
        assert!(seen[30..].iter().all(|n| *n == 9), "{seen:?}");
        assert!(order.epoch(5).iter().flatten().eq(order.epoch(5).iter().flatten()));
    }
}
