// Code of a simulated GPU: which kernels an image stands for.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device.hpp"

namespace simulated {

// Files of kernels that were loaded.
class Modules {
public:
    struct Module {
        // Of ours: the file's name, and the library that holds it compiled for the CPU.
        std::string name;
        void* library = nullptr;
        // Of Candle's: its PTX.
        std::string text;
        std::map<std::string, Kernel> kernels;
    };

    Module* load(const void* image);
    // A kernel, or null.
    static const Kernel* find(Module& module, const std::string& name);

private:
    std::vector<std::unique_ptr<Module>> all;
};

}  // namespace simulated
