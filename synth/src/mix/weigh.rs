//! I = alpha B + beta R of display values (Wan et al., TPAMI 2019, eq. 1), where weights are all there is: some rows at a
//! time, turned on the way, in whole numbers that compilers turn into vector instructions.

use manifests::dataset::Drawn;
use multiversion::multiversion;

use super::{Mixed, figures::Figures, turns};
use crate::pixels::{Rgb8, Spare, Turn};

/// Mixes from the quantised layers, the reflection turned by `across` quarters before all else; every layer's value is the weighted one, rounded half up.
pub(super) fn weigh(background: &Rgb8, reflection: &Rgb8, across: u8, drawn: &Drawn, spare: &mut Spare) -> Mixed {
    let (alpha, beta) = (Weight::of(drawn.alpha), Weight::of(drawn.beta));
    let (quarters, flip) = turns(drawn);
    let turn = Turn::new(background.height, background.width, quarters, flip);
    let turn_before = Turn::new(reflection.height, reflection.width, quarters + across, flip);
    let [mut i, mut b, mut r] = [(); 3].map(|()| spare.picture(turn.height, turn.width));
    let (mut over, mut figures, band) = (0u64, Figures::default(), Turn::BAND * turn.width * 3);
    let [mut behind, mut before] = [(); 2].map(|()| vec![0; band]);
    let bands = i.data.chunks_mut(band).zip(b.data.chunks_mut(band)).zip(r.data.chunks_mut(band));
    for (n, ((i, b), r)) in bands.enumerate() {
        let (behind, before) = (&mut behind[..b.len()], &mut before[..r.len()]);
        turn.gather(n * Turn::BAND, &background.data, behind);
        turn_before.gather(n * Turn::BAND, &reflection.data, before);
        let pieces = behind.chunks(PIECE).zip(before.chunks(PIECE));
        let made = i.chunks_mut(PIECE).zip(b.chunks_mut(PIECE)).zip(r.chunks_mut(PIECE));
        for ((behind, before), ((i, b), r)) in pieces.zip(made) {
            alpha.apply(behind, b);
            beta.apply(before, r);
            over += sum(b, r, i);
            figures.add(r, before);
        }
    }
    let clipped = over as f64 / i.data.len() as f64;
    Mixed { mixture: i, background: b, reflection: r, clipped, quality: figures.quality() }
}

/// Bytes of each layer that go through all steps at once: what a first-level cache holds five of.
const PIECE: usize = 3 * 256 * 4;

/// What a weight makes of each of the 256 values.
struct Weight {
    table: [u8; 256],
    /// The weight as whole part and 65536ths, where that gives the table exactly.
    fixed: Option<(u16, u16)>,
}

impl Weight {
    fn of(weight: f64) -> Self {
        let table = std::array::from_fn(|v| (v as f64 * weight + 0.5).floor().clamp(0.0, 255.0) as u8);
        let near = (weight * 65_536.0).clamp(0.0, 131_072.0) as u32;
        // Rounding may fall on either side of a tie.
        let fixed = (near.saturating_sub(1)..near + 3)
            .map(|k| ((k >> 16) as u16, k as u16))
            .find(|(whole, part)| (0..=255).zip(&table).all(|(v, wanted)| weighted(v, *whole, *part) == *wanted));
        Self { table, fixed }
    }

    fn apply(&self, from: &[u8], to: &mut [u8]) {
        match self.fixed {
            Some((whole, part)) => multiply(from, to, whole, part),
            None => to.iter_mut().zip(from).for_each(|(to, v)| *to = self.table[usize::from(*v)]),
        }
    }
}

/// `value` times `whole + part / 65536`, rounded half up; in 16 bits throughout, of which vectors hold the most.
#[inline(always)]
fn weighted(value: u8, whole: u16, part: u16) -> u8 {
    let value = u16::from(value);
    let in_256ths = value * (part >> 8) + ((value * (part & 255)) >> 8);
    (value * whole + ((in_256ths + 128) >> 8)).min(255) as u8
}

#[multiversion(targets("x86_64+avx2"))]
fn multiply(from: &[u8], to: &mut [u8], whole: u16, part: u16) {
    to.iter_mut().zip(from).for_each(|(to, v)| *to = weighted(*v, whole, part));
}

/// The sum of two layers, white at most; gives how many values went over.
#[multiversion(targets("x86_64+avx2"))]
fn sum(b: &[u8], r: &[u8], i: &mut [u8]) -> u64 {
    let mut over = 0;
    for ((b, r), i) in b.chunks(255 * 32).zip(r.chunks(255 * 32)).zip(i.chunks_mut(255 * 32)) {
        // Counters of a byte each, which no more than 255 steps fill.
        let mut counters = [0u8; 32];
        let mut step = |b: &[u8], r: &[u8], i: &mut [u8]| {
            for (((b, r), i), counter) in b.iter().zip(r).zip(i).zip(&mut counters) {
                *i = b.saturating_add(*r);
                *counter += u8::from(*b > 255 - *r);
            }
        };
        let (mut bs, mut rs, mut is) = (b.chunks_exact(32), r.chunks_exact(32), i.chunks_exact_mut(32));
        bs.by_ref().zip(rs.by_ref()).zip(is.by_ref()).for_each(|((b, r), i)| step(b, r, i));
        step(bs.remainder(), rs.remainder(), is.into_remainder());
        over += counters.into_iter().map(u64::from).sum::<u64>();
    }
    over
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_are_exact_and_nearly_all_in_fixed_point() {
        let mut tables = 0;
        for k in 0..=4000 {
            let weight = Weight::of(f64::from(k) / 2000.0);
            let (from, mut to) = ((0..=255).collect::<Vec<u8>>(), vec![0; 256]);
            weight.apply(&from, &mut to);
            assert_eq!(to, weight.table);
            tables += u32::from(weight.fixed.is_none());
        }
        assert!(tables < 400, "{tables} of 4001 weights are looked up");
    }

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
