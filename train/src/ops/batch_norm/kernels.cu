// Batch normalisation with the ReLU that follows it, on N x C x H x W.
//
// A block works on part of one channel: `chunk` of its N * area values, sample after sample. Block b has channel b % c
// and part b / c, so that the blocks in flight read what lies together. The second pass of each direction takes the
// parts from the last to the first: what the first pass read last may still be in the L2 cache.
//
// Statistics are 2c values in f64: means, then biased variances. Sums run in f64 of short f32 sums, around the
// channel's first value (forward) or its mean (backward), where nothing cancels. A square beyond the range of f32 makes
// the variance infinite. The gradient's mask is computed again from x, to the bit, so that y is not read.

#include "normaliser.cuh"

constexpr unsigned THREADS = 256;
// Channels of a block that only adds partial sums: one a warp.
constexpr unsigned CHANNELS = THREADS / WARP;

struct Extents {
    unsigned n, c, area, chunk, parts;

    __device__ unsigned values() const {
        return n * area;
    }
};

// The places in memory of a block's values, for one thread: every THREADS-th pack of V values.
template <int V>
class Walk {
    static constexpr unsigned STEP = THREADS * V;
    size_t channel_start, sample_stride;
    unsigned i, end, area, sample, pixel, samples_a_step, pixels_a_step;

    __device__ size_t next() {
        const size_t at = channel_start + sample * sample_stride + pixel;
        i += STEP;
        sample += samples_a_step;
        pixel += pixels_a_step;
        if (pixel >= area) {
            pixel -= area;
            ++sample;
        }
        return at;
    }

  public:
    __device__ Walk(const Extents& e, unsigned channel, unsigned part)
        : channel_start(size_t(channel) * e.area), sample_stride(size_t(e.c) * e.area), area(e.area) {
        i = part * e.chunk + threadIdx.x * V;
        end = min(part * e.chunk + e.chunk, e.values());
        sample = i / area;
        pixel = i % area;
        samples_a_step = STEP / area;
        pixels_a_step = STEP % area;
    }

    // Calls body(places) with U places while there are as many, then with one.
    template <int U, class Body>
    __device__ __forceinline__ void each(Body body) {
        while (i < end && end - i > (U - 1) * STEP) {
            size_t at[U];
#pragma unroll
            for (int u = 0; u < U; ++u) at[u] = next();
            body(at);
        }
        while (i < end) {
            size_t at[1] = {next()};
            body(at);
        }
    }
};

struct Part {
    unsigned channel, part;

    __device__ static Part rising(const Extents& e) {
        return {blockIdx.x % e.c, blockIdx.x / e.c};
    }
    __device__ static Part falling(const Extents& e) {
        const unsigned block = gridDim.x - 1 - blockIdx.x;
        return {block % e.c, block / e.c};
    }
};

// Whether all of the arrays may be read in whole packs.
template <class T>
__device__ __forceinline__ bool in_packs(const Extents& e, const void* a, const void* b, const void* c) {
    return e.area % PACK<T> == 0 && aligned(a) && aligned(b) && aligned(c);
}

// Mean and variance from the sums around `shift`. Rounding may leave a constant channel's variance just below 0; NaN stays.
__device__ __forceinline__ void write_moments(double* stats, const Extents& e, unsigned channel, double shift, double s,
                                              double q) {
    const double count = e.values(), mean = s / count, variance = q / count - mean * mean;
    stats[channel] = shift + mean;
    stats[e.c + channel] = variance < 0 ? 0 : variance;
}

template <class T, int V>
__device__ __forceinline__ void add_moments(const T* x, const Extents& e, Part p, double (&sums)[2]) {
    const Wide<T> shift = up(x[size_t(p.channel) * e.area]);
    Walk<V>(e, p.channel, p.part).template each<16 / V>([&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) values[u] = load<V>(x + at[u]);
        Wide<T> s = 0, q = 0;
#pragma unroll
        for (int u = 0; u < U; ++u) {
#pragma unroll
            for (int k = 0; k < V; ++k) {
                const Wide<T> v = up(values[u].of[k]) - shift;
                s += v;
                q += v * v;
            }
        }
        sums[0] += s;
        sums[1] += q;
    });
}

// `partial` is parts x 2 x c, unless there is one part, which writes the statistics itself.
template <class T>
__device__ __forceinline__ void moments(const T* x, double* partial, double* stats, const Extents& e) {
    const Part p = Part::rising(e);
    double sums[2] = {0, 0};
    if (in_packs<T>(e, x, x, x)) {
        add_moments<T, PACK<T>>(x, e, p, sums);
    } else {
        add_moments<T, 1>(x, e, p, sums);
    }
    block_sum<THREADS>(sums);
    if (threadIdx.x != 0) return;
    if (e.parts == 1) {
        write_moments(stats, e, p.channel, up(x[size_t(p.channel) * e.area]), sums[0], sums[1]);
    } else {
        partial[size_t(2 * p.part) * e.c + p.channel] = sums[0];
        partial[size_t(2 * p.part + 1) * e.c + p.channel] = sums[1];
    }
}

// Both sums of this warp's channel over all parts, in every lane.
__device__ __forceinline__ void add_parts(const double* partial, const Extents& e, unsigned channel, double (&sums)[2]) {
    sums[0] = sums[1] = 0;
    for (unsigned part = threadIdx.x % WARP; part < e.parts; part += WARP) {
        sums[0] += partial[size_t(2 * part) * e.c + channel];
        sums[1] += partial[size_t(2 * part + 1) * e.c + channel];
    }
    sums[0] = warp_sum(sums[0]);
    sums[1] = warp_sum(sums[1]);
}

template <class T>
__device__ __forceinline__ void moments_of_parts(const T* x, const double* partial, double* stats, const Extents& e) {
    const unsigned channel = blockIdx.x * CHANNELS + threadIdx.x / WARP;
    if (channel >= e.c) return;
    double sums[2];
    add_parts(partial, e, channel, sums);
    if (threadIdx.x % WARP == 0) {
        write_moments(stats, e, channel, up(x[size_t(channel) * e.area]), sums[0], sums[1]);
    }
}

// Running statistics, c values each, move by `momentum` towards the batch's, the mean towards that with the bias, where there is
// one; one thread a channel.
template <class P>
__device__ __forceinline__ void enter(const double* stats, const P* bias, P* mean, P* var, unsigned c, double momentum,
                                      double unbiased) {
    const unsigned channel = blockIdx.x * THREADS + threadIdx.x;
    if (channel >= c) return;
    const double keep = 1 - momentum;
    const double batch = stats[channel] + (bias ? double(bias[channel]) : 0);
    mean[channel] = static_cast<P>(keep * mean[channel] + momentum * batch);
    var[channel] = static_cast<P>(keep * var[channel] + momentum * (stats[c + channel] * unbiased));
}

// The channel's normaliser; its f64 arithmetic is done by one thread of the block.
template <class A, class P>
__device__ __forceinline__ Normaliser<A> normaliser(const double* stats, const P* gamma, const P* beta, const Extents& e,
                                                    unsigned channel, double eps) {
    SHARED(Normaliser<A>, shared, 1);
    if (threadIdx.x == 0) *shared = normaliser_of<A>(stats, gamma, beta, e.c, channel, eps);
    __syncthreads();
    return *shared;
}

template <class T, int V>
__device__ __forceinline__ void normalise(const T* __restrict__ x, T* __restrict__ y, const Extents& e, Part p,
                                          Normaliser<Wide<T>> norm, bool relu) {
    Walk<V>(e, p.channel, p.part).template each<2>([&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) values[u] = load<V>(x + at[u]);
#pragma unroll
        for (int u = 0; u < U; ++u) {
#pragma unroll
            for (int k = 0; k < V; ++k) {
                values[u].of[k] = down<T>(norm.result(up(values[u].of[k]), relu));
            }
            store(y + at[u], values[u]);
        }
    });
}

template <class T, class P>
__device__ __forceinline__ void forward(const T* x, const P* gamma, const P* beta, const double* stats, T* y,
                                        const Extents& e, double eps, bool relu) {
    const Part p = Part::falling(e);
    const Normaliser<Wide<T>> norm = normaliser<Wide<T>>(stats, gamma, beta, e, p.channel, eps);
    if (in_packs<T>(e, x, y, y)) {
        normalise<T, PACK<T>>(x, y, e, p, norm, relu);
    } else {
        normalise<T, 1>(x, y, e, p, norm, relu);
    }
}

template <class T, int V>
__device__ __forceinline__ void add_gradients(const T* g, const T* x, const Extents& e, Part p,
                                              const Normaliser<Wide<T>>& norm, bool relu, double (&sums)[2]) {
    constexpr int ROUNDS = V < 8 ? 8 / V : 1;
    Walk<V>(e, p.channel, p.part).template each<ROUNDS>([&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> gradients[U], values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) {
            gradients[u] = load<V>(g + at[u]);
            values[u] = load<V>(x + at[u]);
        }
        Wide<T> s = 0, q = 0;
#pragma unroll
        for (int u = 0; u < U; ++u) {
#pragma unroll
            for (int k = 0; k < V; ++k) {
                const Wide<T> gradient = masked(gradients[u].of[k], values[u].of[k], norm, relu);
                s += gradient;
                q += gradient * (up(values[u].of[k]) - norm.mean);
            }
        }
        sums[0] += s;
        sums[1] += q;
    });
}

// From the sums of g and of g (x - mean rounded to A) to the gradients of beta and gamma: 2c values.
template <class A, class P>
__device__ __forceinline__ void write_sums(P* out, const double* stats, const Extents& e, unsigned channel, double eps,
                                           double s, double q) {
    const double mean = stats[channel], rounded = static_cast<A>(mean);
    out[channel] = static_cast<P>(s);
    // An infinite mean has no rounding to undo.
    const double around_mean = mean == rounded ? q : q - (mean - rounded) * s;
    out[e.c + channel] = static_cast<P>(around_mean * (1 / sqrt(stats[e.c + channel] + eps)));
}

// `partial` is parts x 2 x c, unless there is one part, which writes the sums itself.
template <class T, class P>
__device__ __forceinline__ void gradient_sums(const T* g, const T* x, const P* gamma, const P* beta, const double* stats,
                                              double* partial, P* out, const Extents& e, double eps, bool relu) {
    const Part p = Part::rising(e);
    const Normaliser<Wide<T>> norm = normaliser<Wide<T>>(stats, gamma, beta, e, p.channel, eps);
    double sums[2] = {0, 0};
    if (in_packs<T>(e, g, x, x)) {
        add_gradients<T, PACK<T>>(g, x, e, p, norm, relu, sums);
    } else {
        add_gradients<T, 1>(g, x, e, p, norm, relu, sums);
    }
    block_sum<THREADS>(sums);
    if (threadIdx.x != 0) return;
    if (e.parts == 1) {
        write_sums<Wide<T>>(out, stats, e, p.channel, eps, sums[0], sums[1]);
    } else {
        partial[size_t(2 * p.part) * e.c + p.channel] = sums[0];
        partial[size_t(2 * p.part + 1) * e.c + p.channel] = sums[1];
    }
}

template <class A, class P>
__device__ __forceinline__ void sums_of_parts(const double* partial, const double* stats, P* out, const Extents& e,
                                              double eps) {
    const unsigned channel = blockIdx.x * CHANNELS + threadIdx.x / WARP;
    if (channel >= e.c) return;
    double sums[2];
    add_parts(partial, e, channel, sums);
    if (threadIdx.x % WARP == 0) write_sums<A>(out, stats, e, channel, eps, sums[0], sums[1]);
}

template <class T, int V>
__device__ __forceinline__ void through_statistics(const T* __restrict__ g, const T* __restrict__ x, T* __restrict__ gx,
                                                   const Extents& e, Part p, const Normaliser<Wide<T>>& norm, bool relu,
                                                   Factors<Wide<T>> f) {
    Walk<V>(e, p.channel, p.part).template each<2>([&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> gradients[U], values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) {
            gradients[u] = load<V>(g + at[u]);
            values[u] = load<V>(x + at[u]);
        }
#pragma unroll
        for (int u = 0; u < U; ++u) {
#pragma unroll
            for (int k = 0; k < V; ++k) {
                const Wide<T> gradient = masked(gradients[u].of[k], values[u].of[k], norm, relu);
                gradients[u].of[k] = down<T>(f.of_input(gradient, up(values[u].of[k]), norm));
            }
            store(gx + at[u], gradients[u]);
        }
    });
}

// `sums` as gradient_sums gives them; `through` is 1 / values of a channel, or 0 where the statistics are constants.
template <class T, class P>
__device__ __forceinline__ void input_gradient(const T* g, const T* x, const P* gamma, const P* beta,
                                               const double* stats, const P* sums, T* gx, const Extents& e, double eps,
                                               bool relu, double through) {
    const Part p = Part::falling(e);
    const Normaliser<Wide<T>> norm = normaliser<Wide<T>>(stats, gamma, beta, e, p.channel, eps);
    SHARED(Factors<Wide<T>>, shared, 1);
    if (threadIdx.x == 0) *shared = factors_of<Wide<T>>(stats, sums, e.c, p.channel, eps, through);
    __syncthreads();
    const Factors<Wide<T>> f = *shared;
    if (in_packs<T>(e, g, x, gx)) {
        through_statistics<T, PACK<T>>(g, x, gx, e, p, norm, relu, f);
    } else {
        through_statistics<T, 1>(g, x, gx, e, p, norm, relu, f);
    }
}

// T is the type of images, P that of parameters.
#define OF_TYPES(T, P, name)                                                                                         \
    ENTRY(THREADS) moments_##name(const T* x, double* partial, double* stats, Extents e) {                           \
        moments<T>(x, partial, stats, e);                                                                            \
    }                                                                                                                \
    ENTRY(THREADS) moments_of_parts_##name(const T* x, const double* partial, double* stats, Extents e) {            \
        moments_of_parts<T>(x, partial, stats, e);                                                                   \
    }                                                                                                                \
    ENTRY(THREADS) forward_##name(const T* x, const P* gamma, const P* beta, const double* stats, T* y, Extents e,   \
                                  double eps, unsigned relu) {                                                       \
        forward<T, P>(x, gamma, beta, stats, y, e, eps, relu != 0);                                                  \
    }                                                                                                                \
    ENTRY(THREADS) gradient_sums_##name(const T* g, const T* x, const P* gamma, const P* beta, const double* stats,  \
                                        double* partial, P* sums, Extents e, double eps, unsigned relu) {            \
        gradient_sums<T, P>(g, x, gamma, beta, stats, partial, sums, e, eps, relu != 0);                             \
    }                                                                                                                \
    ENTRY(THREADS) sums_of_parts_##name(const double* partial, const double* stats, P* sums, Extents e, double eps) { \
        sums_of_parts<Wide<T>, P>(partial, stats, sums, e, eps);                                                     \
    }                                                                                                                \
    ENTRY(THREADS) input_gradient_##name(const T* g, const T* x, const P* gamma, const P* beta, const double* stats, \
                                         const P* sums, T* gx, Extents e, double eps, unsigned relu,                 \
                                         double through) {                                                           \
        input_gradient<T, P>(g, x, gamma, beta, stats, sums, gx, e, eps, relu != 0, through);                        \
    }                                                                                                                \
    EMULATED(moments_##name)                                                                                         \
    EMULATED(moments_of_parts_##name)                                                                                \
    EMULATED(forward_##name)                                                                                         \
    EMULATED(gradient_sums_##name)                                                                                   \
    EMULATED(sums_of_parts_##name)                                                                                   \
    EMULATED(input_gradient_##name)

OF_TYPES(float, float, f32)
OF_TYPES(double, double, f64)
OF_TYPES(bf16, float, bf16)

#define OF_PARAMETERS(P, name)                                                                                    \
    ENTRY(THREADS) enter_##name(const double* stats, const P* bias, P* mean, P* var, unsigned c, double momentum, \
                                double unbiased) {                                                                \
        enter(stats, bias, mean, var, c, momentum, unbiased);                                                     \
    }                                                                                                             \
    EMULATED(enter_##name)

OF_PARAMETERS(float, f32)
OF_PARAMETERS(double, f64)
