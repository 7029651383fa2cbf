// The statistic loss in six kernels, in f64 as on the CPU: softmax sums, their combination, characteristic functions at
// 97 nodes, the loss with its slopes, derivatives by sample, the gradient of the image.
//
// Images are numbered 0..n for a and n..2n for the target. A direction has `count` differences of neighbours; block
// (part, direction, image) has CHUNK of them. Cosine and sine at successive nodes come from the recurrence
// c[k + 1] = 2 c[1] c[k] - c[k - 1], one fused operation each; over 97 nodes its error stays below 1e-12.

#include "cuda/common.cuh"
#include "cuda/luma.cuh"

constexpr unsigned THREADS = 256;
// Differences of a block.
constexpr unsigned CHUNK = 2048;
constexpr unsigned NODES = 97;
// Distance of two nodes, in radians a spread: 6 / narrowest bandwidth / intervals.
constexpr double STEP = 6.0 / 0.5 / (NODES - 1);
// Floor of the spread, for flat targets.
constexpr double MIN_SPREAD = 1e-3;

struct Sizes {
    unsigned n, h, w, parts;
};

// The differences of one direction: of each pixel to its right neighbour (0) or its lower one (1), in row-major order.
struct Differences {
    unsigned w, columns, step, count;

    __device__ Differences(const Sizes& s, unsigned direction) : w(s.w) {
        columns = direction == 0 ? s.w - 1 : s.w;
        step = direction == 0 ? 1 : s.w;
        count = (direction == 0 ? s.h : s.h - 1) * columns;
    }
    template <class T>
    __device__ double of(const T* planes, unsigned area, unsigned i) const {
        const unsigned pixel = i / columns * w + i % columns;
        return luma(planes, area, pixel + step) - luma(planes, area, pixel);
    }
};

// Place of an image's direction in lists of them.
__device__ __forceinline__ size_t place(unsigned image, unsigned direction) {
    return size_t(image) * 2 + direction;
}

template <class T>
__device__ __forceinline__ const T* planes(const T* a, const T* target, const Sizes& s, unsigned image) {
    const size_t size = size_t(3) * s.h * s.w;
    return image < s.n ? a + image * size : target + (image - s.n) * size;
}

// Of this block's differences: the largest, and the sums of exp(d - largest) and of its square. `partial` is
// 2n x 2 x parts x 3.
template <class T>
__device__ __forceinline__ void softmax(const T* a, const T* target, double* partial, const Sizes& s) {
    constexpr unsigned EACH = CHUNK / THREADS;
    const Differences differences(s, blockIdx.y);
    const T* image = planes(a, target, s, blockIdx.z);
    double of[EACH], largest = -HUGE_VAL;
#pragma unroll
    for (unsigned k = 0; k < EACH; ++k) {
        const unsigned i = blockIdx.x * CHUNK + k * THREADS + threadIdx.x;
        of[k] = i < differences.count ? differences.of(image, s.h * s.w, i) : -HUGE_VAL;
        largest = larger(largest, of[k]);
    }
    largest = block_largest<THREADS>(largest);
    // A part all of whose differences are minus infinity has sums of 0, not NaN.
    const double around = largest == -HUGE_VAL ? 0 : largest;
    double sums[2] = {0, 0};
#pragma unroll
    for (unsigned k = 0; k < EACH; ++k) {
        const double e = exp(of[k] - around);
        sums[0] += e;
        sums[1] += e * e;
    }
    block_sum<THREADS>(sums);
    if (threadIdx.x != 0) return;
    double* to = partial + 3 * (place(blockIdx.z, blockIdx.y) * s.parts + blockIdx.x);
    to[0] = largest;
    to[1] = sums[0];
    to[2] = sums[1];
}

// How differences become samples: count * softmax - 1 = exp(d - largest) * scale - 1.
struct Softmax {
    double largest, scale;

    __device__ __forceinline__ double operator()(double d) const {
        return exp(d - largest) * scale - 1;
    }
};

// One warp a block, for image blockIdx.y and direction blockIdx.x: `of` is 2n x 2 x 2. The samples' mean is 0, so that
// their spread (n x 2, the target's alone) follows from the sums.
__device__ __forceinline__ void combine(const double* partial, double* of, double* spreads, const Sizes& s) {
    const size_t at = place(blockIdx.y, blockIdx.x);
    const double* from = partial + 3 * at * s.parts;
    double largest = -HUGE_VAL, sum = 0, squares = 0;
    for (unsigned i = threadIdx.x; i < s.parts; i += WARP) largest = larger(largest, from[3 * i]);
    for (int step = WARP / 2; step > 0; step /= 2) largest = larger(largest, __shfl_xor_sync(EVERY_LANE, largest, step));
    for (unsigned i = threadIdx.x; i < s.parts; i += WARP) {
        const double e = exp(from[3 * i] - largest);
        sum += from[3 * i + 1] * e;
        squares += from[3 * i + 2] * e * e;
    }
    sum = warp_sum(sum);
    squares = warp_sum(squares);
    if (threadIdx.x != 0) return;
    const double count = Differences(s, blockIdx.x).count, scale = count / sum;
    of[2 * at] = largest;
    of[2 * at + 1] = scale;
    if (blockIdx.y >= s.n) {
        const double variance = squares * scale * scale / count - 1, spread = sqrt(variance < 0 ? 0 : variance);
        spreads[place(blockIdx.y - s.n, blockIdx.x)] = spread < MIN_SPREAD ? MIN_SPREAD : spread;
    }
}

struct Complex {
    double re, im;
};
__device__ __forceinline__ Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// Warps of a block of `phases`: each adds up some of the nodes for all samples of the block.
constexpr unsigned NODE_WARPS = 4, PHASE_THREADS = NODE_WARPS * WARP;
constexpr unsigned NODES_A_WARP = 25;
static_assert(NODE_WARPS * NODES_A_WARP >= NODES, "every node has its warp");

__device__ __forceinline__ Complex power_of_25(Complex z) {
    const Complex z2 = z * z, z4 = z2 * z2, z8 = z4 * z4;
    return z8 * z8 * z8 * z;
}

// Sums of cosine and sine at each node over this block's samples; `partial` is 2n x 2 x parts x 97 x 2.
template <class T>
__device__ __forceinline__ void phases(const T* a, const T* target, const double* softmaxes, const double* spreads,
                                       double* partial, const Sizes& s) {
    SHARED(Complex, first, PHASE_THREADS);
    const Differences differences(s, blockIdx.y);
    const T* image = planes(a, target, s, blockIdx.z);
    const size_t at = place(blockIdx.z, blockIdx.y);
    const Softmax softmax = {softmaxes[2 * at], softmaxes[2 * at + 1]};
    const double spread = spreads[place(blockIdx.z % s.n, blockIdx.y)];
    const unsigned warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    const unsigned start = blockIdx.x * CHUNK, end = min(start + CHUNK, differences.count);
    double re[NODES_A_WARP] = {}, im[NODES_A_WARP] = {};
    for (unsigned base = start; base < end; base += PHASE_THREADS) {
        const unsigned i = base + threadIdx.x;
        if (i < end) {
            Complex z;
            sincos(softmax(differences.of(image, s.h * s.w, i)) / spread * STEP, &z.im, &z.re);
            first[threadIdx.x] = z;
        }
        __syncthreads();
        for (unsigned j = lane; j < PHASE_THREADS && base + j < end; j += WARP) {
            const Complex z = first[j];
            // The phases of this warp's first node and of the one before.
            Complex now = {1, 0};
            if (warp > 0) {
                const Complex z25 = power_of_25(z);
                now = z25;
                for (unsigned k = 1; k < warp; ++k) now = now * z25;
            }
            Complex before = now * Complex{z.re, -z.im};
            const double twice = 2 * z.re;
#pragma unroll
            for (unsigned k = 0; k < NODES_A_WARP; ++k) {
                re[k] += now.re;
                im[k] += now.im;
                const Complex next = {twice * now.re - before.re, twice * now.im - before.im};
                before = now;
                now = next;
            }
        }
        __syncthreads();
    }
    double* to = partial + 2 * NODES * (at * s.parts + blockIdx.x);
#pragma unroll
    for (unsigned k = 0; k < NODES_A_WARP; ++k) {
        const double sum_re = warp_sum(re[k]), sum_im = warp_sum(im[k]);
        const unsigned node = warp * NODES_A_WARP + k;
        if (lane == 0 && node < NODES) {
            to[2 * node] = sum_re;
            to[2 * node + 1] = sum_im;
        }
    }
}

// Weight of a node: the kernels' spectral density times the trapezoid rule's.
__device__ __forceinline__ double weight(unsigned node) {
    const double w = node * STEP;
    double density = 0;
    for (int k = -1; k <= 1; ++k) {
        const double bandwidth = k < 0 ? 0.5 : k == 0 ? 1 : 2;
        density += 2 * bandwidth / sqrt(2 * 3.14159265358979323846) * exp(-0.5 * (w * bandwidth) * (w * bandwidth));
    }
    return (node == 0 ? 0.5 : 1) * STEP * density / 3;
}

// The loss of image blockIdx.y in direction blockIdx.x, one thread a node: `terms` is n x 2, `slopes`, of cosine and
// sine by a sample's phase, n x 2 x 97 x 2.
__device__ __forceinline__ void slopes(const double* partial, const double* spreads, double* terms, double* slopes,
                                       const Sizes& s) {
    const unsigned node = threadIdx.x, image = blockIdx.y, direction = blockIdx.x;
    const size_t at = place(image, direction);
    double term[1] = {0};
    if (node < NODES) {
        double re[2] = {0, 0}, im[2] = {0, 0};
        for (unsigned which = 0; which < 2; ++which) {
            const double* from = partial + 2 * NODES * place(image + which * s.n, direction) * s.parts;
            for (unsigned part = 0; part < s.parts; ++part) {
                re[which] += from[2 * (part * NODES + node)];
                im[which] += from[2 * (part * NODES + node) + 1];
            }
        }
        const double count = Differences(s, direction).count, w = weight(node);
        const double apart_re = (re[0] - re[1]) / count, apart_im = (im[0] - im[1]) / count;
        term[0] = w * (apart_re * apart_re + apart_im * apart_im);
        const double factor = 2 * w * (node * STEP) / (spreads[at] * count);
        slopes[2 * (at * NODES + node)] = factor * apart_re;
        slopes[2 * (at * NODES + node) + 1] = factor * apart_im;
    }
    block_sum<PHASE_THREADS>(term);
    if (threadIdx.x == 0) terms[at] = term[0];
}

// Derivative of the loss by each sample of a, and the softmax's weight (sample + 1), n x 2 x `stride` each; `weighted`,
// n x 2 x parts, has the sums of their products.
template <class T>
__device__ __forceinline__ void by_sample(const T* a, const double* softmaxes, const double* spreads, const double* slopes,
                                          double* derivatives, double* weights, double* weighted, const Sizes& s,
                                          unsigned stride) {
    constexpr unsigned SIDE_BY_SIDE = 4;
    SHARED(Complex, of_node, NODES);
    const Differences differences(s, blockIdx.y);
    const T* image = planes(a, a, s, blockIdx.z);
    const size_t at = place(blockIdx.z, blockIdx.y);
    const Softmax softmax = {softmaxes[2 * at], softmaxes[2 * at + 1]};
    const double spread = spreads[at];
    if (threadIdx.x < NODES) {
        const double* from = slopes + 2 * (at * NODES + threadIdx.x);
        of_node[threadIdx.x] = {from[0], from[1]};
    }
    __syncthreads();
    const unsigned start = blockIdx.x * CHUNK, end = min(start + CHUNK, differences.count);
    double total[1] = {0};
    for (unsigned base = start; base < end; base += SIDE_BY_SIDE * THREADS) {
        Complex now[SIDE_BY_SIDE], before[SIDE_BY_SIDE];
        double sample[SIDE_BY_SIDE], twice[SIDE_BY_SIDE], sum[SIDE_BY_SIDE];
#pragma unroll
        for (unsigned j = 0; j < SIDE_BY_SIDE; ++j) {
            const unsigned i = base + j * THREADS + threadIdx.x;
            sample[j] = i < end ? softmax(differences.of(image, s.h * s.w, i)) : 0;
            Complex z;
            sincos(sample[j] / spread * STEP, &z.im, &z.re);
            now[j] = {1, 0};
            before[j] = {z.re, -z.im};
            twice[j] = 2 * z.re;
            sum[j] = 0;
        }
        for (unsigned node = 0; node < NODES; ++node) {
            const Complex slope = of_node[node];
#pragma unroll
            for (unsigned j = 0; j < SIDE_BY_SIDE; ++j) {
                sum[j] += slope.im * now[j].re - slope.re * now[j].im;
                const Complex next = {twice[j] * now[j].re - before[j].re, twice[j] * now[j].im - before[j].im};
                before[j] = now[j];
                now[j] = next;
            }
        }
#pragma unroll
        for (unsigned j = 0; j < SIDE_BY_SIDE; ++j) {
            const unsigned i = base + j * THREADS + threadIdx.x;
            if (i >= end) continue;
            derivatives[at * stride + i] = sum[j];
            weights[at * stride + i] = sample[j] + 1;
            total[0] += (sample[j] + 1) * sum[j];
        }
    }
    block_sum<THREADS>(total);
    if (threadIdx.x == 0) weighted[at * s.parts + blockIdx.x] = total[0];
}

// The gradient of image blockIdx.y, one thread a pixel: back through the softmaxes, with s the weights, by
// s (derivative - mean(s derivative)), to both pixels of each difference and to the three channels.
template <class T>
__device__ __forceinline__ void gradient(const double* derivatives, const double* weights, const double* weighted, T* out,
                                         const Sizes& s, unsigned stride) {
    SHARED(double, means, 2);
    const unsigned image = blockIdx.y, warp = threadIdx.x / WARP;
    if (warp < 2) {
        double sum = 0;
        for (unsigned i = threadIdx.x % WARP; i < s.parts; i += WARP) sum += weighted[place(image, warp) * s.parts + i];
        sum = warp_sum(sum);
        if (threadIdx.x % WARP == 0) means[warp] = sum / Differences(s, warp).count;
    }
    __syncthreads();
    const unsigned pixel = blockIdx.x * THREADS + threadIdx.x, area = s.h * s.w;
    if (pixel >= area) return;
    const unsigned y = pixel / s.w, x = pixel % s.w;
    const auto of = [&](unsigned direction, unsigned i) {
        const size_t at = place(image, direction) * stride + i;
        return weights[at] * (derivatives[at] - means[direction]);
    };
    double sum = 0;
    if (x > 0) sum += of(0, y * (s.w - 1) + x - 1);
    if (x + 1 < s.w) sum -= of(0, y * (s.w - 1) + x);
    if (y > 0) sum += of(1, pixel - s.w);
    if (y + 1 < s.h) sum -= of(1, pixel);
    T* to = out + size_t(3) * image * area + pixel;
#pragma unroll
    for (unsigned channel = 0; channel < 3; ++channel) {
        to[size_t(channel) * area] = static_cast<T>(sum * LUMA[channel] / s.n);
    }
}

ENTRY(WARP) combine_all(const double* partial, double* softmaxes, double* spreads, Sizes s) {
    combine(partial, softmaxes, spreads, s);
}
ENTRY(PHASE_THREADS) slopes_all(const double* partial, const double* spreads, double* terms, double* of, Sizes s) {
    slopes(partial, spreads, terms, of, s);
}
EMULATED(combine_all)
EMULATED(slopes_all)

#define OF_TYPE(T, name)                                                                                            \
    ENTRY(THREADS) softmax_##name(const T* a, const T* target, double* partial, Sizes s) {                          \
        softmax(a, target, partial, s);                                                                             \
    }                                                                                                               \
    ENTRY(PHASE_THREADS) phases_##name(const T* a, const T* target, const double* softmaxes, const double* spreads, \
                                       double* partial, Sizes s) {                                                  \
        phases(a, target, softmaxes, spreads, partial, s);                                                          \
    }                                                                                                               \
    ENTRY(THREADS) by_sample_##name(const T* a, const double* softmaxes, const double* spreads, const double* of,   \
                                    double* derivatives, double* weights, double* weighted, Sizes s,                \
                                    unsigned stride) {                                                              \
        by_sample(a, softmaxes, spreads, of, derivatives, weights, weighted, s, stride);                            \
    }                                                                                                               \
    ENTRY(THREADS) gradient_##name(const double* derivatives, const double* weights, const double* weighted, T* out, \
                                   Sizes s, unsigned stride) {                                                      \
        gradient(derivatives, weights, weighted, out, s, stride);                                                   \
    }                                                                                                               \
    EMULATED(softmax_##name)                                                                                        \
    EMULATED(phases_##name)                                                                                         \
    EMULATED(by_sample_##name)                                                                                      \
    EMULATED(gradient_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
