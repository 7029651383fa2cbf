// Magnitude of the luma's Sobel gradient, cut at 1; in f64, as on the CPU.

#include "cuda/common.cuh"
#include "cuda/luma.cuh"

constexpr unsigned THREADS = 256;

// One thread a pixel of n images of h x w.
template <class T>
__device__ __forceinline__ void sobel(const T* image, T* out, unsigned h, unsigned w) {
    const unsigned area = h * w, pixel = blockIdx.x * THREADS + threadIdx.x, sample = blockIdx.y;
    if (pixel >= area) return;
    const T* planes = image + size_t(3) * sample * area;
    const unsigned y = pixel / w, x = pixel % w;
    // The border's pixels are repeated outwards.
    const unsigned rows[3] = {y > 0 ? y - 1 : 0, y, min(y + 1, h - 1)};
    const unsigned columns[3] = {x > 0 ? x - 1 : 0, x, min(x + 1, w - 1)};
    double of[3][3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
#pragma unroll
        for (int j = 0; j < 3; ++j) of[i][j] = luma(planes, area, rows[i] * w + columns[j]);
    }
    const double gx = of[0][2] + 2 * of[1][2] + of[2][2] - (of[0][0] + 2 * of[1][0] + of[2][0]);
    const double gy = of[2][0] + 2 * of[2][1] + of[2][2] - (of[0][0] + 2 * of[0][1] + of[0][2]);
    const double magnitude = sqrt(gx * gx + gy * gy);
    out[size_t(sample) * area + pixel] = static_cast<T>(magnitude > 1 ? 1 : magnitude);
}

#define OF_TYPE(T, name)                                                                             \
    ENTRY(THREADS) sobel_##name(const T* image, T* out, unsigned h, unsigned w) {        \
        sobel(image, out, h, w);                                                                  \
    }                                                                                                \
    EMULATED(sobel_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
