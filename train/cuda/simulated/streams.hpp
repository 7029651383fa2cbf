// Streams of a simulated GPU: queues that are worked off when somebody waits, and not before.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <set>

#include "device.hpp"

namespace simulated {

struct Stream;

// A place in a stream: what was enqueued before it. Without a stream, a moment that is past.
struct Moment {
    std::shared_ptr<Stream> stream;
    uint64_t until = 0;
    bool past() const;
};

struct Work {
    // May be nothing.
    std::function<void()> run;
    // What has to be done before.
    Moment after;
};

struct Stream {
    std::deque<Work> queue;
    uint64_t enqueued = 0, done = 0;

    void append(std::function<void()> run, Moment after = {}) {
        queue.push_back({std::move(run), std::move(after)});
        enqueued += 1;
    }
};

inline bool Moment::past() const {
    return !stream || stream->done >= until;
}

class Streams {
public:
    // `seed` decides which of several streams goes on.
    explicit Streams(unsigned seed) : drawn(seed) { all.insert(standard); }

    std::shared_ptr<Stream> of(void* handle) {
        // The null stream, and those that each thread has, are one here.
        if (reinterpret_cast<uintptr_t>(handle) <= 2) return standard;
        for (const auto& stream : all)
            if (stream.get() == handle) return stream;
        fail("a stream that is not there");
    }

    void* create() { return all.insert(std::make_shared<Stream>()).first->get(); }
    void destroy(const std::shared_ptr<Stream>& stream) { all.erase(stream); }

    // What is in a stream by now.
    static Moment now(const std::shared_ptr<Stream>& stream) { return {stream, stream->enqueued}; }
    std::set<std::shared_ptr<Stream>> every() const { return all; }

    // Works until a moment is past. The other streams may go on meanwhile, or not.
    void work_off(const Moment& moment) {
        while (!moment.past()) {
            for (const auto& other : all) {
                const bool can = other != moment.stream && !other->queue.empty() && other->queue.front().after.past();
                if (can && drawn() % 2 == 0) step(other);
            }
            step(moment.stream);
        }
    }

private:
    std::set<std::shared_ptr<Stream>> all;
    std::shared_ptr<Stream> standard = std::make_shared<Stream>();
    std::mt19937 drawn;

    // A stream's next work, or towards what it waits for.
    void step(const std::shared_ptr<Stream>& stream) {
        const Moment after = stream->queue.front().after;
        if (!after.past()) {
            // On the way there this stream may have gone on, too.
            work_off(after);
            return;
        }
        const Work work = std::move(stream->queue.front());
        stream->queue.pop_front();
        if (work.run) work.run();
        stream->done += 1;
    }
};

}  // namespace simulated
