// SSIM and structure index: the window's moments, the index and its partial derivatives in one kernel, the gradient of
// one image in a second. The formulas are those of cpu.rs.
//
// A block has a tile of a plane: it filters along rows, then along columns, four outputs a thread each time so that
// values are read from shared memory once for four. Arithmetic is in f64 for both types, because a variance is the
// difference of two means of squares: in f32 its error would reach a third of 0.001 of C2. The partial derivatives
// between the kernels are stored in the images' type.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 128;
constexpr unsigned TILE_W = 32, TILE_H = 16;
// Outputs of a thread side by side.
constexpr unsigned STRIP = 4;
constexpr unsigned RADIUS = 5, WINDOW = 2 * RADIUS + 1, REACH = STRIP + 2 * RADIUS;
constexpr unsigned ROWS = TILE_H + 2 * RADIUS, COLUMNS = TILE_W + 2 * RADIUS;
// Odd distances of rows: threads of a warp that read one below the other meet different banks.
constexpr unsigned PITCH = COLUMNS + 1, PITCH_ACROSS = TILE_W + 1;
static_assert(THREADS * STRIP == TILE_W * TILE_H, "four pixels a thread");

constexpr double C1 = 0.01 * 0.01, C2 = 0.03 * 0.03;

// One side of the Gaussian window of sigma 1.5, which sums to 1.
__device__ constexpr double TAPS[WINDOW] = {0.00102838008447911, 0.007598758135239185, 0.03600077212843083,
                                            0.10936068950970002,   0.2130055377112537,   0.26601172486179436,
                                            0.2130055377112537,   0.10936068950970002,   0.03600077212843083,
                                            0.007598758135239185, 0.00102838008447911};

struct Sizes {
    unsigned h, w, tiles_down, tiles_across;
};

// This block's tile and this thread's pixels in it: one column, STRIP rows.
struct Tile {
    unsigned h, w, top, left, row, column;
    size_t plane;

    __device__ explicit Tile(const Sizes& s) : h(s.h), w(s.w) {
        const unsigned across = blockIdx.x % s.tiles_across, down = blockIdx.x / s.tiles_across;
        left = across * TILE_W;
        top = down % s.tiles_down * TILE_H;
        plane = size_t(down / s.tiles_down) * s.h * s.w;
        row = top + threadIdx.x / TILE_W * STRIP;
        column = left + threadIdx.x % TILE_W;
    }
    // Whether the k-th pixel lies in the plane.
    __device__ bool has(unsigned k) const {
        return column < w && row + k < h;
    }
    __device__ size_t at(unsigned k) const {
        return plane + size_t(row + k) * w + column;
    }
};

// STRIP outputs of the window from REACH values.
__device__ __forceinline__ void slide(const double (&values)[REACH], double (&out)[STRIP]) {
#pragma unroll
    for (unsigned k = 0; k < STRIP; ++k) {
        out[k] = 0;
#pragma unroll
        for (unsigned i = 0; i < WINDOW; ++i) out[k] += TAPS[i] * values[k + i];
    }
}

// Shared memory of `filter`.
struct Scratch {
    double *tile, *across;
};

// The window's weighted mean of value(place) around this thread's pixels, 0 outside the plane.
template <class Value>
__device__ __forceinline__ void filter(const Tile& t, Scratch scratch, Value value, double (&out)[STRIP]) {
    for (unsigned i = threadIdx.x; i < ROWS * COLUMNS; i += THREADS) {
        const unsigned row = i / COLUMNS, column = i % COLUMNS;
        // Above and left of the plane the differences wrap around to large numbers.
        const unsigned y = t.top + row - RADIUS, x = t.left + column - RADIUS;
        scratch.tile[row * PITCH + column] = y < t.h && x < t.w ? value(t.plane + size_t(y) * t.w + x) : 0;
    }
    __syncthreads();
    double values[REACH];
    for (unsigned i = threadIdx.x; i < ROWS * (TILE_W / STRIP); i += THREADS) {
        const unsigned row = i % ROWS, column = i / ROWS * STRIP;
#pragma unroll
        for (unsigned k = 0; k < REACH; ++k) values[k] = scratch.tile[row * PITCH + column + k];
        slide(values, out);
#pragma unroll
        for (unsigned k = 0; k < STRIP; ++k) scratch.across[row * PITCH_ACROSS + column + k] = out[k];
    }
    __syncthreads();
    const unsigned row = threadIdx.x / TILE_W * STRIP, column = threadIdx.x % TILE_W;
#pragma unroll
    for (unsigned k = 0; k < REACH; ++k) values[k] = scratch.across[(row + k) * PITCH_ACROSS + column];
    slide(values, out);
}

#define SCRATCH(name)                            \
    SHARED(double, tile, ROWS * PITCH);          \
    SHARED(double, across, ROWS * PITCH_ACROSS); \
    const Scratch name = {tile, across}

// Partial derivatives of the index at each pixel: by the means of a and of b, by the means of squares, by that of a b.
// The last two are needed for any gradient; null where none is wanted.
template <class T>
struct Partials {
    T *by_a, *by_b, *by_square, *by_product;
};

// `partial` has one sum of the index a block.
template <class T, bool SSIM>
__device__ __forceinline__ void similarity(const T* a, const T* b, double* partial, Partials<T> partials,
                                           const Sizes& s) {
    SCRATCH(scratch);
    const Tile t(s);
    const auto read = [](const T* from) { return [from](size_t i) { return static_cast<double>(from[i]); }; };
    const auto product = [](const T* u, const T* v) {
        return [u, v](size_t i) { return static_cast<double>(u[i]) * static_cast<double>(v[i]); };
    };
    double mean_a[STRIP], mean_b[STRIP], aa[STRIP], bb[STRIP], ab[STRIP];
    filter(t, scratch, read(a), mean_a);
    filter(t, scratch, read(b), mean_b);
    filter(t, scratch, product(a, a), aa);
    filter(t, scratch, product(b, b), bb);
    filter(t, scratch, product(a, b), ab);
    double sum[1] = {0};
#pragma unroll
    for (unsigned k = 0; k < STRIP; ++k) {
        if (!t.has(k)) continue;
        const double ma = mean_a[k], mb = mean_b[k];
        const double variances = aa[k] - ma * ma + (bb[k] - mb * mb), covariance = ab[k] - ma * mb;
        const double n1 = SSIM ? 2 * ma * mb + C1 : 1, d1 = SSIM ? ma * ma + mb * mb + C1 : 1;
        const double n2 = 2 * covariance + C2, d2 = variances + C2;
        const double index = n1 * n2 / (d1 * d2);
        sum[0] += index;
        if (!partials.by_square) continue;
        const double by_product = 2 * n1 / (d1 * d2), by_square = -index / d2;
        // Through variances and covariance, whose products of means are functions of the means too, and the luminance.
        const auto by_mean = [&](double own, double other) {
            const double through_moments = -by_product * other - 2 * by_square * own;
            return SSIM ? through_moments + 2 * other * n2 / (d1 * d2) - 2 * own * index / d1 : through_moments;
        };
        const size_t at = t.at(k);
        partials.by_square[at] = static_cast<T>(by_square);
        partials.by_product[at] = static_cast<T>(by_product);
        if (partials.by_a) partials.by_a[at] = static_cast<T>(by_mean(ma, mb));
        if (partials.by_b) partials.by_b[at] = static_cast<T>(by_mean(mb, ma));
    }
    block_sum<THREADS>(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum[0];
}

// The gradient of one image: scale (f(by_mean) + 2 own f(by_square) + other f(by_product)).
template <class T>
__device__ __forceinline__ void gradient(const T* own, const T* other, const T* by_mean, const T* by_square,
                                         const T* by_product, T* out, const Sizes& s, double scale) {
    SCRATCH(scratch);
    const Tile t(s);
    const auto read = [](const T* from) { return [from](size_t i) { return static_cast<double>(from[i]); }; };
    double means[STRIP], squares[STRIP], products[STRIP];
    filter(t, scratch, read(by_mean), means);
    filter(t, scratch, read(by_square), squares);
    filter(t, scratch, read(by_product), products);
#pragma unroll
    for (unsigned k = 0; k < STRIP; ++k) {
        if (!t.has(k)) continue;
        const size_t at = t.at(k);
        out[at] = static_cast<T>(scale * (means[k] + 2 * own[at] * squares[k] + other[at] * products[k]));
    }
}

#define OF_TYPE(T, name)                                                                                              \
    ENTRY(THREADS) ssim_##name(const T* a, const T* b, double* partial, T* by_a, T* by_b, T* by_square, T* by_product, \
                               Sizes s) {                                                                             \
        similarity<T, true>(a, b, partial, {by_a, by_b, by_square, by_product}, s);                                   \
    }                                                                                                                 \
    ENTRY(THREADS) structure_##name(const T* a, const T* b, double* partial, T* by_a, T* by_b, T* by_square,          \
                                    T* by_product, Sizes s) {                                                         \
        similarity<T, false>(a, b, partial, {by_a, by_b, by_square, by_product}, s);                                  \
    }                                                                                                                 \
    ENTRY(THREADS) gradient_##name(const T* own, const T* other, const T* by_mean, const T* by_square,                \
                                   const T* by_product, T* out, Sizes s, double scale) {                              \
        gradient(own, other, by_mean, by_square, by_product, out, s, scale);                                          \
    }                                                                                                                 \
    EMULATED(ssim_##name)                                                                                             \
    EMULATED(structure_##name)                                                                                        \
    EMULATED(gradient_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
