// A GPU for tests: what our kernels use of CUDA, on one thread of a CPU.
//
// The blocks of a launch run one after the other; a block's threads are fibres (ucontext) that run until they wait, at a
// barrier of the block or at an exchange of their warp. The order in which threads and blocks run is the caller's choice
// (rising or falling), so that a missing barrier shows as a result that depends on it. Shared memory is filled with 0xff
// bytes (NaN) before every block. A barrier that not all threads reach ends the process with one sentence. The address
// and thread sanitizers are told of every change of fibre; to the latter only barriers and exchanges order the threads.

#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif
// swapcontext asks the system for the signal mask every time; past its first turn a fibre is as well off with longjmp. The
// sanitizers know neither jump, and are told of swapcontext.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define JUMPS
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(threads)

using std::fabs, std::fma, std::isfinite, std::min, std::size_t, std::sqrt;

struct Index {
    unsigned x, y, z;
};

namespace emulator {

constexpr unsigned WARP_SIZE = 32;

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "emulator: %s\n", what);
    std::abort();
}

// While there is one, the thread sanitizer does not look at what this fibre does: the emulator's own records are in order by the
// scheduler's turns, of which it is not told, because they are not what orders a GPU's threads.
struct Unwatched {
#ifdef __SANITIZE_THREAD__
    Unwatched() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Unwatched() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
#else
    Unwatched() {}
    ~Unwatched() {}
#endif
};

enum class State { ready, at_barrier, at_exchange, done };

struct Fibre {
    ucontext_t context;
    // Not cleared: a stack that is touched costs its pages alone.
    std::unique_ptr<char[]> stack;
    State state;
    Index thread;
    double exchanged;
#ifdef JUMPS
    jmp_buf here;
    bool begun;
#endif
#ifdef __SANITIZE_THREAD__
    void* known;
#endif
};

struct Block {
    std::vector<Fibre> fibres;
    std::map<std::pair<int, size_t>, std::vector<char>> shared;
    ucontext_t scheduler;
    Fibre* running = nullptr;
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
    Index block, blocks, threads;
#ifdef JUMPS
    jmp_buf here;
#endif
#ifdef __SANITIZE_ADDRESS__
    const void* scheduler_stack = nullptr;
    size_t scheduler_size = 0;
#endif
#ifdef __SANITIZE_THREAD__
    void* scheduler_known = nullptr;
#endif
};

inline Block current;

constexpr size_t STACK = 64 * 1024;

// To the scheduler; comes back when it lets the fibre go on.
inline void leave(State state) {
    Fibre* self = current.running;
    self->state = state;
#ifdef __SANITIZE_THREAD__
    // Others may read what this thread wrote once they have passed the same barrier.
    __tsan_release(&current);
    __tsan_switch_to_fiber(current.scheduler_known, 1);
#endif
#ifdef __SANITIZE_ADDRESS__
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(state == State::done ? nullptr : &fake, current.scheduler_stack, current.scheduler_size);
#endif
#ifdef JUMPS
    if (!_setjmp(self->here)) _longjmp(current.here, 1);
#else
    swapcontext(&self->context, &current.scheduler);
#endif
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(&current);
#endif
}

inline void entry() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &current.scheduler_stack, &current.scheduler_size);
#endif
    current.body(current.argument);
    leave(State::done);
}

inline void resume(Fibre& fibre) {
    current.running = &fibre;
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(fibre.known, 1);
#endif
#ifdef __SANITIZE_ADDRESS__
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fibre.stack.get(), STACK);
#endif
#ifdef JUMPS
    if (!_setjmp(current.here)) {
        if (fibre.begun) _longjmp(fibre.here, 1);
        fibre.begun = true;
        setcontext(&fibre.context);
    }
#else
    swapcontext(&current.scheduler, &fibre.context);
#endif
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    current.running = nullptr;
}

// Lets every warp go on whose threads all wait for an exchange; whether there was one.
inline bool release_warps() {
    bool released = false;
    auto& fibres = current.fibres;
    for (size_t first = 0; first < fibres.size(); first += WARP_SIZE) {
        const size_t end = std::min(first + WARP_SIZE, fibres.size());
        size_t waiting = 0;
        for (size_t i = first; i < end; ++i) waiting += fibres[i].state == State::at_exchange;
        if (waiting != WARP_SIZE) continue;
        for (size_t i = first; i < end; ++i) fibres[i].state = State::ready;
        released = true;
    }
    return released;
}

inline void run_block(bool falling) {
    const Unwatched scheduler;
    auto& fibres = current.fibres;
    for (auto& [key, memory] : current.shared) std::fill(memory.begin(), memory.end(), char(0xff));
    for (size_t i = 0; i < fibres.size(); ++i) {
        Fibre& fibre = fibres[i];
        if (!fibre.stack) fibre.stack.reset(new char[STACK]);
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.get();
        fibre.context.uc_stack.ss_size = STACK;
        fibre.context.uc_link = nullptr;
        makecontext(&fibre.context, entry, 0);
#ifdef JUMPS
        fibre.begun = false;
#endif
        fibre.state = State::ready;
        fibre.thread = {static_cast<unsigned>(i), 0, 0};
#ifdef __SANITIZE_THREAD__
        fibre.known = __tsan_create_fiber(0);
#endif
    }
#ifdef __SANITIZE_THREAD__
    current.scheduler_known = __tsan_get_current_fiber();
    __tsan_release(&current);
#endif
    for (;;) {
        size_t done = 0, waiting = 0;
        for (size_t i = 0; i < fibres.size(); ++i) {
            Fibre& fibre = fibres[falling ? fibres.size() - 1 - i : i];
            if (fibre.state == State::ready) resume(fibre);
        }
        for (const Fibre& fibre : fibres) {
            done += fibre.state == State::done;
            waiting += fibre.state == State::at_barrier;
        }
        if (done == fibres.size()) break;
        if (release_warps()) continue;
        if (waiting != fibres.size()) fail("a barrier or an exchange that not all of its threads reach");
        for (Fibre& fibre : fibres) fibre.state = State::ready;
    }
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(&current);
    for (Fibre& fibre : fibres) __tsan_destroy_fiber(fibre.known);
#endif
}

// Shared memory of the block, by the place of its declaration; every thread is given the same.
template <class T>
T* shared(int place, size_t extent) {
    const Unwatched records;
    auto& memory = current.shared[{place, extent * sizeof(T)}];
    if (memory.empty()) memory.assign(extent * sizeof(T), char(0xff));
    return reinterpret_cast<T*>(memory.data());
}

// Bytes of each of a kernel's parameters; how many there are.
template <class... Parameters>
size_t sizes(void (*)(Parameters...), size_t* bytes) {
    const size_t all[] = {sizeof(Parameters)...};
    std::copy(std::begin(all), std::end(all), bytes);
    return sizeof...(Parameters);
}

template <class... Parameters>
void launch(void (*kernel)(Parameters...), void** arguments, const unsigned* blocks, unsigned threads, unsigned falling) {
    struct Call {
        void (*kernel)(Parameters...);
        std::tuple<Parameters...> values;
    };
    Call call = {kernel, {}};
    size_t i = 0;
    std::apply([&](auto&... value) { (std::memcpy(&value, arguments[i++], sizeof(value)), ...); }, call.values);
    current.fibres.resize(threads);
    current.shared.clear();
    current.blocks = {blocks[0], blocks[1], blocks[2]};
    current.threads = {threads, 1, 1};
    current.argument = &call;
    current.body = [](void* call) {
        const Call& c = *static_cast<Call*>(call);
        std::apply(c.kernel, c.values);
    };
    const size_t count = size_t(blocks[0]) * blocks[1] * blocks[2];
    for (size_t n = 0; n < count; ++n) {
        const size_t at = falling ? count - 1 - n : n;
        current.block = {unsigned(at % blocks[0]), unsigned(at / blocks[0] % blocks[1]), unsigned(at / blocks[0] / blocks[1])};
        run_block(falling);
    }
}

}  // namespace emulator

#define threadIdx (emulator::current.running->thread)
#define blockIdx (emulator::current.block)
#define blockDim (emulator::current.threads)
#define gridDim (emulator::current.blocks)

inline void __syncthreads() {
    emulator::leave(emulator::State::at_barrier);
}

inline double __shfl_xor_sync(unsigned mask, double value, int lanes) {
    if (mask != 0xffffffffu) emulator::fail("only whole warps exchange values");
    const unsigned self = threadIdx.x;
    emulator::current.running->exchanged = value;
    emulator::leave(emulator::State::at_exchange);
    const double received = emulator::current.fibres[self ^ lanes].exchanged;
    // Nobody overwrites a value that is still to be read.
    emulator::leave(emulator::State::at_exchange);
    return received;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}
inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}

#define SHARED(type, name, extent) auto* const name = emulator::shared<type>(__COUNTER__, extent)
// Gives the kernel names that the tests and the simulated GPU find, for any parameters.
#define EMULATED(kernel)                                                                                       \
    extern "C" void emulated_##kernel(void** arguments, const unsigned* blocks, unsigned threads, unsigned falling) { \
        emulator::launch(kernel, arguments, blocks, threads, falling);                                         \
    }                                                                                                          \
    extern "C" size_t sizes_##kernel(size_t* bytes) { return emulator::sizes(kernel, bytes); }
