// Batch normalisation with the ReLU that follows it, on N x H x W x C: a row for each pixel of all images, its channels
// side by side.
//
// A block works on `chunk` rows of up to 32 packs of channels: its threads side by side take packs of one row, those below
// each other rows, and each keeps the sums of its own channels. Block b has the b % tiles-th group of channels and part
// b / tiles. The second pass of each direction takes the parts from the last to the first, and sums are what they are in
// kernels.cu, which also adds up the parts: these are rows x c values of planes of one pixel to it.

#include "normaliser.cuh"

constexpr unsigned THREADS = 256;
// Rows that are read before their short sums enter the f64 sums.
constexpr int ROWS = 8;
// Channels of a block at most: 32 packs of 8.
constexpr unsigned CHANNELS = 256;

struct Sizes {
    // `across` is a power of 2: threads side by side. `packed`: channels come in packs of 16 bytes.
    unsigned rows, c, across, chunk, packed;
};

// This thread's channels and rows: V channels of every `step`-th row.
template <int V>
struct Tile {
    unsigned first, channel, part, row, end, step;

    __device__ Tile(const Sizes& s, unsigned block) {
        const unsigned width = s.across * V, tiles = (s.c + width - 1) / width;
        first = block % tiles * width;
        channel = first + threadIdx.x % s.across * V;
        part = block / tiles;
        row = part * s.chunk + threadIdx.x / s.across;
        end = min(part * s.chunk + s.chunk, s.rows);
        step = THREADS / s.across;
    }
    __device__ static Tile rising(const Sizes& s) {
        return Tile(s, blockIdx.x);
    }
    __device__ static Tile falling(const Sizes& s) {
        return Tile(s, gridDim.x - 1 - blockIdx.x);
    }
    __device__ bool inside(const Sizes& s) const {
        return channel < s.c;
    }
    // Calls body(places) with U places while there are as many, then with one.
    template <int U, class Body>
    __device__ __forceinline__ void each(const Sizes& s, Body body) const {
        if (!inside(s)) return;
        unsigned i = row;
        while (i < end && end - i > (U - 1) * step) {
            size_t at[U];
#pragma unroll
            for (int u = 0; u < U; ++u, i += step) at[u] = size_t(i) * s.c + channel;
            body(at);
        }
        for (; i < end; i += step) {
            size_t at[1] = {size_t(i) * s.c + channel};
            body(at);
        }
    }
};

// Adds the sums of all threads with the same channels and writes them to `partial`, parts x 2 x c.
template <int V>
__device__ __forceinline__ void write_part(double* partial, const Sizes& s, const Tile<V>& tile, const double (&sums)[2][V]) {
    SHARED(double, all, THREADS * 2 * V);
#pragma unroll
    for (int k = 0; k < 2 * V; ++k) all[k * THREADS + threadIdx.x] = sums[k / V][k % V];
    for (unsigned half = THREADS / 2; half >= s.across; half /= 2) {
        __syncthreads();
        if (threadIdx.x >= half) continue;
#pragma unroll
        for (int k = 0; k < 2 * V; ++k) all[k * THREADS + threadIdx.x] += all[k * THREADS + threadIdx.x + half];
    }
    if (threadIdx.x >= s.across || !tile.inside(s)) return;
#pragma unroll
    for (int k = 0; k < 2 * V; ++k) {
        partial[size_t(2 * tile.part + k / V) * s.c + tile.channel + k % V] = all[k * THREADS + threadIdx.x];
    }
}

template <class T, int V>
__device__ __forceinline__ void moments(const T* x, double* partial, const Sizes& s) {
    const Tile<V> tile = Tile<V>::rising(s);
    Pack<T, V> shift = {};
    if (tile.inside(s)) shift = load<V>(x + tile.channel);
    double sums[2][V] = {};
    tile.template each<ROWS>(s, [&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) values[u] = load<V>(x + at[u]);
#pragma unroll
        for (int k = 0; k < V; ++k) {
            Wide<T> sum = 0, square = 0;
#pragma unroll
            for (int u = 0; u < U; ++u) {
                const Wide<T> v = up(values[u].of[k]) - up(shift.of[k]);
                sum += v;
                square += v * v;
            }
            sums[0][k] += sum;
            sums[1][k] += square;
        }
    });
    write_part<V>(partial, s, tile, sums);
}

// The normalisers of this thread's channels; each thread of the block makes one channel's.
template <class T, int V, class P>
__device__ __forceinline__ void normalisers(Normaliser<Wide<T>> (&own)[V], const double* stats, const P* gamma,
                                            const P* beta, const Sizes& s, const Tile<V>& tile, double eps) {
    SHARED(Normaliser<Wide<T>>, all, CHANNELS);
    const unsigned channel = tile.first + threadIdx.x;
    if (threadIdx.x < s.across * V && channel < s.c) {
        all[threadIdx.x] = normaliser_of<Wide<T>>(stats, gamma, beta, s.c, channel, eps);
    }
    __syncthreads();
    if (!tile.inside(s)) return;
#pragma unroll
    for (int k = 0; k < V; ++k) own[k] = all[tile.channel - tile.first + k];
}

template <class T, int V, class P>
__device__ __forceinline__ void forward(const T* __restrict__ x, const P* gamma, const P* beta, const double* stats,
                                        T* __restrict__ y, const Sizes& s, double eps, bool relu) {
    const Tile<V> tile = Tile<V>::falling(s);
    Normaliser<Wide<T>> norm[V] = {};
    normalisers<T, V>(norm, stats, gamma, beta, s, tile, eps);
    tile.template each<4>(s, [&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) values[u] = load<V>(x + at[u]);
#pragma unroll
        for (int u = 0; u < U; ++u) {
#pragma unroll
            for (int k = 0; k < V; ++k) {
                values[u].of[k] = down<T>(norm[k].result(up(values[u].of[k]), relu));
            }
            store(y + at[u], values[u]);
        }
    });
}

template <class T, int V, class P>
__device__ __forceinline__ void gradient_sums(const T* g, const T* x, const P* gamma, const P* beta, const double* stats,
                                              double* partial, const Sizes& s, double eps, bool relu) {
    const Tile<V> tile = Tile<V>::rising(s);
    Normaliser<Wide<T>> norm[V] = {};
    normalisers<T, V>(norm, stats, gamma, beta, s, tile, eps);
    double sums[2][V] = {};
    tile.template each<ROWS / 2>(s, [&](auto& at) {
        constexpr int U = sizeof(at) / sizeof(at[0]);
        Pack<T, V> gradients[U], values[U];
#pragma unroll
        for (int u = 0; u < U; ++u) {
            gradients[u] = load<V>(g + at[u]);
            values[u] = load<V>(x + at[u]);
        }
#pragma unroll
        for (int k = 0; k < V; ++k) {
            Wide<T> sum = 0, product = 0;
#pragma unroll
            for (int u = 0; u < U; ++u) {
                const Wide<T> gradient = masked(gradients[u].of[k], values[u].of[k], norm[k], relu);
                sum += gradient;
                product += gradient * (up(values[u].of[k]) - norm[k].mean);
            }
            sums[0][k] += sum;
            sums[1][k] += product;
        }
    });
    write_part<V>(partial, s, tile, sums);
}

template <class T, int V, class P>
__device__ __forceinline__ void input_gradient(const T* __restrict__ g, const T* __restrict__ x, const P* gamma,
                                               const P* beta, const double* stats, const P* sums, T* __restrict__ gx,
                                               const Sizes& s, double eps, bool relu, double through) {
    const Tile<V> tile = Tile<V>::falling(s);
    SHARED(Factors<Wide<T>>, all, CHANNELS);
    const unsigned channel = tile.first + threadIdx.x;
    if (threadIdx.x < s.across * V && channel < s.c) {
        all[threadIdx.x] = factors_of<Wide<T>>(stats, sums, s.c, channel, eps, through);
    }
    // The barrier in it is that of the factors, too.
    Normaliser<Wide<T>> norm[V] = {};
    normalisers<T, V>(norm, stats, gamma, beta, s, tile, eps);
    Factors<Wide<T>> factors[V] = {};
    if (tile.inside(s)) {
#pragma unroll
        for (int k = 0; k < V; ++k) factors[k] = all[tile.channel - tile.first + k];
    }
    tile.template each<2>(s, [&](auto& at) {
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
                const Wide<T> gradient = masked(gradients[u].of[k], values[u].of[k], norm[k], relu);
                gradients[u].of[k] = down<T>(factors[k].of_input(gradient, up(values[u].of[k]), norm[k]));
            }
            store(gx + at[u], gradients[u]);
        }
    });
}

// T is the type of images, P that of parameters. The parts' sums are added up by kernels.cu.
#define OF_TYPES(T, P, name)                                                                                         \
    ENTRY(THREADS) moments_##name(const T* x, double* partial, Sizes s) {                                            \
        s.packed ? moments<T, PACK<T>>(x, partial, s) : moments<T, 1>(x, partial, s);                                \
    }                                                                                                                \
    ENTRY(THREADS) forward_##name(const T* x, const P* gamma, const P* beta, const double* stats, T* y, Sizes s,     \
                                  double eps, unsigned relu) {                                                       \
        s.packed ? forward<T, PACK<T>>(x, gamma, beta, stats, y, s, eps, relu != 0)                                  \
                 : forward<T, 1>(x, gamma, beta, stats, y, s, eps, relu != 0);                                       \
    }                                                                                                                \
    ENTRY(THREADS) gradient_sums_##name(const T* g, const T* x, const P* gamma, const P* beta, const double* stats,  \
                                        double* partial, Sizes s, double eps, unsigned relu) {                       \
        s.packed ? gradient_sums<T, PACK<T>>(g, x, gamma, beta, stats, partial, s, eps, relu != 0)                   \
                 : gradient_sums<T, 1>(g, x, gamma, beta, stats, partial, s, eps, relu != 0);                        \
    }                                                                                                                \
    ENTRY(THREADS) input_gradient_##name(const T* g, const T* x, const P* gamma, const P* beta, const double* stats, \
                                         const P* sums, T* gx, Sizes s, double eps, unsigned relu, double through) { \
        s.packed ? input_gradient<T, PACK<T>>(g, x, gamma, beta, stats, sums, gx, s, eps, relu != 0, through)        \
                 : input_gradient<T, 1>(g, x, gamma, beta, stats, sums, gx, s, eps, relu != 0, through);             \
    }                                                                                                                \
    EMULATED(moments_##name)                                                                                         \
    EMULATED(forward_##name)                                                                                         \
    EMULATED(gradient_sums_##name)                                                                                   \
    EMULATED(input_gradient_##name)

OF_TYPES(float, float, f32)
OF_TYPES(double, double, f64)
OF_TYPES(bf16, float, bf16)
