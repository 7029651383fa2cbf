// cuDNN (libcudnn.so.9) of a simulated GPU, as far as convolutions ask for it: see README.md.
//
// It answers what the library may answer and a test should meet: an algorithm that is estimated the fastest and refuses, one that
// needs its workspace, passes that no algorithm takes with channels last.

#include <cstring>

#include "convolution.hpp"
#include "device.hpp"

namespace {

using namespace simulated;

// cudnnStatus_t
enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };

struct Handle {
    void* stream = nullptr;
};
struct Found {
    unsigned algorithm, status;
    float time;
    size_t memory;
    unsigned deterministic, math;
    int reserved[3];
};
// Algorithms, in the order of the estimate: one that refuses when it is run, one that adds in any order, one with a workspace,
// one without.
enum { REFUSES = 5, LOOSE = 3, SPACIOUS = 1, PLAIN = 0 };

size_t workspace(const Tensor& filters, int algorithm) {
    return algorithm == SPACIOUS ? filters.count() * filters.size() : 0;
}

// What cuDNN refuses for these descriptors whatever the algorithm.
int supports(const Arguments& a) {
    const Tensor &x = a.image, &w = a.filters, &y = a.result;
    const Convolution& c = a.convolution;
    const bool types = x.type == w.type && x.type == y.type && c.sums == (x.type == DOUBLE ? DOUBLE : FLOAT);
    const bool formats = x.format == w.format && x.format == y.format;
    const auto side = [&](int i) { return (x.extents[i] + 2 * c.padding - w.extents[i]) / c.stride + 1; };
    const bool extents = x.extents[0] == y.extents[0] && x.extents[1] == w.extents[1] && w.extents[0] == y.extents[1] &&
                         side(2) == y.extents[2] && side(3) == y.extents[3];
    if (!types || !formats || !extents) return BAD_PARAM;
    const bool last = x.format == NHWC;
    if (last && x.type == DOUBLE) return NOT_SUPPORTED;
    // So that the way round is taken.
    if (last && a.pass == FILTERS && x.extents[1] % 2 == 1) return NOT_SUPPORTED;
    return SUCCESS;
}

int find(void* handle, const Arguments& a, int most, int* count, Found* found, bool measured, size_t room) {
    *count = 0;
    if (const int status = supports(a)) return status;
    const unsigned math = a.convolution.math == TENSOR_OP_MATH ? TENSOR_OP_MATH : DEFAULT_MATH;
    float time = 1;
    for (const int algorithm : {REFUSES, LOOSE, SPACIOUS, PLAIN}) {
        const bool fails = measured && (algorithm == REFUSES || workspace(a.filters, algorithm) > room);
        if (*count == most) break;
        Found& f = found[(*count)++];
        std::memset(&f, 0, sizeof(f));
        f.algorithm = algorithm;
        f.status = fails ? NOT_SUPPORTED : SUCCESS;
        f.time = fails ? -1 : measured ? time++ : -1;
        f.memory = workspace(a.filters, algorithm);
        f.deterministic = algorithm != LOOSE;
        f.math = math;
    }
    if (measured) {
        // What is measured is run, which overwrites what the pass writes.
        void* at = a.at[a.written()];
        const size_t bytes = a.tensor(a.written()).count() * a.tensor(a.written()).size();
        simulated::enqueue(static_cast<Handle*>(handle)->stream, [=] { std::memset(at, 0xff, bytes); });
    }
    return SUCCESS;
}

int run(void* handle, const Arguments& a, unsigned algorithm, void* space, size_t bytes, const void* one, const void* zero) {
    if (const int status = supports(a)) return status;
    if (algorithm == REFUSES) return NOT_SUPPORTED;
    if (bytes < workspace(a.filters, algorithm)) return BAD_PARAM;
    const bool wide = a.image.type == DOUBLE;
    const double alpha = wide ? *static_cast<const double*>(one) : *static_cast<const float*>(one);
    const double beta = wide ? *static_cast<const double*>(zero) : *static_cast<const float*>(zero);
    if (alpha != 1 || beta != 0) simulated::fail("cuDNN is simulated with the factors 1 and 0 alone");
    simulated::enqueue(static_cast<Handle*>(handle)->stream, [=] {
        if (bytes) std::memset(space, 0xff, bytes);
        wide ? compute<double>(a) : compute<float>(a);
    });
    return SUCCESS;
}

Arguments arguments(Pass pass, void* x, void* w, void* c, void* y, const void* px = nullptr, const void* pw = nullptr,
                    const void* py = nullptr) {
    const auto tensor = [](void* t) { return *static_cast<const Tensor*>(t); };
    const auto of = *static_cast<const Convolution*>(c);
    return {tensor(x), tensor(w), tensor(y), of, pass, {const_cast<void*>(px), const_cast<void*>(pw), const_cast<void*>(py)}};
}

int set(void* descriptor, int format, int type, int n, int c, int h, int w) {
    if (n <= 0 || c <= 0 || h <= 0 || w <= 0) return BAD_PARAM;
    *static_cast<Tensor*>(descriptor) = {format, type, {n, c, h, w}};
    return SUCCESS;
}

}  // namespace

extern "C" {

int cudnnCreate(void** handle) {
    CALL;
    *handle = new Handle;
    return SUCCESS;
}
int cudnnDestroy(void* handle) {
    CALL;
    delete static_cast<Handle*>(handle);
    return SUCCESS;
}
int cudnnSetStream(void* handle, void* stream) {
    CALL;
    static_cast<Handle*>(handle)->stream = stream;
    return SUCCESS;
}

int cudnnCreateTensorDescriptor(void** descriptor) {
    CALL;
    *descriptor = new Tensor;
    return SUCCESS;
}
int cudnnDestroyTensorDescriptor(void* descriptor) {
    CALL;
    delete static_cast<Tensor*>(descriptor);
    return SUCCESS;
}
int cudnnSetTensor4dDescriptor(void* descriptor, int format, int type, int n, int c, int h, int w) {
    CALL;
    return set(descriptor, format, type, n, c, h, w);
}
int cudnnCreateFilterDescriptor(void** descriptor) {
    CALL;
    *descriptor = new Tensor;
    return SUCCESS;
}
int cudnnDestroyFilterDescriptor(void* descriptor) {
    CALL;
    delete static_cast<Tensor*>(descriptor);
    return SUCCESS;
}
int cudnnSetFilter4dDescriptor(void* descriptor, int type, int format, int n, int c, int h, int w) {
    CALL;
    return set(descriptor, format, type, n, c, h, w);
}
int cudnnCreateConvolutionDescriptor(void** descriptor) {
    CALL;
    *descriptor = new Convolution;
    return SUCCESS;
}
int cudnnDestroyConvolutionDescriptor(void* descriptor) {
    CALL;
    delete static_cast<Convolution*>(descriptor);
    return SUCCESS;
}
int cudnnSetConvolution2dDescriptor(void* descriptor, int py, int px, int sy, int sx, int dy, int dx, int mode, int sums) {
    CALL;
    if (py != px || sy != sx || dy != 1 || dx != 1 || mode != 1) return NOT_SUPPORTED;
    auto* c = static_cast<Convolution*>(descriptor);
    c->padding = py, c->stride = sy, c->sums = sums;
    return SUCCESS;
}
int cudnnSetConvolutionMathType(void* descriptor, int math) {
    CALL;
    static_cast<Convolution*>(descriptor)->math = math;
    return SUCCESS;
}

int cudnnGetConvolutionForwardAlgorithm_v7(void* handle, void* x, void* w, void* c, void* y, int most, int* count, Found* found) {
    CALL;
    return find(handle, arguments(FORWARD, x, w, c, y), most, count, found, false, 0);
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(void* handle, void* w, void* y, void* c, void* x, int most, int* count,
                                                Found* found) {
    CALL;
    return find(handle, arguments(IMAGE, x, w, c, y), most, count, found, false, 0);
}
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(void* handle, void* x, void* y, void* c, void* w, int most, int* count,
                                                  Found* found) {
    CALL;
    return find(handle, arguments(FILTERS, x, w, c, y), most, count, found, false, 0);
}
int cudnnFindConvolutionForwardAlgorithmEx(void* handle, void* x, const void* px, void* w, const void* pw, void* c, void* y,
                                           void* py, int most, int* count, Found* found, void*, size_t room) {
    CALL;
    return find(handle, arguments(FORWARD, x, w, c, y, px, pw, py), most, count, found, true, room);
}
int cudnnFindConvolutionBackwardDataAlgorithmEx(void* handle, void* w, const void* pw, void* y, const void* py, void* c, void* x,
                                                void* px, int most, int* count, Found* found, void*, size_t room) {
    CALL;
    return find(handle, arguments(IMAGE, x, w, c, y, px, pw, py), most, count, found, true, room);
}
int cudnnFindConvolutionBackwardFilterAlgorithmEx(void* handle, void* x, const void* px, void* y, const void* py, void* c,
                                                  void* w, void* pw, int most, int* count, Found* found, void*, size_t room) {
    CALL;
    return find(handle, arguments(FILTERS, x, w, c, y, px, pw, py), most, count, found, true, room);
}

int cudnnConvolutionForward(void* handle, const void* one, void* x, const void* px, void* w, const void* pw, void* c,
                            unsigned algorithm, void* space, size_t bytes, const void* zero, void* y, void* py) {
    CALL;
    return run(handle, arguments(FORWARD, x, w, c, y, px, pw, py), algorithm, space, bytes, one, zero);
}
int cudnnConvolutionBackwardData(void* handle, const void* one, void* w, const void* pw, void* y, const void* py, void* c,
                                 unsigned algorithm, void* space, size_t bytes, const void* zero, void* x, void* px) {
    CALL;
    return run(handle, arguments(IMAGE, x, w, c, y, px, pw, py), algorithm, space, bytes, one, zero);
}
int cudnnConvolutionBackwardFilter(void* handle, const void* one, void* x, const void* px, void* y, const void* py, void* c,
                                   unsigned algorithm, void* space, size_t bytes, const void* zero, void* w, void* pw) {
    CALL;
    return run(handle, arguments(FILTERS, x, w, c, y, px, pw, py), algorithm, space, bytes, one, zero);
}

// Adds one value a channel.
int cudnnAddTensor(void* handle, const void*, void* a, const void* from, const void*, void* c, void* to) {
    CALL;
    const Tensor bias = *static_cast<Tensor*>(a), image = *static_cast<Tensor*>(c);
    const bool fits = bias.count() == size_t(image.extents[1]) && bias.extents[1] == image.extents[1] && bias.type == image.type;
    if (!fits) return BAD_PARAM;
    simulated::enqueue(static_cast<Handle*>(handle)->stream, [=] {
        const auto added = read<double>(bias, from, false);
        auto values = read<double>(image, to, false);
        const size_t plane = size_t(image.extents[2]) * image.extents[3];
        for (size_t i = 0; i < values.size(); ++i) values[i] += added[i / plane % added.size()];
        write(image, values, to);
    });
    return SUCCESS;
}

}  // extern "C"
