#!/usr/bin/env bash
# What `cargo build --features cuda` needs, on a machine with or without CUDA.
#
#   source train/cuda/toolchain.sh     # then cargo build -p train --features cuda
#
# An installed nvcc is used: $NVCC, one on PATH, or one below $CUDA_HOME or /usr/local/cuda. Where there is none, compiler and
# headers of CUDA 13.0 are installed from PyPI (about 105 MB, once). Libraries that the linker does not find get stand-ins
# that hold their symbols and nothing else: with them everything compiles and links, and starts only where the real ones are.
#
# Everything lies in $VITRINE_CUDA_DIR, by default ~/.cache/vitrine/cuda, cargo's build folder too: it outlives the clone, as
# the kernels that Candle brings along take many minutes to compile.

_cuda_failed() { printf 'toolchain.sh: %s\n' "$*" >&2; return 1; }

_cuda_dir=${VITRINE_CUDA_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/vitrine/cuda}
mkdir -p "$_cuda_dir" && _cuda_dir=$(cd "$_cuda_dir" && pwd) || return 1

# The compiler: prints where it is, or nothing.
_cuda_find_nvcc() {
  local at
  for at in "${NVCC:-}" "$(command -v nvcc)" "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" /usr/local/cuda/bin/nvcc; do
    [ -n "$at" ] && [ -x "$at" ] && [ "$at" != "$_cuda_dir/compiler/bin/nvcc" ] && { readlink -f "$at"; return; }
  done
}

_cuda_install() {
  local venv="$_cuda_dir/toolkit/venv" wheel part
  rm -rf "$_cuda_dir/toolkit" && mkdir -p "$_cuda_dir/toolkit" || return 1
  python3 -m venv "$venv" || { _cuda_failed "python3 -m venv failed: install python3-venv"; return 1; }
  "$venv/bin/pip" install -q --disable-pip-version-check nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 \
    nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 || return 1
  wheel=$(echo "$venv"/lib/python3*/site-packages/nvidia/cu13)
  for part in bin include nvvm; do ln -sfn "$wheel/$part" "$_cuda_dir/toolkit/$part" || return 1; done
  mkdir -p "$_cuda_dir/toolkit/lib64" && ln -sfn lib64 "$_cuda_dir/toolkit/lib" || return 1
  ln -sf "$wheel"/lib/libcuda*.a "$_cuda_dir/toolkit/lib64/"
  ln -sfn "$wheel/lib/libcudart.so.13" "$_cuda_dir/toolkit/lib64/libcudart.so"
  touch "$_cuda_dir/toolkit/.ready"
}

_cuda_nvcc=$(_cuda_find_nvcc) || true
if [ -z "$_cuda_nvcc" ] || [[ $_cuda_nvcc == "$_cuda_dir"/* ]]; then
  [ -e "$_cuda_dir/toolkit/.ready" ] || _cuda_install || return 1
  _cuda_home=$_cuda_dir/toolkit
  _cuda_nvcc=$_cuda_home/bin/nvcc
else
  _cuda_home=$(dirname "$(dirname "$_cuda_nvcc")")
fi
_cuda_version=$("$_cuda_nvcc" --version | sed -n 's/.*release \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
_cuda_major=${_cuda_version% *}
[ "${_cuda_major:-0}" -ge 12 ] || { _cuda_failed "$_cuda_nvcc is not of CUDA 12 or 13: remove it from PATH"; return 1; }

# Whether the linker finds a library.
_cuda_links() {
  local at=(-L"$_cuda_home/lib64" -L"$_cuda_home/lib64/stubs" -L"$_cuda_home/targets/x86_64-linux/lib" -L"$_cuda_home/targets/x86_64-linux/lib/stubs")
  [ -n "${CUDNN_LIB:-}" ] && at+=(-L"$CUDNN_LIB")
  echo 'int main(void) { return 0; }' | cc -x c - -o /dev/null "${at[@]}" -Wl,--no-as-needed -l"$1" -Wl,--unresolved-symbols=ignore-all 2>/dev/null
}

# A stand-in of a library: every function that cudarc declares of it. The driver's answer that there is no device, so that
# programs start with them and say so; nothing calls the others then.
_cuda_stand_in() { # name soname cudarc's-module
  local cudarc source="$_cuda_dir/stand-ins/$1.c" body='__builtin_trap();'
  cudarc=$(find "${CARGO_HOME:-$HOME/.cargo}"/registry/src -maxdepth 2 -name 'cudarc-0.19.*' 2>/dev/null | sort -V | tail -1)
  [ -n "$cudarc" ] || { _cuda_failed "cargo has not fetched its sources yet: run cargo fetch first"; return 1; }
  [ "$1" = cuda ] && body='return 100;'
  {
    sed -n 's/^ *pub unsafe fn \([A-Za-z0-9_]*\).*/\1/p' "$cudarc/src/$3/sys/mod.rs" | sort -u |
      grep -v '^cuGetError' | sed "s/.*/int &(void) { $body }/"
    # CUDA_ERROR_NO_DEVICE
    [ "$1" = cuda ] && printf 'int cuGetError%s(int e, const char **text) { *text = "%s"; return 0; }\n' \
      Name CUDA_ERROR_NO_DEVICE String 'a stand-in of the driver: no GPU can be used'
    true
  } >"$source"
  cc -shared -fPIC -fno-builtin -w -O0 -nostdlib -o "$_cuda_dir/stand-ins/$2" -Wl,-soname,"$2" "$source" &&
    ln -sf "$2" "$_cuda_dir/stand-ins/lib$1.so" && rm "$source"
}

mkdir -p "$_cuda_dir/stand-ins"
for _cuda_library in "cuda libcuda.so.1 driver" "cublas libcublas.so.$_cuda_major cublas" "cublasLt libcublasLt.so.$_cuda_major cublaslt" \
  "curand libcurand.so.10 curand" "cudnn libcudnn.so.9 cudnn" "nvrtc libnvrtc.so.$_cuda_major nvrtc"; do
  read -r -a _cuda_words <<<"$_cuda_library"
  if [ ! -e "$_cuda_dir/stand-ins/lib${_cuda_words[0]}.so" ] && ! _cuda_links "${_cuda_words[0]}"; then
    _cuda_stand_in "${_cuda_words[@]}" || return 1
  fi
done

# 8.0: what Candle compiles runs on that and everything later (as PTX); our own kernels are native for 9.0 too (build.rs).
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
# Candle's build takes the compiler's folder for CUDA's.
mkdir -p "$_cuda_dir/compiler/bin"
ln -sfn "$_cuda_home/include" "$_cuda_dir/compiler/include" && ln -sfn "$_cuda_home/lib64" "$_cuda_dir/compiler/lib64"
_cuda_wrapper=$(dirname "${BASH_SOURCE[0]}")/nvcc.sh
cmp -s "$_cuda_wrapper" "$_cuda_dir/compiler/bin/nvcc" || install -m 755 "$_cuda_wrapper" "$_cuda_dir/compiler/bin/nvcc" || return 1
export VITRINE_NVCC=$_cuda_nvcc NVCC=$_cuda_dir/compiler/bin/nvcc CUDA_HOME=$_cuda_home CUDA_PATH=$_cuda_home
export CARGO_TARGET_DIR=$_cuda_dir/target
# For LD_LIBRARY_PATH, to start what was built where there is no GPU.
export VITRINE_STAND_INS=$_cuda_dir/stand-ins
[ "$_cuda_major" = 13 ] && export CUDARC_CUDA_VERSION=13000
case ":${LIBRARY_PATH:-}:" in
  *":$_cuda_dir/stand-ins:"*) ;;
  *) export LIBRARY_PATH=${LIBRARY_PATH:+$LIBRARY_PATH:}${CUDNN_LIB:+$CUDNN_LIB:}$_cuda_home/lib64:$_cuda_dir/stand-ins ;;
esac
# nvcc by name, for cudarc's build.
case ":$PATH:" in *":$_cuda_home/bin:"*) ;; *) export PATH=$PATH:$_cuda_home/bin ;; esac
