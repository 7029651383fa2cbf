//! What a weight makes of a value of 8 bits: the nearest value, half rounded up.

/// What a weight makes of each of the 256 values.
pub(super) struct Weight {
    table: [u8; 256],
    weight: f64,
    /// The weight in fixed point, where that gives the table exactly.
    pub(super) fixed: Option<Fixed>,
}

impl Weight {
    pub(super) fn of(weight: f64) -> Self {
        let table = std::array::from_fn(|v| weighed(weight, v as u8).min(255) as u8);
        let near = (weight * 65_536.0).clamp(0.0, 131_072.0) as u32;
        // Rounding may fall on either side of a tie.
        let fixed = (near.saturating_sub(1)..near + 3)
            .map(|k| Fixed { whole: (k >> 16) as u16, part: k as u16 })
            .find(|fixed| (0..=255).zip(&table).all(|(v, wanted)| fixed.weigh(v) == *wanted));
        Self { table, weight, fixed }
    }

    /// What the weight makes of a value, not cut at white.
    pub(super) fn whole(&self, value: u8) -> u32 {
        weighed(self.weight, value)
    }

    #[inline(always)]
    pub(super) fn look_up(&self, value: u8) -> u8 {
        self.table[usize::from(value)]
    }
}

fn weighed(weight: f64, value: u8) -> u32 {
    (f64::from(value) * weight + 0.5).floor().max(0.0) as u32
}

/// A weight of `whole + part / 65536`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub(super) whole: u16,
    pub(super) part: u16,
}

impl Fixed {
    /// `value` times the weight, in 256ths and then half rounded up: for vectors the high half of one product, and 16 bits
    /// otherwise.
    #[inline(always)]
    pub(super) fn weigh(self, value: u8) -> u8 {
        let in_256ths = ((u32::from(value) * u32::from(self.part)) >> 8) as u16;
        (u16::from(value) * self.whole + ((in_256ths + 128) >> 8)).min(255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_exact_and_nearly_all_in_fixed_point() {
        let weights: Vec<Weight> = (0..=4000).map(|k| Weight::of(f64::from(k) / 2000.0)).collect();
        for (weight, fixed) in weights.iter().filter_map(|weight| Some((weight, weight.fixed?))) {
            assert!((0..=255).all(|v| fixed.weigh(v) == weight.look_up(v)));
        }
        let looked_up = weights.iter().filter(|weight| weight.fixed.is_none()).count();
        assert!(looked_up < 100, "{looked_up} of 4001 weights are looked up");
    }
}
