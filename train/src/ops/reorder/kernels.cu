// Transposes matrices, from one type to another: N x C x (H W) to N x (H W) x C and back, filters alike.
//
// Of a wide matrix a block takes a square through shared memory, so that reads and writes both run along rows. Of one with few
// rows or columns (images of three channels, filters of 3 x 3) a square would be mostly empty: a thread takes a line across,
// and what it leaves of a cache's line its neighbours take.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;
constexpr unsigned SIDE = 32;
// Rows of the square that a block's threads cover at once.
constexpr unsigned STEP = THREADS / SIDE;

struct Sizes {
    unsigned rows, columns, down, across;
};

template <class T, class U>
__device__ __forceinline__ void transpose(const T* x, U* y, const Sizes& s) {
    // One more a row, so that a column's values lie in different banks.
    SHARED(Wide<U>, square, SIDE * (SIDE + 1));
    const unsigned left = blockIdx.x % s.across * SIDE, line = blockIdx.x / s.across;
    const unsigned top = line % s.down * SIDE;
    const size_t start = size_t(line / s.down) * s.rows * s.columns;
    const unsigned lane = threadIdx.x % SIDE, first = threadIdx.x / SIDE;
    for (unsigned k = first; k < SIDE; k += STEP) {
        const unsigned row = top + k, column = left + lane;
        if (row < s.rows && column < s.columns) {
            square[k * (SIDE + 1) + lane] = up(x[start + size_t(row) * s.columns + column]);
        }
    }
    __syncthreads();
    for (unsigned k = first; k < SIDE; k += STEP) {
        const unsigned row = left + k, column = top + lane;
        if (row < s.columns && column < s.rows) {
            y[start + size_t(row) * s.rows + column] = down<U>(square[lane * (SIDE + 1) + k]);
        }
    }
}

struct Narrow {
    unsigned matrices, rows, columns;
};

template <class T, class U>
__device__ __forceinline__ void transpose_narrow(const T* x, U* y, const Narrow& s) {
    const bool tall = s.rows >= s.columns;
    const unsigned length = tall ? s.rows : s.columns;
    const unsigned thread = blockIdx.x * THREADS + threadIdx.x, matrix = thread / length, at = thread % length;
    if (matrix >= s.matrices) return;
    x += size_t(matrix) * s.rows * s.columns;
    y += size_t(matrix) * s.rows * s.columns;
    if (tall) {
        for (unsigned c = 0; c < s.columns; ++c) {
            y[size_t(c) * s.rows + at] = down<U>(up(x[size_t(at) * s.columns + c]));
        }
    } else {
        for (unsigned r = 0; r < s.rows; ++r) {
            y[size_t(at) * s.rows + r] = down<U>(up(x[size_t(r) * s.columns + at]));
        }
    }
}

#define OF_TYPES(T, U, name)                                     \
    ENTRY(THREADS) transpose_##name(const T* x, U* y, Sizes s) { \
        transpose(x, y, s);                                      \
    }                                                            \
    EMULATED(transpose_##name)                                   \
    ENTRY(THREADS) narrow_##name(const T* x, U* y, Narrow s) {   \
        transpose_narrow(x, y, s);                               \
    }                                                            \
    EMULATED(narrow_##name)

OF_TYPES(float, float, f32)
OF_TYPES(double, double, f64)
OF_TYPES(bf16, bf16, bf16)
OF_TYPES(float, bf16, f32_to_bf16)
OF_TYPES(bf16, float, bf16_to_f32)
