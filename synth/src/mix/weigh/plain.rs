//! The layers of [`super`] by loops for any processor: what the others must equal.

use super::Layers;
use crate::mix::figures::Figures;

/// Weighs both layers, adds them, and adds the reflection to the figures; gives how many sums exceeded white.
pub(super) fn blend(
    alpha: impl Fn(u8) -> u8,
    beta: impl Fn(u8) -> u8,
    layers: Layers<'_>,
    figures: &mut Figures,
) -> u64 {
    let Layers { behind, before, b, r, i } = layers;
    let mut over = 0;
    let made = b.chunks_mut(PIECE).zip(r.chunks_mut(PIECE)).zip(i.chunks_mut(PIECE));
    for ((behind, before), ((b, r), i)) in behind.chunks(PIECE).zip(before.chunks(PIECE)).zip(made) {
        b.iter_mut().zip(behind).for_each(|(b, v)| *b = alpha(*v));
        r.iter_mut().zip(before).for_each(|(r, v)| *r = beta(*v));
        over += sum(b, r, i);
        figures.add(r, before);
    }
    over
}

/// Bytes of each layer that go through all steps at once: what a first-level cache holds five of.
const PIECE: usize = 3 * 256 * 4;

/// The sum of two layers, white at most; gives how many values went over.
fn sum(b: &[u8], r: &[u8], i: &mut [u8]) -> u64 {
    let mut over = 0;
    for ((b, r), i) in b.chunks(255).zip(r.chunks(255)).zip(i.chunks_mut(255)) {
        // A counter of a byte, of which vectors hold the most.
        let mut counter = 0u8;
        for ((b, r), i) in b.iter().zip(r).zip(i) {
            *i = b.saturating_add(*r);
            counter += u8::from(*b > 255 - *r);
        }
        over += u64::from(counter);
    }
    over
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_and_what_goes_over_are_counted(layers in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..20_000)) {
            let (b, r): (Vec<u8>, Vec<u8>) = layers.iter().copied().unzip();
            let mut i = vec![0; b.len()];
            let over = sum(&b, &r, &mut i);
            prop_assert!(layers.iter().zip(&i).all(|((b, r), i)| u16::from(*i) == (u16::from(*b) + u16::from(*r)).min(255)));
            prop_assert_eq!(over, layers.iter().filter(|(b, r)| u16::from(*b) + u16::from(*r) > 255).count() as u64);
        }
    }
}
