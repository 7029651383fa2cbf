//! I = alpha B + beta R of display values (Wan et al., TPAMI 2019, eq. 1), where weights are all there is: some rows at a
//! time, turned on the way, in whole numbers.

#[cfg(target_arch = "x86_64")]
mod fused;
mod plain;
mod weight;

use manifests::dataset::Drawn;
use weight::Weight;

use super::{Mixed, figures::Figures, turns};
use crate::pixels::{Rgb8, Spare, Turn};

/// Mixes from the quantised layers, the reflection turned by `across` quarters before all else; every layer's value is the weighted one, rounded half up.
pub(super) fn weigh(background: &Rgb8, reflection: &Rgb8, across: u8, drawn: &Drawn, spare: &mut Spare) -> Mixed {
    let weights = [drawn.alpha, drawn.beta].map(Weight::of);
    let (quarters, flip) = turns(drawn);
    let turn = Turn::new(background.height, background.width, quarters, flip);
    let turn_before = Turn::new(reflection.height, reflection.width, quarters + across, flip);
    let [mut i, mut b, mut r] = [(); 3].map(|()| spare.picture(turn.height, turn.width));
    let (mut over, mut figures, band) = (0u64, Figures::default(), Turn::BAND * turn.width * 3);
    let [mut behind, mut before] = [(); 2].map(|()| vec![0; band]);
    let bands = i.data.chunks_mut(band).zip(b.data.chunks_mut(band)).zip(r.data.chunks_mut(band));
    for (n, ((i, b), r)) in bands.enumerate() {
        let behind = turn.rows(n * Turn::BAND, &background.data, &mut behind[..b.len()]);
        let before = turn_before.rows(n * Turn::BAND, &reflection.data, &mut before[..r.len()]);
        over += blend(&weights, Layers { behind, before, b, r, i }, &mut figures);
    }
    if drawn.alpha > 1.0 || drawn.beta > 1.0 {
        // A layer may be cut itself; pixels' order is no matter to a count.
        let upright;
        let before: &Rgb8 = match across {
            0 => reflection,
            _ => {
                upright = reflection.clone().turned(across, false);
                &upright
            }
        };
        over = beyond_white(&weights, &background.data, &before.data);
    }
    let clipped = over as f64 / i.data.len() as f64;
    Mixed { mixture: i, background: b, reflection: r, clipped, quality: figures.quality() }
}

/// How many sums of weighted values exceed white, each rounded but not cut.
fn beyond_white([alpha, beta]: &[Weight; 2], behind: &[u8], before: &[u8]) -> u64 {
    behind.iter().zip(before).filter(|(b, r)| alpha.whole(**b) + beta.whole(**r) > 255).count() as u64
}

/// Some whole pixels of both photographs, and as many of what is made of them.
struct Layers<'a> {
    behind: &'a [u8],
    before: &'a [u8],
    b: &'a mut [u8],
    r: &'a mut [u8],
    i: &'a mut [u8],
}

#[cfg(target_arch = "x86_64")]
impl<'a> Layers<'a> {
    /// The first bytes, and the others.
    fn split_at(self, bytes: usize) -> (Self, Self) {
        let ((behind, other_behind), (before, other_before)) =
            (self.behind.split_at(bytes), self.before.split_at(bytes));
        let ((b, other_b), (r, other_r)) = (self.b.split_at_mut(bytes), self.r.split_at_mut(bytes));
        let (i, other_i) = self.i.split_at_mut(bytes);
        let others = Self { behind: other_behind, before: other_before, b: other_b, r: other_r, i: other_i };
        (Self { behind, before, b, r, i }, others)
    }
}

/// As [`plain::blend`], as fast as weights and processor allow.
fn blend([alpha, beta]: &[Weight; 2], layers: Layers<'_>, figures: &mut Figures) -> u64 {
    match (alpha.fixed, beta.fixed) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor was just asked.
        (Some(alpha), Some(beta)) if is_x86_feature_detected!("avx2") => unsafe {
            fused::blend([alpha, beta], layers, figures)
        },
        (Some(alpha), Some(beta)) => plain::blend(|v| alpha.weigh(v), |v| beta.weigh(v), layers, figures),
        _ => plain::blend(|v| alpha.look_up(v), |v| beta.look_up(v), layers, figures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the fastest loops and by the plain ones: the layers, what goes over, and the figures.
    fn both_ways(weights: [f64; 2], behind: &[u8], before: &[u8]) -> [([Vec<u8>; 3], u64, Figures); 2] {
        let weights = weights.map(Weight::of);
        let [alpha, beta] = &weights;
        [true, false].map(|fast| {
            let mut made = [(); 3].map(|()| vec![0; behind.len()]);
            let mut figures = Figures::default();
            let [b, r, i] = &mut made;
            let layers = Layers { behind, before, b, r, i };
            let over = match fast {
                true => blend(&weights, layers, &mut figures),
                false => plain::blend(|v| alpha.look_up(v), |v| beta.look_up(v), layers, &mut figures),
            };
            (made, over, figures)
        })
    }

    #[test]
    fn white_fits_every_sum_and_counter() {
        let white = vec![255; 3 * 5_000];
        for weights in [[1.0, 1.0], [0.0, 1.0], [2.0, 2.0]] {
            let [fast, plain] = both_ways(weights, &white, &white);
            assert_eq!(fast, plain, "{weights:?}");
        }
    }

    proptest! {
        #[test]
        fn every_processor_gives_the_same(
            weights in [0f64..2.0, 0f64..2.0],
            pixels in proptest::collection::vec(any::<[u8; 6]>(), 0..3_000),
        ) {
            let layer = |at: usize| pixels.iter().flat_map(|p| p[at..at + 3].to_vec()).collect::<Vec<u8>>();
            let [fast, plain] = both_ways(weights, &layer(0), &layer(3));
            prop_assert_eq!(fast, plain);
        }
    }
}
