// Maximum of each 2 x 2 block and its gradient, on planes of h x w or, `_last`, on images of h x w x c.
//
// A thread takes blocks side by side, one pack of 16 bytes from each of their two rows, or one block where rows do not
// divide into packs. The first maximum in row-major order counts, and NaN is larger than any number.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;

struct Sizes {
    unsigned planes, h, w;
};

// Where a thread's blocks lie.
struct Place {
    bool inside;
    unsigned row, column;  // of the upper left pixel
    size_t pixel, block;   // of that pixel in x, of the first block in y
};

// `blocks` of a thread side by side, in `rows` rows of `columns` blocks a plane.
__device__ __forceinline__ Place place(const Sizes& s, unsigned rows, unsigned columns, unsigned blocks) {
    const unsigned i = blockIdx.x * THREADS + threadIdx.x, threads_a_row = (columns + blocks - 1) / blocks;
    const unsigned line = i / threads_a_row, plane = line / rows;
    const unsigned row = line % rows, column = i % threads_a_row * blocks;
    const size_t pixel = (size_t(plane) * s.h + 2 * row) * s.w + 2 * column;
    return {plane < s.planes, 2 * row, 2 * column, pixel, (size_t(plane) * (s.h / 2) + row) * (s.w / 2) + column};
}

// Blocks of a thread's pack.
template <class T>
constexpr int BLOCKS = PACK<T> / 2;

// Whether every row begins and ends with a pack, in arrays of x's size, and in one of y's size with half a pack.
template <class T>
__device__ __forceinline__ bool in_packs(const Sizes& s, const void* x, const void* gx, const void* y) {
    return s.w % PACK<T> == 0 && aligned(x) && aligned(gx) && aligned(y, BLOCKS<T> * sizeof(T));
}

template <class A>
__device__ __forceinline__ bool beats(A value, A best) {
    return value > best || value != value;
}

template <class T>
__device__ __forceinline__ void pool(const T* x, T* y, const Sizes& s, const Place& at) {
    const Pack<T, PACK<T>> upper = load<PACK<T>>(x + at.pixel), lower = load<PACK<T>>(x + at.pixel + s.w);
    Pack<T, BLOCKS<T>> largest;
#pragma unroll
    for (int k = 0; k < BLOCKS<T>; ++k) {
        const Wide<T> top = larger(up(upper.of[2 * k]), up(upper.of[2 * k + 1]));
        largest.of[k] = down<T>(larger(top, larger(up(lower.of[2 * k]), up(lower.of[2 * k + 1]))));
    }
    store(y + at.block, largest);
}

// One block in the general case, whose rows may begin anywhere.
template <class T>
__device__ __forceinline__ void pool_one(const T* x, T* y, const Sizes& s, const Place& at) {
    const T* from = x + at.pixel;
    const Wide<T> top = larger(up(from[0]), up(from[1]));
    y[at.block] = down<T>(larger(top, larger(up(from[s.w]), up(from[s.w + 1]))));
}

template <class T>
__device__ __forceinline__ void forward(const T* x, T* y, const Sizes& s) {
    const bool packs = in_packs<T>(s, x, x, y);
    const Place at = place(s, s.h / 2, s.w / 2, packs ? BLOCKS<T> : 1);
    if (!at.inside) return;
    if (packs) {
        pool(x, y, s, at);
    } else {
        pool_one(x, y, s, at);
    }
}

// What each pixel of a block receives of its gradient: upper left and right, lower left and right.
template <class A>
__device__ __forceinline__ void share(const A (&values)[4], A g, A (&shares)[4]) {
    const bool right_above = beats(values[1], values[0]), right_below = beats(values[3], values[2]);
    const A above = right_above ? values[1] : values[0], below = right_below ? values[3] : values[2];
    const bool low = beats(below, above);
    shares[0] = !low && !right_above ? g : 0;
    shares[1] = !low && right_above ? g : 0;
    shares[2] = low && !right_below ? g : 0;
    shares[3] = low && right_below ? g : 0;
}

template <class T>
__device__ __forceinline__ void unpool(const T* x, const T* g, T* gx, const Sizes& s, const Place& at) {
    Pack<T, PACK<T>> upper = load<PACK<T>>(x + at.pixel), lower = load<PACK<T>>(x + at.pixel + s.w);
    const Pack<T, BLOCKS<T>> gradients = load<BLOCKS<T>>(g + at.block);
#pragma unroll
    for (int k = 0; k < BLOCKS<T>; ++k) {
        const Wide<T> values[4] = {up(upper.of[2 * k]), up(upper.of[2 * k + 1]), up(lower.of[2 * k]),
                                   up(lower.of[2 * k + 1])};
        Wide<T> shares[4];
        share(values, up(gradients.of[k]), shares);
        upper.of[2 * k] = down<T>(shares[0]);
        upper.of[2 * k + 1] = down<T>(shares[1]);
        lower.of[2 * k] = down<T>(shares[2]);
        lower.of[2 * k + 1] = down<T>(shares[3]);
    }
    store(gx + at.pixel, upper);
    store(gx + at.pixel + s.w, lower);
}

// One block or, in an odd last row or column, the part of one that the image holds: those pixels receive 0.
template <class T>
__device__ __forceinline__ void unpool_one(const T* x, const T* g, T* gx, const Sizes& s, const Place& at) {
    const bool right = at.column + 1 < s.w, below = at.row + 1 < s.h;
    Wide<T> shares[4] = {0, 0, 0, 0};
    if (right && below) {
        const T* from = x + at.pixel;
        const Wide<T> values[4] = {up(from[0]), up(from[1]), up(from[s.w]), up(from[s.w + 1])};
        share(values, up(g[at.block]), shares);
    }
    T* to = gx + at.pixel;
    to[0] = down<T>(shares[0]);
    if (right) to[1] = down<T>(shares[1]);
    if (below) to[s.w] = down<T>(shares[2]);
    if (right && below) to[s.w + 1] = down<T>(shares[3]);
}

template <class T>
__device__ __forceinline__ void input_gradient(const T* x, const T* g, T* gx, const Sizes& s) {
    const bool packs = in_packs<T>(s, x, gx, g);
    // An odd last row or column has threads of its own.
    const Place at = place(s, (s.h + 1) / 2, (s.w + 1) / 2, packs ? BLOCKS<T> : 1);
    if (!at.inside) return;
    if (packs && at.row + 1 < s.h) {
        unpool(x, g, gx, s, at);
    } else if (packs) {
        const Pack<T, PACK<T>> zeros = {};
        store(gx + at.pixel, zeros);
    } else {
        unpool_one(x, g, gx, s, at);
    }
}

// Images of which a pixel's channels lie side by side. A thread takes the same V channels of the four pixels of a block.
struct Images {
    unsigned n, h, w, c, packed;
};

// Where a thread's blocks lie, in rows of `columns` blocks.
struct Corner {
    bool inside, right, below;  // whether there is a block, and what of it the image holds
    size_t pixel, block;        // of the upper left pixel's values in x, of the block's in y
};

template <int V>
__device__ __forceinline__ Corner corner(const Images& s, unsigned rows, unsigned columns) {
    const unsigned i = blockIdx.x * THREADS + threadIdx.x, packs = s.c / V;
    const unsigned channel = i % packs * V, column = i / packs % columns, line = i / packs / columns;
    const unsigned row = line % rows, image = line / rows;
    const size_t pixel = (size_t(image) * s.h + 2 * row) * s.w + 2 * column;
    const size_t block = (size_t(image) * (s.h / 2) + row) * (s.w / 2) + column;
    return {image < s.n, 2 * column + 1 < s.w, 2 * row + 1 < s.h, pixel * s.c + channel, block * s.c + channel};
}

template <class T, int V>
__device__ __forceinline__ void pool_last(const T* x, T* y, const Images& s) {
    const Corner at = corner<V>(s, s.h / 2, s.w / 2);
    if (!at.inside) return;
    const size_t below = size_t(s.w) * s.c;
    Pack<T, V> largest = load<V>(x + at.pixel);
    const Pack<T, V> b = load<V>(x + at.pixel + s.c);
    const Pack<T, V> c = load<V>(x + at.pixel + below), d = load<V>(x + at.pixel + below + s.c);
#pragma unroll
    for (int k = 0; k < V; ++k) {
        const Wide<T> top = larger(up(largest.of[k]), up(b.of[k]));
        largest.of[k] = down<T>(larger(top, larger(up(c.of[k]), up(d.of[k]))));
    }
    store(y + at.block, largest);
}

// A block of which the image holds a part has no gradient.
template <class T, int V>
__device__ __forceinline__ void unpool_last(const T* x, const T* g, T* gx, const Images& s) {
    const Corner at = corner<V>(s, (s.h + 1) / 2, (s.w + 1) / 2);
    if (!at.inside) return;
    const size_t below = size_t(s.w) * s.c;
    Pack<T, V> a = {}, b = {}, c = {}, d = {};
    if (at.right && at.below) {
        a = load<V>(x + at.pixel);
        b = load<V>(x + at.pixel + s.c);
        c = load<V>(x + at.pixel + below);
        d = load<V>(x + at.pixel + below + s.c);
        const Pack<T, V> gradients = load<V>(g + at.block);
#pragma unroll
        for (int k = 0; k < V; ++k) {
            const Wide<T> values[4] = {up(a.of[k]), up(b.of[k]), up(c.of[k]), up(d.of[k])};
            Wide<T> shares[4];
            share(values, up(gradients.of[k]), shares);
            a.of[k] = down<T>(shares[0]);
            b.of[k] = down<T>(shares[1]);
            c.of[k] = down<T>(shares[2]);
            d.of[k] = down<T>(shares[3]);
        }
    }
    store(gx + at.pixel, a);
    if (at.right) store(gx + at.pixel + s.c, b);
    if (at.below) store(gx + at.pixel + below, c);
    if (at.right && at.below) store(gx + at.pixel + below + s.c, d);
}

#define OF_TYPE(T, name)                                                                        \
    ENTRY(THREADS) forward_##name(const T* x, T* y, Sizes s) {                                  \
        forward(x, y, s);                                                                       \
    }                                                                                           \
    ENTRY(THREADS) input_gradient_##name(const T* x, const T* g, T* gx, Sizes s) {              \
        input_gradient(x, g, gx, s);                                                            \
    }                                                                                           \
    ENTRY(THREADS) forward_last_##name(const T* x, T* y, Images s) {                            \
        s.packed ? pool_last<T, PACK<T>>(x, y, s) : pool_last<T, 1>(x, y, s);                   \
    }                                                                                           \
    ENTRY(THREADS) input_gradient_last_##name(const T* x, const T* g, T* gx, Images s) {        \
        s.packed ? unpool_last<T, PACK<T>>(x, g, gx, s) : unpool_last<T, 1>(x, g, gx, s);       \
    }                                                                                           \
    EMULATED(forward_##name)                                                                    \
    EMULATED(input_gradient_##name)                                                             \
    EMULATED(forward_last_##name)                                                               \
    EMULATED(input_gradient_last_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
OF_TYPE(bf16, bf16)
