// ReLU and absolute value with their gradients, and products with one factor, one pass each: a thread takes one pack of 16 bytes.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;

struct Relu {
    template <class A>
    __device__ static A value(A x) {
        return x < 0 ? 0 : x;
    }
    // From the result; 0 where it is 0, as in PyTorch.
    template <class A>
    __device__ static A gradient(A y, A g) {
        return y <= 0 ? 0 : g;
    }
};

struct Abs {
    template <class A>
    __device__ static A value(A x) {
        return x < 0 ? -x : x;
    }
    // From the argument, whose sign is the argument itself where it is 0 or NaN.
    template <class A>
    __device__ static A gradient(A x, A g) {
        return g * (x > 0 ? A(1) : x < 0 ? A(-1) : x);
    }
};

// Calls body(place, count) for this thread's values: a pack's worth, the last thread fewer.
template <class T, class Body>
__device__ __forceinline__ void each(size_t count, bool packs, Body body) {
    const size_t at = (size_t(blockIdx.x) * THREADS + threadIdx.x) * PACK<T>;
    if (packs && at + PACK<T> <= count) {
        body.template operator()<PACK<T>>(at);
    } else {
        for (int k = 0; k < PACK<T> && at + k < count; ++k) body.template operator()<1>(at + k);
    }
}

template <class T, class F>
struct Forward {
    const T* x;
    T* y;

    template <int V>
    __device__ void operator()(size_t at) const {
        Pack<T, V> values = load<V>(x + at);
#pragma unroll
        for (int k = 0; k < V; ++k) values.of[k] = down<T>(F::value(up(values.of[k])));
        store(y + at, values);
    }
};

template <class T, class F>
struct Gradient {
    const T *known, *g;
    T* gx;

    template <int V>
    __device__ void operator()(size_t at) const {
        const Pack<T, V> values = load<V>(known + at);
        Pack<T, V> gradients = load<V>(g + at);
#pragma unroll
        for (int k = 0; k < V; ++k) {
            gradients.of[k] = down<T>(F::gradient(up(values.of[k]), up(gradients.of[k])));
        }
        store(gx + at, gradients);
    }
};

template <class T>
struct Times {
    const T* x;
    T* y;
    Wide<T> factor;

    template <int V>
    __device__ void operator()(size_t at) const {
        Pack<T, V> values = load<V>(x + at);
#pragma unroll
        for (int k = 0; k < V; ++k) values.of[k] = down<T>(up(values.of[k]) * factor);
        store(y + at, values);
    }
};

// `known` is the result of ReLU, the argument of the absolute value.
#define OF_FUNCTION(F, T, name)                                                                                  \
    ENTRY(THREADS) name(const T* x, T* y, size_t count) {                                                        \
        each<T>(count, aligned(x) && aligned(y), Forward<T, F>{x, y});                                           \
    }                                                                                                            \
    EMULATED(name)
#define OF_GRADIENT(F, T, name)                                                                                  \
    ENTRY(THREADS) name(const T* known, const T* g, T* gx, size_t count) {                                       \
        each<T>(count, aligned(known) && aligned(g) && aligned(gx), Gradient<T, F>{known, g, gx});               \
    }                                                                                                            \
    EMULATED(name)
#define OF_FACTOR(T, name)                                                                                       \
    ENTRY(THREADS) name(const T* x, const T* factor, T* y, size_t count) {                                       \
        each<T>(count, aligned(x) && aligned(y), Times<T>{x, y, up(*factor)});                                   \
    }                                                                                                            \
    EMULATED(name)
#define OF_TYPE(T, name)                  \
    OF_FACTOR(T, times_##name)            \
    OF_FUNCTION(Relu, T, relu_##name)     \
    OF_FUNCTION(Abs, T, abs_##name)       \
    OF_GRADIENT(Relu, T, relu_gradient_##name) \
    OF_GRADIENT(Abs, T, abs_gradient_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
OF_TYPE(bf16, bf16)
