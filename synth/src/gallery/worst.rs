//! Which samples a gallery shows: the worst of the whole data set, and others evenly spread.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    path::Path,
};

use manifests::dataset::{Dataset, Sample};

use crate::{dataset, error::Error};

/// A sample to show.
pub(super) struct Chosen {
    pub(super) sample: Sample,
    /// What it is among the worst for, if anything.
    pub(super) worst: Option<Worst>,
}

/// What a sample is among the worst for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worst {
    /// Its place in the order of that fault, from 0.
    pub(super) place: usize,
    /// Place in [`FAULTS`].
    pub(super) fault: usize,
}

/// A way to be bad, and how bad a sample is: the larger, the worse; none where it is not bad at all or nobody measured.
type Fault = (&'static str, fn(&Sample) -> Option<f64>);

/// What is wrong with samples that a network learns nothing from, or the wrong thing: light that is lost, a reflection that is
/// as good as absent, one that hides the background, one without structure.
pub(super) const FAULTS: [Fault; 4] = [
    ("clipped", |s| (s.clipped > 0.0).then_some(s.clipped)),
    ("weak reflection", |s| Some(-s.quality?.effective_beta)),
    ("strong reflection", |s| Some(s.quality?.effective_beta)),
    ("flat reflection", |s| Some(-s.quality?.contrast)),
];

/// `limit` samples: half of them the worst, taken from the orders of all faults in turn, the others evenly spread; in the order
/// of their index. The lines are read twice rather than kept.
pub(super) fn choose(dir: &Path, dataset: &Dataset, limit: usize) -> Result<Vec<Chosen>, Error> {
    let count = usize::try_from(dataset.recipe.count).unwrap_or(usize::MAX);
    let limit = limit.min(count);
    let worst = worst(dataset::lines(dir, dataset)?, limit.div_ceil(2))?;
    let mut chosen: BTreeMap<u64, Option<Worst>> = worst.into_iter().map(|(index, how)| (index, Some(how))).collect();
    // Evenly spread, then whatever is left until the page is full.
    let spread = (0..limit).map(|i| (i * count / limit.max(1)) as u64);
    for i in spread.chain(0..count as u64) {
        if chosen.len() == limit {
            break;
        }
        chosen.entry(i).or_default();
    }
    let shown = |sample: Result<Sample, Error>| match sample {
        Ok(sample) => chosen.get(&sample.index).map(|worst| Ok(Chosen { sample, worst: *worst })),
        Err(e) => Some(Err(e)),
    };
    dataset::lines(dir, dataset)?.filter_map(shown).collect()
}

/// At most `most` samples by index, in memory that does not grow with their number.
fn worst(samples: impl Iterator<Item = Result<Sample, Error>>, most: usize) -> Result<BTreeMap<u64, Worst>, Error> {
    // The best of those kept is on top; of equal ones the first index stays.
    let mut kept = FAULTS.map(|_| BinaryHeap::new());
    for sample in samples {
        let sample = sample?;
        for ((_, badness), kept) in FAULTS.iter().zip(&mut kept) {
            if let Some(badness) = badness(&sample) {
                kept.push(Reverse((Ordered(badness), Reverse(sample.index))));
                if kept.len() > most {
                    kept.pop();
                }
            }
        }
    }
    let mut places = Vec::new();
    for (fault, kept) in kept.into_iter().enumerate() {
        // Sorted by the reverse: the worst first.
        let order = kept.into_sorted_vec().into_iter().enumerate();
        places.extend(order.map(|(place, Reverse((_, Reverse(index))))| (Worst { place, fault }, index)));
    }
    places.sort_unstable();
    let mut chosen = BTreeMap::new();
    for (worst, index) in places {
        if chosen.len() == most {
            break;
        }
        chosen.entry(index).or_insert(worst);
    }
    Ok(chosen)
}

/// A number in the order of IEEE 754's totalOrder.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use manifests::dataset::SampleQuality;

    const LINE: &str = r#"{"index":0,"split":"train","drawn":{"background":0,"reflection":0,"size":0,"alpha":1.0,"beta":0.3,"blur_sigma":0.0,"quarter_turns":0,"flip":false},"size":"2x2","mixture":{"path":"m.png","blake3":"8f877de117b884d77e623e66c0e2cb83266f822fdbf9cef05bcd9d887ba8ec0c"},"background":{"path":"b.png","blake3":"8f877de117b884d77e623e66c0e2cb83266f822fdbf9cef05bcd9d887ba8ec0c"},"reflection":{"path":"r.png","blake3":"8f877de117b884d77e623e66c0e2cb83266f822fdbf9cef05bcd9d887ba8ec0c"},"clipped":0.0}"#;

    /// Samples with nothing wrong but for those listed: index, clipped, effective beta, contrast.
    fn samples(others: &[(u64, f64, f64, f64)]) -> Vec<Result<Sample, Error>> {
        let sound: Sample = serde_json::from_str(LINE).unwrap();
        (0..1000)
            .map(|index| {
                let found = others.iter().find(|(i, ..)| *i == index);
                let (_, clipped, effective_beta, contrast) = *found.unwrap_or(&(index, 0.0, 0.3, 0.1));
                let quality = Some(SampleQuality { effective_beta, contrast });
                Ok(Sample { index, clipped, quality, ..sound.clone() })
            })
            .collect()
    }

    #[test]
    fn every_fault_has_its_worst_and_the_worst_come_first() {
        let others = [
            (700, 0.5, 0.3, 0.1),
            (701, 0.2, 0.3, 0.1),
            (800, 0.0, 0.01, 0.1),
            (801, 0.0, 0.02, 0.1),
            (900, 0.0, 1.4, 0.1),
            (901, 0.0, 0.9, 0.1),
            (950, 0.0, 0.3, 0.001),
            (951, 0.0, 0.3, 0.002),
        ];
        let found = worst(samples(&others).into_iter(), 8).unwrap();
        let places: Vec<_> = found.iter().map(|(index, worst)| (*index, worst.place, FAULTS[worst.fault].0)).collect();
        assert_eq!(
            places,
            [
                (700, 0, "clipped"),
                (701, 1, "clipped"),
                (800, 0, "weak reflection"),
                (801, 1, "weak reflection"),
                (900, 0, "strong reflection"),
                (901, 1, "strong reflection"),
                (950, 0, "flat reflection"),
                (951, 1, "flat reflection"),
            ]
        );
        let few = worst(samples(&others).into_iter(), 4).unwrap();
        assert_eq!(few.into_keys().collect::<Vec<_>>(), [700, 800, 900, 950]);
    }

    #[test]
    fn what_does_not_clip_is_no_worst_and_one_sample_has_its_worst_fault() {
        // All of it wrong with one sample: it is there once, and others take the places.
        let found = worst(samples(&[(5, 0.4, 2.0, 0.0)]).into_iter(), 5).unwrap();
        assert_eq!(found[&5], Worst { place: 0, fault: 0 });
        assert!(found.iter().all(|(index, worst)| *index == 5 || worst.fault != 0), "{found:?}");
        assert_eq!(found.len(), 5);
        // Lines of older programs have no figures.
        let old = samples(&[(5, 0.4, 2.0, 0.0)]).into_iter().map(|s| s.map(|s| Sample { quality: None, ..s }));
        assert_eq!(worst(old, 5).unwrap().into_keys().collect::<Vec<_>>(), [5]);
    }
}
