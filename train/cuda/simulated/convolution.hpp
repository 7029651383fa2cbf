// The three passes of a convolution, as loops: what cudnn.cpp does with its arguments.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace simulated {

// cudnnDataType_t, cudnnTensorFormat_t, cudnnMathType_t
enum { FLOAT = 0, DOUBLE = 1, BFLOAT16 = 9 };
enum { NCHW = 0, NHWC = 1 };
enum { DEFAULT_MATH = 0, TENSOR_OP_MATH = 1 };

// Of images and of filters: the extents in the order N, C, H, W whatever the format.
struct Tensor {
    int format = -1, type = -1, extents[4] = {};
    size_t count() const { return size_t(extents[0]) * extents[1] * extents[2] * extents[3]; }
    size_t size() const { return type == DOUBLE ? 8 : type == FLOAT ? 4 : 2; }
};
struct Convolution {
    int padding = 0, stride = 1, sums = -1, math = DEFAULT_MATH;
};
enum Pass { FORWARD, IMAGE, FILTERS };

inline float from_bf16(uint16_t bits) {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
}
// Keeps a number of an f32's lower bits at 0: 16 for bf16, 13 for TF32.
inline float rounded(float value, int lower) {
    if (value != value) return value;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits += (1u << (lower - 1)) - 1 + (bits >> lower & 1);
    bits &= ~((1u << lower) - 1);
    std::memcpy(&value, &bits, 4);
    return value;
}

// Where the value n, c, y, x of a tensor lies.
inline size_t place(const Tensor& t, size_t n, size_t c, size_t y, size_t x) {
    const size_t C = t.extents[1], H = t.extents[2], W = t.extents[3];
    return t.format == NCHW ? ((n * C + c) * H + y) * W + x : ((n * H + y) * W + x) * C + c;
}

// Calls f(value's place in the tensor, its place in the order N, C, H, W) for every value.
template <class F>
void each(const Tensor& t, F f) {
    size_t i = 0;
    for (int n = 0; n < t.extents[0]; ++n)
        for (int c = 0; c < t.extents[1]; ++c)
            for (int y = 0; y < t.extents[2]; ++y)
                for (int x = 0; x < t.extents[3]; ++x) f(place(t, n, c, y, x), i++);
}

template <class A>
std::vector<A> read(const Tensor& t, const void* from, bool tf32) {
    std::vector<A> values(t.count());
    each(t, [&](size_t at, size_t i) {
        if (t.type == DOUBLE) values[i] = A(static_cast<const double*>(from)[at]);
        else if (t.type == FLOAT)
            values[i] = tf32 ? rounded(static_cast<const float*>(from)[at], 13) : static_cast<const float*>(from)[at];
        else values[i] = from_bf16(static_cast<const uint16_t*>(from)[at]);
    });
    return values;
}

template <class A>
void write(const Tensor& t, const std::vector<A>& values, void* to) {
    each(t, [&](size_t at, size_t i) {
        if (t.type == DOUBLE) static_cast<double*>(to)[at] = values[i];
        else if (t.type == FLOAT) static_cast<float*>(to)[at] = float(values[i]);
        else {
            const float value = rounded(float(values[i]), 16);
            uint32_t bits;
            std::memcpy(&bits, &value, 4);
            static_cast<uint16_t*>(to)[at] = static_cast<uint16_t>(bits >> 16);
        }
    });
}

struct Arguments {
    Tensor image, filters, result;
    Convolution convolution;
    Pass pass;
    // In the order image, filters, result.
    void* at[3];

    const Tensor& tensor(int i) const { return i == 0 ? image : i == 1 ? filters : result; }
    // Which of them the pass writes.
    int written() const { return pass == FORWARD ? 2 : pass == IMAGE ? 0 : 1; }
};

// A pass over whole rows; A is what is added in.
template <class A>
void compute(const Arguments& a) {
    const bool tf32 = a.convolution.math == TENSOR_OP_MATH;
    const auto [N, C, H, W] = a.image.extents;
    const auto [N_, O, RH, RW] = a.result.extents;
    const int KH = a.filters.extents[2], KW = a.filters.extents[3], s = a.convolution.stride, p = a.convolution.padding;
    const int written = a.written();
    std::vector<A> values[3];
    for (int i = 0; i < 3; ++i)
        values[i] = i == written ? std::vector<A>(a.tensor(i).count()) : read<A>(a.tensor(i), a.at[i], tf32);
    for (int n = 0; n < N; ++n)
        for (int o = 0; o < O; ++o)
            for (int c = 0; c < C; ++c)
                for (int ky = 0; ky < KH; ++ky)
                    for (int kx = 0; kx < KW; ++kx) {
                        A& weight = values[1][((size_t(o) * C + c) * KH + ky) * KW + kx];
                        // Results whose pixel of the image is there.
                        const int first = std::max(0, (p - kx + s - 1) / s), last = std::min(RW, (W - 1 + p - kx) / s + 1);
                        A sum = 0;
                        for (int y = 0; y < RH; ++y) {
                            const int iy = y * s - p + ky;
                            if (iy < 0 || iy >= H || W - 1 + p - kx < 0) continue;
                            A* image = &values[0][((size_t(n) * C + c) * H + iy) * W];
                            A* result = &values[2][((size_t(n) * O + o) * RH + y) * RW];
                            const int shift = kx - p;
                            if (a.pass == FORWARD)
                                for (int x = first; x < last; ++x) result[x] += weight * image[x * s + shift];
                            else if (a.pass == IMAGE)
                                for (int x = first; x < last; ++x) image[x * s + shift] += weight * result[x];
                            else
                                for (int x = first; x < last; ++x) sum += result[x] * image[x * s + shift];
                        }
                        if (a.pass == FILTERS) weight += sum;
                    }
    write(a.tensor(written), values[written], a.at[written]);
}

}  // namespace simulated
