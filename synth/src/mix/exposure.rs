//! How bright the picture is taken, and what happens to what would be brighter than white.
//!
//! An exposure is a number of stops: light times 2^EV (ISO 2720:1974, where a unit of exposure value is a factor of 2).

use manifests::recipe::Formation;

/// The factor of an exposure in stops (EV): both layers pass the same shutter.
pub(crate) fn gain(ev: f64) -> f32 {
    libm::exp2(ev) as f32
}

/// A level below white: two layers rounded up still add up to white at most.
const WHITE: f32 = 254.0 / 255.0;

/// Dims both layers, if their sum is brighter than white anywhere, until its brightest value is white.
pub(crate) fn fit(b: &mut [f32], r: &mut [f32], formation: Formation) {
    // A screen of values up to 1 stays there; brighter ones are fitted layer by layer.
    let brightest = b.iter().zip(r.iter()).fold(0.0f32, |most, (b, r)| match formation {
        Formation::Additive => most.max(b + r),
        Formation::Screen => most.max(*b).max(*r),
    });
    if brightest > WHITE {
        b.iter_mut().chain(r).for_each(|v| *v *= WHITE / brightest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_doubles_and_what_is_too_bright_is_fitted() {
        assert_eq!((gain(0.0), gain(1.0), gain(-2.0)), (1.0, 2.0, 0.25));
        let (mut b, mut r) = ([0.5, 1.0], [0.25, 1.0]);
        fit(&mut b, &mut r, Formation::Additive);
        assert_eq!((b, r), ([WHITE / 4.0, WHITE / 2.0], [WHITE / 8.0, WHITE / 2.0]));
        let (mut dark, mut faint) = ([0.5], [0.25]);
        fit(&mut dark, &mut faint, Formation::Additive);
        assert_eq!((dark, faint), ([0.5], [0.25]), "nothing is made brighter");
    }
}
