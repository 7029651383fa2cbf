// What a channel is normalised with, in either order of the images' values.

#pragma once

#include "cuda/common.cuh"

// y = relu((x - mean) * scale + shift). One rounding fewer than written: the same in every kernel.
template <class A>
struct Normaliser {
    A mean, scale, shift;

    __device__ __forceinline__ A operator()(A x) const {
        return fma(x - mean, scale, shift);
    }
    // The result, with `relu` cut at 0; NaN stays.
    __device__ __forceinline__ A result(A x, bool relu) const {
        const A v = (*this)(x);
        return relu && v < 0 ? 0 : v;
    }
};

// The channel's normaliser, from statistics of `c` channels.
template <class A, class P>
__device__ __forceinline__ Normaliser<A> normaliser_of(const double* stats, const P* gamma, const P* beta, unsigned c,
                                                       unsigned channel, double eps) {
    const double scale = static_cast<double>(gamma[channel]) * (1 / sqrt(stats[c + channel] + eps));
    return {static_cast<A>(stats[channel]), static_cast<A>(scale), beta[channel]};
}

// The gradient after the ReLU's mask: 0 where the result, as it was stored, is 0; NaN lets it through.
template <class T>
__device__ __forceinline__ Wide<T> masked(T g, T x, const Normaliser<Wide<T>>& norm, bool relu) {
    return relu && up(down<T>(norm(up(x)))) <= 0 ? 0 : up(g);
}

// Ioffe and Szegedy 2015, section 3, solved for the gradient of x: scale (g - mean_g - (x - mean) slope).
template <class A>
struct Factors {
    A mean_g, slope;

    // From the gradient after the mask.
    __device__ __forceinline__ A of_input(A gradient, A x, const Normaliser<A>& norm) const {
        const A apart = x - norm.mean;
        return norm.scale * (gradient - mean_g - apart * slope);
    }
};

// The channel's factors, from the sums that gradient_sums gives; `through` is 1 / values of a channel, or 0 where the
// statistics are constants.
template <class A, class P>
__device__ __forceinline__ Factors<A> factors_of(const double* stats, const P* sums, unsigned c, unsigned channel,
                                                 double eps, double through) {
    const double inverse = 1 / sqrt(stats[c + channel] + eps);
    return {static_cast<A>(sums[channel] * through), static_cast<A>(sums[c + channel] * through * inverse)};
}
