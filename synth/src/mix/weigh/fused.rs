//! [`super::plain`]'s loops in one pass, by AVX2's instructions: a value is read once, and products are taken of what is
//! in a register. The same bits.

use std::arch::x86_64::*;

use super::{Layers, plain, weight::Fixed};
use crate::{
    mix::figures::Figures,
    vectors::{load, store},
};

/// As [`plain::blend`].
#[target_feature(enable = "avx2")]
pub(super) fn blend([alpha, beta]: [Fixed; 2], layers: Layers<'_>, figures: &mut Figures) -> u64 {
    // Vectors and pixels both end at multiples of 96 bytes.
    let whole = layers.b.len() / 96 * 96;
    let (layers, end) = layers.split_at(whole);
    let mut over = plain::blend(|v| alpha.weigh(v), |v| beta.weigh(v), end, figures);

    let Layers { behind, before, b, r, i } = layers;
    let (behind, before) = (behind.as_chunks().0, before.as_chunks().0);
    let (b, r, i) = (b.as_chunks_mut().0, r.as_chunks_mut().0, i.as_chunks_mut().0);
    let (alpha, beta) = (Lanes::of(alpha), Lanes::of(beta));
    let parts = behind.chunks(PART).zip(before.chunks(PART));
    let made = b.chunks_mut(PART).zip(r.chunks_mut(PART)).zip(i.chunks_mut(PART));
    for ((behind, before), ((b, r), i)) in parts.zip(made) {
        let zero = _mm256_setzero_si256();
        let (mut within, mut products, mut squares) = (zero, zero, zero);
        let made = b.iter_mut().zip(&mut *r).zip(i);
        for ((behind, before), ((b, r), i)) in behind.iter().zip(before).zip(made) {
            let [low, high] = in_high_bytes(load(behind));
            let background = _mm256_packus_epi16(alpha.weigh(low), alpha.weigh(high));
            let photograph = in_high_bytes(load(before));
            let reflection = _mm256_packus_epi16(beta.weigh(photograph[0]), beta.weigh(photograph[1]));
            let sum = _mm256_adds_epu8(background, reflection);
            let wrapped = _mm256_add_epi8(background, reflection);
            within = _mm256_sub_epi8(within, _mm256_cmpeq_epi8(sum, wrapped));
            let layer = in_high_bytes(reflection);
            for (l, p) in layer.into_iter().zip(photograph) {
                let (l, p) = (_mm256_srli_epi16::<8>(l), _mm256_srli_epi16::<8>(p));
                products = _mm256_add_epi32(products, _mm256_madd_epi16(l, p));
                squares = _mm256_add_epi32(squares, _mm256_madd_epi16(p, p));
            }
            store(background, b);
            store(reflection, r);
            store(sum, i);
        }
        let within = lanes(_mm256_sad_epu8(within, zero)).into_iter().map(u64::from).sum::<u64>();
        over += behind.len() as u64 * 32 - within;
        let total = |sums| lanes(sums).into_iter().map(u64::from).sum();
        figures.add_products(total(products), total(squares));
        let (luma, luma_squares) = lumas(r.as_flattened());
        figures.add_luma_sums(r.len() as u64 * 32 / 3, total(luma), total(luma_squares));
    }
    over
}

/// Vectors of which all sums fit 32 bits (of white, squares of luma come to 0.99 of what is signed) and all counts a byte; a
/// multiple of three, so that pixels end with them.
const PART: usize = 96;

/// Sums of some pixels' luma in 16ths of a level, as [`Figures`] has it, and of its squares.
///
/// Eight pixels at a time, as RGB0. Bytes are multiplied signed by unsigned: 128 less than the value, by the weights, whose
/// sum is 256, give 32,768 less than 256 times the luma.
#[inline]
#[target_feature(enable = "avx2")]
fn lumas(pixels: &[u8]) -> (__m256i, __m256i) {
    let weights = _mm256_set1_epi32(i32::from_le_bytes([77, 150, 29, 0]));
    let halves = _mm256_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0);
    let spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    let spread = _mm256_set_m128i(spread, spread);
    let (mut sum, mut squares) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    let mut add = |eight: __m256i, order: __m256i| {
        let pixels = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(eight, order), spread);
        let pixels = _mm256_xor_si256(pixels, _mm256_set1_epi8(-128));
        let pairs = _mm256_maddubs_epi16(weights, pixels);
        let below = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
        let luma = _mm256_srli_epi32::<4>(_mm256_add_epi32(below, _mm256_set1_epi32(32_768)));
        sum = _mm256_add_epi32(sum, luma);
        squares = _mm256_add_epi32(squares, _mm256_madd_epi16(luma, luma));
    };
    for pixels in pixels.as_chunks::<96>().0 {
        // The last eight end with their vector.
        for (start, order) in [(0, halves), (24, halves), (48, halves), (64, _mm256_setr_epi32(2, 3, 4, 0, 5, 6, 7, 0))]
        {
            if let Some(eight) = pixels[start..].first_chunk() {
                add(load(eight), order);
            }
        }
    }
    (sum, squares)
}

/// A weight for 16 values at once.
#[derive(Clone, Copy)]
struct Lanes {
    whole: __m256i,
    part: __m256i,
}

impl Lanes {
    #[target_feature(enable = "avx2")]
    fn of(weight: Fixed) -> Self {
        Self { whole: _mm256_set1_epi16(weight.whole as i16), part: _mm256_set1_epi16(weight.part as i16) }
    }

    /// As [`Fixed::weigh`] before it ends at white, of 256 times the value.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn weigh(self, value: __m256i) -> __m256i {
        let part = _mm256_add_epi16(_mm256_mulhi_epu16(value, self.part), _mm256_set1_epi16(128));
        let whole = _mm256_mullo_epi16(_mm256_srli_epi16::<8>(value), self.whole);
        _mm256_add_epi16(whole, _mm256_srli_epi16::<8>(part))
    }
}

/// Bytes as the high ones of 16-bit lanes, in the order that `_mm256_packus_epi16` takes back.
#[inline]
#[target_feature(enable = "avx2")]
fn in_high_bytes(bytes: __m256i) -> [__m256i; 2] {
    let zero = _mm256_setzero_si256();
    [_mm256_unpacklo_epi8(zero, bytes), _mm256_unpackhi_epi8(zero, bytes)]
}

/// The eight numbers of 32 bits.
#[target_feature(enable = "avx2")]
fn lanes(sums: __m256i) -> [u32; 8] {
    let mut bytes = [0; 32];
    store(sums, &mut bytes);
    let (numbers, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|k| u32::from_le_bytes(numbers[k]))
}
