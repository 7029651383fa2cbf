#!/usr/bin/env bash
# Builds the libraries of a simulated GPU into a folder, for LD_LIBRARY_PATH: see README.md.
#
#   source train/cuda/toolchain.sh && train/cuda/simulated/build.sh FOLDER PROGRAM...
#
# The programs are those that will be run with it: what they name of NVIDIA's libraries and nothing here simulates becomes a
# function that ends them with its name. Their kernels are told apart by what nvcc made of them, below $CARGO_TARGET_DIR.
set -euo pipefail
out=$1
shift
programs=("$@")
here=$(cd "$(dirname "$0")" && pwd)
train=$(cd "$here/../.." && pwd)
CXX=${CXX:-c++}
mkdir -p "$out/kernels"
rm -f "$out"/*.so* "$out"/kernels/*

# A library: its name, the pattern of its functions' names, then what to compile and link.
library() {
  local name=$1 pattern=$2 missing=$out/missing.cpp
  shift 2
  {
    printf '#include <cstdio>\n#include <cstdlib>\n'
    # Weak: what is defined elsewhere comes first.
    nm -D --undefined-only "${programs[@]}" | sed -n "s/^ *U \($pattern[A-Za-z0-9_]*\)$/\1/p" | sort -u | sed 's/.*/extern "C" __attribute__((weak)) int &() { std::fprintf(stderr, "simulated GPU: & is not simulated\\n"); std::abort(); }/'
  } >"$missing"
  "$CXX" -std=c++17 -O2 -fPIC -shared -Wall -Wextra -Werror -o "$out/$name" -Wl,-soname,"$name" "$missing" "$@"
  rm "$missing"
}
library libcuda.so.1 'cu[A-Z]' "$here/driver.cpp" "$here/modules.cpp" "$here/candle.cpp" -ldl
library libcudnn.so.9 cudnn "$here/cudnn.cpp" "$out/libcuda.so.1"
cublas=$(ldd "${programs[0]}" | sed -n 's/^[[:space:]]*\(libcublas\.so\.[0-9]*\) .*/\1/p')
library "$cublas" cublas "$here/libraries.cpp" "$out/libcuda.so.1"
library libcurand.so.10 curand "$here/libraries.cpp" "$out/libcuda.so.1"

# Every file of kernels, by the emulator of the tests.
find "$train/src/cuda" "$train/src/ops" -name '*.cu' | while read -r source; do
  name=$(basename "$source" .cu)
  [ "$name" != kernels ] || name=$(basename "$(dirname "$source")")
  find "$CARGO_TARGET_DIR/release/build" -path "*/train-*/out/$name.fatbin" -printf "$name %p\n" >>"$out/kernels/list"
  printf '%s\0%s\0' "$source" "$out/kernels/$name.so"
done | xargs -0 -n 2 -P "$(nproc)" sh -c '"$0" -std=c++17 -O2 -fPIC -shared -w -I "$1/src" -I "$1/tests/kernels" -x c++ "$2" -o "$3"' "$CXX" "$train"
