//! The excess over white, taken off the reflection: CEILNet (Fan et al., ICCV 2017, section 3.2), a channel at a time in
//! ERRNet (Wei et al., CVPR 2019) and Zhang et al. (CVPR 2018).

/// r = max(r - factor m, 0), where m is the mean of b + r over the values above 1, less 1.
pub(crate) fn subtract(background: &[f32], reflection: &mut [f32], factor: f64, per_channel: bool) {
    let groups: &[&[usize]] = if per_channel { &[&[0], &[1], &[2]] } else { &[&[0, 1, 2]] };
    for channels in groups {
        let (mut sum, mut count) = (0.0f64, 0u64);
        for (b, r) in background.chunks_exact(3).zip(reflection.chunks_exact(3)) {
            for c in *channels {
                let value = f64::from(b[*c] + r[*c]);
                if value > 1.0 {
                    sum += value - 1.0;
                    count += 1;
                }
            }
        }
        if count > 0 {
            let off = (factor * sum / count as f64) as f32;
            for r in reflection.chunks_exact_mut(3) {
                channels.iter().for_each(|c| r[*c] = (r[*c] - off).max(0.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_excess_goes_from_all_or_from_its_channel() {
        let background = [0.9, 0.5, 0.5, 0.9, 0.5, 0.5];
        let reflection = [0.3, 0.4, 0.2, 0.5, 0.4, 0.2];
        let (mut all, mut each) = (reflection, reflection);
        // Above 1: 1.2 and 1.4, both red; their mean excess is 0.3.
        subtract(&background, &mut all, 1.3, false);
        subtract(&background, &mut each, 1.3, true);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&all, &[0.0, 0.01, 0.0, 0.11, 0.01, 0.0]), "{all:?}");
        assert!(close(&each, &[0.0, 0.4, 0.2, 0.11, 0.4, 0.2]), "{each:?}");
    }
}
