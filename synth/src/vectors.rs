//! Bytes to AVX2's registers and back.

use std::arch::x86_64::*;

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load(from: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes are there, and need no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store(vector: __m256i, to: &mut [u8; 32]) {
    // SAFETY: 32 bytes are there, and need no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) };
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_half(from: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are there, and need no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store_half(vector: __m128i, to: &mut [u8; 16]) {
    // SAFETY: 16 bytes are there, and need no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), vector) };
}
