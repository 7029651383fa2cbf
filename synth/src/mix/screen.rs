//! The screen-like mixture of DSRNet (Hu and Guo, "Single Image Reflection Separation via Component Synergy", ICCV 2023):
//! I = alpha T + beta R - alpha beta T R, which never exceeds white.

/// b + r - b r of weighted layers from 0 on. Of layers beyond white it would fall as they rise: those count as white.
pub(crate) fn combine(b: f32, r: f32) -> f32 {
    let (b, r) = (b.min(1.0), r.min(1.0));
    b + r - b * r
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_with_both_layers_and_ends_at_white() {
        assert_eq!([combine(0.5, 0.5), combine(0.25, 0.0), combine(0.0, 1.0)], [0.75, 0.25, 1.0]);
        let levels: Vec<f32> = (0..=30).map(|i| i as f32 / 20.0).collect();
        for b in &levels {
            let over: Vec<f32> = levels.iter().map(|r| combine(*b, *r)).collect();
            assert!(over.windows(2).all(|pair| pair[1] >= pair[0] - 1e-6), "{b}: {over:?}");
            assert!(over.iter().all(|v| (0.0..=1.0).contains(v) && *v >= b.min(1.0) - 1e-6), "{b}: {over:?}");
        }
    }
}
