// The memory of a simulated GPU: one range of addresses, given out in the order of streams.

#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <memory>

#include "streams.hpp"

namespace simulated {

using Address = unsigned long long;

// Memory is given out in pieces of this size; behind what was asked for there is a guard.
constexpr size_t PIECE = 512, GUARD = 64;

struct Block {
    size_t size, asked;
};

class Memory {
public:
    // Addresses without anything behind them where nothing is computed, else pages that are taken as they are touched.
    Memory(size_t total, bool addresses_only) : total(total) {
        const int access = addresses_only ? PROT_NONE : PROT_READ | PROT_WRITE;
        void* at = mmap(nullptr, total, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) fail("no addresses for the device's memory");
        base = reinterpret_cast<Address>(at);
    }

    const size_t total;
    // Bytes in use, the most there were, and those that have been in use at any time.
    size_t used = 0, peak = 0, top = 0;

    // The smallest free block that is large enough, or memory that is new; 0 where there is none. What a stream gave back is
    // that stream's alone, until the stream has come so far.
    Address take(size_t asked, const std::shared_ptr<Stream>& stream) {
        const size_t size = (asked + GUARD + PIECE - 1) / PIECE * PIECE;
        auto best = free.end();
        for (auto it = free.begin(); it != free.end(); ++it) {
            const bool open = it->second.given_back.past() || it->second.given_back.stream == stream;
            if (open && it->second.size >= size && (best == free.end() || it->second.size < best->second.size)) best = it;
        }
        Address at = base + top;
        if (best != free.end()) {
            at = best->first;
            const Free rest = {best->second.size - size, best->second.given_back};
            free.erase(best);
            if (rest.size) free[at + size] = rest;
        } else if (top + size > total) {
            return 0;
        } else {
            top += size;
        }
        blocks[at] = {size, asked};
        used += size;
        peak = std::max(peak, used);
        return at;
    }

    // A block that begins at an address, or null.
    const Block* block(Address at) const {
        const auto it = blocks.find(at);
        return it == blocks.end() ? nullptr : &it->second;
    }

    void give_back(Address at, const Moment& when) {
        const size_t size = blocks.at(at).size;
        used -= size;
        blocks.erase(at);
        auto it = free.insert({at, {size, when}}).first;
        // Neighbours become one block, which is given back when the later of them is.
        if (const auto next = std::next(it); next != free.end()) join(it, next);
        if (it != free.begin()) join(std::prev(it), it);
    }

    // Whether a range lies within one block.
    bool within(Address at, size_t bytes) const {
        auto it = blocks.upper_bound(at);
        if (it == blocks.begin()) return bytes == 0;
        --it;
        return bytes == 0 || at + bytes <= it->first + it->second.asked;
    }

private:
    struct Free {
        size_t size;
        Moment given_back;
    };
    Address base = 0;
    std::map<Address, Free> free;
    std::map<Address, Block> blocks;

    void join(std::map<Address, Free>::iterator first, std::map<Address, Free>::iterator second) {
        Free &a = first->second, &b = second->second;
        if (first->first + a.size != second->first) return;
        const bool any = a.given_back.past() || b.given_back.past() || a.given_back.stream == b.given_back.stream;
        if (!any) return;
        const bool later = a.given_back.past() || (!b.given_back.past() && b.given_back.until > a.given_back.until);
        if (later) a.given_back = b.given_back;
        a.size += b.size;
        free.erase(second);
    }
};

}  // namespace simulated
