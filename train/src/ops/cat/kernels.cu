// Copies parts of rows: what images are put together with along their channels, and taken apart.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;

struct Sizes {
    // Rows begin every `from` and every `to` values. `packed`: everything comes in packs of 16 bytes.
    unsigned rows, columns, from, to, packed;
};

template <class T, int V>
__device__ __forceinline__ void copy(const T* __restrict__ x, T* __restrict__ y, const Sizes& s) {
    const unsigned i = blockIdx.x * THREADS + threadIdx.x, packs = s.columns / V;
    const unsigned row = i / packs, column = i % packs * V;
    if (row >= s.rows) return;
    store(y + size_t(row) * s.to + column, load<V>(x + size_t(row) * s.from + column));
}

#define OF_TYPE(T, name)                                                   \
    ENTRY(THREADS) copy_##name(const T* x, T* y, Sizes s) {                \
        s.packed ? copy<T, PACK<T>>(x, y, s) : copy<T, 1>(x, y, s);        \
    }                                                                      \
    EMULATED(copy_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
OF_TYPE(bf16, bf16)
