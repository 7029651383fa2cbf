// The last stage of a sum: partial sums to one value.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;

// out = factor * (sum of `count` partial sums), for one block.
template <class T>
__device__ void total(const double* partial, T* out, unsigned count, double factor) {
    double sum[1] = {0};
    for (unsigned i = threadIdx.x; i < count; i += THREADS) sum[0] += partial[i];
    block_sum<THREADS>(sum);
    if (threadIdx.x == 0) *out = static_cast<T>(sum[0] * factor);
}

#define OF_TYPE(T, name)                                                                                 \
    ENTRY(THREADS) total_##name(const double* partial, T* out, unsigned count, double factor) {          \
        total<T>(partial, out, count, factor);                                                           \
    }                                                                                                    \
    EMULATED(total_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
