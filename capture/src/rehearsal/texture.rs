//! Surface patterns: lattice noise, and what walls, wood, print and bricks are covered with.

/// A pattern on a surface. Lengths are in tangent units: the view's plane at distance 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Texture {
    /// Plaster, paint, paper: gentle fractal noise; the number is the coarsest period.
    Mottled(f32),
    /// Foliage, clouds, stone: strong fractal noise.
    Rough(f32),
    /// Wood: noise drawn out along the surface's first axis.
    Wood(f32),
    /// Stripes across the first axis with this period.
    Stripes(f32),
    /// Cloth: two crossing sets of threads.
    Weave(f32),
    /// Lines of print, so high.
    Print(f32),
    /// Bricks, so wide.
    Bricks(f32),
    /// Windows of a house, so wide apart; panes lit at random.
    Windows(f32),
}

impl Texture {
    /// Where between a surface's two colours the point lies, 0 to 1. `px` is the distance of neighbouring pixels.
    pub(super) fn at(self, seed: u32, x: f32, y: f32, px: f32) -> f32 {
        match self {
            Self::Mottled(p) => 0.3 + 0.4 * fractal(seed, x / p, y / p, px / p),
            Self::Rough(p) => smooth(0.2, 0.8, fractal(seed, x / p, y / p, px / p)),
            Self::Wood(p) => {
                let rings = fractal(seed, x / (12.0 * p), y / p, px / p);
                0.7 * (0.5 + 0.5 * (rings * 18.0).sin()) + 0.3 * fractal(seed ^ 7, x / (4.0 * p), 4.0 * y / p, px / p)
            }
            // Patterns with hard edges are averaged over the pixel's four quarters.
            _ => {
                let q = px / 4.0;
                let sum: f32 = [(-q, -q), (q, -q), (-q, q), (q, q)]
                    .iter()
                    .map(|(dx, dy)| self.edged(seed, x + dx, y + dy, px))
                    .sum();
                sum / 4.0
            }
        }
    }

    fn edged(self, seed: u32, x: f32, y: f32, px: f32) -> f32 {
        match self {
            Self::Stripes(p) => {
                let t = x / p;
                let wide = 0.25 + 0.5 * hash(seed, t.floor() as i32, 0);
                if t - t.floor() < wide { 0.9 } else { 0.1 }
            }
            Self::Weave(p) => {
                let (a, b) = ((x / p).floor() as i32, (y / p).floor() as i32);
                let thread = if (a + b) & 1 == 0 { hash(seed, a, 0) } else { hash(seed ^ 1, 0, b) };
                0.2 + 0.6 * thread
            }
            Self::Print(line) => print(seed, x / line, y / line, px / line),
            Self::Bricks(p) => {
                let row = (2.0 * y / p).floor();
                let along = x / p + 0.5 * (row.rem_euclid(2.0));
                let (fx, fy) = (along - along.floor(), 2.0 * y / p - row);
                if fx < 0.06 || fy < 0.12 { 0.9 } else { 0.5 * hash(seed, along.floor() as i32, row as i32) }
            }
            Self::Windows(p) => {
                let (a, b) = ((x / p).floor(), (y / (1.4 * p)).floor());
                let (fx, fy) = (x / p - a, y / (1.4 * p) - b);
                let frame = (0.22..0.78).contains(&fx) && (0.2..0.75).contains(&fy);
                let bar = (fx - 0.5).abs() < 0.03 || (fy - 0.42).abs() < 0.02;
                if frame && !bar { 0.55 + 0.45 * hash(seed, a as i32, b as i32) } else { 0.0 }
            }
            Self::Mottled(_) | Self::Rough(_) | Self::Wood(_) => 0.0,
        }
    }
}

/// Print: lines of words of made-up letters, three by five dots each, on blank paper. Ink is 1.
fn print(seed: u32, x: f32, y: f32, px: f32) -> f32 {
    let line = y.floor();
    let within = y - line;
    if !(0.2..0.8).contains(&within) {
        return 0.0;
    }
    let cell = x / 0.42;
    let letter = cell.floor();
    let word = hash(seed, (letter / 5.0).floor() as i32, line as i32 ^ 0x55);
    let inside = cell - letter;
    // A word has two to five letters; the rest of its five places is blank.
    if letter.rem_euclid(5.0) > 1.0 + 3.0 * word || inside > 0.78 {
        return 0.0;
    }
    if px > 0.16 {
        // Letters smaller than a few pixels are grey.
        return 0.5;
    }
    let dots = hash_bits(seed ^ 0xA5, letter as i32, line as i32);
    let (column, row) = ((inside / 0.26) as u32, ((within - 0.2) / 0.12) as u32);
    // A stem on the left, and whatever the letter's bits say.
    let bit = column.min(2) + 3 * row.min(4);
    if column == 0 && dots & 0x10000 != 0 || dots >> bit & 1 == 1 { 1.0 } else { 0.0 }
}

/// Fractal noise, 0 to 1: octaves of value noise, each half as long and 0.55 as strong, down to the pixel.
pub(super) fn fractal(seed: u32, x: f32, y: f32, px: f32) -> f32 {
    let (mut sum, mut weight, mut frequency, mut strength) = (0.0, 0.0, 1.0f32, 1.0f32);
    for octave in 0..8u32 {
        sum += strength * value_noise(seed.wrapping_add(octave), x * frequency, y * frequency);
        weight += strength;
        frequency *= 2.03;
        strength *= 0.55;
        if frequency * px > 0.6 {
            break;
        }
    }
    sum / weight
}

/// Noise on the integer lattice, smoothly interpolated, 0 to 1.
fn value_noise(seed: u32, x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (i, j) = (x0 as i32, y0 as i32);
    let mix = |a: f32, b: f32, t: f32| a + t * (b - a);
    mix(mix(hash(seed, i, j), hash(seed, i + 1, j), sx), mix(hash(seed, i, j + 1), hash(seed, i + 1, j + 1), sx), sy)
}

/// A number from 0 to 1 for a lattice point.
pub(super) fn hash(seed: u32, x: i32, y: i32) -> f32 {
    (hash_bits(seed, x, y) >> 8) as f32 / (1 << 24) as f32
}

/// Integer mixing by multiplication and shifts (Ellis, "Hash functions for GPU rendering", JCGT 2020: pcg-like).
fn hash_bits(seed: u32, x: i32, y: i32) -> u32 {
    let mut h = seed.wrapping_mul(0x9E37_79B9)
        ^ x.cast_unsigned().wrapping_mul(0x85EB_CA6B)
        ^ y.cast_unsigned().wrapping_mul(0xC2B2_AE35);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smooth(low: f32, high: f32, v: f32) -> f32 {
    let t = ((v - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
