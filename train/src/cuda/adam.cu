// Adam and AdamW, the gradients' squares, and the average of the weights or a copy of them, each one launch for any number of tensors.
//
// `slots` lists the tensors, `gradients` their gradients in the same order (null: the tensor stays as it is), and
// `chunks` the work: a block has CHUNK values of one tensor. Slots and chunks are fixed for a run.

#include "cuda/common.cuh"

constexpr unsigned THREADS = 256;
// Values of a block.
constexpr unsigned CHUNK = 4096;

template <class T>
struct Slot {
    T *value, *first, *second;  // the variable and its moments; for averages `first` is the average
    unsigned long long count;
};

struct Chunk {
    unsigned slot, number;
};

// The constants of one step, in the order of optim::Rule.
template <class T>
struct Rule {
    T keep, decay, beta1, rest1, beta2, rest2, step_size, root_scale, eps;
};

// This block's values.
struct Range {
    size_t start, end;

    __device__ Range(const Chunk& chunk, unsigned long long count) {
        start = size_t(chunk.number) * CHUNK;
        end = start + CHUNK < count ? start + CHUNK : count;
    }
    // Calls body(place) with this thread's packs of V values.
    template <int V, class Body>
    __device__ __forceinline__ void each(Body body) const {
        for (size_t i = start + threadIdx.x * V; i + V <= end; i += THREADS * V) body(i);
    }
    // As packs where they are `aligned`, and what is left value by value.
    template <class T, class Body>
    __device__ __forceinline__ void in_packs(bool aligned, Body body) const {
        if (!aligned) {
            each<1>([&](size_t i) { body.template operator()<1>(i); });
            return;
        }
        each<PACK<T>>([&](size_t i) { body.template operator()<PACK<T>>(i); });
        const size_t left = start + (end - start) / PACK<T> * PACK<T> + threadIdx.x;
        if (left < end) body.template operator()<1>(left);
    }
};

template <class T>
struct Step {
    T *p, *m, *v;
    const T* g;
    Rule<T> rule;
    T factor;

    template <int V>
    __device__ void operator()(size_t i) const {
        Pack<T, V> ps = load<V>(p + i), ms = load<V>(m + i), vs = load<V>(v + i);
        const Pack<T, V> gs = load<V>(g + i);
#pragma unroll
        for (int k = 0; k < V; ++k) {
            const T g = gs.of[k] * factor + rule.decay * ps.of[k];
            ms.of[k] = rule.beta1 * ms.of[k] + rule.rest1 * g;
            vs.of[k] = rule.beta2 * vs.of[k] + rule.rest2 * g * g;
            ps.of[k] = rule.keep * ps.of[k] - rule.step_size * ms.of[k] / (sqrt(vs.of[k]) * rule.root_scale + rule.eps);
        }
        store(p + i, ps);
        store(m + i, ms);
        store(v + i, vs);
    }
};

// One step with the gradients times `*factor` (1 where it is null); a factor that is not finite changes nothing.
template <class T>
__device__ __forceinline__ void adam(const Slot<T>* slots, const T* const* gradients, const Chunk* chunks,
                                     const Rule<T>& rule, const double* factor) {
    const Chunk chunk = chunks[blockIdx.x];
    const Slot<T> slot = slots[chunk.slot];
    const T* g = gradients[chunk.slot];
    const double times = factor ? *factor : 1;
    if (!g || !isfinite(times)) return;
    const bool packs = aligned(slot.value) && aligned(slot.first) && aligned(slot.second) && aligned(g);
    const Step<T> step = {slot.value, slot.first, slot.second, g, rule, static_cast<T>(times)};
    Range(chunk, slot.count).template in_packs<T>(packs, step);
}

template <class T>
struct AddSquares {
    const T* g;
    double* sum;

    template <int V>
    __device__ void operator()(size_t i) const {
        const Pack<T, V> gs = load<V>(g + i);
#pragma unroll
        for (int k = 0; k < V; ++k) *sum += static_cast<double>(gs.of[k]) * gs.of[k];
    }
};

// The sum of each chunk's squared gradients.
template <class T>
__device__ __forceinline__ void squares(const Slot<T>* slots, const T* const* gradients, const Chunk* chunks,
                                        double* partial) {
    const Chunk chunk = chunks[blockIdx.x];
    const T* g = gradients[chunk.slot];
    double sum[1] = {0};
    if (g) Range(chunk, slots[chunk.slot].count).template in_packs<T>(aligned(g), AddSquares<T>{g, sum});
    block_sum<THREADS>(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum[0];
}

// From the sum of squares to {norm, factor}: the global norm of the gradients times `*scale` (1 where it is null), and what to
// multiply these with so that it is at most `limit`, as PyTorch's clip_grad_norm_; not a number where the norm is not finite.
ENTRY(1) clip(const double* squares, double* norm_and_factor, const double* scale, double limit) {
    const double times = scale ? *scale : 1, norm = sqrt(*squares) * times, factor = limit / (norm + 1e-6);
    norm_and_factor[0] = norm;
    norm_and_factor[1] = isfinite(norm) ? times * (factor < 1 ? factor : 1) : norm - norm;
}
EMULATED(clip)

template <class T>
struct Approach {
    const T* value;
    T *average, part;

    template <int V>
    __device__ void operator()(size_t i) const {
        const Pack<T, V> values = load<V>(value + i);
        Pack<T, V> averages = load<V>(average + i);
#pragma unroll
        for (int k = 0; k < V; ++k) averages.of[k] += part * (values.of[k] - averages.of[k]);
        store(average + i, averages);
    }
};

template <class T>
struct Copy {
    const T* value;
    T* average;

    template <int V>
    __device__ void operator()(size_t i) const {
        store(average + i, load<V>(value + i));
    }
};

template <class T>
struct Exchange {
    T *value, *average;

    template <int V>
    __device__ void operator()(size_t i) const {
        const Pack<T, V> values = load<V>(value + i), averages = load<V>(average + i);
        store(value + i, averages);
        store(average + i, values);
    }
};

// Calls the body made of a slot on this block's values.
template <class T, class Make>
__device__ __forceinline__ void on_averages(const Slot<T>* slots, const Chunk* chunks, Make make) {
    const Chunk chunk = chunks[blockIdx.x];
    const Slot<T> slot = slots[chunk.slot];
    Range(chunk, slot.count).template in_packs<T>(aligned(slot.value) && aligned(slot.first), make(slot));
}

// `average` moves the averages by `part` of their distance to the variables, `copy` makes them the same, `swap` exchanges
// both.
#define OF_TYPE(T, name)                                                                                                \
    ENTRY(THREADS) adam_##name(const Slot<T>* slots, const T* const* gradients, const Chunk* chunks, Rule<T> rule,      \
                               const double* factor) {                                                                  \
        adam(slots, gradients, chunks, rule, factor);                                                                   \
    }                                                                                                                   \
    ENTRY(THREADS) squares_##name(const Slot<T>* slots, const T* const* gradients, const Chunk* chunks, double* partial) { \
        squares(slots, gradients, chunks, partial);                                                                     \
    }                                                                                                                   \
    ENTRY(THREADS) average_##name(const Slot<T>* slots, const Chunk* chunks, T part) {                                  \
        on_averages(slots, chunks, [&](const Slot<T>& slot) { return Approach<T>{slot.value, slot.first, part}; });     \
    }                                                                                                                   \
    ENTRY(THREADS) copy_##name(const Slot<T>* slots, const Chunk* chunks) {                                             \
        on_averages(slots, chunks, [](const Slot<T>& slot) { return Copy<T>{slot.value, slot.first}; });                \
    }                                                                                                                   \
    ENTRY(THREADS) swap_##name(const Slot<T>* slots, const Chunk* chunks) {                                             \
        on_averages(slots, chunks, [](const Slot<T>& slot) { return Exchange<T>{slot.value, slot.first}; });            \
    }                                                                                                                   \
    EMULATED(adam_##name)                                                                                               \
    EMULATED(squares_##name)                                                                                            \
    EMULATED(average_##name)                                                                                            \
    EMULATED(copy_##name)                                                                                               \
    EMULATED(swap_##name)

OF_TYPE(float, f32)
OF_TYPE(double, f64)
