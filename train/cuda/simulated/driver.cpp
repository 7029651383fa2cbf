// The driver (libcuda.so.1) of a simulated GPU: see README.md.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>

#include "memory.hpp"
#include "modules.hpp"
#include "streams.hpp"

using simulated::Address;
using simulated::Kernel;
using simulated::Modules;
using simulated::Moment;
using simulated::Streams;

namespace {

// CUresult
enum Result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719
};

unsigned long long setting(const char* name, unsigned long long otherwise) {
    const char* value = std::getenv(name);
    return value && *value ? std::strtoull(value, nullptr, 10) : otherwise;
}

constexpr unsigned long long GIB = 1ull << 30;
// What lies behind every allocation.
constexpr unsigned char GUARDED = 0xa5;

struct Device {
    std::recursive_mutex mutex;
    const bool dry = setting("VITRINE_SIMULATED_GPU_DRY", 0), eager = setting("VITRINE_SIMULATED_GPU_EAGER", 0);
    Streams streams{static_cast<unsigned>(setting("VITRINE_SIMULATED_GPU_SEED", 1))};
    // An H200's in a dry run, which takes none of this machine's.
    simulated::Memory memory{setting("VITRINE_SIMULATED_GPU_MEMORY", (dry ? 140 : 8) * GIB), dry};
    std::map<Address, size_t> pinned;
    Modules modules;

    std::map<std::string, simulated::Count> counts;
    // Nanoseconds within calls, of which one may call another.
    simulated::Count within = 0;
    unsigned depth = 0;
    std::chrono::steady_clock::time_point began;
    // Launches until the device is lost.
    unsigned long long left = setting("VITRINE_SIMULATED_GPU_LOST_AFTER", ~0ull);

    // In a dry run only the order is kept.
    void append(void* handle, std::function<void()> work) {
        const auto stream = streams.of(handle);
        stream->append(dry ? std::function<void()>() : std::move(work));
        if (eager) streams.work_off(Streams::now(stream));
    }

    void wait(const Moment& moment) {
        if (!moment.past()) counts["waits of the host"] += 1;
        streams.work_off(moment);
    }

    void check(const char* call, Address at, size_t bytes) const {
        if (!memory.within(at, bytes)) simulated::fail(std::string(call) + ": not within memory that is in use");
    }

    bool is_pinned(const void* at) const {
        const auto address = reinterpret_cast<Address>(at);
        const auto it = pinned.upper_bound(address);
        return it != pinned.begin() && address < std::prev(it)->first + std::prev(it)->second;
    }

    ~Device() {
        const char* path = std::getenv("VITRINE_SIMULATED_GPU_REPORT");
        if (!path) return;
        std::ofstream out(path);
        out << "{\n";
        for (const auto& [call, n] : counts) out << "  \"" << call << "\": " << n << ",\n";
        out << "  \"nanoseconds within calls\": " << within << ",\n";
        out << "  \"bytes at most in use\": " << memory.peak << ",\n  \"bytes taken\": " << memory.top << "\n}\n";
    }
};

Device& device() {
    static Device one;
    return one;
}

template <class T = void>
T* memory(Address at) {
    return reinterpret_cast<T*>(at);
}

// Begins a function of the driver.
#define DRIVER_CALL \
    CALL;           \
    [[maybe_unused]] Device& d = device()
// One that a lost device no longer answers.
#define WORKING_CALL \
    DRIVER_CALL;     \
    if (d.left == 0) return LAUNCH_FAILED

}  // namespace

namespace simulated {

void enqueue(void* stream, std::function<void()> work) {
    device().append(stream, std::move(work));
}

Count& count(const std::string& what) {
    Device& d = device();
    const std::lock_guard<std::recursive_mutex> lock(d.mutex);
    return d.counts[what];
}

Call::Call(Count& count) {
    Device& d = device();
    d.mutex.lock();
    count += 1;
    if (d.depth++ == 0) d.began = std::chrono::steady_clock::now();
}

Call::~Call() {
    Device& d = device();
    if (--d.depth == 0)
        d.within += static_cast<Count>((std::chrono::steady_clock::now() - d.began) / std::chrono::nanoseconds(1));
    d.mutex.unlock();
}

void fail(const std::string& what) {
    std::fprintf(stderr, "simulated GPU: %s\n", what.c_str());
    std::abort();
}

}  // namespace simulated

extern "C" {

int cuInit(unsigned) {
    DRIVER_CALL;
    return SUCCESS;
}
int cuDeviceGetCount(int* count) {
    DRIVER_CALL;
    *count = 1;
    return SUCCESS;
}
int cuDeviceGet(int* out, int ordinal) {
    DRIVER_CALL;
    if (ordinal != 0) return INVALID_DEVICE;
    *out = 0;
    return SUCCESS;
}
int cuDeviceGetName(char* name, int length, int) {
    DRIVER_CALL;
    std::snprintf(name, static_cast<size_t>(length), "simulated GPU");
    return SUCCESS;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    DRIVER_CALL;
    // CUdevice_attribute: threads of a block and a warp, multiprocessors, compute capability 9.0, memory pools.
    const std::map<int, int> known = {{1, 1024}, {10, 32}, {16, 132}, {75, 9}, {76, 0}, {115, 1}};
    const auto it = known.find(attribute);
    if (it == known.end()) simulated::fail("the device's attribute " + std::to_string(attribute) + " is not simulated");
    *value = it->second;
    return SUCCESS;
}
int cuGetErrorName(int error, const char** text) {
    switch (error) {
        case INVALID_VALUE: *text = "CUDA_ERROR_INVALID_VALUE"; break;
        case OUT_OF_MEMORY: *text = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case INVALID_DEVICE: *text = "CUDA_ERROR_INVALID_DEVICE"; break;
        case NOT_FOUND: *text = "CUDA_ERROR_NOT_FOUND"; break;
        case LAUNCH_FAILED: *text = "CUDA_ERROR_LAUNCH_FAILED"; break;
        default: *text = "CUDA_ERROR_UNKNOWN";
    }
    return SUCCESS;
}
int cuGetErrorString(int error, const char** text) {
    switch (error) {
        case INVALID_VALUE: *text = "invalid argument"; break;
        case OUT_OF_MEMORY: *text = "out of memory"; break;
        case INVALID_DEVICE: *text = "invalid device ordinal"; break;
        case NOT_FOUND: *text = "named symbol not found"; break;
        case LAUNCH_FAILED: *text = "unspecified launch failure"; break;
        default: *text = "unknown error";
    }
    return SUCCESS;
}

// One context, current in every thread.
int cuDevicePrimaryCtxRetain(void** context, int) {
    DRIVER_CALL;
    *context = &d;
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) {
    DRIVER_CALL;
    return SUCCESS;
}
int cuCtxGetCurrent(void** context) {
    DRIVER_CALL;
    *context = &d;
    return SUCCESS;
}
int cuCtxSetCurrent(void*) {
    DRIVER_CALL;
    return SUCCESS;
}
int cuCtxSynchronize() {
    WORKING_CALL;
    for (const auto& stream : d.streams.every()) d.wait(Streams::now(stream));
    return SUCCESS;
}

int cuStreamCreate(void** out, unsigned) {
    DRIVER_CALL;
    *out = d.streams.create();
    return SUCCESS;
}
int cuStreamDestroy_v2(void* handle) {
    DRIVER_CALL;
    const auto stream = d.streams.of(handle);
    d.streams.work_off(Streams::now(stream));
    d.streams.destroy(stream);
    return SUCCESS;
}
int cuStreamSynchronize(void* handle) {
    WORKING_CALL;
    d.wait(Streams::now(d.streams.of(handle)));
    return SUCCESS;
}
int cuStreamWaitEvent(void* handle, void* event, unsigned) {
    WORKING_CALL;
    d.streams.of(handle)->append(nullptr, *static_cast<Moment*>(event));
    return SUCCESS;
}

int cuEventCreate(void** event, unsigned) {
    DRIVER_CALL;
    *event = new Moment;
    return SUCCESS;
}
int cuEventDestroy_v2(void* event) {
    DRIVER_CALL;
    delete static_cast<Moment*>(event);
    return SUCCESS;
}
int cuEventRecord(void* event, void* handle) {
    WORKING_CALL;
    *static_cast<Moment*>(event) = Streams::now(d.streams.of(handle));
    return SUCCESS;
}
int cuEventSynchronize(void* event) {
    WORKING_CALL;
    d.wait(Moment(*static_cast<Moment*>(event)));
    return SUCCESS;
}

int cuMemAllocAsync(Address* out, size_t bytes, void* handle) {
    WORKING_CALL;
    // As cuMemAlloc is documented; of this one nothing is said.
    if (!bytes) return INVALID_VALUE;
    const auto stream = d.streams.of(handle);
    Address at = d.memory.take(bytes, stream);
    if (!at) {
        // What is on its way may give some back.
        for (const auto& each : d.streams.every()) d.streams.work_off(Streams::now(each));
        at = d.memory.take(bytes, stream);
    }
    if (!at) return OUT_OF_MEMORY;
    const size_t rest = d.memory.block(at)->size - bytes;
    d.append(handle, [=] {
        std::memset(memory(at), 0xff, bytes);
        std::memset(memory(at + bytes), GUARDED, rest);
    });
    *out = at;
    return SUCCESS;
}
int cuMemFreeAsync(Address at, void* handle) {
    WORKING_CALL;
    const simulated::Block* block = d.memory.block(at);
    if (!block) simulated::fail("memory is given back that is not in use");
    d.append(handle, [at, block = *block] {
        const auto* guard = memory<unsigned char>(at);
        for (size_t i = block.asked; i < block.size; ++i)
            if (guard[i] != GUARDED)
                simulated::fail("somebody wrote beyond the end of " + std::to_string(block.asked) + " bytes");
        std::memset(memory(at), 0xff, block.asked);
    });
    d.memory.give_back(at, Streams::now(d.streams.of(handle)));
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(void** pool, int) {
    DRIVER_CALL;
    *pool = &d.memory;
    return SUCCESS;
}
// CUmemPool_attribute
enum { RELEASE_THRESHOLD = 4, RESERVED_CURRENT = 5, RESERVED_HIGH = 6, USED_CURRENT = 7, USED_HIGH = 8 };
int cuMemPoolSetAttribute(void*, int attribute, void* value) {
    DRIVER_CALL;
    if (attribute == RELEASE_THRESHOLD) return SUCCESS;
    if (attribute != USED_HIGH || *static_cast<uint64_t*>(value) != 0) return INVALID_VALUE;
    d.memory.peak = d.memory.used;
    return SUCCESS;
}
int cuMemPoolGetAttribute(void*, int attribute, void* value) {
    DRIVER_CALL;
    const simulated::Memory& m = d.memory;
    const std::map<int, size_t> known = {
        {RESERVED_CURRENT, m.top}, {RESERVED_HIGH, m.top}, {USED_CURRENT, m.used}, {USED_HIGH, m.peak}};
    const auto it = known.find(attribute);
    if (it == known.end()) return INVALID_VALUE;
    *static_cast<uint64_t*>(value) = it->second;
    return SUCCESS;
}
int cuMemHostAlloc(void** out, size_t bytes, unsigned) {
    DRIVER_CALL;
    if (!bytes) return INVALID_VALUE;
    *out = std::malloc(bytes);
    d.pinned[reinterpret_cast<Address>(*out)] = bytes;
    return SUCCESS;
}
int cuMemFreeHost(void* pinned) {
    DRIVER_CALL;
    if (!d.pinned.erase(reinterpret_cast<Address>(pinned))) return INVALID_VALUE;
    std::free(pinned);
    return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* handle) {
    WORKING_CALL;
    d.check(__func__, to, bytes);
    if (d.is_pinned(from)) {
        // Read when its turn comes.
        d.append(handle, [=] { std::memcpy(memory(to), from, bytes); });
    } else {
        // Pages that may move are read before the call returns.
        d.counts["copies from pages that may move"] += 1;
        const auto* begin = static_cast<const char*>(from);
        d.append(handle,
                 [to, copy = std::vector<char>(begin, begin + bytes)] { std::memcpy(memory(to), copy.data(), copy.size()); });
    }
    return SUCCESS;
}
// To pages that may move: all of it is there when the call returns.
int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* handle) {
    WORKING_CALL;
    d.check(__func__, from, bytes);
    if (d.dry) std::memset(to, 0, bytes);
    d.append(handle, [=] { std::memcpy(to, memory(from), bytes); });
    d.wait(Streams::now(d.streams.of(handle)));
    return SUCCESS;
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* handle) {
    WORKING_CALL;
    d.check(__func__, from, bytes);
    d.check(__func__, to, bytes);
    d.append(handle, [=] { std::memmove(memory(to), memory(from), bytes); });
    return SUCCESS;
}
int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void* handle) {
    WORKING_CALL;
    d.check(__func__, to, bytes);
    d.append(handle, [=] { std::memset(memory(to), value, bytes); });
    return SUCCESS;
}

int cuModuleLoadData(void** module, const void* image) {
    WORKING_CALL;
    *module = d.modules.load(image);
    return SUCCESS;
}
int cuModuleUnload(void*) {
    DRIVER_CALL;
    return SUCCESS;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    WORKING_CALL;
    const Kernel* kernel = Modules::find(*static_cast<Modules::Module*>(module), name);
    if (!kernel) return NOT_FOUND;
    *function = const_cast<Kernel*>(kernel);
    return SUCCESS;
}
int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty, unsigned tz, unsigned,
                   void* stream, void** arguments, void**) {
    WORKING_CALL;
    const auto* kernel = static_cast<const Kernel*>(function);
    const bool fits = x && y && z && x < 1u << 31 && y < 65536 && z < 65536 && tx && tx <= 1024 && ty == 1 && tz == 1;
    if (!fits) return INVALID_VALUE;
    d.counts["kernel " + kernel->name] += 1;
    if (--d.left == 0) return LAUNCH_FAILED;
    std::vector<std::vector<char>> values;
    for (size_t i = 0; i < kernel->sizes.size(); ++i) {
        const auto* at = static_cast<const char*>(arguments[i]);
        values.emplace_back(at, at + kernel->sizes[i]);
    }
    d.append(stream, [=]() mutable {
        std::vector<void*> at;
        for (auto& value : values) at.push_back(value.data());
        const unsigned blocks[3] = {x, y, z};
        kernel->run(at.data(), blocks, tx);
    });
    return SUCCESS;
}

}  // extern "C"
