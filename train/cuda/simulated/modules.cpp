#include "modules.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

namespace simulated {

namespace {

// Where this library lies.
std::string folder() {
    Dl_info self;
    if (!dladdr(reinterpret_cast<void*>(&folder), &self)) fail("where is this library?");
    const std::string path = self.dli_fname;
    return path.substr(0, path.rfind('/'));
}

// Which of our files of kernels an image is, by build.sh's list of what the compiler made of them; empty where it is none.
std::string file_of(const void* image) {
    struct {
        uint32_t magic;
        uint16_t version, bytes;
        uint64_t rest;
    } header;
    std::memcpy(&header, image, sizeof(header));
    if (header.magic != 0xba55ed50) return "";
    std::ifstream list(folder() + "/kernels/list");
    for (std::string name, path; list >> name && std::getline(list >> std::ws, path);) {
        std::ifstream file(path, std::ios::binary);
        const std::string known((std::istreambuf_iterator<char>(file)), {});
        const bool same = known.size() == header.bytes + header.rest && !std::memcmp(known.data(), image, known.size());
        if (same) return name;
    }
    fail("code that build.sh did not see: run it again");
}

}  // namespace

Modules::Module* Modules::load(const void* image) {
    auto module = std::make_unique<Module>();
    module->name = file_of(image);
    if (module->name.empty()) {
        module->text = static_cast<const char*>(image);
    } else {
        module->library = dlopen((folder() + "/kernels/" + module->name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!module->library) fail(dlerror());
    }
    all.push_back(std::move(module));
    return all.back().get();
}

const Kernel* Modules::find(Module& module, const std::string& name) {
    if (!module.library) {
        if (module.text.find(".entry " + name + "(") == std::string::npos) return nullptr;
        const Kernel* kernel = candle(name);
        if (!kernel) fail("Candle's kernel " + name + " is not simulated");
        return kernel;
    }
    if (const auto it = module.kernels.find(name); it != module.kernels.end()) return &it->second;
    // What EMULATED in emulator.hpp defines.
    using Run = void (*)(void**, const unsigned*, unsigned, unsigned);
    using Sizes = size_t (*)(size_t*);
    const auto run = reinterpret_cast<Run>(dlsym(module.library, ("emulated_" + name).c_str()));
    const auto sizes = reinterpret_cast<Sizes>(dlsym(module.library, ("sizes_" + name).c_str()));
    if (!run || !sizes) return nullptr;
    std::vector<size_t> bytes(32);
    bytes.resize(sizes(bytes.data()));
    const auto in_order = [run](void** arguments, const unsigned* blocks, unsigned threads) {
        run(arguments, blocks, threads, 0);
    };
    return &(module.kernels[name] = {module.name + "::" + name, bytes, in_order});
}

}  // namespace simulated
