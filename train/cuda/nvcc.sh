#!/usr/bin/env bash
# nvcc as Candle's build calls it, without the hour that nobody uses: its kernels for quantised language models are more than
# nine tenths of what it compiles, and nothing here calls them. They become functions that stop the program; everything else
# goes to the real compiler. toolchain.sh copies this file into its folder and sets VITRINE_NVCC.
set -euo pipefail
source=${*: -1}
case "$source" in
  */moe/*.cu | src/moe/*.cu | src/mmvq_gguf.cu | */mmvq_gguf.cu | src/mmq_gguf/*.cu | */mmq_gguf/*.cu)
    object=
    for ((i = 1; i < $#; i++)); do [ "${!i}" != -o ] || { i=$((i + 1)); object=${!i}; }; done
    # The names are listed once for all of these sources, and so defined with one of them alone.
    case "$source" in
      *moe_gguf.cu) sed -n 's/^ *pub fn \([A-Za-z0-9_]*\)(.*/void \1(void) { __builtin_trap(); }/p' src/ffi.rs ;;
      *) ;;
    esac | cc -x c -c -w -fPIC -o "$object" - ;;
  *) exec "${VITRINE_NVCC:?is set by toolchain.sh}" "$@" ;;
esac
