// Mean absolute difference: partial sums of |a - b| and the gradients, in one pass over both images.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;
// Values of a block.
constexpr unsigned CHUNK = 4096;

// `ga` and `gb` may be null; their values are the sign of a - b (0 where it is 0, NaN where it is NaN) over `count`.
template <class T>
__device__ __forceinline__ void l1(const T* a, const T* b, double* partial, T* ga, T* gb, size_t count) {
    const size_t start = size_t(blockIdx.x) * CHUNK, end = start + CHUNK < count ? start + CHUNK : count;
    const double step = 1.0 / count;
    double sum[1] = {0};
    for (size_t i = start + threadIdx.x; i < end; i += THREADS) {
        const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        const double slope = d > 0 ? step : d < 0 ? -step : d;
        sum[0] += fabs(d);
        if (ga) ga[i] = static_cast<T>(slope);
        if (gb) gb[i] = static_cast<T>(-slope);
    }
    block_sum<THREADS>(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum[0];
}

#define OF_TYPE(T, name)                                                                                     \
    ENTRY(THREADS) l1_##name(const T* a, const T* b, double* partial, T* ga, T* gb, size_t count) {          \
        l1(a, b, partial, ga, gb, count);                                                                    \
    }                                                                                                        \
    EMULATED(l1_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
