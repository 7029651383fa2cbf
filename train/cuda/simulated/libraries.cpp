// What Candle asks of cuBLAS and cuRAND (libcublas, libcurand) of a simulated GPU: see README.md. Nothing here multiplies
// matrices.

#include <algorithm>
#include <random>
#include <utility>

#include "device.hpp"

namespace {

struct Generator {
    void* stream = nullptr;
    std::mt19937 numbers;
};

// Numbers for the device, one after the other.
template <class Next>
int generate(const Generator* g, float* out, size_t count, Next next) {
    std::vector<float> values(count);
    for (float& value : values) value = next();
    simulated::enqueue(g->stream, [out, values = std::move(values)] { std::copy(values.begin(), values.end(), out); });
    return 0;
}

}  // namespace

extern "C" {

int cublasCreate_v2(void** handle) {
    CALL;
    static int one;
    *handle = &one;
    return 0;
}
int cublasDestroy_v2(void*) {
    CALL;
    return 0;
}
int cublasSetStream_v2(void*, void*) {
    CALL;
    return 0;
}

int curandCreateGenerator(void** generator, unsigned) {
    CALL;
    *generator = new Generator;
    return 0;
}
int curandDestroyGenerator(void* generator) {
    CALL;
    delete static_cast<Generator*>(generator);
    return 0;
}
int curandSetStream(void* generator, void* stream) {
    CALL;
    static_cast<Generator*>(generator)->stream = stream;
    return 0;
}
int curandSetPseudoRandomGeneratorSeed(void* generator, unsigned long long seed) {
    CALL;
    static_cast<Generator*>(generator)->numbers.seed(static_cast<unsigned>(seed));
    return 0;
}
// Above 0, up to 1.
int curandGenerateUniform(void* generator, float* out, size_t count) {
    CALL;
    auto* g = static_cast<Generator*>(generator);
    return generate(g, out, count, [g] { return (static_cast<float>(g->numbers() >> 8) + 1) / 16777216.0f; });
}
int curandGenerateNormal(void* generator, float* out, size_t count, float mean, float deviation) {
    CALL;
    auto* g = static_cast<Generator*>(generator);
    return generate(g, out, count, [&] { return std::normal_distribution<float>(mean, deviation)(g->numbers); });
}

}  // extern "C"
