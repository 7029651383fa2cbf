// The luma of RGB images, as ops::LUMA has it.

#pragma once

__device__ constexpr double LUMA[3] = {0.2989, 0.5870, 0.1140};

// Of one pixel of an image whose planes are `area` values long.
template <class T>
__device__ __forceinline__ double luma(const T* planes, unsigned area, unsigned pixel) {
    return LUMA[0] * planes[pixel] + LUMA[1] * planes[area + pixel] + LUMA[2] * planes[2 * size_t(area) + pixel];
}
