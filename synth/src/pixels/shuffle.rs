//! Pixels of three bytes moved by AVX2's shuffles.

use std::arch::x86_64::*;

use super::turn::{BLOCK, Square, reverse_pixels};
use crate::vectors::{load_half, store, store_half};

/// A row from its last pixel to its first, as [`reverse_pixels`].
#[target_feature(enable = "avx2")]
pub(super) fn reverse(from: &[u8], to: &mut [u8]) {
    // Five pixels at the end of 16 bytes; what is written after them is the next ones' place.
    let order = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, -1);
    let (mut rest, mut done) = (from, 0);
    while let (Some(pixels), Some(place)) = (rest.last_chunk(), to[done..].first_chunk_mut()) {
        store_half(_mm_shuffle_epi8(load_half(pixels), order), place);
        rest = &rest[..rest.len() - 15];
        done += 15;
    }
    reverse_pixels(rest, &mut to[done..]);
}

/// Lines of columns, as [`super::turn`] has it for any processor: eight lines by four pixels at a time, which lie as RGB0 in four bytes meanwhile.
#[target_feature(enable = "avx2")]
pub(super) fn transpose(lines: [&[u8]; BLOCK], square: &mut Square) {
    // Four pixels at the beginning of 16 bytes, or at their end; and back to twelve bytes.
    let first = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    let last = _mm_setr_epi8(4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1);
    let [first, last] = [_mm256_set_m128i(first, first), _mm256_set_m128i(last, last)];
    let packed = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    let packed = _mm256_set_m128i(packed, packed);
    let joined = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
    for (start, at, spread) in [(0, 0, first), (4, 12, first), (8, 24, first), (12, 32, last)] {
        for across in [0, 8] {
            let four = |line: usize| {
                let half = |line: usize| {
                    lines[across + line][at..].first_chunk().map_or(_mm_setzero_si128(), |pixels| load_half(pixels))
                };
                _mm256_shuffle_epi8(_mm256_set_m128i(half(line + 4), half(line)), spread)
            };
            let [a, b, c, d] = [four(0), four(1), four(2), four(3)];
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (ab_end, cd_end) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            let columns = [
                _mm256_unpacklo_epi64(ab, cd),
                _mm256_unpackhi_epi64(ab, cd),
                _mm256_unpacklo_epi64(ab_end, cd_end),
                _mm256_unpackhi_epi64(ab_end, cd_end),
            ];
            for (k, column) in columns.into_iter().enumerate() {
                let pixels = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(column, packed), joined);
                // The last eight bytes are no pixels; what comes next overwrites them, or nothing reads them.
                if let Some(place) = square[start + k][across * 3..].first_chunk_mut() {
                    store(pixels, place);
                }
            }
        }
    }
}
