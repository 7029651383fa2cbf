//! Peak signal-to-noise ratio in dB, peak 255; none where the pictures are equal.

use super::Planes;

/// Over the mean squared error of all three channels together.
pub(super) fn joint(a: &Planes, b: &Planes) -> Option<f64> {
    decibel(errors(a, b).iter().sum::<f64>() / 3.0)
}

/// The mean of the three channels' PSNRs; none as soon as one channel is equal.
pub(super) fn mean_of_channels(a: &Planes, b: &Planes) -> Option<f64> {
    let each: Option<Vec<f64>> = errors(a, b).into_iter().map(decibel).collect();
    each.map(|each| each.iter().sum::<f64>() / 3.0)
}

fn decibel(mse: f64) -> Option<f64> {
    (mse > 0.0).then(|| 10.0 * (255.0 * 255.0 / mse).log10())
}

/// Mean squared error of each channel.
fn errors(a: &Planes, b: &Planes) -> [f64; 3] {
    std::array::from_fn(|c| {
        let (x, y) = (&a.channels[c], &b.channels[c]);
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>() / x.len() as f64
    })
}
