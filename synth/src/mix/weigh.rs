//! I = alpha B + beta R of display values (Wan et al., TPAMI 2019, eq. 1), where weights are all there is: a row at a time,
//! turned on the way, in loops that compilers turn into vector instructions.

use manifests::dataset::Drawn;

use super::{Mixed, figures::Figures, turns};
use crate::pixels::{Rgb8, Turn};

/// Mixes from the quantised layers; every layer's value is the weighted one, rounded half up.
pub(super) fn weigh(background: &Rgb8, reflection: &Rgb8, drawn: &Drawn) -> Mixed {
    let table = |weight: f64| -> [u8; 256] {
        std::array::from_fn(|v| (v as f64 * weight + 0.5).floor().clamp(0.0, 255.0) as u8)
    };
    let (alpha, beta) = (table(drawn.alpha), table(drawn.beta));
    let (quarters, flip) = turns(drawn);
    let turn = Turn::new(background.height, background.width, quarters, flip);
    let [mut i, mut b, mut r] = [(); 3].map(|()| Rgb8::black(turn.height, turn.width));
    let (mut over, mut figures, row) = (0usize, Figures::default(), turn.width * 3);
    let [mut behind, mut before] = [(); 2].map(|()| vec![0; row]);
    let lines = i.data.chunks_exact_mut(row).zip(b.data.chunks_exact_mut(row)).zip(r.data.chunks_exact_mut(row));
    for (y, ((i, b), r)) in lines.enumerate() {
        turn.gather(y, &background.data, &mut behind);
        turn.gather(y, &reflection.data, &mut before);
        b.iter_mut().zip(&behind).for_each(|(b, v)| *b = alpha[usize::from(*v)]);
        r.iter_mut().zip(&before).for_each(|(r, v)| *r = beta[usize::from(*v)]);
        i.iter_mut().zip(&*b).zip(&*r).for_each(|((i, b), r)| *i = b.saturating_add(*r));
        // A sum went over white where it is less than the layers ask for.
        over += b.iter().zip(&*r).map(|(b, r)| usize::from(*b > 255 - *r)).sum::<usize>();
        figures.add(r, &before);
    }
    let clipped = over as f64 / i.data.len() as f64;
    Mixed { mixture: i, background: b, reflection: r, clipped, quality: figures.quality() }
}
