// What every kernel here stands on: element types, packs of 16 bytes, sums of a block in a fixed order.
//
// Kernels are compiled twice from the same text: by nvcc for the GPU, and by the C++ compiler for the tests, where
// emulator.hpp stands in for the GPU (train/tests/kernels).
//
// Nothing here adds floats atomically, so a result depends on shapes and values alone. Where a comment says that a sum
// runs "in f64 of short f32 sums", up to 16 values are added in f32 before they enter an f64 sum: conversions and f64
// additions are a quarter as frequent as loads then, and the rounding is that of 16 additions, not of a million.

#pragma once

#ifdef __CUDACC__
#define SHARED(type, name, extent) __shared__ type name[extent]
#define EMULATED(kernel)
#else
#include "emulator.hpp"
#endif

// A kernel that the host finds by its name.
#define ENTRY(threads) extern "C" __global__ void __launch_bounds__(threads)

constexpr unsigned WARP = 32;
constexpr unsigned EVERY_LANE = 0xffffffffu;

// The upper half of an f32. Arithmetic is in f32.
struct bf16 {
    unsigned short bits;
};

// What sums and products of a type are computed in.
template <class T>
struct Arithmetic {
    using type = float;
};
template <>
struct Arithmetic<double> {
    using type = double;
};
template <class T>
using Wide = typename Arithmetic<T>::type;

__device__ __forceinline__ float up(bf16 v) {
    return __uint_as_float(static_cast<unsigned>(v.bits) << 16);
}
__device__ __forceinline__ float up(float v) {
    return v;
}
__device__ __forceinline__ double up(double v) {
    return v;
}

// The nearest value of type T, ties to even.
template <class T>
__device__ __forceinline__ T down(Wide<T> v) {
    return v;
}
template <>
__device__ __forceinline__ bf16 down<bf16>(float v) {
#ifdef __CUDACC__
    bf16 rounded;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded.bits) : "f"(v));
    return rounded;
#else
    const unsigned bits = __float_as_uint(v);
    if (v != v) return {0x7fff};
    return {static_cast<unsigned short>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
#endif
}

// V values that lie side by side, read and written at once.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
    T of[V];
};

// Values in 16 bytes.
template <class T>
constexpr int PACK = 16 / sizeof(T);

template <int V, class T>
__device__ __forceinline__ Pack<T, V> load(const T* from) {
    return *reinterpret_cast<const Pack<T, V>*>(from);
}
template <int V, class T>
__device__ __forceinline__ void store(T* to, const Pack<T, V>& values) {
    *reinterpret_cast<Pack<T, V>*>(to) = values;
}

// Whether packs of `bytes` may be read from a pointer; nothing is read from null.
__device__ __forceinline__ bool aligned(const void* pointer, unsigned bytes = 16) {
    return reinterpret_cast<unsigned long long>(pointer) % bytes == 0;
}

// The larger of two values; NaN is larger than any number.
template <class A>
__device__ __forceinline__ A larger(A first, A second) {
    return second > first || second != second ? second : first;
}

// Sums of a warp's values, in every lane, in an order that the lanes' numbers set.
__device__ __forceinline__ double warp_sum(double v) {
    for (int step = WARP / 2; step > 0; step /= 2) v += __shfl_xor_sync(EVERY_LANE, v, step);
    return v;
}

// The largest of a block's values, in every thread. May be called again after the block has synchronised.
template <unsigned THREADS>
__device__ __forceinline__ double block_largest(double v) {
    SHARED(double, of_warps, THREADS / WARP);
    for (int step = WARP / 2; step > 0; step /= 2) v = larger(v, __shfl_xor_sync(EVERY_LANE, v, step));
    if (threadIdx.x % WARP == 0) of_warps[threadIdx.x / WARP] = v;
    __syncthreads();
    v = of_warps[0];
    for (unsigned i = 1; i < THREADS / WARP; ++i) v = larger(v, of_warps[i]);
    return v;
}

// N sums over a block, in thread 0 (elsewhere the values are arbitrary). May be called again after the block has
// synchronised.
template <unsigned THREADS, int N>
__device__ __forceinline__ void block_sum(double (&v)[N]) {
    SHARED(double, of_warps, N * (THREADS / WARP));
#pragma unroll
    for (int k = 0; k < N; ++k) {
        v[k] = warp_sum(v[k]);
        if (threadIdx.x % WARP == 0) of_warps[k * (THREADS / WARP) + threadIdx.x / WARP] = v[k];
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
#pragma unroll
    for (int k = 0; k < N; ++k) {
        v[k] = 0;
        for (unsigned i = 0; i < THREADS / WARP; ++i) v[k] += of_warps[k * (THREADS / WARP) + i];
    }
}
