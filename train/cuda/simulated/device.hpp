// What the libraries of a simulated GPU share: see README.md.

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace simulated {

// Appends work to a stream (a CUstream), to be done when somebody waits for it.
void enqueue(void* stream, std::function<void()> work);

// A number of the report.
using Count = unsigned long long;
Count& count(const std::string& what);

// A call of a library while it runs: counted, timed, and the only one.
class Call {
public:
    explicit Call(Count& count);
    ~Call();
    Call(const Call&) = delete;
};
// Begins a function of a library.
#define CALL                                                            \
    static simulated::Count& times_called = simulated::count(__func__); \
    const simulated::Call call(times_called)

// Ends the process with one sentence.
[[noreturn]] void fail(const std::string& what);

// A kernel: bytes of each argument, and what runs it.
struct Kernel {
    std::string name;
    std::vector<size_t> sizes;
    std::function<void(void** arguments, const unsigned* blocks, unsigned threads)> run;
};

// Candle's kernel of a name, or null.
const Kernel* candle(const std::string& name);

}  // namespace simulated
