// The kernels of Candle's that the programs launch, by their names and arguments (candle-kernels, src/*.cu), each as a loop.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "device.hpp"

namespace {

using simulated::Kernel;

// The upper half of an f32; rounds to nearest, ties to even.
struct Bf16 {
    uint16_t bits = 0;
    Bf16() = default;
    Bf16(float value) {
        uint32_t b;
        std::memcpy(&b, &value, 4);
        bits = value != value ? 0x7fff : static_cast<uint16_t>((b + 0x7fff + (b >> 16 & 1)) >> 16);
    }
    operator float() const {
        const uint32_t b = static_cast<uint32_t>(bits) << 16;
        float value;
        std::memcpy(&value, &b, 4);
        return value;
    }
};

// Where the element of a number is, in row-major order of dims.
size_t place(size_t i, size_t dims, const size_t* extents, const size_t* strides) {
    size_t at = 0;
    for (size_t d = dims; d-- > 0; i /= extents[d]) at += i % extents[d] * strides[d];
    return at;
}

template <class... Parameters, class Body, size_t... I>
void call(const Body& body, void** arguments, std::index_sequence<I...>) {
    std::tuple<Parameters...> values;
    (std::memcpy(&std::get<I>(values), arguments[I], sizeof(std::get<I>(values))), ...);
    std::apply(body, values);
}

struct Kernels {
    std::map<std::string, Kernel> all;

    template <class... Parameters, class Body>
    void add(const std::string& name, Body body) {
        const auto run = [body](void** arguments, const unsigned*, unsigned) {
            call<Parameters...>(body, arguments, std::index_sequence_for<Parameters...>());
        };
        all[name] = {name, {sizeof(Parameters)...}, run};
    }

    // out[i] = f(in[i]); in place where there is no input.
    template <class S, class T, class F>
    void unary(const std::string& name, F f) {
        add<size_t, size_t, const size_t*, const S*, T*>(
            name, [f](size_t n, size_t dims, const size_t* info, const S* in, T* out) {
                if (!in) in = reinterpret_cast<const S*>(out);
                for (size_t i = 0; i < n; ++i) out[i] = T(f(in[info ? place(i, dims, info, info + dims) : i]));
            });
    }

    template <class T, class F>
    void binary(const std::string& name, F f) {
        add<size_t, size_t, const size_t*, const T*, const T*, T*>(
            name, [f](size_t n, size_t dims, const size_t* info, const T* a, const T* b, T* out) {
                for (size_t i = 0; i < n; ++i) {
                    const size_t at = info ? place(i, dims, info, info + dims) : i;
                    const size_t bt = info ? place(i, dims, info, info + 2 * dims) : i;
                    out[i] = T(f(a[at], b[bt]));
                }
            });
    }

    template <class T>
    void of_type(const std::string& type) {
        // Arithmetic in f64, rounded once.
        using D = double;
        add<size_t, size_t, const size_t*, T, T*>(
            "const_set_" + type, [](size_t n, size_t dims, const size_t* info, T value, T* out) {
                for (size_t i = 0; i < n; ++i) out[info ? place(i, dims, info, info + dims) : i] = value;
            });
        add<const T*, T*, uint32_t, uint32_t, uint32_t, uint32_t>(
            "copy2d_" + type,
            [](const T* from, T* to, uint32_t rows, uint32_t columns, uint32_t from_stride, uint32_t to_stride) {
                for (size_t y = 0; y < rows; ++y)
                    for (size_t x = 0; x < columns; ++x) to[y * to_stride + x] = from[y * from_stride + x];
            });
        unary<T, T>("ucopy_" + type, [](T v) { return v; });
        unary<T, T>("usqr_" + type, [](T v) { return D(v) * D(v); });
        unary<T, T>("uabs_" + type, [](T v) { return std::fabs(D(v)); });
        unary<T, T>("uneg_" + type, [](T v) { return -D(v); });
        unary<T, T>("usigmoid_" + type, [](T v) { return 1 / (1 + std::exp(-D(v))); });
        binary<T>("badd_" + type, [](T a, T b) { return D(a) + D(b); });
        binary<T>("bsub_" + type, [](T a, T b) { return D(a) - D(b); });
        binary<T>("bmul_" + type, [](T a, T b) { return D(a) * D(b); });
        add<size_t, size_t, const size_t*, const T*, T*, T, T>(
            "affine_" + type, [](size_t n, size_t dims, const size_t* info, const T* in, T* out, T factor, T added) {
                if (!in) in = out;
                for (size_t i = 0; i < n; ++i)
                    out[i] = T(D(in[info ? place(i, dims, info, info + dims) : i]) * D(factor) + D(added));
            });
        add<size_t, size_t, size_t, const size_t*, const T*, T*>(
            "fast_sum_" + type, [](size_t n, size_t each, size_t dims, const size_t* info, const T* in, T* out) {
                for (size_t begin = 0; begin < n; begin += each) {
                    double sum = 0;
                    for (size_t i = begin; i < std::min(begin + each, n); ++i) sum += D(in[place(i, dims, info, info + dims)]);
                    out[begin / each] = T(sum);
                }
            });
        add<size_t, size_t, size_t, const size_t*, const T*, T*>(
            "fast_sum_small_" + type, [](size_t sums, size_t each, size_t dims, const size_t* info, const T* in, T* out) {
                for (size_t i = 0; i < sums; ++i) {
                    double sum = 0;
                    for (size_t j = i * each; j < (i + 1) * each; ++j) sum += D(in[place(j, dims, info, info + dims)]);
                    out[i] = T(sum);
                }
            });
    }

    Kernels() {
        of_type<float>("f32");
        of_type<double>("f64");
        of_type<Bf16>("bf16");
        unary<float, double>("cast_f32_f64", [](float v) { return v; });
        unary<double, float>("cast_f64_f32", [](double v) { return v; });
        unary<float, Bf16>("cast_f32_bf16", [](float v) { return v; });
        unary<Bf16, float>("cast_bf16_f32", [](Bf16 v) { return float(v); });
        unary<double, Bf16>("cast_f64_bf16", [](double v) { return v; });
        unary<Bf16, double>("cast_bf16_f64", [](Bf16 v) { return float(v); });
    }
};

}  // namespace

const Kernel* simulated::candle(const std::string& name) {
    static const Kernels kernels;
    const auto it = kernels.all.find(name);
    return it == kernels.all.end() ? nullptr : &it->second;
}
