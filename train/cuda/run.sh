#!/usr/bin/env bash
# Tests and benchmarks on the GPU of a machine that needs nothing but NVIDIA's driver and libraries: `./dev cuda` puts this
# beside the programs that it has built. Copy the folder and call
#
#   ./run test     every device test
#   ./run bench    a training step and each operation; beside PyTorch where BENCH_STEP_PEER names its program
#                  (BENCH_STEP_PEER="python3 bench_step.py"), and python3 has torch
#   ./run simulated
#                  the tests on the libraries of a simulated GPU in ./simulated (`./dev test --simulated-gpu` builds them)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

if [ "${1:-}" = simulated ]; then
  export LD_LIBRARY_PATH=$PWD/simulated VITRINE_SIMULATED_GPU=1
fi

# Libraries: as installed, else those of Python's wheels.
missing() { ldd ./train | sed -n 's/^[[:space:]]*\(lib[^ ]*\) => not found.*/\1/p' | sort -u; }
if [ -n "$(missing)" ]; then
  wheels=$(python3 -c 'import glob, sys; print(":".join(p for d in sys.path for p in glob.glob(d + "/nvidia/*/lib")))' 2>/dev/null || true)
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$wheels"
fi
if [ -n "$(missing)" ]; then
  printf 'run: not found on this machine: %s\n' "$(missing | tr '\n' ' ')" >&2
  printf 'run: libcuda is part of the driver; the others are in the CUDA toolkit and cuDNN 9, or in the Python packages\n' >&2
  printf 'run: nvidia-cublas nvidia-curand nvidia-cuda-nvrtc nvidia-cudnn-cu13 (also installed by PyTorch)\n' >&2
  exit 1
fi

# Runs a part, and goes on where it fails: a GPU is not always at hand.
failed=()
part() {
  printf '\n== %s\n' "$*"
  "$@" || failed+=("$1")
}

# The result of all parts.
ended() {
  if [ ${#failed[@]} != 0 ]; then
    printf 'run: failed: %s\n' "${failed[*]}" >&2
    exit 1
  fi
  echo "All device tests passed."
}

export CARGO_MANIFEST_DIR=$PWD/repository/train VITRINE_TRAIN=$PWD/train VITRINE_REQUIRE_GPU=1
case ${1:-} in
  test)
    part ./train doctor
    # One test after another: what fails is then what it says, and each has the GPU's memory for itself.
    part ./tests/ops --test-threads=1 --nocapture cuda::
    part ./tests/gpu --test-threads=1 --nocapture
    part ./tests/precision --test-threads=1 --nocapture
    ended ;;
  simulated)
    part ./train doctor
    part ./tests/ops --test-threads=1 cuda::
    part ./tests/gpu --test-threads=1
    part ./tests/simulated --test-threads=1 --nocapture
    # That the benchmarks come to their end; what they print means nothing here.
    export VITRINE_SIMULATED_GPU_DRY=1
    BENCH_ROUNDS=1 part ./benches/gpu >/dev/null
    OPS_DEVICE=cuda:0 OPS_BATCH=16 part ./benches/ops >/dev/null
    ended ;;
  bench)
    ./benches/gpu
    if python3 -c 'import torch' 2>/dev/null; then
      python3 compare_ops.py --program ./benches/ops --device cuda --batch 16 --rounds 1
    else
      OPS_DEVICE=cuda:0 OPS_BATCH=16 ./benches/ops
    fi ;;
  *) echo "usage: ./run test | bench | simulated" >&2; exit 2 ;;
esac
